//! The switch: takes a frame from one host, asks its link, and hands it to another host.
//!
//! Holds everything that a packet meets on its way: the ports of the hosts, the policies, the
//! links with their counters, and the packets in flight. It is driven by [`crate::router`], which
//! owns the waiting and the clock; times come in as arguments.
//!
//! The policy acts twice on a packet. When it is sent, its link decides; when it is due, a link
//! that has been blocked in the meantime drops it after all, because a cut cable holds nothing
//! back. Everything else (a loss, a latency) is decided once, when the packet is sent.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Range;

use crate::counters::{LinkCounters, LinkReport};
use crate::frame;
use crate::in_flight::{Held, IN_FLIGHT_ON_LINK_MAX, InFlight};
use crate::link::{DropCause, LinkState, Verdict};
use crate::policy::LinkPolicy;
use crate::port::{Port, Sent};
use crate::segment::Pieces;
use crate::table::{HostIndex, PolicyTable};
use crate::tap::{Tap, Undelivered};

/// Everything that a packet meets on its way.
#[derive(Debug)]
pub(crate) struct Switch {
    seed: u64,
    table: PolicyTable,
    ports: Vec<Option<Port>>,
    /// Who has an address; a detached host keeps its own, so that packets to it find their link.
    addresses: HashMap<Ipv4Addr, HostIndex>,
    links: Vec<Link>,
    /// For the pair (from, to), one more than the position of its link in `links`; 0 before the
    /// first packet.
    positions: Vec<u32>,
    in_flight: InFlight,
    tap: Option<Tap>,
}

/// One link that has seen a packet.
#[derive(Debug)]
struct Link {
    from: HostIndex,
    to: HostIndex,
    state: LinkState,
    counters: LinkCounters,
    in_flight: u32,
}

/// What the switch does with a packet that its link has judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing: it is dropped, and counted.
    Gone(DropCause),
    /// Hand it over.
    Now,
    /// Hold it back.
    Later { due_us: u64 },
}

impl Switch {
    /// A switch without ports on a healthy network.
    pub fn new(seed: u64, hosts: u16) -> Switch {
        let count = usize::from(hosts);
        Switch {
            seed,
            table: PolicyTable::uniform(hosts, LinkPolicy::default()),
            ports: (0..hosts).map(|_| None).collect(),
            addresses: HashMap::new(),
            links: Vec::new(),
            positions: vec![0; count * count],
            in_flight: InFlight::default(),
            tap: None,
        }
    }

    /// Lets somebody look at the packets, or nobody any more.
    pub fn set_tap(&mut self, tap: Option<Tap>) {
        self.tap = tap;
    }

    /// Swaps the policies of all links. Returns the old ones, to be freed elsewhere.
    pub fn swap_policies(&mut self, table: PolicyTable) -> PolicyTable {
        std::mem::replace(&mut self.table, table)
    }

    /// The host that has an address, now or before it was detached.
    pub fn owner(&self, address: Ipv4Addr) -> Option<HostIndex> {
        self.addresses.get(&address).copied()
    }

    /// Plugs a host in. Returns the port that it had before.
    pub fn plug(&mut self, host: HostIndex, address: Ipv4Addr, port: Port) -> Option<Port> {
        self.addresses.retain(|_, owner| *owner != host);
        self.addresses.insert(address, host);
        self.ports[usize::from(host.0)].replace(port)
    }

    /// Unplugs a host.
    pub fn unplug(&mut self, host: HostIndex) -> Option<Port> {
        self.ports[usize::from(host.0)].take()
    }

    /// The port of a host that is plugged in.
    pub fn port(&self, host: HostIndex) -> Option<&Port> {
        self.ports[usize::from(host.0)].as_ref()
    }

    /// The counters of all links that saw a packet.
    pub fn reports(&self) -> Vec<LinkReport> {
        let report = |link: &Link| LinkReport {
            from: link.from,
            to: link.to,
            counters: link.counters,
        };
        self.links.iter().map(report).collect()
    }

    /// When the next packet in flight is due.
    pub fn next_due_us(&self) -> Option<u64> {
        self.in_flight.next_due_us()
    }

