//! The packets that links hold back, in the order in which they are due.
//!
//! One binary heap for all links, and a pool of buffers, so that in steady state a delayed packet
//! costs a copy and no allocation. Only neighbouring packets of a large segment that are due
//! together get a buffer of their own, one allocation for many packets. Frames due at the same
//! time leave in the order in which they came, which keeps each link in order.
//!
//! A frame that is due on a jammed link goes from the heap to the *jam* of its link, and when the
//! jam is over it goes back with the order that it had, so that it still comes before the later
//! ones.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// How many packets may be in flight on all links together: at most about 200 MB of full packets.
pub(crate) const IN_FLIGHT_MAX: usize = 131_072;

/// How many packets may be in flight on one link: half a second of full packets at 400 Mbit/s.
pub(crate) const IN_FLIGHT_ON_LINK_MAX: u32 = 16_384;

/// How many packets a jam can hold on one link: 6 MB of full packets. They count as in flight
/// too.
pub const JAMMED_ON_LINK_MAX: u32 = 4_096;

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
    /// True when a filter of its link meant it when it was read.
    pub matched: bool,
    /// True when a jam has held it.
    pub jammed: bool,
    order: u64,
}

/// The frames that the jam of one link holds, in the order in which they were due.
#[derive(Debug, Default)]
struct Jam {
    frames: VecDeque<Held>,
    packets: u32,
}

/// All frames that are held back.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    heap: BinaryHeap<Reverse<Held>>,
    /// By the position of the link; only links with a jam that holds something.
    jams: BTreeMap<u32, Jam>,
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

    /// Puts a frame that was due into the jam of its link. Gives it back when it does not fit.
    pub fn jam(&mut self, mut held: Held) -> Option<Held> {
        let jam = self.jams.entry(held.link).or_default();
        if jam.packets + held.packets > JAMMED_ON_LINK_MAX {
            return Some(held);
        }
        held.jammed = true;
        jam.packets += held.packets;
        self.packets += held.packets as usize;
        jam.frames.push_back(held);
        None
    }

    /// Lets the frames of all jams go that are not certain to last, for a position of a link.
    /// They are overdue then.
    pub fn release(&mut self, mut lasts: impl FnMut(u32) -> bool) {
        let InFlight { heap, jams, .. } = self;
        jams.retain(|&link, jam| {
            let stays = lasts(link);
            if !stays {
                heap.extend(jam.frames.drain(..).map(Reverse));
            }
            stays
        });
    }
}

impl Held {
    /// A frame of so many packets on the link at this position, which no filter means.
    pub fn new(link: u32, frame: Vec<u8>, packets: u32, read_us: u64, due_us: u64) -> Held {
        Held {
            due_us,
            read_us,
            link,
            packets,
            frame,
            matched: false,
            jammed: false,
            order: 0,
        }
    }

    /// A second one, in a buffer of its own that holds the same.
    pub fn twin(&self, frame: Vec<u8>) -> Held {
        Held { frame, ..*self }
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
    fn a_jam_is_bounded_and_keeps_the_order() {
        let mut in_flight = InFlight::default();
        let packets = JAMMED_ON_LINK_MAX - 1;
        for (link, packets, name) in [(0, packets, b'a'), (0, 1, b'b'), (0, 1, b'x'), (1, 1, b'c')]
        {
            in_flight.hold(Held::new(link, vec![name], packets, 0, 10));
        }
        in_flight.hold(Held::new(0, vec![b'd'], 1, 0, 10));
        let mut full = Vec::new();
        for _ in 0..4 {
            let due = in_flight.take_due(10).expect("due");
            full.extend(in_flight.jam(due).map(|held| held.frame[0]));
        }
        assert_eq!(full, [b'x']);
        in_flight.release(|link| link == 1);
        let mut left = Vec::new();
        while let Some(held) = in_flight.take_due(10) {
            left.push((held.frame[0], held.jammed));
        }
        assert_eq!(left, [(b'a', true), (b'b', true), (b'd', false)]);
        assert_eq!(in_flight.packets, 1);
        in_flight.release(|_| false);
        assert_eq!(in_flight.take_due(10).map(|held| held.frame[0]), Some(b'c'));
        assert!(in_flight.packets == 0 && in_flight.jams.is_empty());
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
