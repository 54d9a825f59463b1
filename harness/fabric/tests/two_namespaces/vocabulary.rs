//! What real sockets see of the newer parts of a policy.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use fabric::{Corrupt, Corruption, Filter, Filtered, Latency, LinkPolicy, Protocol};

use crate::pair::{A, B, DEADLINE, PORT, Pair, address, pair};

fn healthy() -> LinkPolicy {
    LinkPolicy::default()
}

/// A connection from A to B that has carried a byte.
fn connection(pair: &Pair) -> (TcpStream, TcpStream, TcpListener) {
    let listen = || TcpListener::bind((address(B), PORT)).expect("a listener");
    let listener = pair.inside(B, listen);
    let connect = || TcpStream::connect((address(B), PORT)).expect("connected");
    let mut near = pair.inside(A, connect);
    let (mut far, _) = listener.accept().expect("accepted");
    for stream in [&near, &far] {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
    }
    exchange(&mut near, &mut far);
    (near, far, listener)
}

/// A question, an answer and thanks. The last word is from the near end, and acknowledges the
/// answer, so the near end owes no segment afterwards that could meet a policy set then.
fn exchange(near: &mut TcpStream, far: &mut TcpStream) {
    let mut byte = [0];
    near.write_all(b"?").expect("sent");
    far.read_exact(&mut byte).expect("the question");
    far.write_all(b"!").expect("sent back");
    near.read_exact(&mut byte).expect("the answer");
    near.write_all(b".").expect("sent");
    far.read_exact(&mut byte).expect("the thanks");
}

fn corrupting(how: Corruption) -> LinkPolicy {
    LinkPolicy {
        corrupt: vec![Corrupt {
            share_ppm: 1_000_000,
            how,
        }],
        ..healthy()
    }
}

/// Nothing waits in a socket. To be asked when the counters say that the packets are through.
fn is_empty(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).expect("non-blocking");
    let answer = socket.recv(&mut [0; 64]);
    socket.set_nonblocking(false).expect("blocking");
    answer.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_reset_refuses_new_connections_and_ends_established_ones() {
    let Some(pair) = pair("a_reset_refuses_new_connections_and_ends_established_ones") else {
        return;
    };
    let (mut near, _far, _listener) = connection(&pair);
    let reset = LinkPolicy {
        reset: true,
        ..healthy()
    };
    pair.set(reset, healthy());
    near.write_all(b"?").expect("taken by the kernel");
    let ended = near.read(&mut [0]).expect_err("the connection is reset");
    assert_eq!(ended.kind(), ErrorKind::ConnectionReset);
    let connect = || TcpStream::connect((address(B), PORT));
    let refused = pair.inside(A, connect).expect_err("nobody lets it in");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let counters = pair.counters(A, B);
    assert!(counters.resets >= 2, "{counters:?}");
    pair.set(healthy(), healthy());
    pair.inside(A, connect).expect("connected again");
}

