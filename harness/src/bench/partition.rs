//! A partition of 100 hosts into halves: how long it takes from its edge until it is there, for
//! the fabric and for packets.
//!
//! The *edge* is the moment at which the set of active faults changes; from there on it is our
//! business. For packets, a few hosts of one half keep sending to a few of the other, and what
//! counts is when the last packet that got *across* was read. Socket pairs stand in for devices,
//! so that the kernel's own network is not measured too.

use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use fabric::measure::MeasureError;
use fabric::{Fabric, HostIndex, NETWORK};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;

use super::{BenchError, Budget, Figure, Section};
use crate::fault::{FaultSpec, Partition, Shape};
use crate::world::{ActiveFault, World, fold};

/// The hosts that are partitioned.
const HOSTS: u16 = 100;

/// The first host of the other half.
const OTHER_HALF: u16 = HOSTS / 2;

/// How often they are.
const PARTITIONS: usize = 100;

/// How often they are at most when packets are watched, because a partition counts only if packets
/// were on their way.
const TRIES_MAX: usize = 20 * PARTITIONS;

/// From the edge until it is there.
const BUDGET: Budget = Budget::AtMost(1_000.0);

/// How many hosts send, each to all that receive.
const SENDERS: u16 = 4;

/// How many hosts of the other half receive.
const RECEIVERS: u16 = 4;

/// One packet is sent so long after the other, by whichever host: a fraction of what a swap
/// takes, so that the last one across tells when that was.
const GAP: Duration = Duration::from_micros(20);

/// The stream is steady when each receiver has read so many packets.
const STEADY_PACKETS: usize = 20;

/// How long a receiver may have nothing to say.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the last byte of a packet says.
const ACROSS: u8 = 0;
const NO_MORE: u8 = 1;

const PACKET_BYTES: usize = 21;

/// One partition, from its edge.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Until the last packet across was read; none if that was before the edge, because then
    /// nothing was on its way.
    across: Option<Duration>,
    /// Until every packet met the new policies.
    swapped: Duration,
}

/// What the receivers say.
struct Heard {
    /// The stream is steady.
    steady: Receiver<()>,
    /// When the last packet across was read.
    last: Receiver<Instant>,
}

/// From the active faults to the moment from which on every packet meets the new world.
pub fn in_the_fabric() -> Result<Section, BenchError> {
    let fabric = Fabric::start(1, HOSTS)?;
    let (healthy, halves) = (World::healthy(HOSTS), halves());
    let mut whole = Vec::with_capacity(PARTITIONS);
    let mut swap = Vec::with_capacity(PARTITIONS);
    for _ in 0..PARTITIONS {
        let begun = Instant::now();
        let table = fold(&healthy, [&halves]).policies();
        let built = Instant::now();
        let since = fabric.set_policies(table)?;
        whole.push(since.saturating_duration_since(begun));
        swap.push(since.saturating_duration_since(built));
        fabric.set_policies(healthy.policies())?;
    }
    let figure = |what, times: &mut [Duration], percent| {
        times.sort_unstable();
        Figure::new(what, quantile_us(times, percent), "µs")
    };
    Ok(Section {
        title: format!("A partition of {HOSTS} hosts into halves, {PARTITIONS} times"),
        figures: vec![
            figure("fold, build and swap, p50", &mut whole, 50).within(BUDGET),
            figure("fold, build and swap, p99", &mut whole, 99),
            figure("of that, the swap, p50", &mut swap, 50),
        ],
        notes: Vec::new(),
    })
}

