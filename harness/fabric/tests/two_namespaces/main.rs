//! Goal: real sockets in real network namespaces see the network that the policy describes.
//! Method: two hosts, each a namespace with a TUN device, joined by a fabric; UDP and TCP sockets
//! opened inside of them. Delays are bounded strictly from below (nothing may arrive early) and
//! generously from above (this machine may be busy). Losses are compared with the counters
//! exactly, and with the policy within five standard deviations of the binomial distribution.
//!
//! Needs root and /dev/net/tun. Without them each test says SKIPPED and passes, unless
//! HARNESS_REQUIRE_LOCAL=1 is set: then it fails.

mod pair;
mod vocabulary;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use fabric::{HostNet, Latency, LinkCounters, LinkPolicy};
use pair::{A, B, DEADLINE, PORT, Pair, address, pair};

fn constant(milliseconds: u64) -> LinkPolicy {
    let latency = vec![Latency::Constant {
        mean_us: milliseconds * 1_000,
    }];
    LinkPolicy {
        latency,
        ..LinkPolicy::default()
    }
}

fn blocked() -> LinkPolicy {
    LinkPolicy {
        blocked: true,
        ..LinkPolicy::default()
    }
}

/// Round trips of so many pings, each sent when the one before is back, in order of length.
fn round_trips(near: &UdpSocket, far: &UdpSocket, pings: usize) -> Vec<Duration> {
    let mut buffer = [0; 64];
    let mut ping = |number: usize| {
        let start = Instant::now();
        near.send(&number.to_be_bytes()).expect("sent");
        let bytes = far.recv(&mut buffer).expect("the ping");
        far.send(&buffer[..bytes]).expect("sent back");
        let bytes = near.recv(&mut buffer).expect("the answer");
        assert_eq!(buffer[..bytes], number.to_be_bytes());
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..pings).map(&mut ping).collect();
    times.sort_unstable();
    times
}

#[test]
fn the_measured_delay_is_that_of_the_policy() {
    let Some(pair) = pair("the_measured_delay_is_that_of_the_policy") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    pair.set(constant(60), constant(30));
    let times = round_trips(&a, &b, 20);
    assert!(
        times[0] >= Duration::from_millis(90),
        "early: {:?}",
        times[0]
    );
    assert!(
        times[10] < Duration::from_millis(150),
        "late: {:?}",
        times[10]
    );

    for (from, to, milliseconds) in [(A, B, 60), (B, A, 30)] {
        let counters = pair.counters(from, to);
        assert_eq!((counters.passed, counters.delayed), (20, 20));
        let measured = counters.mean_delay().expect("delayed packets");
        assert!(
            measured >= Duration::from_millis(milliseconds),
            "{measured:?}"
        );
        assert!(
            measured < Duration::from_millis(milliseconds + 30),
            "{measured:?}"
        );
    }
}

/// One ping at a time, so no packet waits for another and the mean is that of the distribution.
#[test]
fn jitter_stays_in_its_range() {
    let Some(pair) = pair("jitter_stays_in_its_range") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    let latency = vec![Latency::Uniform {
        mean_us: 10_000,
        jitter_us: 8_000,
    }];
    pair.set(
        LinkPolicy {
            latency,
            ..LinkPolicy::default()
        },
        LinkPolicy::default(),
    );
    let times = round_trips(&a, &b, 200);
    assert!(
        times[0] >= Duration::from_millis(2),
        "early: {:?}",
        times[0]
    );
    let mean = times.iter().sum::<Duration>() / 200;
    // Five standard errors of the mean are 1.6 ms.
    assert!(
        mean >= Duration::from_micros(8_400),
        "early on average: {mean:?}"
    );
    assert!(
        mean < Duration::from_millis(20),
        "late on average: {mean:?}"
    );
    assert!(
        times[199] - times[0] > Duration::from_millis(8),
        "no jitter"
    );
    assert_eq!(pair.counters(B, A).delayed, 0);
}

