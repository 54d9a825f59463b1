//! What is measured of a fault: what was read before and after, and the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric::{HostIndex, LinkCounters};
use futures::future::join_all;

use super::{Lab, LabError};
use crate::fault::{Count, FaultSpec, Link, Proof};
use crate::history::{ClockEvidence, Evidence};
use crate::runtime::{Observed, Probe, Runtime};
use crate::system::Client;
use crate::world::{ActiveFault, Process, World, clock_error_ns, fold};

/// What is read at a fault's edges.
#[derive(Debug)]
pub struct Snapshot {
    /// The counters of every link that was used.
    counters: BTreeMap<Link, LinkCounters>,
    /// The same, of the packets that a filter means.
    matched: BTreeMap<Link, LinkCounters>,
    targets: Vec<Reading>,
    /// Operations of the workload that were started.
    pub operations: u64,
}

/// What is read of one target.
#[derive(Clone, Copy, Debug)]
struct Reading {
    seen: Observed,
    probe: Probe,
    /// How often bugs bit its process.
    bites: Option<u64>,
}

/// How long a host may take to say something while the timeline waits for it: one that is frozen
/// or held back must not hold up the faults of others.
pub const ASK_PATIENCE: Duration = Duration::from_millis(500);

/// What a host answers, if it does so in time.
pub async fn answered<T, E>(asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(ASK_PATIENCE, asked).await.ok()?.ok()
}

/// Reads everything that the evidence of a fault with these targets may need.
pub async fn snapshot<R: Runtime>(
    lab: &Lab<R>,
    fault: &FaultSpec,
    targets: &[HostIndex],
) -> Result<Snapshot, LabError> {
    let reports = lab.runtime.link_counters()?;
    let asks_for_bites = fault.inner().proof() == Proof::Counted(Count::BugBites);
    let read = |host: HostIndex| async move {
        let bites = match asks_for_bites {
            true => answered(lab.runtime.client(host).bug_bites()).await,
            false => None,
        };
        Reading {
            seen: *lab.runtime.observe(host).borrow(),
            probe: lab.runtime.probe(host),
            bites,
        }
    };
    let targets = join_all(targets.iter().copied().map(read)).await;
    let matched = reports.iter().map(|one| ((one.from, one.to), one.matched));
    Ok(Snapshot {
        matched: matched.collect(),
        counters: reports
            .iter()
            .map(|one| ((one.from, one.to), one.counters))
            .collect(),
        targets,
        operations: lab.operator.started(),
    })
}

/// What happened between two snapshots on the hosts and links that a fault bends. `alone` is the
/// fault with all of its targets, `world` the world that it began in.
pub fn evidence(
    alone: &ActiveFault,
    world: &World,
    healthy: &World,
    before: &Snapshot,
    after: &Snapshot,
) -> Evidence {
    let bent: BTreeSet<Link> = fold(healthy, [alone]).bent_links(healthy).collect();
    let of_some = !alone.aim.filter.matches_all();
    let (old, new) = match of_some {
        true => (&before.matched, &after.matched),
        false => (&before.counters, &after.counters),
    };
    let mut sum = LinkCounters::default();
    let mut requested_us_total = 0u128;
    for link in &bent {
        let old = old.get(link).copied().unwrap_or_default();
        let used = new.get(link).copied().unwrap_or_default() - old;
        let mean = asked_latency(world, *link, alone);
        requested_us_total += u128::from(used.passed) * mean.as_micros();
        sum += used;
    }
    let mean_us = |total: u128| {
        let mean = total.checked_div(u128::from(sum.passed))?;
        u64::try_from(mean).ok()
    };
    let mut counted = counted_packets(&sum);
    counted.extend(counted_hosts(alone, before, after));
    Evidence {
        hosts_seen: hosts_seen(alone, before, after),
        packets_passed: sum.passed,
        packets_blocked: sum.dropped_blocked,
        packets_lost: sum.dropped_loss,
        counted,
        bytes_passed: sum.passed_bytes,
        mean_delay_us: mean_us(u128::from(sum.delay_us_total)),
        requested_delay_us: mean_us(requested_us_total),
        clock: None,
        load: None,
    }
}

/// The mean latency that packets of a fault are to have on a link.
fn asked_latency(world: &World, link: Link, fault: &ActiveFault) -> Duration {
    let policy = world.link(link.0, link.1);
    let of_filter: Duration = policy
        .filtered
        .iter()
        .filter(|one| one.filter == fault.aim.filter)
        .map(|one| one.policy.mean_latency())
        .sum();
    policy.mean_latency() + of_filter
}

