//! What happened on a link, in numbers: the evidence that a fault took effect.
//!
//! Counters only grow. To know what happened during a window, subtract the counters at its start
//! from those at its end. Every packet that a host sends is, in the end, counted exactly once:
//! as passed, or as dropped by one cause. Until then it is *in flight*, held back by a delay or a
//! jam. The copy of a duplicated packet is one more packet: it is counted as `duplicated`, and
//! then, as if a host had sent it, as passed or dropped; so what the hosts sent is
//! `settled() - duplicated`, once nothing is in flight. The reset that answers a segment comes
//! from the fabric and not from a host, so it is no packet of any link; the segment is dropped.
//!
//! Packets that never came to the fabric are not counted: a host that sends faster than the router
//! reads loses some in its own device, whose queue holds 500.
//!
//! A large TCP segment that the kernel hands over whole is counted as the packets that a wire
//! would have seen.
//!
//! A link whose policy has filters counts a second time, in `matched`, the packets that one of them
//! means. Which those are is settled when a packet is read from its sender, and stays so: when the
//! policies are swapped while it is in flight, it goes on being counted where it was. So what is
//! true of the counters of a link is true of `matched` too: each packet ends in one of its counts,
//! once.
//!
//! All filters of a link share one `matched`. A fault that is aimed at some packets finds its own
//! evidence there as long as no other fault filters the same link at the same time; where two do,
//! it is the evidence of both together.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::table::HostIndex;

/// The counters of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkCounters {
    /// Packets handed to the receiving host.
    pub passed: u64,
    /// The bytes of those packets, IP headers included.
    pub passed_bytes: u64,
    /// Packets that met a blocked link, when they were sent or when they were due.
    pub dropped_blocked: u64,
    /// Packets lost at random.
    pub dropped_loss: u64,
    /// Packets that found a queue full: of a link with a bandwidth, of packets in flight, of a jam,
    /// or of the receiving device.
    pub dropped_queue: u64,
    /// Packets to a host that was not attached when they were due.
    pub dropped_detached: u64,
    /// Packets longer than the MTU of their link.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_mtu: u64,
    /// Packets that would have opened a connection, or a UDP flow, while only old ones pass.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_new: u64,
    /// TCP segments that were dropped and answered with a reset; one answer for a large segment.
    #[serde(skip_serializing_if = "is_zero")]
    pub resets: u64,
    /// Copies made of packets.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicated: u64,
    /// Packets chosen to fall behind those sent after them.
    #[serde(skip_serializing_if = "is_zero")]
    pub reordered: u64,
    /// Packets in which a bit was flipped. To the fabric they pass, also those that the receiving
    /// kernel drops.
    #[serde(skip_serializing_if = "is_zero")]
    pub corrupted: u64,
    /// Packets that were due during a jam and have been held, each counted once.
    #[serde(skip_serializing_if = "is_zero")]
    pub jammed: u64,
    /// Of those, the ones that the jam has let go, whatever became of them then; the others are
    /// still held.
    #[serde(skip_serializing_if = "is_zero")]
    pub released: u64,
    /// Packets that passed and had been held back before.
    pub delayed: u64,
    /// The time for which the `delayed` packets were held back, measured from reading each from
    /// the sender to handing it to the receiver, in microseconds, added up.
    pub delay_us_total: u64,
    /// The longest of those times, in microseconds.
    pub delay_us_max: u64,
}

impl LinkCounters {
    /// True when nothing was counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == LinkCounters::default()
    }

    /// All packets dropped, whatever the cause.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_blocked
            + self.dropped_loss
            + self.dropped_queue
            + self.dropped_detached
            + self.dropped_mtu
            + self.dropped_new
            + self.resets
    }

    /// All packets whose fate is known: passed or dropped, not those in flight.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.passed + self.dropped()
    }

    /// The measured mean time for which delayed packets were held back; none without one.
    #[must_use]
    pub fn mean_delay(&self) -> Option<Duration> {
        let mean_us = self.delay_us_total.checked_div(self.delayed)?;
        Some(Duration::from_micros(mean_us))
    }
}

impl Add for LinkCounters {
    type Output = LinkCounters;

