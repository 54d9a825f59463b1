//! The timeline: faults start and stop at their edges, and what they did is measured.
//!
//! At each edge the set of active faults changes, the world is folded anew from the healthy one,
//! and the laboratory is brought to it. There is no undo. Before and after each fault the
//! counters of the links it bends are read; the difference is its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use fabric::{HostIndex, LinkCounters};

use super::{Lab, LabError};
use crate::fault::{Count, Proof};
use crate::history::{EventKind, Evidence};
use crate::runtime::{Observed, Runtime};
use crate::schedule::{DYNAMIC_GROUPS, Edge, EdgeKind, Schedule};
use crate::world::{ActiveFault, World, fold};

/// The counters of every link that was used.
type Counters = BTreeMap<(HostIndex, HostIndex), LinkCounters>;

/// The faults that are active, and what was seen when each began.
#[derive(Debug)]
pub struct Timeline<'a> {
    schedule: &'a Schedule,
    healthy: World,
    active: BTreeMap<usize, Active>,
}

#[derive(Debug)]
struct Active {
    fault: ActiveFault,
    before: Snapshot,
    /// The world right after the fault had begun.
    world: World,
}

/// What is read at a fault's edges.
#[derive(Debug)]
struct Snapshot {
    counters: Counters,
    processes: Vec<(HostIndex, Observed)>,
}

impl<'a> Timeline<'a> {
    /// Nothing is active yet.
    #[must_use]
    pub fn new(schedule: &'a Schedule) -> Self {
        Timeline {
            schedule,
            healthy: schedule.healthy(),
            active: BTreeMap::new(),
        }
    }

    /// Carries out all edges, each at its time after `clock`, then waits for the timeline's end.
    ///
    /// # Errors
    /// When the laboratory cannot be brought to a world.
    pub async fn run<R: Runtime>(
        &mut self,
        lab: &mut Lab<R>,
        clock: Instant,
    ) -> Result<(), LabError> {
        let edges = self.schedule.edges.clone();
        for together in edges.chunk_by(|one, other| one.at_us == other.at_us) {
            let at = clock + Duration::from_micros(together[0].at_us);
            tokio::time::sleep_until(at).await;
            self.cross(lab, together).await?;
        }
        let end = clock + Duration::from_micros(self.schedule.timeline_us);
        tokio::time::sleep_until(end).await;
        Ok(())
    }

    /// Ends every fault that can end, and brings the laboratory back to health.
    ///
    /// # Errors
    /// When the laboratory cannot be brought to health.
    pub async fn heal<R: Runtime>(&mut self, lab: &mut Lab<R>) -> Result<(), LabError> {
        let stop = |fault: &usize| Edge {
            at_us: 0,
            fault: *fault,
            edge: EdgeKind::Stop,
        };
        let lasting: Vec<Edge> = self
            .active
            .iter()
            .filter(|(_, active)| !active.fault.fault.inner().is_instant())
            .map(|(fault, _)| stop(fault))
            .collect();
        self.cross(lab, &lasting).await
    }

    /// Applies edges that are at the same moment, as one change of the world.
    async fn cross<R: Runtime>(
        &mut self,
        lab: &mut Lab<R>,
        edges: &[Edge],
    ) -> Result<(), LabError> {
        let starting = |kind| move |edge: &&Edge| edge.edge == kind;
        let mut started = Vec::new();
        for edge in edges.iter().filter(starting(EdgeKind::Stop)) {
            self.stop(lab, edge.fault).await?;
        }
        for edge in edges.iter().filter(starting(EdgeKind::Start)) {
            self.start(lab, edge.fault).await?;
            started.push(edge.fault);
        }
        let world = fold(
            &self.healthy,
            self.active.values().map(|active| &active.fault),
        );
        lab.apply(world.clone()).await?;
        for fault in started {
            self.begun(lab, fault, &world).await?;
        }
        Ok(())
    }

    async fn start<R: Runtime>(&mut self, lab: &Lab<R>, number: usize) -> Result<(), LabError> {
        let targets = self
            .schedule
            .targets(number, &dynamic_groups(self.schedule, number, lab).await);
        let fault = ActiveFault {
            fault: self.schedule.faults[number].fault.clone(),
            targets,
        };
        let names = fault
            .targets
            .iter()
            .map(|host| lab.inventory.get(*host).id.clone());
        let event = EventKind::FaultStarted {
            fault: number,
            targets: names.collect(),
        };
        lab.sink.emit(event).await;
        let before = snapshot(lab, &fault.targets)?;
        let world = self.healthy.clone();
        self.active.insert(
            number,
            Active {
                fault,
                before,
                world,
            },
        );
        Ok(())
    }

    /// Notes the world a fault began in; an instant fault is measured and over at once.
    async fn begun<R: Runtime>(
        &mut self,
        lab: &Lab<R>,
        number: usize,
        world: &World,
    ) -> Result<(), LabError> {
        let Some(active) = self.active.get_mut(&number) else {
            return Ok(());
        };
        active.world = world.clone();
        if active.fault.fault.inner().is_instant() {
            self.measure(lab, number).await?;
            lab.sink
                .emit(EventKind::FaultStopped { fault: number })
                .await;
        }
        Ok(())
    }

