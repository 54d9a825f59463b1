//! The switch: takes a frame from one host, asks its link, and hands it to another host.
//!
//! Holds everything that a packet meets on its way: the ports of the hosts, the policies, the
//! links with their counters, and the packets in flight. It is driven by [`crate::router`], which
//! owns the waiting and the clock; times come in as arguments.
//!
//! The policy acts twice on a packet. When it is sent, its link decides (`judge`); when it is due,
//! a link that has been blocked in the meantime drops it after all, because a cut cable holds
//! nothing back, and one with a jam holds it until the policies are swapped for some without.
//! Everything else (a loss, a latency) is decided once, when the packet is sent.

mod judge;

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::counters::{LinkCounters, LinkReport};
use crate::facts::Facts;
use crate::filter::Classes;
use crate::flows::{Flow, Flows};
use crate::frame;
use crate::in_flight::{Held, InFlight};
use crate::link::{DropCause, LinkState};
use crate::policy::LinkPolicy;
use crate::port::{Port, Sent};
use crate::segment::Pieces;
use crate::table::{HostIndex, PolicyTable};
use crate::tap::{Tap, Undelivered};
use crate::weight::Weight;

/// Everything that a packet meets on its way.
#[derive(Debug)]
pub(crate) struct Switch {
    seed: u64,
    table: PolicyTable,
    /// How often the policies have been swapped.
    generation: u64,
    ports: Vec<Option<Port>>,
    /// Who has an address; a detached host keeps its own, so that packets to it find their link.
    addresses: HashMap<Ipv4Addr, HostIndex>,
    links: Vec<Link>,
    /// For the pair (from, to), one more than the position of its link in `links`; 0 before the
    /// first packet.
    positions: Vec<u32>,
    in_flight: InFlight,
    flows: Flows,
    tap: Option<Tap>,
}

/// Where a packet is counted.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// The position of its link.
    link: usize,
    /// True when a filter of the link meant it when it was read: it is counted there too.
    matched: bool,
}

/// One link that has seen a packet.
#[derive(Debug)]
struct Link {
    from: HostIndex,
    to: HostIndex,
    state: LinkState,
    counters: LinkCounters,
    /// The same for the packets that a filter means, made at the first of them.
    matched: Option<Box<LinkCounters>>,
    /// Packets on their way, those that a jam holds included.
    in_flight: u32,
    /// Made at the first packet that meets a policy with filters.
    classes: Option<Box<Classes>>,
}

impl Switch {
    /// A switch without ports on a healthy network.
    pub fn new(seed: u64, hosts: u16) -> Switch {
        let count = usize::from(hosts);
        Switch {
            seed,
            table: PolicyTable::uniform(hosts, LinkPolicy::default()),
            generation: 0,
            ports: (0..hosts).map(|_| None).collect(),
            addresses: HashMap::new(),
            links: Vec::new(),
            positions: vec![0; count * count],
            in_flight: InFlight::default(),
            flows: Flows::new(),
            tap: None,
        }
    }

    /// Lets somebody look at the packets, or nobody any more.
    pub fn set_tap(&mut self, tap: Option<Tap>) {
        self.tap = tap;
    }