/// The same for packets that are on their way across.
pub fn on_packets() -> Result<Section, BenchError> {
    let rounds = rounds(PARTITIONS)?;
    let figure = |what, of: fn(&Round) -> Option<Duration>, percent| {
        let mut times: Vec<Duration> = rounds.iter().filter_map(of).collect();
        times.sort_unstable();
        Figure::new(what, quantile_us(&times, percent), "µs")
    };
    Ok(Section {
        title: format!(
            "The same under traffic, from {SENDERS} hosts to {RECEIVERS} of the other half"
        ),
        figures: vec![
            figure("edge to last packet across, p50", |one| one.across, 50).within(BUDGET),
            figure("edge to last packet across, p99", |one| one.across, 99),
            figure("fold, build and swap, p50", |one| Some(one.swapped), 50),
            figure("fold, build and swap, p99", |one| Some(one.swapped), 99),
        ],
        notes: vec![
            format!(
                "a packet is sent every {} µs; waking its reader is part of the figure",
                GAP.as_micros()
            ),
            format!(
                "those of {} partitions count whose last packet across was read after the edge: {}",
                rounds.len(),
                rounds.iter().filter(|one| one.across.is_some()).count()
            ),
        ],
    })
}

fn halves() -> ActiveFault {
    let half: Vec<HostIndex> = (0..OTHER_HALF).map(HostIndex).collect();
    ActiveFault::at(FaultSpec::Partition(Partition::of(Shape::Split)), &half)
}

/// Partitions hosts that keep talking, until so many rounds count.
fn rounds(count: usize) -> Result<Vec<Round>, BenchError> {
    // A thread of its own, because it binds itself to a processor.
    thread::scope(|scope| {
        let partitioning = scope.spawn(|| partition(count));
        partitioning.join().expect("a measurement does not panic")
    })
}

/// Packets have a processor of their own, where there are two: woken in a chain, all threads would
/// share one, and no packet would move while the partition is made.
fn partition(count: usize) -> Result<Vec<Round>, BenchError> {
    let (for_packets, for_partitions) = two_processors();
    stay_on(for_packets);
    let network = Fabric::start(1, HOSTS)?;
    let devices: Vec<UnixDatagram> = (0..HOSTS)
        .map(|host| attach(&network, HostIndex(host)))
        .collect::<Result<_, _>>()?;
    let (senders, others) = devices.split_at(usize::from(OTHER_HALF));
    let (receivers, neighbours) = others.split_at(usize::from(RECEIVERS));
    thread::scope(|scope| {
        // Dropped before the scope ends: then the devices close, and the threads end.
        let network = network;
        let (steady, heard_steady) = sync_channel(receivers.len());
        let (last, heard_last) = sync_channel(receivers.len());
        scope.spawn(|| send_across(&senders[..usize::from(SENDERS)]));
        for device in receivers {
            let (steady, last) = (steady.clone(), last.clone());
            scope.spawn(move || receive(device, &steady, &last));
        }
        stay_on(for_partitions);
        let heard = Heard {
            steady: heard_steady,
            last: heard_last,
        };
        let (healthy, halves) = (World::healthy(HOSTS), halves());
        let (mut rounds, mut counting) = (Vec::new(), 0);
        while counting < count && rounds.len() < TRIES_MAX {
            let round = round(&network, &healthy, &halves, &neighbours[0], &heard)?;
            counting += usize::from(round.across.is_some());
            rounds.push(round);
        }
        Ok(rounds)
    })
}

/// Two processors that this thread may use; the same one twice where there are no two.
fn two_processors() -> (Option<usize>, Option<usize>) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let mut usable = (0..CpuSet::count()).filter(|one| allowed.is_set(*one) == Ok(true));
    let first = usable.next();
    (first, usable.next().or(first))
}