#[test]
fn the_measured_loss_is_that_of_the_policy() {
    const PACKETS: u64 = 5_000;
    let Some(pair) = pair("the_measured_loss_is_that_of_the_policy") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    pair.set(
        LinkPolicy {
            loss_ppm: vec![50_000, 100_000],
            ..LinkPolicy::default()
        },
        LinkPolicy::default(),
    );
    let mut received = 0;
    let mut buffer = [0; 64];
    for number in 1..=PACKETS {
        a.send(&number.to_be_bytes()).expect("sent");
        // Small bursts, so that nothing but the policy loses packets.
        if number % 50 == 0 {
            let passed = pair.settled(A, B, number).passed;
            while received < passed {
                b.recv(&mut buffer).expect("a packet that passed arrives");
                received += 1;
            }
        }
    }
    let counters = pair.counters(A, B);
    assert_eq!(counters.passed, received);
    assert_eq!(
        counters.passed + counters.dropped_loss,
        PACKETS,
        "{counters:?}"
    );
    let share: f64 = 1.0 - 0.95 * 0.9;
    let deviation = (share * (1.0 - share) * PACKETS as f64).sqrt();
    let error = (counters.dropped_loss as f64 - share * PACKETS as f64).abs();
    assert!(error < 5.0 * deviation, "{counters:?}");
}

#[test]
fn nothing_passes_a_block() {
    let Some(pair) = pair("nothing_passes_a_block") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    pair.set(blocked(), blocked());
    for number in 0..50u64 {
        a.send(&number.to_be_bytes()).expect("sent");
        b.send(&number.to_be_bytes()).expect("sent");
    }
    for (from, to) in [(A, B), (B, A)] {
        let expected = LinkCounters {
            dropped_blocked: 50,
            ..LinkCounters::default()
        };
        assert_eq!(pair.settled(from, to, 50), expected);
    }
    for socket in [&a, &b] {
        socket.set_nonblocking(true).expect("non-blocking");
        let nothing = socket.recv(&mut [0; 64]).expect_err("nothing passed");
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        socket.set_nonblocking(false).expect("blocking");
    }
    pair.set(LinkPolicy::default(), LinkPolicy::default());
    round_trips(&a, &b, 5);
}

#[test]
fn a_one_way_block_leaves_the_other_way_open() {
    let Some(pair) = pair("a_one_way_block_leaves_the_other_way_open") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    pair.set(blocked(), LinkPolicy::default());
    a.send(b"lost").expect("sent");
    pair.settled(A, B, 1);
    b.send(b"arrives").expect("sent");
    let mut buffer = [0; 64];
    let bytes = a.recv(&mut buffer).expect("the other way is open");
    assert_eq!(&buffer[..bytes], b"arrives");
    assert_eq!(pair.counters(A, B).dropped_blocked, 1);
    assert_eq!(pair.counters(B, A).passed, 1);
}

#[test]
fn a_swap_of_policies_takes_effect_at_once() {
    let Some(pair) = pair("a_swap_of_policies_takes_effect_at_once") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    for _ in 0..20 {
        pair.set(blocked(), LinkPolicy::default());
        let before = pair.counters(A, B);
        a.send(b"after the block").expect("sent");
        let window = pair.settled(A, B, before.settled() + 1) - before;
        assert_eq!((window.dropped_blocked, window.passed), (1, 0));
        pair.set(LinkPolicy::default(), LinkPolicy::default());
        round_trips(&a, &b, 1);
    }
}

/// A host that is restarted gets a new device in a namespace that exists, as a container does.
#[test]
fn a_host_can_be_unplugged_and_plugged_in_again() {
    let Some(pair) = pair("a_host_can_be_unplugged_and_plugged_in_again") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    round_trips(&a, &b, 1);
    pair.fabric.detach(B).expect("detached");
    a.send(b"nobody there").expect("sent");
    assert_eq!(pair.settled(A, B, 2).dropped_detached, 1);
    drop(b);
    let netns = pair.hosts[1].netns();
    let tun = HostNet::attach_to(netns, address(B), 15, 1500).expect("a new device");
    pair.fabric
        .attach(B, address(B), tun)
        .expect("attached again");
    round_trips(&a, &pair.udp(B), 1);
}

