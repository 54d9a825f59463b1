//! The world: the wanted state of all hosts and links at one moment.
//!
//! A pure value. The world of a moment is the healthy one, bent by every fault active then, in
//! any order. There is no undo anywhere: when a fault ends, the world is folded again without it
//! and the difference is acted upon.

mod host;
mod load;

mod reconcile;

use std::collections::BTreeSet;

use fabric::{HostIndex, LinkPolicy, PolicyTable};

use crate::fault::{Aim, FaultSpec};
use crate::host::Inventory;

pub use host::{ClockBend, Disk, HostWorld, Process, ProcessLimits, clock_error_ns, tighten};
pub use load::{Crowd, LoadBend, LoadWorld};
pub use reconcile::{Action, reached, reconcile};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    hosts: Vec<HostWorld>,
    links: PolicyTable,
    load: LoadWorld,
    /// Sorted.
    crowds: Vec<Crowd>,
}

/// A fault that is active, with whom it hits just now.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveFault {
    /// What it does.
    pub fault: FaultSpec,
    /// Whom it does it to.
    pub aim: Aim,
}

impl ActiveFault {
    /// A fault that hits these hosts.
    #[must_use]
    pub fn at(fault: FaultSpec, hosts: &[HostIndex]) -> ActiveFault {
        ActiveFault {
            fault,
            aim: Aim::at(hosts),
        }
    }
}

/// The world in which exactly these faults are active.
#[must_use]
pub fn fold<'a>(healthy: &World, active: impl IntoIterator<Item = &'a ActiveFault>) -> World {
    let mut world = healthy.clone();
    for one in active {
        one.fault.inner().bend(&mut world, &one.aim);
    }
    world
}

impl World {
    /// Everything runs, nothing is added on any link.
    #[must_use]
    pub fn healthy(hosts: u16) -> Self {
        World::with_network(hosts, LinkPolicy::default())
    }

    /// Everything runs, on a network with this policy on every link.
    #[must_use]
    pub fn with_network(hosts: u16, base: LinkPolicy) -> Self {
        World {
            hosts: vec![HostWorld::default(); usize::from(hosts)],
            links: PolicyTable::uniform(hosts, base),
            load: LoadWorld::default(),
            crowds: Vec::new(),
        }
    }

    /// The number of hosts.
    #[must_use]
    pub fn hosts(&self) -> u16 {
        u16::try_from(self.hosts.len()).expect("made from a u16")
    }

    /// The wanted state of a host.
    #[must_use]
    pub fn host(&self, host: HostIndex) -> &HostWorld {
        &self.hosts[usize::from(host.0)]
    }

    /// The same, to be changed.
    pub fn host_mut(&mut self, host: HostIndex) -> &mut HostWorld {
        &mut self.hosts[usize::from(host.0)]
    }

    /// The wanted process state of a host.
    #[must_use]
    pub fn process(&self, host: HostIndex) -> Process {
        self.host(host).process()
    }

    /// The same world, in which these hosts have not joined yet.
    #[must_use]
    pub fn without(mut self, absent: impl IntoIterator<Item = HostIndex>) -> World {
        for host in absent {
            self.host_mut(host).absent = true;
        }
        self
    }

    /// The wanted load.
    #[must_use]
    pub fn load(&self) -> &LoadWorld {
        &self.load
    }

    /// One more change of the load.
    pub fn add_load(&mut self, bend: LoadBend) {
        self.load.add(bend);
    }

    /// All crowds so far, sorted.
    #[must_use]
    pub fn crowds(&self) -> &[Crowd] {
        &self.crowds
    }

    /// One more crowd.
    pub fn add_crowd(&mut self, crowd: Crowd) {
        self.crowds.push(crowd);
        self.crowds.sort_unstable();
    }

    /// The policy of a link.
    #[must_use]
    pub fn link(&self, from: HostIndex, to: HostIndex) -> &LinkPolicy {
        self.links.get(from, to)
    }

    /// Sets a process to this state unless it is in a worse one.
    pub fn worsen_process(&mut self, host: HostIndex, state: Process) {
        let process = &mut self.host_mut(host).process;
        *process = state.max(*process);
    }

    /// Lays a policy over those that these links have.
    pub fn bend_links(
        &mut self,
        links: impl IntoIterator<Item = (HostIndex, HostIndex)>,
        added: &LinkPolicy,
    ) {
        self.links.compose(links, added);
    }

    /// Every directed link that starts or ends at one of these hosts, each once.
    #[must_use]
    pub fn links_of(&self, hosts: &[HostIndex]) -> BTreeSet<(HostIndex, HostIndex)> {
        let all = || (0..self.hosts()).map(HostIndex);
        hosts
            .iter()
            .flat_map(|host| all().flat_map(move |other| [(*host, other), (other, *host)]))
            .filter(|(from, to)| from != to)
            .collect()
    }

    /// The links whose policy is not that of the other world.
    pub fn bent_links<'a>(
        &'a self,
        other: &'a World,
    ) -> impl Iterator<Item = (HostIndex, HostIndex)> + use<'a> {
        self.links.differences(&other.links)
    }

    /// The links as the fabric takes them.
    #[must_use]
    pub fn policies(&self) -> PolicyTable {
        self.links.clone()
    }

    /// True when the host's process runs in this world and it can exchange packets, both ways,
    /// with enough other running hosts that together they are a majority of all hosts that have
    /// joined.
    ///
    /// This is the rule that says what is *owed*: it looks at the world alone, so it is the same
    /// for every system under test.
    #[must_use]
    pub fn sits_in_majority(&self, host: HostIndex) -> bool {
        if self.process(host) != Process::Running {
            return false;
        }
        let reached = (0..self.hosts())
            .map(HostIndex)
            .filter(|other| *other == host || self.reach_each_other(host, *other))
            .count();
        let joined = self.hosts.iter().filter(|host| !host.absent).count();
        reached * 2 > joined
    }

    fn reach_each_other(&self, one: HostIndex, other: HostIndex) -> bool {
        self.process(other) == Process::Running
            && carries(self.link(one, other))
            && carries(self.link(other, one))
    }

    /// The names of the hosts that are not simply running, for display.
    #[must_use]
    pub fn down(&self, inventory: &Inventory) -> Vec<String> {
        inventory
            .iter()
            .filter(|(index, _)| self.process(*index) != Process::Running)
            .map(|(_, host)| host.id.0.clone())
            .collect()
    }
}

/// True when somebody who sends over this link, as TCP does, may hope for an answer.
fn carries(policy: &LinkPolicy) -> bool {
    !policy.is_cut() && !policy.reset && !policy.jam && !policy.new_connections_blocked
}