    /// Takes a frame that a host has sent.
    pub fn accept(&mut self, from: HostIndex, frame: &mut [u8], now_us: u64) {
        if frame.len() < frame::OFFLOAD_BYTES {
            return;
        }
        let Some(destination) = frame::destination(frame::packet(frame)) else {
            return;
        };
        let Some(to) = self.owner(destination) else {
            let nowhere = self.link(from, from);
            self.links[nowhere].counters.dropped_detached += weight(frame).packets;
            self.show_sent(nowhere, frame, now_us, Some(Undelivered::Unknown.words()));
            return;
        };
        let position = self.link(from, to);
        let link = &self.links[position];
        if link.in_flight == 0 && self.table.get(from, to).is_healthy() {
            self.show_sent(position, frame, now_us, None);
            self.hand_over(position, frame, now_us);
        } else if let Some(pieces) = Pieces::of(frame) {
            self.judge_pieces(position, &pieces, now_us);
        } else {
            self.judge_frame(position, frame, now_us);
        }
    }

    /// Hands over the next frame in flight that is due by now. False when there is none.
    pub fn deliver_next_due(&mut self, now_us: u64) -> bool {
        let Some(mut held) = self.in_flight.take_due(now_us) else {
            return false;
        };
        let position = held.link as usize;
        let link = &mut self.links[position];
        link.in_flight -= held.packets;
        if self.table.get(link.from, link.to).blocked {
            link.counters.dropped_blocked += u64::from(held.packets);
            let cause = DropCause::Blocked.words();
            self.show_received(position, &held.frame, now_us, Some(cause));
        } else {
            let packets = self.hand_over(position, &mut held.frame, now_us);
            let delay_us = now_us.saturating_sub(held.read_us);
            self.links[position]
                .counters
                .count_delayed(packets, delay_us);
        }
        self.in_flight.recycle(held.frame);
        true
    }

    /// Lets the link decide about a frame that is one packet.
    fn judge_frame(&mut self, position: usize, frame: &mut [u8], now_us: u64) {
        let fate = self.judge(position, frame::packet(frame).len(), now_us);
        self.show_sent(position, frame, now_us, fate.dropped());
        match fate {
            Fate::Gone(_) => {}
            Fate::Now => {
                self.hand_over(position, frame, now_us);
            }
            Fate::Later { due_us } => {
                let mut copy = self.in_flight.buffer(frame.len());
                copy.extend_from_slice(frame);
                self.in_flight
                    .hold(Held::new(position as u32, copy, 1, now_us, due_us));
            }
        }
    }

    /// Lets the link decide about each packet of a large segment. Neighbours that share their
    /// fate travel on together, as a smaller large segment.
    fn judge_pieces(&mut self, position: usize, pieces: &Pieces<'_>, now_us: u64) {
        let mut start = 0;
        let mut fate = self.judge(position, pieces.bytes(0..1), now_us);
        for index in 1..pieces.count() {
            let next = self.judge(position, pieces.bytes(index..index + 1), now_us);
            if next != fate {
                self.forward(position, pieces, start..index, fate, now_us);
                (start, fate) = (index, next);
            }
        }
        self.forward(position, pieces, start..pieces.count(), fate, now_us);
    }

    /// Sends neighbouring packets of a large segment to their common fate.
    fn forward(
        &mut self,
        position: usize,
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
        self.show_sent(position, &frame, now_us, fate.dropped());
        match fate {
            Fate::Gone(_) => self.in_flight.recycle(frame),
            Fate::Now => {
                self.hand_over(position, &mut frame, now_us);
                self.in_flight.recycle(frame);
            }
            Fate::Later { due_us } => {
                self.in_flight
                    .hold(Held::new(position as u32, frame, packets, now_us, due_us));
            }
        }
    }

    /// Lets the link decide about one packet. What is dropped is counted here.
    fn judge(&mut self, position: usize, bytes: usize, now_us: u64) -> Fate {
        let link = &mut self.links[position];
        let policy = self.table.get(link.from, link.to);
        let (dropped, cause) = match link.state.decide(policy, now_us, bytes) {
            Verdict::Deliver { at_us } if at_us <= now_us && link.in_flight == 0 => {
                return Fate::Now;
            }
            Verdict::Deliver { at_us } => {
                if !self.in_flight.is_full() && link.in_flight < IN_FLIGHT_ON_LINK_MAX {
                    link.in_flight += 1;
                    return Fate::Later { due_us: at_us };
                }
                (&mut link.counters.dropped_queue, DropCause::Queue)
            }
            Verdict::Drop(cause) => match cause {
                DropCause::Blocked => (&mut link.counters.dropped_blocked, cause),
                DropCause::Loss => (&mut link.counters.dropped_loss, cause),
                DropCause::Queue => (&mut link.counters.dropped_queue, cause),
            },
        };
        *dropped += 1;
        Fate::Gone(cause)
    }