    /// Swaps the policies of all links, and lets go what was held by a jam that is over: it is due
    /// at once. Returns the old policies, to be freed elsewhere.
    pub fn swap_policies(&mut self, table: PolicyTable) -> PolicyTable {
        let old = std::mem::replace(&mut self.table, table);
        self.generation += 1;
        // Filters only add to a policy. Where one of them jams, its packets come back.
        self.in_flight.release(|position| {
            let link = &self.links[position as usize];
            let policy = self.table.get(link.from, link.to);
            policy.jam && !policy.blocked
        });
        old
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
            matched: link.matched.as_deref().copied().unwrap_or_default(),
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
            let nowhere = Account::of_all(self.link(from, from));
            let packets = Weight::of(frame).packets;
            self.count(nowhere, |counters| counters.dropped_detached += packets);
            self.show_sent(
                nowhere.link,
                frame,
                now_us,
                Some(Undelivered::Unknown.words()),
            );
            return;
        };
        let position = self.link(from, to);
        let policy = self.table.get(from, to);
        // A filter that does nothing still has its packets counted.
        let simple = policy.is_healthy() && policy.filtered.is_empty();
        if simple && self.links[position].in_flight == 0 {
            if let Some(flow) = Flow::of(frame::packet(frame)) {
                self.flows.note(flow);
            }
            self.show_sent(position, frame, now_us, None);
            self.hand_over(Account::of_all(position), frame, now_us);
        } else {
            self.judge_frame(position, frame, now_us);
        }
    }

    /// Hands over the next frame in flight that is due by now. False when there is none.
    pub fn deliver_next_due(&mut self, now_us: u64) -> bool {
        let Some(mut held) = self.in_flight.take_due(now_us) else {
            return false;
        };
        let account = held.account();
        let link = &mut self.links[account.link];
        let base = self.table.get(link.from, link.to);
        let (blocked, jam) = if base.filtered.is_empty() {
            (base.blocked, base.jam)
        } else {
            let packet = Facts::of(frame::packet(&held.frame));
            let classes = &mut link.classes;
            let (_, policy) = effective(base, classes, self.generation, &packet);
            (policy.blocked, policy.jam)
        };
        if jam && !blocked {
            self.jam(held, now_us);
            return true;
        }
        let packets = u64::from(held.packets);
        link.in_flight -= held.packets;
        if held.jammed {
            self.count(account, |counters| counters.released += packets);
        }
        if blocked {
            let cause = DropCause::Blocked;
            self.count(account, |counters| counters.count_dropped(packets, cause));
            self.show_received(account.link, &held.frame, now_us, Some(cause.words()));
        } else {
            let packets = self.hand_over(account, &mut held.frame, now_us);
            let delay_us = now_us.saturating_sub(held.read_us);
            self.count(account, |counters| {
                counters.count_delayed(packets, delay_us);
            });
        }
        self.in_flight.recycle(held.frame);
        true
    }

    /// Holds a frame that is due until the jam of its link is over.
    fn jam(&mut self, held: Held, now_us: u64) {
        let account = held.account();
        let (again, packets) = (held.jammed, u64::from(held.packets));
        let Some(full) = self.in_flight.jam(held) else {
            let new = if again { 0 } else { packets };
            return self.count(account, |counters| counters.jammed += new);
        };
        let cause = DropCause::Queue;
        self.links[account.link].in_flight -= full.packets;
        self.count(account, |counters| {
            counters.released += if again { packets } else { 0 };
            counters.count_dropped(packets, cause);
        });
        self.show_received(account.link, &full.frame, now_us, Some(cause.words()));
        self.in_flight.recycle(full.frame);
    }

    /// Writes a frame to the receiver and counts it. Returns how many packets passed.
    fn hand_over(&mut self, account: Account, frame: &mut [u8], now_us: u64) -> u64 {
        let to = self.links[account.link].to;
        let Some(port) = self.port(to) else {
            let packets = Weight::of(frame).packets;
            self.count(account, |counters| counters.dropped_detached += packets);
            let cause = Undelivered::Detached.words();
            self.show_received(account.link, frame, now_us, Some(cause));
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
                    passed += self.write(account, &mut piece, now_us);
                }
                self.in_flight.recycle(piece);
                passed
            }
            _ => self.write(account, frame, now_us),
        }
    }

    /// Writes a frame that the receiver's port takes as it is.
    fn write(&mut self, account: Account, frame: &mut [u8], now_us: u64) -> u64 {
        let weight = Weight::of(frame);
        let to = self.links[account.link].to;
        let sent = match self.port(to) {
            Some(port) => port.send(frame),
            None => Sent::Refused,
        };
        let passed = self.count(account, |counters| counters.count(weight, sent));
        self.show_received(account.link, frame, now_us, sent.dropped());
        passed
    }

    /// Counts something of a packet, wherever it is counted.
    fn count<T>(&mut self, account: Account, count: impl Fn(&mut LinkCounters) -> T) -> T {
        let link = &mut self.links[account.link];
        if account.matched {
            count(link.matched.get_or_insert_default());
        }
        count(&mut link.counters)
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
                matched: None,
                in_flight: 0,
                classes: None,
            });
            self.positions[pair] =
                u32::try_from(self.links.len()).expect("fewer links than pairs of hosts");
        }
        self.positions[pair] as usize - 1
    }
}

/// The class of a packet on a link, and the policy that it meets there.
fn effective<'a>(
    base: &'a LinkPolicy,
    classes: &'a mut Option<Box<Classes>>,
    generation: u64,
    packet: &Facts,
) -> (u64, &'a LinkPolicy) {
    if base.filtered.is_empty() {
        return (0, base);
    }
    classes
        .get_or_insert_default()
        .find(base, generation, packet)
}

impl Account {
    /// That of the packets that no filter means.
    fn of_all(link: usize) -> Account {
        Account {
            link,
            matched: false,
        }
    }
}

impl Held {
    fn account(&self) -> Account {
        Account {
            link: self.link as usize,
            matched: self.matched,
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