#[test]
fn hosts_have_no_way_to_anywhere_else() {
    let Some(pair) = pair("hosts_have_no_way_to_anywhere_else") else {
        return;
    };
    let outside = || {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a UDP socket");
        socket.send_to(b"out", "192.0.2.1:9").expect_err("no route")
    };
    assert_eq!(
        pair.inside(A, outside).kind(),
        ErrorKind::NetworkUnreachable
    );
    // A connection to oneself stays inside, and never comes to the fabric.
    pair.inside(A, || {
        for own in [address(A), Ipv4Addr::LOCALHOST] {
            let listener = TcpListener::bind((own, 0)).expect("a listener");
            let port = listener.local_addr().expect("its address").port();
            TcpStream::connect((own, port)).expect("connected to itself");
        }
    });
    assert_eq!(pair.counters(A, A), LinkCounters::default());
}

/// Sends a stream over TCP from one host to the other and returns how long it took to arrive.
fn stream(pair: &Pair, bytes: usize) -> Duration {
    let content = |at: usize| (at / 7 % 251) as u8;
    let listener = pair.inside(B, || {
        TcpListener::bind((address(B), PORT)).expect("a listener")
    });
    let connect = || TcpStream::connect((address(B), PORT)).expect("connected");
    let mut sender = pair.inside(A, connect);
    let (mut receiver, _) = listener.accept().expect("accepted");
    receiver
        .set_read_timeout(Some(DEADLINE))
        .expect("a timeout");
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            let all: Vec<u8> = (0..bytes).map(content).collect();
            sender.write_all(&all).expect("sent");
        });
        let mut received = Vec::with_capacity(bytes);
        receiver.read_to_end(&mut received).expect("received");
        assert_eq!(received.len(), bytes);
        let same = received
            .iter()
            .enumerate()
            .all(|(at, &byte)| byte == content(at));
        assert!(same, "the stream was changed on the way");
    });
    start.elapsed()
}

#[test]
fn a_tcp_stream_arrives_whole_over_a_healthy_link() {
    const BYTES: usize = 32 << 20;
    let Some(pair) = pair("a_tcp_stream_arrives_whole_over_a_healthy_link") else {
        return;
    };
    stream(&pair, BYTES);
    let counters = pair.counters(A, B);
    // Large segments count as the packets of at most 1,500 bytes that a wire would have seen.
    assert!(counters.passed as usize >= BYTES / 1_460, "{counters:?}");
    assert!(
        counters.passed_bytes <= counters.passed * 1_500,
        "{counters:?}"
    );
    assert!(counters.passed_bytes as usize > BYTES, "{counters:?}");
    assert_eq!(counters.delayed, 0);
}

#[test]
fn a_tcp_stream_arrives_whole_over_a_bad_link() {
    const BYTES: usize = 4 << 20;
    let Some(pair) = pair("a_tcp_stream_arrives_whole_over_a_bad_link") else {
        return;
    };
    let latency = vec![Latency::Normal {
        mean_us: 1_000,
        jitter_us: 300,
    }];
    let bad = LinkPolicy {
        latency,
        loss_ppm: vec![10_000],
        ..LinkPolicy::default()
    };
    pair.set(bad.clone(), bad);
    stream(&pair, BYTES);
    let counters = pair.counters(A, B);
    // Each packet was judged on its own, so the share of losses is that of single packets.
    let sent = counters.settled() as f64;
    let deviation = (0.01 * 0.99 * sent).sqrt();
    assert!(counters.settled() as usize >= BYTES / 1_460, "{counters:?}");
    let error = (counters.dropped_loss as f64 - 0.01 * sent).abs();
    assert!(error < 5.0 * deviation, "{counters:?}");
    assert!(
        counters.passed_bytes <= counters.passed * 1_500,
        "{counters:?}"
    );
}

#[test]
fn a_tcp_stream_is_no_faster_than_the_bandwidth() {
    const BYTES: usize = 1 << 20;
    let Some(pair) = pair("a_tcp_stream_is_no_faster_than_the_bandwidth") else {
        return;
    };
    let narrow = LinkPolicy {
        bandwidth_bps: Some(16_000_000),
        ..LinkPolicy::default()
    };
    pair.set(narrow, LinkPolicy::default());
    let took = stream(&pair, BYTES);
    // The line counts headers too, and starts empty.
    let least = Duration::from_secs_f64(BYTES as f64 * 8.0 / 16e6);
    assert!(took >= least, "{took:?} is faster than {least:?}");
    assert!(took < least * 4, "{took:?} is far slower than {least:?}");
}