    /// Writes a frame to the receiver and counts it. Returns how many packets passed.
    fn hand_over(&mut self, position: usize, frame: &mut [u8], now_us: u64) -> u64 {
        let to = self.links[position].to;
        let Some(port) = self.port(to) else {
            self.links[position].counters.dropped_detached += weight(frame).packets;
            let cause = Undelivered::Detached.words();
            self.show_received(position, frame, now_us, Some(cause));
            return 0;
        };
        match Pieces::of(frame) {
            Some(pieces) if !port.offloads => {
                let mut piece = self
                    .in_flight
                    .buffer(frame::OFFLOAD_BYTES + pieces.bytes(0..1));
                let mut passed = 0;
                for index in 0..pieces.count() {
                    pieces.write(index..index + 1, &mut piece);
                    passed += self.write(position, &mut piece, now_us);
                }
                self.in_flight.recycle(piece);
                passed
            }
            _ => self.write(position, frame, now_us),
        }
    }

    /// Writes a frame that the receiver's port takes as it is.
    fn write(&mut self, position: usize, frame: &mut [u8], now_us: u64) -> u64 {
        let link = &mut self.links[position];
        let weight = weight(frame);
        let sent = match self.ports[usize::from(link.to.0)].as_ref() {
            Some(port) => port.send(frame),
            None => Sent::Refused,
        };
        let passed = link.counters.count(weight, sent);
        self.show_received(position, frame, now_us, sent.dropped());
        passed
    }

    /// Shows a frame to the tap, at its sender.
    fn show_sent(&self, position: usize, frame: &[u8], now_us: u64, dropped: Option<&'static str>) {
        if let Some(tap) = &self.tap {
            tap.sent(self.links[position].from, frame, now_us, dropped);
        }
    }

    /// Shows a frame to the tap, at its receiver.
    fn show_received(
        &self,
        position: usize,
        frame: &[u8],
        now_us: u64,
        dropped: Option<&'static str>,
    ) {
        if let Some(tap) = &self.tap {
            tap.received(self.links[position].to, frame, now_us, dropped);
        }
    }

    /// The position of the link between two hosts, which is made at its first packet.
    fn link(&mut self, from: HostIndex, to: HostIndex) -> usize {
        let pair = usize::from(from.0) * self.ports.len() + usize::from(to.0);
        if self.positions[pair] == 0 {
            self.links.push(Link {
                from,
                to,
                state: LinkState::new(self.seed, from, to),
                counters: LinkCounters::default(),
                in_flight: 0,
            });
            self.positions[pair] =
                u32::try_from(self.links.len()).expect("fewer links than pairs of hosts");
        }
        self.positions[pair] as usize - 1
    }
}

impl Fate {
    /// Why the link drops the packet; none when it does not.
    fn dropped(self) -> Option<&'static str> {
        match self {
            Fate::Gone(cause) => Some(cause.words()),
            Fate::Now | Fate::Later { .. } => None,
        }
    }
}

impl Sent {
    /// Why the packet did not get in; none when it did.
    fn dropped(self) -> Option<&'static str> {
        match self {
            Sent::Passed => None,
            Sent::Full => Some(Undelivered::DeviceFull.words()),
            Sent::Refused => Some(Undelivered::Refused.words()),
        }
    }
}

/// How much a frame counts for.
fn weight(frame: &[u8]) -> Weight {
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

/// A large segment counts as the packets that a wire would have seen.
#[derive(Clone, Copy, Debug)]
struct Weight {
    packets: u64,
    bytes: u64,
}

impl LinkCounters {
    /// Counts what became of a frame. Returns how many packets passed.
    fn count(&mut self, weight: Weight, sent: Sent) -> u64 {
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

    fn count_delayed(&mut self, packets: u64, delay_us: u64) {
        if packets > 0 {
            self.delayed += packets;
            self.delay_us_total += packets * delay_us;
            self.delay_us_max = self.delay_us_max.max(delay_us);
        }
    }
}
