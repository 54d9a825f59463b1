//! What one packet costs: the verdict of its link, and the way through the whole router.
//!
//! `cargo bench -p fabric`. Socket pairs stand in for devices, so this needs no privileges; the
//! way through includes waking the router's thread, which is most of it.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use criterion::{Criterion, criterion_group, criterion_main};
use fabric::link::LinkState;
use fabric::{
    Corrupt, Corruption, Fabric, Filter, Filtered, GilbertElliott, HostIndex, Latency, LinkPolicy,
    PolicyTable, Reorder,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

const A: HostIndex = HostIndex(0);
const B: HostIndex = HostIndex(1);

/// The length of a full packet.
const PACKET_BYTES: usize = 1_500;

fn policies() -> [(&'static str, LinkPolicy); 6] {
    let policy = |latency, loss_ppm, bandwidth_bps| LinkPolicy {
        latency,
        loss_ppm,
        bandwidth_bps,
        ..LinkPolicy::default()
    };
    // The shortest there is, so that the way through is measured and not the wait.
    let delay = Latency::Uniform {
        mean_us: 1,
        jitter_us: 1,
    };
    let bent = LinkPolicy {
        gilbert_elliott: vec![GilbertElliott {
            to_bad_ppm: 1,
            to_good_ppm: 100_000,
            loss_good_ppm: 0,
            loss_bad_ppm: 1_000_000,
        }],
        duplicate_ppm: vec![1],
        reorder: vec![Reorder {
            share_ppm: 1,
            late_us: 1,
        }],
        corrupt: vec![Corrupt {
            share_ppm: 1,
            how: Corruption::Silent,
        }],
        ..policy(vec![delay], vec![], None)
    };
    // Nothing here has a port, so each packet is looked at and none is meant.
    let filtered = LinkPolicy {
        filtered: vec![Filtered {
            filter: Filter {
                protocol: None,
                port: Some(80),
            },
            policy: policy(vec![], vec![1_000_000], None),
        }],
        ..LinkPolicy::default()
    };
    [
        ("healthy", LinkPolicy::default()),
        ("delayed", policy(vec![delay], vec![], None)),
        ("lossy", policy(vec![], vec![1], None)),
        ("narrow", policy(vec![], vec![], Some(1_000_000_000_000))),
        ("a few faults", bent),
        ("filtered", filtered),
    ]
}

fn verdicts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verdict");
    for (name, policy) in policies() {
        let mut link = LinkState::new(1, A, B);
        let mut now_us = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                now_us += 10;
                link.decide(black_box(&policy), black_box(now_us), PACKET_BYTES)
            });
        });
    }
    group.finish();
}

fn ways_through(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("through the router");
    for (name, policy) in policies() {
        // One in a million is lost, and would be waited for without end.
        if policy.loss_share() == 0.0 {
            let fabric = Fabric::start(1, 2).expect("a fabric");
            let (mut near, mut far) = (attach(&fabric, A), attach(&fabric, B));
            let table = PolicyTable::uniform(2, policy);
            fabric.set_policies(table).expect("policies set");
            let (packet, mut buffer) = (full_packet(), [0; PACKET_BYTES]);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    near.write_all(&packet).expect("the fabric reads");
                    far.read_exact(&mut buffer).expect("the fabric writes");
                });
            });
        }
    }
    group.finish();
}

fn address(host: HostIndex) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, host.0 as u8 + 1)
}

fn full_packet() -> Vec<u8> {
    let mut packet = vec![0; PACKET_BYTES];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(PACKET_BYTES as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&address(A).octets());
    packet[16..20].copy_from_slice(&address(B).octets());
    packet
}

/// The host's end of a device; a `TcpStream` only by type.
fn attach(fabric: &Fabric, host: HostIndex) -> TcpStream {
    let flags = SockFlag::SOCK_CLOEXEC;
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
    let (ours, theirs) = pair.expect("a socket pair");
    let attached = fabric.attach(host, address(host), theirs);
    attached.expect("attached");
    TcpStream::from(ours)
}

criterion_group!(packets, verdicts, ways_through);
criterion_main!(packets);
