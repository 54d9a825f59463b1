//! What the switch does with a packet that its link does not simply let through.

use std::ops::Range;

use super::{Account, Link, Switch, effective};
use crate::corrupt::corrupt;
use crate::facts::Facts;
use crate::flows::Flow;
use crate::frame;
use crate::in_flight::{Held, IN_FLIGHT_ON_LINK_MAX};
use crate::link::{DropCause, Marks, Verdict};
use crate::reset;
use crate::segment::Pieces;
use crate::weight::Weight;

/// What the switch does with a packet that its link has judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing: it is dropped, and counted.
    Gone(DropCause),
    /// Hand it over.
    Now(Marks),
    /// Hold it back.
    Later { due_us: u64, marks: Marks },
}

impl Switch {
    /// Lets a link decide about a frame, and carries it out.
    pub(super) fn judge_frame(&mut self, position: usize, frame: &mut [u8], now_us: u64) {
        let (packet, matched) = self.look_at(position, frame);
        let account = Account {
            link: position,
            matched,
        };
        let is_reset = match Pieces::of(frame) {
            Some(pieces) => self.judge_pieces(account, &pieces, packet, now_us),
            None => self.judge_whole(account, frame, packet, now_us),
        };
        if is_reset {
            self.answer_with_reset(position, frame, now_us);
        }
    }

    /// Reads the headers of a frame, and says whether a filter means it. A UDP flow is new when
    /// nobody has seen it; those that come while new ones are blocked, or everything is, stay new.
    fn look_at(&mut self, position: usize, frame: &[u8]) -> (Facts, bool) {
        let packet = frame::packet(frame);
        let mut facts = Facts::of(packet);
        let Link {
            from, to, classes, ..
        } = &mut self.links[position];
        let base = self.table.get(*from, *to);
        let (class, policy) = effective(base, classes, self.generation, &facts);
        if let Some(flow) = Flow::of(packet) {
            if policy.new_connections_blocked {
                facts.opens = !self.flows.knows(flow);
            } else if !policy.blocked {
                self.flows.note(flow);
            }
        }
        (facts, class != 0)
    }

    /// Lets the link decide about a frame that is one packet. True when it is to be answered with
    /// a reset.
    fn judge_whole(
        &mut self,
        account: Account,
        frame: &mut [u8],
        packet: Facts,
        now_us: u64,
    ) -> bool {
        let fate = self.judge(account, packet, now_us);
        self.show_sent(account.link, frame, now_us, fate.dropped());
        match fate {
            Fate::Gone(_) => {}
            Fate::Now(marks) => self.hand_over_marked(account, frame, marks, now_us),
            Fate::Later { due_us, marks } => {
                let mut copy = self.in_flight.buffer(frame.len());
                copy.extend_from_slice(frame);
                let held = Held::new(account.link as u32, copy, 1, now_us, due_us);
                self.hold(account, held, marks);
            }
        }
        fate == Fate::Gone(DropCause::Reset)
    }

    /// Lets the link decide about each packet of a large segment. Neighbours that share their
    /// fate travel on together, as a smaller large segment; a packet with a wrong bit goes alone.
    /// True when the segment is to be answered with a reset.
    fn judge_pieces(
        &mut self,
        account: Account,
        pieces: &Pieces<'_>,
        packet: Facts,
        now_us: u64,
    ) -> bool {
        let of = |index: usize| Facts {
            bytes: pieces.bytes(index..index + 1),
            ..packet
        };
        let mut start = 0;
        let mut fate = self.judge(account, of(0), now_us);
        let mut is_reset = fate == Fate::Gone(DropCause::Reset);
        for index in 1..pieces.count() {
            let next = self.judge(account, of(index), now_us);
            is_reset |= next == Fate::Gone(DropCause::Reset);
            if next != fate || fate.is_alone() {
                self.forward(account, pieces, start..index, fate, now_us);
                (start, fate) = (index, next);
            }
        }
        self.forward(account, pieces, start..pieces.count(), fate, now_us);
        is_reset
    }

    /// Sends neighbouring packets of a large segment to their common fate.
    fn forward(
        &mut self,
        account: Account,
        pieces: &Pieces<'_>,
        range: Range<usize>,
        fate: Fate,
        now_us: u64,
    ) {
        if fate.dropped().is_some() && self.tap.is_none() {
            return;
        }
        let packets = range.len() as u32;
        let mut frame = self
            .in_flight
            .buffer(frame::OFFLOAD_BYTES + pieces.bytes(range.clone()));
        pieces.write(range, &mut frame);
        self.show_sent(account.link, &frame, now_us, fate.dropped());
        match fate {
            Fate::Gone(_) => self.in_flight.recycle(frame),
            Fate::Now(marks) => {
                self.hand_over_marked(account, &mut frame, marks, now_us);
                self.in_flight.recycle(frame);
            }
            Fate::Later { due_us, marks } => {
                let held = Held::new(account.link as u32, frame, packets, now_us, due_us);
                self.hold(account, held, marks);
            }
        }
    }