    /// The counters of two links, or of two windows, together.
    fn add(self, other: LinkCounters) -> LinkCounters {
        LinkCounters {
            passed: self.passed + other.passed,
            passed_bytes: self.passed_bytes + other.passed_bytes,
            dropped_blocked: self.dropped_blocked + other.dropped_blocked,
            dropped_loss: self.dropped_loss + other.dropped_loss,
            dropped_queue: self.dropped_queue + other.dropped_queue,
            dropped_detached: self.dropped_detached + other.dropped_detached,
            dropped_mtu: self.dropped_mtu + other.dropped_mtu,
            dropped_new: self.dropped_new + other.dropped_new,
            resets: self.resets + other.resets,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            corrupted: self.corrupted + other.corrupted,
            jammed: self.jammed + other.jammed,
            released: self.released + other.released,
            delayed: self.delayed + other.delayed,
            delay_us_total: self.delay_us_total + other.delay_us_total,
            delay_us_max: self.delay_us_max.max(other.delay_us_max),
        }
    }
}

impl AddAssign for LinkCounters {
    fn add_assign(&mut self, other: LinkCounters) {
        *self = *self + other;
    }
}

impl Sub for LinkCounters {
    type Output = LinkCounters;

    /// What happened since `earlier`. A maximum cannot be subtracted, so `delay_us_max` stays the
    /// maximum since the link was first used: an upper bound for the window.
    fn sub(self, earlier: LinkCounters) -> LinkCounters {
        LinkCounters {
            passed: self.passed.saturating_sub(earlier.passed),
            passed_bytes: self.passed_bytes.saturating_sub(earlier.passed_bytes),
            dropped_blocked: self.dropped_blocked.saturating_sub(earlier.dropped_blocked),
            dropped_loss: self.dropped_loss.saturating_sub(earlier.dropped_loss),
            dropped_queue: self.dropped_queue.saturating_sub(earlier.dropped_queue),
            dropped_detached: self
                .dropped_detached
                .saturating_sub(earlier.dropped_detached),
            dropped_mtu: self.dropped_mtu.saturating_sub(earlier.dropped_mtu),
            dropped_new: self.dropped_new.saturating_sub(earlier.dropped_new),
            resets: self.resets.saturating_sub(earlier.resets),
            duplicated: self.duplicated.saturating_sub(earlier.duplicated),
            reordered: self.reordered.saturating_sub(earlier.reordered),
            corrupted: self.corrupted.saturating_sub(earlier.corrupted),
            jammed: self.jammed.saturating_sub(earlier.jammed),
            released: self.released.saturating_sub(earlier.released),
            delayed: self.delayed.saturating_sub(earlier.delayed),
            delay_us_total: self.delay_us_total.saturating_sub(earlier.delay_us_total),
            delay_us_max: self.delay_us_max,
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The counters of one link, with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// The sending host.
    pub from: HostIndex,
    /// The receiving host. Packets to an address that belongs to no host are booked on the link
    /// from the sender to itself, which carries nothing else.
    pub to: HostIndex,
    /// What happened there since the fabric started.
    pub counters: LinkCounters,
    /// Of that, what happened to the packets that matched a filter of the link's policy when they
    /// were read, whichever filter it was.
    #[serde(default, skip_serializing_if = "LinkCounters::is_zero")]
    pub matched: LinkCounters,
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    /// A history written before the newer causes existed had none of them.
    #[test]
    fn old_counters_still_read() {
        let fields = [("passed", 7u64), ("dropped_loss", 3)].into_iter();
        let old: MapDeserializer<'_, _, Error> = MapDeserializer::new(fields);
        let read = LinkCounters::deserialize(old).expect("read");
        assert_eq!((read.settled(), read.dropped_mtu, read.jammed), (10, 0, 0));
    }

    /// A report of a fabric that knows no filters, and one of a link without them.
    #[test]
    fn a_report_without_matched_packets_has_none() {
        let old = r#"{"from":0,"to":1,"counters":{"passed":7}}"#;
        let mut read: LinkReport = serde_json::from_str(old).expect("read");
        assert!(read.counters.passed == 7 && read.matched.is_zero());
        let written = |report: &LinkReport| serde_json::to_string(report).expect("written");
        assert!(!written(&read).contains("matched"));
        read.matched.dropped_loss = 3;
        let again: LinkReport = serde_json::from_str(&written(&read)).expect("read again");
        assert_eq!(again, read);
    }

    #[test]
    fn a_window_is_the_difference_of_two_counts() {
        let before = LinkCounters {
            passed: 5,
            resets: 1,
            duplicated: 2,
            ..LinkCounters::default()
        };
        let during = LinkCounters {
            dropped_mtu: 1,
            dropped_new: 2,
            resets: 3,
            duplicated: 4,
            reordered: 5,
            corrupted: 6,
            jammed: 7,
            released: 8,
            ..LinkCounters::default()
        };
        assert_eq!((before + during) - before, during);
        assert_eq!(during.dropped(), 6);
    }
}