    async fn stop<R: Runtime>(&mut self, lab: &Lab<R>, number: usize) -> Result<(), LabError> {
        self.measure(lab, number).await?;
        self.active.remove(&number);
        lab.sink
            .emit(EventKind::FaultStopped { fault: number })
            .await;
        Ok(())
    }

    /// Records what was measured of a fault since it began.
    async fn measure<R: Runtime>(&self, lab: &Lab<R>, number: usize) -> Result<(), LabError> {
        let Some(active) = self.active.get(&number) else {
            return Ok(());
        };
        let after = snapshot(lab, &active.fault.targets)?;
        let evidence = evidence(active, &after, &self.healthy);
        lab.sink
            .emit(EventKind::Measured {
                fault: number,
                evidence,
            })
            .await;
        Ok(())
    }
}

/// Who is in the role-dependent groups that a fault is aimed at, as the hosts say right now.
async fn dynamic_groups<R: Runtime>(
    schedule: &Schedule,
    number: usize,
    lab: &Lab<R>,
) -> BTreeMap<String, Vec<HostIndex>> {
    let mut groups = BTreeMap::new();
    if schedule.faults[number].targets.is_some() {
        return groups;
    }
    let statuses = lab.statuses().await;
    for group in DYNAMIC_GROUPS {
        let role = group.trim_end_matches('s');
        let members = statuses
            .iter()
            .filter(|(_, status)| {
                status
                    .as_ref()
                    .is_some_and(|status| status.roles.iter().any(|one| one == role))
            })
            .map(|(host, _)| *host)
            .collect();
        groups.insert((*group).to_owned(), members);
    }
    groups
}

fn snapshot<R: Runtime>(lab: &Lab<R>, targets: &[HostIndex]) -> Result<Snapshot, LabError> {
    let reports = lab.runtime.link_counters()?;
    let observe = |host: &HostIndex| (*host, *lab.runtime.observe(*host).borrow());
    Ok(Snapshot {
        counters: reports
            .into_iter()
            .map(|one| ((one.from, one.to), one.counters))
            .collect(),
        processes: targets.iter().map(observe).collect(),
    })
}

/// What happened between two snapshots on the hosts and links that a fault bends.
fn evidence(active: &Active, after: &Snapshot, healthy: &World) -> Evidence {
    let alone = fold(healthy, [&active.fault]);
    let bent: BTreeSet<(HostIndex, HostIndex)> = alone.bent_links(healthy).collect();
    let mut sum = LinkCounters::default();
    let mut requested_us_total = 0u128;
    for link in &bent {
        let before = active
            .before
            .counters
            .get(link)
            .copied()
            .unwrap_or_default();
        let used = after.counters.get(link).copied().unwrap_or_default() - before;
        let mean = active.world.link(link.0, link.1).mean_latency();
        requested_us_total += u128::from(used.passed) * mean.as_micros();
        sum += used;
    }
    let mean_us = |total: u128| {
        let mean = total.checked_div(u128::from(sum.passed))?;
        u64::try_from(mean).ok()
    };
    Evidence {
        hosts_seen: hosts_seen(active, after),
        packets_passed: sum.passed,
        packets_blocked: sum.dropped_blocked,
        packets_lost: sum.dropped_loss,
        counted: counted(&sum),
        bytes_passed: sum.passed_bytes,
        mean_delay_us: mean_us(u128::from(sum.delay_us_total)),
        requested_delay_us: mean_us(requested_us_total),
    }
}

/// What was done to packets beside passing, blocking and losing them.
fn counted(sum: &LinkCounters) -> BTreeMap<Count, u64> {
    let all = [
        (Count::Duplicated, sum.duplicated),
        (Count::Reordered, sum.reordered),
        (Count::Corrupted, sum.corrupted),
        (Count::Reset, sum.resets),
        (Count::Oversized, sum.dropped_mtu),
        (Count::Jammed, sum.jammed),
        (Count::QueueFull, sum.dropped_queue),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// How many targets' processes are, or were meanwhile, what the fault wants them to be.
fn hosts_seen(active: &Active, after: &Snapshot) -> u32 {
    let as_wanted = |(before, now): (&(HostIndex, Observed), &(HostIndex, Observed))| match active
        .fault
        .fault
        .inner()
        .proof()
    {
        Proof::ProcessExited => !now.1.alive || now.1.starts > before.1.starts,
        Proof::ProcessStopped => now.1.stopped || !now.1.alive,
        Proof::DiskWiped => now.1.wipes > before.1.wipes,
        Proof::PacketsBlocked
        | Proof::PacketsDelayed
        | Proof::PacketsLost
        | Proof::LineBusy
        | Proof::Packets(_) => false,
    };
    let seen = active
        .before
        .processes
        .iter()
        .zip(&after.processes)
        .filter(|pair| as_wanted(*pair));
    u32::try_from(seen.count()).unwrap_or(u32::MAX)
}
