//! Goal: the whole fabric, thread and all, does what its policies say, and survives its devices.
//! Method: socket pairs stand in for TUN devices, so this needs no privileges and no namespaces.
//! A test writes IP packets at one end and reads them at another. Nothing is timed: tests wait for
//! packets and counters.

mod device;
mod packets;

mod filters;
mod vocabulary;

use std::io::Read;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use device::{A, B, address, attach, counters, set_a_to_b, two_hosts, wait_for};
use fabric::{Fabric, FabricError, HostIndex, Latency, LinkCounters, LinkPolicy, PolicyTable};
use packets::packet;

#[test]
fn a_packet_arrives_as_it_was_sent() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let sent = packet(address(B), 77);
    a.send(&sent);
    assert_eq!(b.receive(), sent);
    let expected = LinkCounters {
        passed: 1,
        passed_bytes: 28,
        ..LinkCounters::default()
    };
    assert_eq!(
        wait_for(&fabric, (A, B), |counters| counters.passed == 1),
        expected
    );
    assert_eq!(
        counters(&fabric, B, A),
        None,
        "only links that saw a packet are reported"
    );
}

#[test]
fn delayed_packets_stay_in_order_and_are_measured() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let latency = vec![Latency::Uniform {
        mean_us: 10_000,
        jitter_us: 5_000,
    }];
    set_a_to_b(
        &fabric,
        LinkPolicy {
            latency,
            ..LinkPolicy::default()
        },
    );
    for number in 0..100 {
        a.send(&packet(address(B), number));
    }
    for number in 0..100 {
        assert_eq!(b.receive(), packet(address(B), number));
    }
    let counters = wait_for(&fabric, (A, B), |counters| counters.passed == 100);
    assert_eq!(counters.delayed, 100);
    assert!(
        counters
            .mean_delay()
            .is_some_and(|delay| delay >= Duration::from_millis(5))
    );
}

/// Every packet is counted once, and the same seed loses the same packets.
#[test]
fn the_same_seed_loses_the_same_packets() {
    let run = |seed| {
        let (fabric, mut a, mut b) = two_hosts(seed);
        set_a_to_b(
            &fabric,
            LinkPolicy {
                loss_ppm: vec![300_000],
                ..LinkPolicy::default()
            },
        );
        let mut arrived = Vec::new();
        for number in 0..500u64 {
            a.send(&packet(address(B), number));
            let before = arrived.len() as u64;
            let counters = wait_for(&fabric, (A, B), |counters| counters.settled() == number + 1);
            if counters.passed > before {
                arrived.push(b.receive());
            }
        }
        let counters = counters(&fabric, A, B).expect("a link in use");
        assert_eq!(counters.passed + counters.dropped_loss, 500);
        assert_eq!(counters.passed, arrived.len() as u64);
        arrived
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_block_is_one_way_and_heals() {
    let (fabric, mut a, mut b) = two_hosts(1);
    set_a_to_b(
        &fabric,
        LinkPolicy {
            blocked: true,
            ..LinkPolicy::default()
        },
    );
    a.send(&packet(address(B), 1));
    wait_for(&fabric, (A, B), |counters| {
        counters.dropped_blocked == 1 && counters.passed == 0
    });
    b.send(&packet(address(A), 2));
    assert_eq!(a.receive(), packet(address(A), 2));
    set_a_to_b(&fabric, LinkPolicy::default());
    a.send(&packet(address(B), 3));
    assert_eq!(b.receive(), packet(address(B), 3));
}

#[test]
fn a_cut_cable_holds_nothing_back() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let slow = LinkPolicy {
        latency: vec![Latency::Constant { mean_us: 1_000_000 }],
        ..LinkPolicy::default()
    };
    set_a_to_b(&fabric, slow.clone());
    a.send(&packet(address(B), 1));
    // The link is reported as soon as the packet is on its way.
    let on_its_way = wait_for(&fabric, (A, B), |_| true);
    assert_eq!(on_its_way.settled(), 0);
    set_a_to_b(
        &fabric,
        LinkPolicy {
            blocked: true,
            ..slow
        },
    );
    wait_for(&fabric, (A, B), |counters| counters.dropped_blocked == 1);
    set_a_to_b(&fabric, LinkPolicy::default());
    a.send(&packet(address(B), 2));
    assert_eq!(b.receive(), packet(address(B), 2));
}

#[test]
fn packets_to_nobody_are_counted() {
    let (fabric, mut a, mut b) = two_hosts(1);
    a.send(&packet(Ipv4Addr::new(198, 19, 0, 1), 1));
    wait_for(&fabric, (A, A), |counters| counters.dropped_detached == 1);
    fabric.detach(B).expect("detached");
    a.send(&packet(address(B), 2));
    wait_for(&fabric, (A, B), |counters| counters.dropped_detached == 1);
    assert_eq!(b.0.read(&mut [0; 10]).expect("closed by the fabric"), 0);
    let mut again = attach(&fabric, B);
    a.send(&packet(address(B), 3));
    assert_eq!(again.receive(), packet(address(B), 3));
}

/// Junk is no packet: it is not counted, and what comes after it passes.
#[test]
fn what_is_not_ipv4_is_ignored() {
    let (fabric, mut a, mut b) = two_hosts(1);
    a.send(&[0x60; 40]);
    a.send(&[0x45]);
    a.send(&[0x4f; 30]);
    a.send(&packet(address(B), 1));
    assert_eq!(b.receive(), packet(address(B), 1));
    assert_eq!(fabric.counters().expect("counters").len(), 1);
}

#[test]
fn a_dead_device_neither_kills_nor_spins_the_router() {
    let (fabric, mut a, b) = two_hosts(1);
    drop(b);
    a.send(&packet(address(B), 1));
    wait_for(&fabric, (A, B), |counters| counters.dropped_detached == 1);
    let before = fabric.cpu_time();
    // Nothing happens for a while; this is the only way to see that nothing does.
    std::thread::sleep(Duration::from_millis(200));
    assert!(
        fabric.cpu_time() - before < Duration::from_millis(100),
        "the router spins"
    );
    let mut again = attach(&fabric, B);
    a.send(&packet(address(B), 2));
    assert_eq!(again.receive(), packet(address(B), 2));
}

#[test]
fn mistakes_of_the_caller_are_refused() {
    let fabric = Fabric::start(1, 2).expect("a fabric");
    let _a = attach(&fabric, A);
    let file = || OwnedFd::from(std::fs::File::open("/dev/null").expect("/dev/null"));
    let taken = fabric.attach(B, address(A), file());
    assert!(
        matches!(taken, Err(FabricError::AddressTaken { owner: 0, .. })),
        "{taken:?}"
    );
    let unknown = fabric.attach(HostIndex(2), address(B), file());
    assert!(
        matches!(unknown, Err(FabricError::UnknownHost { host: 2, hosts: 2 })),
        "{unknown:?}"
    );
    let size = fabric.set_policies(PolicyTable::uniform(3, LinkPolicy::default()));
    assert!(
        matches!(size, Err(FabricError::TableSize { given: 3, hosts: 2 })),
        "{size:?}"
    );
    let many = Fabric::start(1, u16::MAX);
    assert!(
        matches!(many, Err(FabricError::TooManyHosts { .. })),
        "{many:?}"
    );
}

#[test]
fn dropping_the_fabric_closes_its_devices() {
    let (fabric, mut a, _b) = two_hosts(1);
    drop(fabric);
    assert_eq!(a.0.read(&mut [0; 10]).expect("closed by the fabric"), 0);
}
