//! What happened on a link, in numbers: the evidence that a fault took effect.
//!
//! Counters only grow. To know what happened during a window, subtract the counters at its start
//! from those at its end. Every packet that a host sends is, in the end, counted exactly once:
//! as passed, or as dropped by one cause. Until then it is *in flight*, held back by a delay.
//!
//! Packets that never came to the fabric are not counted: a host that sends faster than the router
//! reads loses some in its own device, whose queue holds 500.
//!
//! A large TCP segment that the kernel hands over whole is counted as the packets that a wire
//! would have seen.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::table::HostIndex;

/// The counters of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkCounters {
    /// Packets handed to the receiving host.
    pub passed: u64,
    /// The bytes of those packets, IP headers included.
    pub passed_bytes: u64,
    /// Packets that met a blocked link, when they were sent or when they were due.
    pub dropped_blocked: u64,
    /// Packets lost at random.
    pub dropped_loss: u64,
    /// Packets that found a queue full: of a link with a bandwidth, of packets in flight, or of
    /// the receiving device.
    pub dropped_queue: u64,
    /// Packets to a host that was not attached when they were due.
    pub dropped_detached: u64,
    /// Packets that passed and had been held back before.
    pub delayed: u64,
    /// The time for which the `delayed` packets were held back, measured from reading each from
    /// the sender to handing it to the receiver, in microseconds, added up.
    pub delay_us_total: u64,
    /// The longest of those times, in microseconds.
    pub delay_us_max: u64,
}

impl LinkCounters {
    /// All packets dropped, whatever the cause.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped_blocked + self.dropped_loss + self.dropped_queue + self.dropped_detached
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
            delayed: self.delayed.saturating_sub(earlier.delayed),
            delay_us_total: self.delay_us_total.saturating_sub(earlier.delay_us_total),
            delay_us_max: self.delay_us_max,
        }
    }
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
}