/// What was done to packets beside passing, blocking and losing them.
fn counted_packets(sum: &LinkCounters) -> BTreeMap<Count, u64> {
    let all = [
        (Count::Duplicated, sum.duplicated),
        (Count::Reordered, sum.reordered),
        (Count::Corrupted, sum.corrupted),
        (Count::Reset, sum.resets),
        (Count::Oversized, sum.dropped_mtu),
        (Count::Jammed, sum.jammed),
        (Count::QueueFull, sum.dropped_queue),
        (Count::NewBlocked, sum.dropped_new),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// What was counted on the targets, as far as the fault is about it.
fn counted_hosts(fault: &ActiveFault, before: &Snapshot, after: &Snapshot) -> Vec<(Count, u64)> {
    let mut sums: BTreeMap<Count, u64> = BTreeMap::new();
    let mut add = |count: Count, number: u64| {
        if number > 0 {
            *sums.entry(count).or_default() += number;
        }
    };
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    for (old, new) in before.targets.iter().zip(&after.targets) {
        let (from, to) = (&old.probe, &new.probe);
        match &fault.fault {
            FaultSpec::DiskFull(_) => {
                add(
                    Count::DiskFull,
                    to.disk.refused_full - from.disk.refused_full,
                );
            }
            FaultSpec::DiskReadOnly => add(
                Count::DiskReadOnly,
                to.disk.refused_read_only - from.disk.refused_read_only,
            ),
            FaultSpec::DiskSlow(_) => {
                add(Count::DiskDelayed, to.disk.delayed - from.disk.delayed);
                let delay = to.disk.delay_total.saturating_sub(from.disk.delay_total);
                add(Count::DiskDelayMs, ms(delay));
            }
            FaultSpec::PowerLoss => {
                let lost = u64::from(new.seen.power_losses > old.seen.power_losses);
                add(Count::PowerLost, lost);
                add(Count::BytesLost, to.disk.lost_bytes - from.disk.lost_bytes);
            }
            FaultSpec::Cpu(_) => {
                add(
                    Count::CpuHeldMs,
                    ms(to.cpu_held.saturating_sub(from.cpu_held)),
                );
                add(
                    Count::CpuUsedMs,
                    ms(to.cpu_used.saturating_sub(from.cpu_used)),
                );
            }
            FaultSpec::Memory(memory) => {
                let limited = is_limited(to.memory_limit, memory.limit.bytes(), old, new);
                add(Count::MemoryLimited, u64::from(limited));
            }
            FaultSpec::Files(files) => {
                let limited = is_limited(to.files_limit, files.limit.into(), old, new);
                add(Count::FilesLimited, u64::from(limited));
            }
            FaultSpec::Bug(_) => {
                let same = new.seen.starts == old.seen.starts;
                let earlier = if same { old.bites.unwrap_or(0) } else { 0 };
                let bites = new.bites.unwrap_or(0);
                add(Count::BugBites, bites.saturating_sub(earlier));
                let ended = old.seen.alive && !new.seen.alive;
                add(Count::BugExits, u64::from(ended));
            }
            _ => {}
        }
    }
    sums.into_iter().collect()
}

/// True when a process has the limit, or has ended under it: then it cannot be asked.
fn is_limited(read: Option<u64>, asked: u64, old: &Reading, new: &Reading) -> bool {
    let ended = !new.seen.alive || new.seen.starts > old.seen.starts;
    ended || read.is_some_and(|limit| limit <= asked)
}

/// How many targets' processes are, or were meanwhile, what the fault wants them to be.
fn hosts_seen(fault: &ActiveFault, before: &Snapshot, after: &Snapshot) -> u32 {
    let proof = fault.fault.inner().proof();
    let as_wanted = |(before, now): &(&Reading, &Reading)| {
        let (before, now) = (before.seen, now.seen);
        match proof {
            Proof::ProcessExited | Proof::SomeProcessExited => {
                !now.alive || now.starts > before.starts
            }
            Proof::ProcessStarted => now.starts > before.starts,
            Proof::ProcessStopped => now.stopped || !now.alive,
            Proof::DiskWiped => now.wipes > before.wipes,
            Proof::PowerLost => now.power_losses > before.power_losses,
            Proof::PacketsBlocked
            | Proof::PacketsDelayed
            | Proof::PacketsLost
            | Proof::LineBusy
            | Proof::Packets(_)
            | Proof::Counted(_)
            | Proof::Limited(_)
            | Proof::ClockRead
            | Proof::Load => false,
        }
    };
    let pairs = before.targets.iter().zip(&after.targets);
    let seen = pairs.filter(as_wanted).count();
    u32::try_from(seen).unwrap_or(u32::MAX)
}

/// Reads the wall clocks of these hosts, as their processes see them.
pub async fn read_clocks<R: Runtime>(
    lab: &Lab<R>,
    world: &World,
    hosts: &[HostIndex],
) -> ClockEvidence {
    let running = |host: &&HostIndex| world.process(**host) == Process::Running;
    let read = |host: HostIndex| async move {
        let asked_us = clock_error_ns(&world.host(host).clock, lab.sink.now_us()) / 1_000;
        let read_us = clock_error_us(lab, host).await?;
        Some((asked_us, read_us))
    };
    let readings = join_all(hosts.iter().filter(running).copied().map(read)).await;
    let readings: Vec<(i64, i64)> = readings.into_iter().flatten().collect();
    let count = i64::try_from(readings.len()).unwrap_or(i64::MAX).max(1);
    let mean = |values: &mut dyn Iterator<Item = i64>| {
        let sum = values.fold(0i64, i64::saturating_add);
        sum / count
    };
    ClockEvidence {
        hosts: u32::try_from(readings.len()).unwrap_or(u32::MAX),
        asked_us: mean(&mut readings.iter().map(|one| one.0)),
        read_us: mean(&mut readings.iter().map(|one| one.1)),
    }
}

/// How much more than the true time a process sees: as it says itself, or, where it does not, as
/// it was set to.
async fn clock_error_us<R: Runtime>(lab: &Lab<R>, host: HostIndex) -> Option<i64> {
    let before = unix_us()?;
    let status = answered(lab.runtime.client(host).status()).await;
    let after = unix_us()?;
    match status.and_then(|status| status.unix_us) {
        Some(says) => Some(says - (before + (after - before) / 2)),
        None => {
            let set = lab.runtime.probe(host).clock_error_ns?;
            Some(set / 1_000)
        }
    }
}

fn unix_us() -> Option<i64> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(unix.as_micros()).ok()
}
