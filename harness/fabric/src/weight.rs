//! How much a frame counts for, and where it is counted.

use crate::counters::LinkCounters;
use crate::frame;
use crate::link::DropCause;
use crate::port::Sent;
use crate::segment::Pieces;

/// A large segment counts as the packets that a wire would have seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub packets: u64,
    pub bytes: u64,
}

impl Weight {
    /// Of a frame.
    pub fn of(frame: &[u8]) -> Weight {
        match Pieces::of(frame) {
            None => Weight {
                packets: 1,
                bytes: frame::packet(frame).len() as u64,
            },
            Some(pieces) => Weight {
                packets: pieces.count() as u64,
                bytes: pieces.bytes_on_wire() as u64,
            },
        }
    }
}

impl LinkCounters {
    /// Counts what became of a frame. Returns how many packets passed.
    pub(crate) fn count(&mut self, weight: Weight, sent: Sent) -> u64 {
        match sent {
            Sent::Passed => {
                self.passed += weight.packets;
                self.passed_bytes += weight.bytes;
                return weight.packets;
            }
            Sent::Full => self.dropped_queue += weight.packets,
            Sent::Refused => self.dropped_detached += weight.packets,
        }
        0
    }

    /// Counts packets that passed after they had been held back.
    pub(crate) fn count_delayed(&mut self, packets: u64, delay_us: u64) {
        if packets > 0 {
            self.delayed += packets;
            self.delay_us_total += packets * delay_us;
            self.delay_us_max = self.delay_us_max.max(delay_us);
        }
    }

    /// Counts packets that their link has dropped.
    pub(crate) fn count_dropped(&mut self, packets: u64, cause: DropCause) {
        let counter = match cause {
            DropCause::Blocked => &mut self.dropped_blocked,
            DropCause::Loss => &mut self.dropped_loss,
            DropCause::Queue => &mut self.dropped_queue,
            DropCause::Mtu => &mut self.dropped_mtu,
            DropCause::New => &mut self.dropped_new,
            DropCause::Reset => &mut self.resets,
        };
        *counter += packets;
    }
}
