//! A socket pair that stands in for a TUN device, and what to ask of a fabric that holds one end.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use fabric::{Fabric, HostIndex, LinkCounters, LinkPolicy, LinkReport, PolicyTable};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

pub const A: HostIndex = HostIndex(0);
pub const B: HostIndex = HostIndex(1);
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The host's end of a device. A `TcpStream` only by type, for its read timeout.
pub struct Device(pub TcpStream);

impl Device {
    pub fn send(&mut self, packet: &[u8]) {
        self.0.write_all(packet).expect("the fabric reads");
    }

    pub fn receive(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2_000];
        let bytes = self
            .0
            .read(&mut packet)
            .expect("a packet before the deadline");
        packet.truncate(bytes);
        packet
    }
}

pub fn address(host: HostIndex) -> Ipv4Addr {
    Ipv4Addr::from(0xc612_0001 + u32::from(host.0))
}

pub fn attach(fabric: &Fabric, host: HostIndex) -> Device {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .expect("a socket pair");
    fabric
        .attach(host, address(host), theirs)
        .expect("attached");
    let device = TcpStream::from(ours);
    device.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    Device(device)
}

pub fn two_hosts(seed: u64) -> (Fabric, Device, Device) {
    let fabric = Fabric::start(seed, 2).expect("a fabric");
    let (a, b) = (attach(&fabric, A), attach(&fabric, B));
    (fabric, a, b)
}

pub fn set_a_to_b(fabric: &Fabric, policy: LinkPolicy) {
    let mut table = PolicyTable::uniform(2, LinkPolicy::default());
    table.set(A, B, policy);
    fabric.set_policies(table).expect("policies set");
}

/// What a link has to say; none before its first packet.
pub fn report(fabric: &Fabric, from: HostIndex, to: HostIndex) -> Option<LinkReport> {
    let reports = fabric.counters().expect("counters");
    reports
        .into_iter()
        .find(|report| (report.from, report.to) == (from, to))
}

pub fn counters(fabric: &Fabric, from: HostIndex, to: HostIndex) -> Option<LinkCounters> {
    report(fabric, from, to).map(|report| report.counters)
}

/// Waits until a link's report is as wanted. Each question waits for the router, so this cannot
/// spin faster than it serves.
pub fn wait_for_report(
    fabric: &Fabric,
    (from, to): (HostIndex, HostIndex),
    wanted: impl Fn(&LinkReport) -> bool,
) -> LinkReport {
    let start = Instant::now();
    loop {
        let now = report(fabric, from, to);
        match now.filter(&wanted) {
            Some(report) => return report,
            None => assert!(start.elapsed() < DEADLINE, "the report stays at {now:?}"),
        }
    }
}

/// Waits until a link's counters are as wanted.
pub fn wait_for(
    fabric: &Fabric,
    link: (HostIndex, HostIndex),
    wanted: impl Fn(&LinkCounters) -> bool,
) -> LinkCounters {
    wait_for_report(fabric, link, |report| wanted(&report.counters)).counters
}
