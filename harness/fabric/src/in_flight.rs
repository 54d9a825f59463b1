//! The packets that links hold back, in the order in which they are due.
//!
//! One binary heap for all links, and a pool of buffers, so that in steady state a delayed packet
//! costs a copy and no allocation. Only neighbouring packets of a large segment that are due
//! together get a buffer of their own, one allocation for many packets. Frames due at the same
//! time leave in the order in which they came, which keeps each link in order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// How many packets may be in flight on all links together: at most about 200 MB of full packets.
pub(crate) const IN_FLIGHT_MAX: usize = 131_072;

/// How many packets may be in flight on one link: half a second of full packets at 400 Mbit/s.
pub(crate) const IN_FLIGHT_ON_LINK_MAX: u32 = 16_384;

/// How many empty buffers are kept; those of a larger burst are given back.
const POOL_MAX: usize = 16_384;

/// The size of the buffers in the pool: a frame of the usual MTU fits.
const BUFFER_BYTES: usize = 1_536;

/// A frame that is held back.
#[derive(Debug)]
pub(crate) struct Held {
    /// When it is due, in microseconds of the router's clock.
    pub due_us: u64,
    /// When it was read from its sender.
    pub read_us: u64,
    /// The position of its link.
    pub link: u32,
    /// How many packets it stands for.
    pub packets: u32,
    pub frame: Vec<u8>,
    order: u64,
}

/// All frames that are held back.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    heap: BinaryHeap<Reverse<Held>>,
    packets: usize,
    pool: Vec<Vec<u8>>,
    order: u64,
}

impl InFlight {
    /// True when no more packets may be held back.
    pub fn is_full(&self) -> bool {
        self.packets >= IN_FLIGHT_MAX
    }

    /// An empty buffer with room for this much.
    pub fn buffer(&mut self, bytes: usize) -> Vec<u8> {
        if bytes > BUFFER_BYTES {
            return Vec::with_capacity(bytes);
        }
        self.pool
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Gives a buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() == BUFFER_BYTES && self.pool.len() < POOL_MAX {
            buffer.clear();
            self.pool.push(buffer);
        }
    }

    /// Holds a frame back until it is due.
    pub fn hold(&mut self, held: Held) {
        self.order += 1;
        self.packets += held.packets as usize;
        self.heap.push(Reverse(Held {
            order: self.order,
            ..held
        }));
    }

    /// When the next frame is due.
    pub fn next_due_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(held)| held.due_us)
    }

    /// Takes the next frame out if it is due by now.
    pub fn take_due(&mut self, now_us: u64) -> Option<Held> {
        if self.next_due_us()? > now_us {
            return None;
        }
        let Reverse(held) = self.heap.pop()?;
        self.packets -= held.packets as usize;
        Some(held)
    }
}

impl Held {
    /// A frame of so many packets on the link at this position.
    pub fn new(link: u32, frame: Vec<u8>, packets: u32, read_us: u64, due_us: u64) -> Held {
        Held {
            due_us,
            read_us,
            link,
            packets,
            frame,
            order: 0,
        }
    }

    fn key(&self) -> (u64, u64) {
        (self.due_us, self.order)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_when_due_and_in_order_among_equals() {
        let mut in_flight = InFlight::default();
        for (due_us, name) in [(20, b'c'), (10, b'a'), (10, b'b'), (30, b'd')] {
            in_flight.hold(Held::new(0, vec![name], 1, 0, due_us));
        }
        assert_eq!(in_flight.next_due_us(), Some(10));
        let mut left = Vec::new();
        for now_us in [9, 10, 25] {
            while let Some(held) = in_flight.take_due(now_us) {
                left.push((now_us, held.frame[0]));
            }
        }
        assert_eq!(left, [(10, b'a'), (10, b'b'), (25, b'c')]);
        assert_eq!(in_flight.next_due_us(), Some(30));
    }

    #[test]
    fn buffers_are_used_again() {
        let mut in_flight = InFlight::default();
        let mut buffer = in_flight.buffer(1_500);
        buffer.extend_from_slice(&[1; 1_500]);
        let address = buffer.as_ptr();
        in_flight.recycle(buffer);
        let again = in_flight.buffer(1_500);
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), address);
    }
}