/// Binds this thread, and those that it starts from now on, to a processor.
fn stay_on(processor: Option<usize>) {
    let mut set = CpuSet::new();
    if processor.is_some_and(|one| set.set(one).is_ok()) {
        // Where that is not allowed, fewer rounds count, and that is said.
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// Heals the network, waits until packets get across again, and partitions it.
fn round(
    network: &Fabric,
    healthy: &World,
    halves: &ActiveFault,
    neighbour: &UnixDatagram,
    heard: &Heard,
) -> Result<Round, BenchError> {
    network.set_policies(healthy.policies())?;
    for _ in 0..RECEIVERS {
        hear(&heard.steady)?;
    }
    let edge = Instant::now();
    let since = network.set_policies(fold(healthy, [halves]).policies())?;
    // Nothing gets across any more, but a neighbour does, behind all that did.
    for to in receivers() {
        neighbour
            .send(&packet(to, NO_MORE))
            .map_err(|source| BenchError::Start { source })?;
    }
    let mut last = edge;
    for _ in 0..RECEIVERS {
        last = last.max(hear(&heard.last)?);
    }
    Ok(Round {
        across: (last > edge).then(|| last - edge),
        swapped: since.saturating_duration_since(edge),
    })
}

fn hear<T>(from: &Receiver<T>) -> Result<T, MeasureError> {
    from.recv_timeout(PATIENCE)
        .map_err(|_| MeasureError::NothingArrived {
            hosts: format!("{SENDERS} hosts and {RECEIVERS} others"),
        })
}

/// Sends from each device to each receiver in turn, until the devices close. It does not sleep,
/// because that would take several times the gap; it lets others work meanwhile.
fn send_across(devices: &[UnixDatagram]) {
    let links = || receivers().flat_map(|to| devices.iter().map(move |device| (device, to)));
    let mut due = Instant::now();
    loop {
        for (device, to) in links() {
            while Instant::now() < due {
                thread::yield_now();
            }
            due = Instant::now() + GAP;
            if device.send(&packet(to, ACROSS)).is_err() {
                return;
            }
        }
    }
}

/// Reads packets until the device closes. Says when the stream is steady and, at the word of the
/// neighbour, when the last packet across came.
fn receive(device: &UnixDatagram, steady: &SyncSender<()>, last: &SyncSender<Instant>) {
    let mut buffer = [0; PACKET_BYTES];
    let (mut packets, mut latest) = (0, Instant::now());
    while device.recv(&mut buffer).is_ok_and(|bytes| bytes > 0) {
        let read = Instant::now();
        let said = if buffer[PACKET_BYTES - 1] == NO_MORE {
            packets = 0;
            last.send(latest).is_ok()
        } else {
            (packets, latest) = (packets + 1, read);
            packets != STEADY_PACKETS || steady.send(()).is_ok()
        };
        if !said {
            return;
        }
    }
}

fn receivers() -> impl Iterator<Item = HostIndex> {
    (OTHER_HALF..OTHER_HALF + RECEIVERS).map(HostIndex)
}

fn address(host: HostIndex) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(NETWORK.0) + 1 + u32::from(host.0))
}

/// An IPv4 packet with one byte, of a protocol for experiments (RFC 3692).
fn packet(to: HostIndex, what: u8) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[..4].copy_from_slice(&[0x45, 0, 0, PACKET_BYTES as u8]);
    packet[8..10].copy_from_slice(&[64, 253]);
    packet[16..20].copy_from_slice(&address(to).octets());
    packet[20] = what;
    packet
}

/// The host's end of a device; a datagram socket only by type.
fn attach(network: &Fabric, host: HostIndex) -> Result<UnixDatagram, BenchError> {
    let pair = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    let (ours, theirs) = pair.map_err(|error| BenchError::Start {
        source: error.into(),
    })?;
    network.attach(host, address(host), theirs)?;
    Ok(UnixDatagram::from(ours))
}

/// A quantile of sorted times; 0 when there are none.
pub fn quantile_us(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each round ends only when no packet comes any more and the neighbour's word does; the next
    /// one begins only when packets get across again.
    #[test]
    fn packets_get_across_until_the_partition_and_again_after_it() {
        let rounds = rounds(10).expect("measured");
        assert!(rounds.iter().all(|one| one.swapped > Duration::ZERO));
        let counting = rounds.iter().filter(|one| one.across.is_some());
        assert_eq!(counting.count(), 10, "{rounds:?}");
    }

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let times: Vec<_> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(quantile_us(&times, 50).round(), 51.0);
        assert_eq!(quantile_us(&times, 99).round(), 100.0);
        assert_eq!(quantile_us(&times[..1], 99).round(), 1.0);
        assert_eq!(quantile_us(&[], 50), 0.0);
    }
}
