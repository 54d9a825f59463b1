//! What the switch and the router do for the newer parts of a policy: copies, jams, answers,
//! black holes, flows.

use fabric::{
    Capture, Corrupt, Corruption, Fabric, JAMMED_ON_LINK_MAX, Latency, LinkPolicy, PolicyTable,
    Reorder,
};

use crate::device::{A, B, Device, address, set_a_to_b, two_hosts, wait_for};
use crate::packets::{ACK, RST, SYN, datagram, ip, packet, segment};

fn healthy() -> LinkPolicy {
    LinkPolicy::default()
}

#[test]
fn a_duplicated_packet_arrives_twice_at_once_or_late() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let twice = LinkPolicy {
        duplicate_ppm: vec![1_000_000],
        ..healthy()
    };
    let late = LinkPolicy {
        latency: vec![Latency::Constant { mean_us: 1_000 }],
        ..twice.clone()
    };
    for (number, policy) in [twice, late].into_iter().enumerate() {
        set_a_to_b(&fabric, policy);
        let sent = packet(address(B), number as u64);
        a.send(&sent);
        assert_eq!((b.receive(), b.receive()), (sent.clone(), sent));
    }
    let counters = wait_for(&fabric, (A, B), |counters| counters.settled() == 4);
    assert_eq!(
        (counters.passed, counters.duplicated, counters.delayed),
        (4, 2, 2)
    );
}

#[test]
fn a_packet_chosen_for_reordering_is_overtaken() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let late = LinkPolicy {
        reorder: vec![Reorder {
            share_ppm: 1_000_000,
            late_us: 50_000,
        }],
        ..healthy()
    };
    set_a_to_b(&fabric, late);
    a.send(&packet(address(B), 1));
    wait_for(&fabric, (A, B), |counters| counters.reordered == 1);
    set_a_to_b(&fabric, healthy());
    a.send(&packet(address(B), 2));
    assert_eq!(b.receive(), packet(address(B), 2));
    assert_eq!(b.receive(), packet(address(B), 1));
}

#[test]
fn a_jam_holds_packets_and_delivers_them_late_and_in_order() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let jam = LinkPolicy {
        jam: true,
        ..healthy()
    };
    set_a_to_b(&fabric, jam.clone());
    for number in 0..10 {
        a.send(&packet(address(B), number));
    }
    let held = wait_for(&fabric, (A, B), |counters| counters.jammed == 10);
    assert_eq!((held.settled(), held.released), (0, 0));
    // A swap that keeps the jam keeps the packets, and what comes later comes behind them.
    let slower = LinkPolicy {
        latency: vec![Latency::Constant { mean_us: 1 }],
        ..jam
    };
    set_a_to_b(&fabric, slower);
    a.send(&packet(address(B), 10));
    wait_for(&fabric, (A, B), |counters| counters.jammed == 11);
    set_a_to_b(&fabric, healthy());
    a.send(&packet(address(B), 11));
    for number in 0..12 {
        assert_eq!(b.receive(), packet(address(B), number));
    }
    let counters = wait_for(&fabric, (A, B), |counters| counters.passed == 12);
    assert_eq!(
        (counters.jammed, counters.released, counters.dropped()),
        (11, 11, 0)
    );
    assert!(counters.delayed >= 11);
}

#[test]
fn a_jam_is_bounded_and_a_block_empties_it() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let jam = LinkPolicy {
        jam: true,
        ..healthy()
    };
    set_a_to_b(&fabric, jam.clone());
    let (fit, sent) = (
        u64::from(JAMMED_ON_LINK_MAX),
        u64::from(JAMMED_ON_LINK_MAX) + 10,
    );
    for number in 0..sent {
        a.send(&packet(address(B), number));
    }
    let full = wait_for(&fabric, (A, B), |counters| {
        counters.jammed + counters.dropped() == sent
    });
    assert_eq!((full.jammed, full.dropped_queue), (fit, 10));
    let blocked = LinkPolicy {
        blocked: true,
        ..jam
    };
    set_a_to_b(&fabric, blocked);
    let cut = wait_for(&fabric, (A, B), |counters| counters.settled() == sent);
    assert_eq!(
        (cut.released, cut.dropped_blocked, cut.passed),
        (fit, fit, 0)
    );
    set_a_to_b(&fabric, healthy());
    a.send(&packet(address(B), sent));
    assert_eq!(b.receive(), packet(address(B), sent));
}