/// A large segment is one frame; all of it is dropped, and one reset answers it.
#[test]
fn a_reset_ends_a_connection_in_the_middle_of_a_large_segment() {
    let Some(pair) = pair("a_reset_ends_a_connection_in_the_middle_of_a_large_segment") else {
        return;
    };
    let (mut near, _far, _listener) = connection(&pair);
    let before = pair.counters(A, B);
    let reset = LinkPolicy {
        reset: true,
        ..healthy()
    };
    pair.set(reset, healthy());
    // The kernel may notice while it still takes bytes.
    let taken = near.write_all(&[7; 1 << 14]);
    let read = near.read(&mut [0]);
    let ended = taken
        .and(read.map(|_| ()))
        .expect_err("the connection is reset");
    assert!(
        matches!(
            ended.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
        "{ended:?}"
    );
    let window = pair.counters(A, B) - before;
    assert!(window.resets >= 2, "{window:?}");
}

#[test]
fn a_silent_corruption_reaches_the_program() {
    let Some(pair) = pair("a_silent_corruption_reaches_the_program") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    pair.set(corrupting(Corruption::Silent), healthy());
    let mut buffer = [0; 64];
    for number in 0..50u64 {
        let sent = number.to_be_bytes();
        a.send(&sent).expect("sent");
        let bytes = b.recv(&mut buffer).expect("it arrives");
        let wrong = sent.iter().zip(&buffer[..bytes]);
        let wrong: u32 = wrong.map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!((bytes, wrong), (8, 1));
    }
    assert_eq!(pair.counters(A, B).corrupted, 50);
}

#[test]
fn a_detected_corruption_is_dropped_by_the_receiving_kernel() {
    let Some(pair) = pair("a_detected_corruption_is_dropped_by_the_receiving_kernel") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    pair.set(corrupting(Corruption::Detected), healthy());
    for number in 0..50u64 {
        a.send(&number.to_be_bytes()).expect("sent");
    }
    let counters = pair.settled(A, B, 50);
    assert_eq!((counters.passed, counters.corrupted), (50, 50));
    // What comes later and whole arrives first, because nothing came before it.
    pair.set(healthy(), healthy());
    a.send(b"whole").expect("sent");
    let mut buffer = [0; 64];
    let bytes = b.recv(&mut buffer).expect("it arrives");
    assert_eq!(&buffer[..bytes], b"whole");
    assert!(is_empty(&b));
}

/// TCP repairs what is detected: the stream is slow, and right.
#[test]
fn a_tcp_stream_survives_corruption_that_is_detected() {
    let Some(pair) = pair("a_tcp_stream_survives_corruption_that_is_detected") else {
        return;
    };
    let some = LinkPolicy {
        corrupt: vec![Corrupt {
            share_ppm: 20_000,
            how: Corruption::Detected,
        }],
        duplicate_ppm: vec![20_000],
        ..healthy()
    };
    pair.set(some.clone(), some);
    crate::stream(&pair, 1 << 20);
    let counters = pair.counters(A, B);
    assert!(
        counters.corrupted > 0 && counters.duplicated > 0,
        "{counters:?}"
    );
}

#[test]
fn small_packets_pass_a_black_hole_and_large_ones_vanish() {
    let Some(pair) = pair("small_packets_pass_a_black_hole_and_large_ones_vanish") else {
        return;
    };
    let (a, b) = (pair.udp(A), pair.udp(B));
    let narrow = LinkPolicy {
        mtu_bytes: Some(1_000),
        ..healthy()
    };
    pair.set(narrow, healthy());
    // 28 bytes of headers: the first is one byte too long, the second fits.
    for bytes in [973, 972] {
        a.send(&vec![1; bytes]).expect("sent");
    }
    let mut buffer = [0; 2_000];
    assert_eq!(b.recv(&mut buffer).expect("the small one"), 972);
    assert_eq!(pair.counters(A, B).dropped_mtu, 1);
    // No message came back that would make the sender send less.
    a.send(&[1; 973]).expect("no error is known");
    assert_eq!(pair.settled(A, B, 3).dropped_mtu, 2);
    assert_eq!(pair.counters(B, A).settled(), 0);
}

/// The frames of a large stream are far longer than the MTU, the packets in them are not.
#[test]
fn the_packets_of_a_large_segment_are_measured_one_by_one() {
    let Some(pair) = pair("the_packets_of_a_large_segment_are_measured_one_by_one") else {
        return;
    };
    let wide = LinkPolicy {
        mtu_bytes: Some(1_500),
        ..healthy()
    };
    pair.set(wide, healthy());
    crate::stream(&pair, 4 << 20);
    assert_eq!(pair.counters(A, B).dropped_mtu, 0);
}

/// Lost one by one and held back together, they are counted alike with and without a filter.
#[test]
fn the_packets_of_a_large_segment_are_matched_one_by_one() {
    const BYTES: usize = 4 << 20;
    let Some(pair) = pair("the_packets_of_a_large_segment_are_matched_one_by_one") else {
        return;
    };
    let bad = Filtered {
        filter: Filter {
            protocol: Some(Protocol::Tcp),
            port: Some(PORT),
        },
        policy: LinkPolicy {
            latency: vec![Latency::Constant { mean_us: 1_000 }],
            loss_ppm: vec![1_000],
            ..healthy()
        },
    };
    let policy = LinkPolicy {
        filtered: vec![bad],
        ..healthy()
    };
    pair.set(policy, healthy());
    crate::stream(&pair, BYTES);
    let report = pair.report(A, B).expect("a link in use");
    let matched = report.matched;
    assert_eq!(matched, report.counters);
    assert!(matched.settled() as usize >= BYTES / 1_460, "{matched:?}");
    assert!(matched.dropped_loss > 0, "{matched:?}");
}

#[test]
fn an_established_connection_goes_on_while_new_ones_are_blocked() {
    let Some(pair) = pair("an_established_connection_goes_on_while_new_ones_are_blocked") else {
        return;
    };
    let (mut near, mut far, listener) = connection(&pair);
    let only_old = LinkPolicy {
        new_connections_blocked: true,
        ..healthy()
    };
    pair.set(only_old, healthy());
    // Another thread tries to connect, again and again, until it may.
    let (second, _) = std::thread::scope(|scope| {
        let connect = || {
            pair.inside(A, || {
                TcpStream::connect((address(B), PORT)).expect("connected late")
            })
        };
        let late = scope.spawn(connect);
        while pair.counters(A, B).dropped_new == 0 {}
        exchange(&mut near, &mut far);
        pair.set(healthy(), healthy());
        let accepted = listener.accept().expect("accepted");
        (late.join().expect("the second connection"), accepted)
    });
    drop(second);
    exchange(&mut near, &mut far);
}

#[test]
fn a_filter_cuts_one_protocol_and_leaves_the_other() {
    let Some(pair) = pair("a_filter_cuts_one_protocol_and_leaves_the_other") else {
        return;
    };
    let (mut near, mut far, _listener) = connection(&pair);
    let (a, b) = (pair.udp(A), pair.udp(B));
    let no_udp = LinkPolicy {
        filtered: vec![Filtered {
            filter: Filter {
                protocol: Some(Protocol::Udp),
                port: None,
            },
            policy: LinkPolicy {
                blocked: true,
                ..healthy()
            },
        }],
        ..healthy()
    };
    let before = pair.counters(A, B).dropped_blocked;
    pair.set(no_udp, healthy());
    a.send(b"lost").expect("sent");
    exchange(&mut near, &mut far);
    assert_eq!(pair.counters(A, B).dropped_blocked - before, 1);
    assert!(is_empty(&b));
}
