//! Policies for some packets of a link only, each part of a policy behind a filter: what matches
//! meets it and is counted as `matched`, and what does not match meets nothing of it.

use fabric::{
    Corrupt, Corruption, Fabric, Filter, Filtered, Latency, LinkCounters, LinkPolicy, LinkReport,
    Protocol,
};

use crate::device::{A, B, Device, address, report, set_a_to_b, two_hosts, wait_for_report};
use crate::packets::{RST, SYN, datagram, packet, segment};

/// The port that filters name, and the one that they do not.
const AIMED: u16 = 80;
const OTHER: u16 = 90;

fn healthy() -> LinkPolicy {
    LinkPolicy::default()
}

fn blocked() -> LinkPolicy {
    LinkPolicy {
        blocked: true,
        ..healthy()
    }
}

fn delayed(mean_us: u64) -> LinkPolicy {
    LinkPolicy {
        latency: vec![Latency::Constant { mean_us }],
        ..healthy()
    }
}

/// A policy for the packets of a port.
fn behind(port: u16, policy: LinkPolicy) -> Filtered {
    Filtered {
        filter: Filter {
            protocol: None,
            port: Some(port),
        },
        policy,
    }
}

fn filtering(filtered: Vec<Filtered>) -> LinkPolicy {
    LinkPolicy {
        filtered,
        ..healthy()
    }
}

fn to(port: u16) -> Vec<u8> {
    datagram((address(A), 4_000), (address(B), port), b"hello")
}

/// Two hosts, and a policy for the packets from A to B of the aimed port.
fn aimed(policy: LinkPolicy) -> (Fabric, Device, Device) {
    let (fabric, a, b) = two_hosts(1);
    set_a_to_b(&fabric, filtering(vec![behind(AIMED, policy)]));
    (fabric, a, b)
}

/// The report from A to B as soon as so many packets are settled.
fn settled(fabric: &Fabric, packets: u64) -> LinkReport {
    wait_for_report(fabric, (A, B), |report| {
        report.counters.settled() == packets
    })
}

/// Goal: the evidence of an aimed fault is that of its packets. Method: every second packet is
/// meant; of those about 30 % are lost, and the others are late.
#[test]
fn only_the_packets_that_a_filter_means_are_counted_as_matched() {
    const ROUNDS: u64 = 20;
    const OF_EACH: u64 = 50;
    let (fabric, mut a, mut b) = aimed(LinkPolicy {
        loss_ppm: vec![300_000],
        ..delayed(5_000)
    });
    let mut passed = 0;
    for round in 1..=ROUNDS {
        for _ in 0..OF_EACH {
            a.send(&to(AIMED));
            a.send(&to(OTHER));
        }
        let now = settled(&fabric, 2 * OF_EACH * round).counters.passed;
        (passed..now).for_each(|_| drop(b.receive()));
        passed = now;
    }
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 2 * OF_EACH * ROUNDS);
    // Four standard deviations of a binomial distribution around 300 of 1,000 are 58.
    assert!((242..=358).contains(&matched.dropped_loss), "{matched:?}");
    assert_eq!(matched.settled(), OF_EACH * ROUNDS);
    assert_eq!(matched.delayed, matched.passed);
    assert_eq!(
        matched.passed_bytes,
        matched.passed * to(AIMED).len() as u64
    );
    assert!(
        matched.delay_us_total >= 5_000 * matched.passed,
        "{matched:?}"
    );
    // All others passed, and thin the evidence that they are part of.
    assert_eq!(counters.dropped(), matched.dropped_loss);
    assert_eq!(counters.passed, matched.passed + OF_EACH * ROUNDS);
    assert!(
        counters.delay_us_max >= matched.delay_us_max,
        "{counters:?}"
    );
}

#[test]
fn without_a_filter_nothing_is_matched() {
    let (fabric, mut a, mut b) = two_hosts(1);
    set_a_to_b(&fabric, delayed(1));
    a.send(&to(AIMED));
    assert_eq!(b.receive(), to(AIMED));
    assert!(settled(&fabric, 1).matched.is_zero());
}

/// Which packets are meant does not depend on what the filter does to them.
#[test]
fn a_filter_that_does_nothing_still_counts() {
    let (fabric, mut a, mut b) = aimed(healthy());
    for port in [AIMED, OTHER] {
        a.send(&to(port));
        assert_eq!(b.receive(), to(port));
    }
    let report = settled(&fabric, 2);
    assert_eq!((report.matched.passed, report.counters.passed), (1, 2));
}

