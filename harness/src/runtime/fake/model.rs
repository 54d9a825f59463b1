//! The imitated hosts, links and names: a plain value that answers at once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use fabric::{HostIndex, LinkCounters, LinkReport, PolicyTable};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::history::{Answer, ErrorKind, OperationKind, Outcome};
use crate::host::Inventory;
use crate::plan;
use crate::runtime::{DiskProbe, Probe};
use crate::seed::{self, Stream};
use crate::system::Status;
use crate::world::{HostWorld, Process, clock_error_ns};

/// Time that an imitated host computes.
const THINK_TIME: Duration = Duration::from_micros(500);

/// How an imitated host replies.
#[derive(Debug)]
pub enum Reply {
    /// Not at all.
    Frozen,
    /// It is not there.
    Dead,
    /// With this, after this time.
    After(Duration, Outcome),
}

/// See the module.
#[derive(Debug)]
pub struct Model {
    pub links: PolicyTable,
    processes: Vec<Process>,
    /// What is wrong with each host beside its process.
    bent: Vec<HostWorld>,
    disks: Vec<DiskProbe>,
    addresses: Vec<Ipv4Addr>,
    registry: Vec<HostIndex>,
    mirrors: Vec<HostIndex>,
    names: BTreeMap<String, Entry>,
    counters: BTreeMap<(HostIndex, HostIndex), LinkCounters>,
    rng: ChaCha8Rng,
}

#[derive(Clone, Debug)]
struct Entry {
    owner: HostIndex,
    seq: u64,
    value: String,
    certified: bool,
}

impl Model {
    pub fn new(inventory: &Inventory, system: &plan::System, seed: u64) -> Model {
        let mirrors = inventory
            .group("nodes")
            .into_iter()
            .filter(|host| !inventory.get(*host).joins)
            .take(usize::from(system.mirrors));
        Model {
            links: PolicyTable::uniform(inventory.len(), fabric::LinkPolicy::default()),
            processes: vec![Process::Dead; usize::from(inventory.len())],
            bent: vec![HostWorld::default(); usize::from(inventory.len())],
            disks: vec![DiskProbe::default(); usize::from(inventory.len())],
            addresses: inventory.iter().map(|(_, host)| host.address).collect(),
            registry: inventory.group("registry"),
            mirrors: mirrors.collect(),
            names: BTreeMap::new(),
            counters: BTreeMap::new(),
            rng: seed::generator(seed, Stream::Targets),
        }
    }

    pub fn set_process(&mut self, host: HostIndex, process: Process) {
        self.processes[usize::from(host.0)] = process;
        if process == Process::Running && self.registry.contains(&host) {
            // The registry settles everything as soon as it is back.
            self.names
                .values_mut()
                .for_each(|entry| entry.certified = true);
        }
    }

    pub fn counters(&self) -> Vec<LinkReport> {
        let report = |(link, counters): (&(HostIndex, HostIndex), &LinkCounters)| LinkReport {
            from: link.0,
            to: link.1,
            counters: *counters,
            matched: *counters,
        };
        self.counters.iter().map(report).collect()
    }

    pub fn status(&self, host: HostIndex) -> Option<Status> {
        let running = self.process(host) == Process::Running;
        let roles = self.mirrors.contains(&host).then(|| "mirror".to_owned());
        running.then(|| Status {
            ready: true,
            roles: roles.into_iter().collect(),
            ..Status::default()
        })
    }

    /// Who holds a name: every mirror.
    pub fn replicas(&self, host: HostIndex, _name: &str) -> Option<Vec<Ipv4Addr>> {
        let address = |mirror: &HostIndex| self.addresses[usize::from(mirror.0)];
        let running = self.process(host) == Process::Running;
        running.then(|| self.mirrors.iter().map(address).collect())
    }

    pub fn bent_mut(&mut self, host: HostIndex) -> &mut HostWorld {
        &mut self.bent[usize::from(host.0)]
    }

    /// What can be read of a host: its faults as they were set, as if each took effect.
    pub fn probe(&self, host: HostIndex, at_us: u64) -> Probe {
        let bent = &self.bent[usize::from(host.0)];
        let disk = self.disks[usize::from(host.0)];
        let held = bent.limits.cpu_ppm.map(|_| Duration::from_micros(at_us));
        Probe {
            cpu_held: held.unwrap_or_default(),
            cpu_used: Duration::ZERO,
            memory_limit: bent.limits.memory_bytes,
            files_limit: bent.limits.files,
            clock_error_ns: Some(clock_error_ns(&bent.clock, at_us)),
            disk,
        }
    }

    /// Every operation is one on each disk.
    fn use_disks(&mut self) {
        for (bent, disk) in self.bent.iter().zip(&mut self.disks) {
            disk.refused_full += u64::from(bent.disk.free_bytes.is_some());
            disk.refused_read_only += u64::from(bent.disk.read_only);
            disk.delayed += u64::from(bent.disk.slow_us > 0);
            disk.delay_total += Duration::from_micros(bent.disk.slow_us);
        }
    }