    /// Lets the link decide about one packet. What is dropped is counted here.
    fn judge(&mut self, account: Account, packet: Facts, now_us: u64) -> Fate {
        let Link {
            from,
            to,
            state,
            classes,
            ..
        } = &mut self.links[account.link];
        let base = self.table.get(*from, *to);
        let (class, policy) = effective(base, classes, self.generation, &packet);
        let verdict = state.decide_in_class(class, policy, now_us, packet);
        let jam = policy.jam;
        let link = &mut self.links[account.link];
        let cause = match verdict {
            Verdict::Deliver { at_us, marks } => {
                let is_now = at_us <= now_us && link.in_flight == 0 && !jam;
                if is_now || !self.in_flight.is_full() && link.in_flight < IN_FLIGHT_ON_LINK_MAX {
                    link.in_flight += u32::from(!is_now);
                    if marks.reordered {
                        self.count(account, |counters| counters.reordered += 1);
                    }
                    return match is_now {
                        true => Fate::Now(marks),
                        false => Fate::Later {
                            due_us: at_us,
                            marks,
                        },
                    };
                }
                DropCause::Queue
            }
            Verdict::Drop(cause) => cause,
        };
        self.count(account, |counters| counters.count_dropped(1, cause));
        Fate::Gone(cause)
    }

    /// Hands a frame over, with what else is to happen to it.
    fn hand_over_marked(&mut self, account: Account, frame: &mut [u8], marks: Marks, now_us: u64) {
        self.spoil(account, frame, marks);
        self.hand_over(account, frame, now_us);
        if marks.twice {
            let packets = Weight::of(frame).packets;
            self.count(account, |counters| counters.duplicated += packets);
            self.hand_over(account, frame, now_us);
        }
    }

    /// Holds a frame back, with what else is to happen to it. A copy that there is no room for is
    /// not made.
    fn hold(&mut self, account: Account, mut held: Held, marks: Marks) {
        held.matched = account.matched;
        self.spoil(account, &mut held.frame, marks);
        let link = &self.links[account.link];
        let room = !self.in_flight.is_full() && link.in_flight < IN_FLIGHT_ON_LINK_MAX;
        let copy = (marks.twice && room).then(|| {
            let mut frame = self.in_flight.buffer(held.frame.len());
            frame.extend_from_slice(&held.frame);
            held.twin(frame)
        });
        self.in_flight.hold(held);
        if let Some(copy) = copy {
            let packets = u64::from(copy.packets);
            self.links[account.link].in_flight += copy.packets;
            self.count(account, |counters| counters.duplicated += packets);
            self.in_flight.hold(copy);
        }
    }

    fn spoil(&mut self, account: Account, frame: &mut [u8], marks: Marks) {
        if let Some(flip) = marks.flip {
            let done = u64::from(corrupt(frame, flip));
            self.count(account, |counters| counters.corrupted += done);
        }
    }

    /// Sends the answer of a closed port back to whoever has sent a frame. It goes past the link
    /// of the other direction, and like every reset it may get lost: then the sender tries again.
    fn answer_with_reset(&self, position: usize, frame: &[u8], now_us: u64) {
        let sender = self.links[position].from;
        if let Some(mut answer) = reset::answer(frame::packet(frame))
            && let Some(port) = self.port(sender)
        {
            let dropped = port.send(&mut answer).dropped();
            if let Some(tap) = &self.tap {
                tap.received(sender, &answer, now_us, dropped);
            }
        }
    }
}

impl Fate {
    /// Why the link drops the packet; none when it does not.
    fn dropped(self) -> Option<&'static str> {
        match self {
            Fate::Gone(cause) => Some(cause.words()),
            Fate::Now(_) | Fate::Later { .. } => None,
        }
    }

    /// True when a packet cannot share a frame even with one of the same fate: a wrong bit is
    /// that of one packet.
    fn is_alone(self) -> bool {
        match self {
            Fate::Gone(_) => false,
            Fate::Now(marks) | Fate::Later { marks, .. } => marks.flip.is_some(),
        }
    }
}