#[test]
fn a_segment_is_answered_with_a_reset_and_a_reset_is_not() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let reset = LinkPolicy {
        reset: true,
        ..healthy()
    };
    set_a_to_b(&fabric, reset);
    for (flags, sequence, acknowledged, answer_flags) in [(SYN, 0, 8, RST | ACK), (ACK, 9, 0, RST)]
    {
        a.send(&segment(flags));
        let answer = a.receive();
        assert_eq!(
            answer[12..20],
            segment(0)[16..20]
                .iter()
                .chain(&segment(0)[12..16])
                .copied()
                .collect::<Vec<_>>()
        );
        assert_eq!(answer[20..24], [0, 80, 0x9c, 0x40]);
        assert_eq!(
            (answer[27], answer[31], answer[33]),
            (sequence, acknowledged, answer_flags)
        );
    }
    a.send(&segment(RST));
    a.send(&packet(address(B), 1));
    assert_eq!(b.receive(), segment(RST));
    assert_eq!(b.receive(), packet(address(B), 1));
    let counters = wait_for(&fabric, (A, B), |counters| counters.settled() == 4);
    assert_eq!(
        (counters.resets, counters.dropped(), counters.passed),
        (2, 2, 2)
    );
}

#[test]
fn packets_above_the_mtu_vanish() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let narrow = LinkPolicy {
        mtu_bytes: Some(128),
        ..healthy()
    };
    set_a_to_b(&fabric, narrow);
    let of = |bytes: usize| ip(253, address(A), address(B), &vec![1; bytes - 20]);
    for bytes in [129, 128, 1_500, 20] {
        a.send(&of(bytes));
    }
    assert_eq!((b.receive(), b.receive()), (of(128), of(20)));
    let counters = wait_for(&fabric, (A, B), |counters| counters.settled() == 4);
    assert_eq!((counters.dropped_mtu, counters.passed), (2, 2));
}

#[test]
fn a_silent_corruption_changes_one_bit_of_the_payload() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let corrupt = LinkPolicy {
        corrupt: vec![Corrupt {
            share_ppm: 1_000_000,
            how: Corruption::Silent,
        }],
        ..healthy()
    };
    set_a_to_b(&fabric, corrupt);
    let sent = datagram((address(A), 1), (address(B), 2), b"as it was sent");
    a.send(&sent);
    let arrived = b.receive();
    assert_eq!(arrived[..28], sent[..28]);
    let differing = arrived
        .iter()
        .zip(&sent)
        .map(|(one, other)| (one ^ other).count_ones());
    assert_eq!(differing.sum::<u32>(), 1);
    wait_for(&fabric, (A, B), |counters| {
        counters.corrupted == 1 && counters.passed == 1
    });
}

#[test]
fn old_flows_go_on_while_new_ones_are_blocked() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let to_b = |port| datagram((address(A), port), (address(B), 53), b"question");
    let to_a = |port| datagram((address(B), 53), (address(A), port), b"answer");
    a.send(&to_b(1));
    assert_eq!(b.receive(), to_b(1));
    let only_old = LinkPolicy {
        new_connections_blocked: true,
        ..healthy()
    };
    set_a_to_b(&fabric, only_old);
    // A new flow stays new however often it tries; one that the other side begins is old.
    for sent in [to_b(2), to_b(2), segment(SYN)] {
        a.send(&sent);
    }
    let answered = |b: &mut Device, a: &mut Device| {
        b.send(&to_a(3));
        assert_eq!(a.receive(), to_a(3));
    };
    answered(&mut b, &mut a);
    let passing = [
        to_b(1),
        to_b(3),
        segment(SYN | ACK),
        segment(ACK),
        packet(address(B), 1),
    ];
    for sent in &passing {
        a.send(sent);
    }
    for sent in passing {
        assert_eq!(b.receive(), sent);
    }
    let counters = wait_for(&fabric, (A, B), |counters| counters.settled() == 9);
    assert_eq!((counters.dropped_new, counters.passed), (3, 6));
    set_a_to_b(&fabric, healthy());
    a.send(&to_b(2));
    assert_eq!(b.receive(), to_b(2));
}

/// A capture names each cause, and shows the answer at the host that gets it.
#[test]
fn a_capture_names_the_causes() {
    let name = format!("fabric-causes-{}.pcapng", std::process::id());
    let path = std::env::temp_dir().join(name);
    let (tap, capture) = Capture::start(&path, &["a", "b"]).expect("a file");
    let (fabric, mut a, _b): (Fabric, _, _) = two_hosts(1);
    fabric.set_tap(Some(tap)).expect("tapped");
    let policies = [
        LinkPolicy {
            mtu_bytes: Some(30),
            ..healthy()
        },
        LinkPolicy {
            new_connections_blocked: true,
            ..healthy()
        },
        LinkPolicy {
            reset: true,
            ..healthy()
        },
    ];
    for (number, policy) in policies.into_iter().enumerate() {
        fabric
            .set_policies(PolicyTable::uniform(2, policy))
            .expect("set");
        a.send(&segment(SYN));
        wait_for(&fabric, (A, B), |counters| {
            counters.dropped() == number as u64 + 1
        });
    }
    assert_eq!(a.receive()[33], RST | ACK);
    drop(fabric);
    let captured = capture.finish().expect("written");
    let bytes = std::fs::read(&path).expect("the file");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(captured.written, 4);
    let text = String::from_utf8_lossy(&bytes);
    for cause in [
        "longer than the MTU",
        "only old connections pass",
        "answered with a TCP reset",
    ] {
        assert!(text.contains(cause), "no {cause}");
    }
}