/// What was read under a filter stays matched when the filter goes; what comes then is not.
#[test]
fn a_packet_is_matched_or_not_when_it_is_read() {
    let (fabric, mut a, mut b) = aimed(delayed(50_000));
    a.send(&to(AIMED));
    // The link is reported as soon as the packet is on its way.
    wait_for_report(&fabric, (A, B), |_| true);
    set_a_to_b(&fabric, healthy());
    a.send(&to(AIMED));
    assert_eq!((b.receive(), b.receive()), (to(AIMED), to(AIMED)));
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 2);
    assert_eq!((matched.passed, matched.delayed), (1, 1));
    assert!(matched.delay_us_total >= 50_000, "{matched:?}");
    assert_eq!(counters.passed, 2);
}

/// Only what matches meets the filtered policy, and waits for it. Both filters share one count.
#[test]
fn a_filter_aims_at_its_packets_only() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let udp = |port, policy| Filtered {
        filter: Filter {
            protocol: Some(Protocol::Udp),
            port: Some(port),
        },
        policy,
    };
    let jam = LinkPolicy {
        jam: true,
        ..healthy()
    };
    let policy = filtering(vec![udp(80, jam), udp(90, blocked())]);
    set_a_to_b(&fabric, policy.clone());
    for port in [80, 90, 100, 80] {
        a.send(&to(port));
    }
    assert_eq!(b.receive(), to(100));
    a.send(&segment(SYN));
    assert_eq!(b.receive(), segment(SYN));
    let jammed = wait_for_report(&fabric, (A, B), |report| report.counters.jammed == 2);
    assert_eq!(
        (jammed.counters.dropped_blocked, jammed.counters.passed),
        (1, 2)
    );
    let expected = LinkCounters {
        jammed: 2,
        dropped_blocked: 1,
        ..LinkCounters::default()
    };
    assert_eq!(jammed.matched, expected);
    // Swapped for the same, the jam lasts, and no packet is counted twice.
    set_a_to_b(&fabric, policy);
    a.send(&to(100));
    assert_eq!(b.receive(), to(100));
    let lasting = wait_for_report(&fabric, (A, B), |report| report.counters.passed == 3);
    assert_eq!((lasting.counters.released, lasting.matched), (0, expected));
    set_a_to_b(&fabric, healthy());
    assert_eq!((b.receive(), b.receive()), (to(80), to(80)));
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 6);
    assert_eq!(
        (matched.jammed, matched.released, matched.passed),
        (2, 2, 2)
    );
    assert_eq!((counters.jammed, counters.released), (2, 2));
}

/// A block behind a filter takes what is meant even when it is on its way, and nothing else.
#[test]
fn a_filtered_block_cuts_what_is_on_its_way() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let late = || behind(AIMED, delayed(20_000));
    set_a_to_b(
        &fabric,
        filtering(vec![late(), behind(OTHER, delayed(20_000))]),
    );
    for port in [AIMED, OTHER] {
        a.send(&to(port));
    }
    wait_for_report(&fabric, (A, B), |_| true);
    set_a_to_b(&fabric, filtering(vec![late(), behind(AIMED, blocked())]));
    a.send(&to(AIMED));
    assert_eq!(b.receive(), to(OTHER));
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 3);
    assert_eq!((counters.dropped_blocked, counters.passed), (2, 1));
    assert_eq!(matched.dropped_blocked, 2);
}

#[test]
fn a_filtered_reset_answers_the_segments_of_its_port() {
    let reset = LinkPolicy {
        reset: true,
        ..healthy()
    };
    // From port 40,000 to port 80; the filter looks at either end.
    for port in [80, 40_000, OTHER] {
        let (fabric, mut a, mut b) = two_hosts(1);
        set_a_to_b(&fabric, filtering(vec![behind(port, reset.clone())]));
        a.send(&to(port));
        assert_eq!(b.receive(), to(port), "a datagram has no connection");
        a.send(&segment(SYN));
        let answered = if port == OTHER {
            assert_eq!(b.receive(), segment(SYN));
            0
        } else {
            assert_eq!(a.receive()[33] & RST, RST);
            1
        };
        let LinkReport {
            counters, matched, ..
        } = settled(&fabric, 2);
        assert_eq!((counters.resets, counters.dropped()), (answered, answered));
        assert_eq!((matched.resets, matched.passed), (answered, 1));
    }
}

#[test]
fn a_filtered_block_of_new_connections_leaves_old_flows_and_other_ports() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let from = |port, to| datagram((address(A), port), (address(B), to), b"question");
    let passes = |sent: Vec<u8>, a: &mut Device, b: &mut Device| {
        a.send(&sent);
        assert_eq!(b.receive(), sent);
    };
    passes(from(1, AIMED), &mut a, &mut b);
    let only_old = LinkPolicy {
        new_connections_blocked: true,
        ..healthy()
    };
    set_a_to_b(&fabric, filtering(vec![behind(AIMED, only_old)]));
    for sent in [from(2, AIMED), segment(SYN), from(2, AIMED)] {
        a.send(&sent);
    }
    for sent in [from(1, AIMED), from(3, OTHER), packet(address(B), 1)] {
        passes(sent, &mut a, &mut b);
    }
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 7);
    assert_eq!((counters.dropped_new, counters.passed), (3, 4));
    assert_eq!((matched.dropped_new, matched.passed), (3, 1));
    set_a_to_b(&fabric, healthy());
    passes(from(2, AIMED), &mut a, &mut b);
}

