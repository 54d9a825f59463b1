//! The tap: a look at packets while they pass the switch.
//!
//! A tap gets a copy of each packet twice: when its sender has handed it to the fabric, and when
//! the fabric hands it to its receiver. A packet that is dropped says why, at the place where it
//! was dropped. Records travel over a bounded channel; when whoever reads them is behind, the
//! router does not wait: the record is left out and counted, per host.
//!
//! Left out on purpose: filters. A switch without a tap pays one test a packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

use crate::frame::{OFFLOAD_BYTES, Offload, complete_checksum};
use crate::link::DropCause;
use crate::table::HostIndex;

/// How many records may wait for their reader: 6 MB of full packets, or 256 MB when all of them
/// are large TCP segments.
pub const RECORDS_MAX: usize = 4_096;

/// On which side of its host's device a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The host has sent it.
    Outbound,
    /// It is for the host.
    Inbound,
}

/// One packet at one host's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// When, in microseconds since the zero of the tap.
    pub at_us: u64,
    /// At whose device.
    pub host: HostIndex,
    /// Which way.
    pub direction: Direction,
    /// Why it went no further; none when it did.
    pub dropped: Option<&'static str>,
    /// The packet, from its IP header on. A large TCP segment that was not cut up is whole.
    pub packet: Vec<u8>,
}

/// The switch's end.
#[derive(Clone, Debug)]
pub struct Tap {
    records: SyncSender<Tapped>,
    missed: Arc<[AtomicU64]>,
    zero_us: u64,
}

/// Why the switch, not a link, drops a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    Unknown,
    Detached,
    DeviceFull,
    Refused,
}

/// How many records of each host were left out.
#[derive(Clone, Debug)]
pub struct Missed(Arc<[AtomicU64]>);

impl Missed {
    /// Records of this host that were left out so far.
    #[must_use]
    pub fn of(&self, host: HostIndex) -> u64 {
        let count = self.0.get(usize::from(host.0));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Records of all hosts that were left out so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

impl Tap {
    /// A tap for so many hosts, whose time starts now, and where its records come out.
    #[must_use]
    pub fn new(hosts: u16) -> (Tap, Receiver<Tapped>, Missed) {
        let (sender, records) = sync_channel(RECORDS_MAX);
        let missed: Arc<[AtomicU64]> = (0..hosts).map(|_| AtomicU64::new(0)).collect();
        let tap = Tap {
            records: sender,
            missed: Arc::clone(&missed),
            zero_us: now_us(),
        };
        (tap, records, Missed(missed))
    }

    /// The same tap with its time starting at a moment in the past.
    #[must_use]
    pub fn since(mut self, zero: Instant) -> Tap {
        let elapsed_us = u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.zero_us = now_us().saturating_sub(elapsed_us);
        self
    }

    /// A frame that a host has sent, and the cause if its link drops it.
    pub(crate) fn sent(
        &self,
        host: HostIndex,
        frame: &[u8],
        now_us: u64,
        dropped: Option<&'static str>,
    ) {
        self.see(host, Direction::Outbound, frame, now_us, dropped);
    }

    /// A frame at its receiver, and the cause if it does not get in.
    pub(crate) fn received(
        &self,
        host: HostIndex,
        frame: &[u8],
        now_us: u64,
        dropped: Option<&'static str>,
    ) {
        self.see(host, Direction::Inbound, frame, now_us, dropped);
    }

    fn see(
        &self,
        host: HostIndex,
        direction: Direction,
        frame: &[u8],
        now_us: u64,
        dropped: Option<&'static str>,
    ) {
        let tapped = Tapped {
            at_us: now_us.saturating_sub(self.zero_us),
            host,
            direction,
            dropped,
            packet: finished_packet(frame),
        };
        if self.records.try_send(tapped).is_err()
            && let Some(missed) = self.missed.get(usize::from(host.0))
        {
            missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The packet as a wire would have seen it. The checksum of a large segment stays begun: only its
/// pieces have one.
fn finished_packet(frame: &[u8]) -> Vec<u8> {
    let begun = Offload::read(frame)
        .is_some_and(|offload| offload.needs_checksum && offload.segment_bytes == 0);
    if !begun {
        return frame[OFFLOAD_BYTES..].to_vec();
    }
    let mut whole = frame.to_vec();
    complete_checksum(&mut whole);
    whole.drain(..OFFLOAD_BYTES);
    whole
}

impl DropCause {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            DropCause::Blocked => "dropped: the link is blocked",
            DropCause::Loss => "dropped: lost at random",
            DropCause::Queue => "dropped: the queue of the link is full",
            DropCause::Mtu => "dropped: longer than the MTU of the link, which does not say so",
            DropCause::New => "dropped: new, and only old connections pass",
            DropCause::Reset => "dropped: answered with a TCP reset",
        }
    }
}

impl Undelivered {
    pub fn words(self) -> &'static str {
        match self {
            Undelivered::Unknown => "dropped: no host has this address",
            Undelivered::Detached => "dropped: the host is not attached",
            Undelivered::DeviceFull => "dropped: the receiver's device is full",
            Undelivered::Refused => "dropped: the receiver's device is down",
        }
    }
}

/// The clock of the router, in microseconds: the same that `Instant` and its timer run on.
pub(crate) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has a monotonic clock");
    now.tv_sec().cast_unsigned() * 1_000_000 + now.tv_nsec().cast_unsigned() / 1_000
}