    /// What a running host holds: everything, when it is the registry or a mirror.
    pub fn digest(&self, host: HostIndex) -> Option<BTreeMap<String, String>> {
        let running = self.process(host) == Process::Running;
        let holds = self.registry.contains(&host) || self.mirrors.contains(&host);
        let version = |(name, entry): (&String, &Entry)| {
            (name.clone(), format!("{}:{}", entry.seq, entry.value))
        };
        running.then(|| self.names.iter().filter(|_| holds).map(version).collect())
    }

    pub fn operate(
        &mut self,
        host: HostIndex,
        kind: OperationKind,
        name: &str,
        value: &str,
    ) -> Reply {
        self.use_disks();
        match self.process(host) {
            Process::Dead | Process::Left => return Reply::Dead,
            Process::Paused => return Reply::Frozen,
            Process::Running => {}
        }
        let (registry, mirrors) = (self.registry.clone(), self.mirrors.clone());
        let central = registry
            .iter()
            .filter(|peer| self.exchange(host, **peer))
            .count()
            > 0;
        let reached = mirrors
            .iter()
            .filter(|peer| self.exchange(host, **peer))
            .count();
        let quorum = !mirrors.is_empty() && reached * 2 > mirrors.len();
        let waited_for = if quorum { &mirrors } else { &registry };
        let delay = THINK_TIME + self.majority_round_trip(host, waited_for);
        let outcome = if central || quorum {
            self.serve(host, kind, name, value, central, quorum)
        } else {
            let detail = "neither the registry nor a majority of the mirrors".into();
            Outcome::Fail {
                error: ErrorKind::Unavailable,
                detail,
            }
        };
        Reply::After(delay, outcome)
    }

    fn serve(
        &mut self,
        host: HostIndex,
        kind: OperationKind,
        name: &str,
        value: &str,
        central: bool,
        quorum: bool,
    ) -> Outcome {
        let refuse = |error, detail: &str| Outcome::Fail {
            error,
            detail: detail.into(),
        };
        match (kind, self.names.get_mut(name)) {
            (OperationKind::Register, Some(entry)) if entry.owner != host => {
                return refuse(ErrorKind::Taken, "taken");
            }
            (OperationKind::Register, None) => {
                let (value, certified) = (value.to_owned(), central);
                let entry = Entry {
                    owner: host,
                    seq: 1,
                    value,
                    certified,
                };
                self.names.insert(name.to_owned(), entry);
            }
            (OperationKind::Update, Some(entry)) if entry.owner == host => {
                entry.seq += 1;
                value.clone_into(&mut entry.value);
            }
            (OperationKind::Update, Some(_)) => return refuse(ErrorKind::NotOwner, "not_owner"),
            (OperationKind::Update | OperationKind::Resolve, None) => {
                return refuse(ErrorKind::NotFound, "not_found");
            }
            (OperationKind::Register | OperationKind::Resolve, Some(_)) => {}
        }
        let entry = self.names[name].clone();
        let is_read = kind == OperationKind::Resolve;
        Outcome::Ok(Answer {
            owner: Some(format!("owner-{}", entry.owner.0)),
            seq: Some(entry.seq),
            value: is_read.then_some(entry.value),
            certified: entry.certified,
            mirrored: !is_read && quorum,
            confirmed: is_read && quorum,
            stale: false,
            source: is_read.then(|| if quorum { "mirrors" } else { "registry" }.to_owned()),
        })
    }

    fn process(&self, host: HostIndex) -> Process {
        self.processes[usize::from(host.0)]
    }

    fn reach_each_other(&self, one: HostIndex, other: HostIndex) -> bool {
        self.process(other) == Process::Running
            && !self.links.get(one, other).is_cut()
            && !self.links.get(other, one).is_cut()
    }

    /// The time until a majority of these peers has answered, as far as they are reachable.
    fn majority_round_trip(&self, host: HostIndex, peers: &[HostIndex]) -> Duration {
        let round_trip = |peer: &HostIndex| {
            self.links.get(host, *peer).mean_latency() + self.links.get(*peer, host).mean_latency()
        };
        let reachable = peers
            .iter()
            .filter(|peer| self.reach_each_other(host, **peer));
        let mut times: Vec<Duration> = reachable.map(round_trip).collect();
        times.sort_unstable();
        times
            .get(peers.len() / 2)
            .or(times.last())
            .copied()
            .unwrap_or_default()
    }

    /// A request and its reply, counted as packets; lost ones are sent again, as TCP would.
    fn exchange(&mut self, from: HostIndex, to: HostIndex) -> bool {
        if from == to {
            return true;
        }
        let arrived = self.send(from, to);
        arrived && self.process(to) == Process::Running && self.send(to, from)
    }

    fn send(&mut self, from: HostIndex, to: HostIndex) -> bool {
        let policy = self.links.get(from, to).clone();
        let counters = self.counters.entry((from, to)).or_default();
        if policy.is_cut() {
            counters.dropped_blocked += 1;
            return false;
        }
        while self.rng.random::<f64>() < policy.loss_share() {
            counters.dropped_loss += 1;
        }
        let delay_us = u64::try_from(policy.mean_latency().as_micros()).unwrap_or(u64::MAX);
        counters.passed += 1;
        counters.delayed += u64::from(delay_us > 0);
        counters.delay_us_total += delay_us;
        counters.delay_us_max = counters.delay_us_max.max(delay_us);
        true
    }
}