/// The filters of a packet add up: what one of them copies, the other spoils.
#[test]
fn a_packet_that_matches_two_filters_meets_both_and_is_counted_once() {
    let corrupt = LinkPolicy {
        corrupt: vec![Corrupt {
            share_ppm: 1_000_000,
            how: Corruption::Silent,
        }],
        ..healthy()
    };
    let twice = LinkPolicy {
        duplicate_ppm: vec![1_000_000],
        ..healthy()
    };
    let flipped = |one: &[u8], other: &[u8]| -> u32 {
        assert_eq!(one.len(), other.len());
        let pairs = one.iter().zip(other);
        pairs.map(|(one, other)| (one ^ other).count_ones()).sum()
    };
    let (fabric, mut a, mut b) = two_hosts(1);
    let both = filtering(vec![behind(AIMED, corrupt), behind(4_000, twice)]);
    set_a_to_b(&fabric, both.clone());
    for port in [AIMED, OTHER] {
        a.send(&to(port));
        let (first, second) = (b.receive(), b.receive());
        assert_eq!(first, second);
        assert_eq!(flipped(&first, &to(port)), u32::from(port == AIMED));
    }
    // The same for packets that are held back.
    set_a_to_b(
        &fabric,
        LinkPolicy {
            filtered: both.filtered,
            ..delayed(1_000)
        },
    );
    a.send(&to(AIMED));
    let (first, second) = (b.receive(), b.receive());
    assert_eq!((flipped(&first, &to(AIMED)), first == second), (1, true));
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 6);
    assert_eq!((matched.passed, matched.duplicated), (6, 3));
    assert_eq!((matched.corrupted, matched.delayed), (2, 2));
    assert_eq!(counters, matched);
}

/// The line behind a filter is that of its packets: nobody else waits for it.
#[test]
fn a_filtered_bandwidth_slows_its_packets_only() {
    const BYTES: u64 = 33;
    let narrow = |bandwidth_bps, queue_bytes| LinkPolicy {
        bandwidth_bps: Some(bandwidth_bps),
        queue_bytes: Some(queue_bytes),
        ..healthy()
    };
    // At one bit a second, what is on the line and behind it stays there.
    let (fabric, mut a, mut b) = aimed(narrow(1, 2 * BYTES));
    for port in [AIMED, AIMED, AIMED, OTHER] {
        a.send(&to(port));
    }
    assert_eq!(b.receive(), to(OTHER));
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 2);
    assert_eq!((counters.passed, counters.dropped_queue), (1, 1));
    assert_eq!((matched.passed, matched.dropped_queue), (0, 1));
    // At 33 bytes a millisecond, the third has waited for two others.
    let (fabric, mut a, mut b) = aimed(narrow(8_000 * BYTES, 100 * BYTES));
    for _ in 0..3 {
        a.send(&to(AIMED));
    }
    (0..3).for_each(|_| assert_eq!(b.receive(), to(AIMED)));
    let matched = settled(&fabric, 3).matched;
    assert_eq!((matched.passed, matched.delayed), (3, 3));
    assert!(matched.delay_us_total >= 3_000, "{matched:?}");
    assert_eq!(report(&fabric, B, A), None);
}

/// A filter is laid over what the link does to all packets.
#[test]
fn what_is_behind_a_filter_comes_on_top_of_the_link() {
    let (fabric, mut a, mut b) = two_hosts(1);
    let policy = LinkPolicy {
        filtered: vec![behind(AIMED, delayed(20_000))],
        ..delayed(10_000)
    };
    set_a_to_b(&fabric, policy);
    for port in [AIMED, OTHER] {
        a.send(&to(port));
    }
    let mut arrived = [b.receive(), b.receive()];
    arrived.sort_unstable();
    assert_eq!(arrived, [to(AIMED), to(OTHER)]);
    let LinkReport {
        counters, matched, ..
    } = settled(&fabric, 2);
    assert_eq!((counters.delayed, matched.delayed), (2, 1));
    assert!(matched.delay_us_total >= 30_000, "{matched:?}");
    let other_us = counters.delay_us_total - matched.delay_us_total;
    assert!(other_us >= 10_000, "{counters:?}");
}
