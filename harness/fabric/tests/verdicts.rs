//! Goal: the verdict on a packet is a function of seed, link, policy, time and length alone, and
//! follows the policy within the bounds that probability allows.
//! Method: properties over arbitrary sequences of packets, and fixed seeds where a number of draws
//! is compared with its expectation; those bounds are five standard deviations wide.

use fabric::link::{DropCause, LINE_QUEUE_BYTES_MIN, LinkState, Marks, Verdict};
use fabric::{HostIndex, Latency, LinkPolicy};
use proptest::prelude::*;

const A: HostIndex = HostIndex(0);
const B: HostIndex = HostIndex(1);

/// Packets as (microseconds since the one before, bytes).
fn any_packets() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0..5_000u64, 20..1_500usize), 1..200)
}

fn jittery() -> LinkPolicy {
    LinkPolicy {
        latency: vec![
            Latency::Uniform {
                mean_us: 3_000,
                jitter_us: 2_000,
            },
            Latency::Normal {
                mean_us: 1_000,
                jitter_us: 900,
            },
        ],
        loss_ppm: vec![100_000],
        bandwidth_bps: Some(10_000_000),
        ..LinkPolicy::default()
    }
}

fn verdicts(link: &mut LinkState, policy: &LinkPolicy, packets: &[(u64, usize)]) -> Vec<Verdict> {
    let mut now_us = 1_000_000;
    let mut decide = |&(gap_us, bytes): &(u64, usize)| {
        now_us += gap_us;
        link.decide(policy, now_us, bytes)
    };
    packets.iter().map(&mut decide).collect()
}

/// Delivered at this time, and nothing else.
fn plainly_at(at_us: u64) -> Verdict {
    Verdict::Deliver {
        at_us,
        marks: Marks::default(),
    }
}

/// Delays of packets so far apart that none waits for another.
fn lone_delays_us(latency: Latency, packets: u64) -> Vec<u64> {
    let policy = LinkPolicy {
        latency: vec![latency],
        ..LinkPolicy::default()
    };
    let mut link = LinkState::new(11, A, B);
    (1..=packets)
        .map(
            |second| match link.decide(&policy, second * 1_000_000, 100) {
                Verdict::Deliver { at_us, .. } => at_us - second * 1_000_000,
                Verdict::Drop(cause) => panic!("dropped: {cause:?}"),
            },
        )
        .collect()
}

fn mean(numbers: &[u64]) -> f64 {
    numbers.iter().sum::<u64>() as f64 / numbers.len() as f64
}

proptest! {
    #[test]
    fn the_same_packets_meet_the_same_verdicts(seed in any::<u64>(), packets in any_packets()) {
        let first = verdicts(&mut LinkState::new(seed, A, B), &jittery(), &packets);
        let second = verdicts(&mut LinkState::new(seed, A, B), &jittery(), &packets);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn packets_stay_in_order_and_are_never_early(
        seed in any::<u64>(),
        packets in any_packets(),
        healed_at in 0..200usize,
    ) {
        let mut link = LinkState::new(seed, A, B);
        let (before, after) = packets.split_at(healed_at.min(packets.len()));
        let mut now_us = 0;
        let mut latest_us = 0;
        let with_policy = before.iter().map(|packet| (packet, jittery()));
        let healed = after.iter().map(|packet| (packet, LinkPolicy::default()));
        for (&(gap_us, bytes), policy) in with_policy.chain(healed) {
            now_us += gap_us;
            if let Verdict::Deliver { at_us, .. } = link.decide(&policy, now_us, bytes) {
                prop_assert!(at_us >= now_us && at_us >= latest_us);
                latest_us = at_us;
            }
        }
    }

    #[test]
    fn a_healthy_link_delivers_at_once(packets in any_packets()) {
        let mut link = LinkState::new(1, A, B);
        let mut now_us = 0;
        for (gap_us, bytes) in packets {
            now_us += gap_us;
            let verdict = link.decide(&LinkPolicy::default(), now_us, bytes);
            prop_assert_eq!(verdict, plainly_at(now_us));
        }
    }

    /// Between two packets of a busy line lies the time to send the second.
    #[test]
    fn a_bandwidth_spaces_packets(rate_bps in 1_000_000..100_000_000u64, bytes in 40..1_500usize) {
        let policy = LinkPolicy { bandwidth_bps: Some(rate_bps), ..LinkPolicy::default() };
        let mut link = LinkState::new(1, A, B);
        let due_us: Vec<u64> = (0..10)
            .map(|_| match link.decide(&policy, 500, bytes) {
                Verdict::Deliver { at_us, .. } => at_us - 500,
                Verdict::Drop(cause) => panic!("ten packets fit the queue: {cause:?}"),
            })
            .collect();
        let sending_us = bytes as f64 * 8e6 / rate_bps as f64;
        for (index, &due_us) in due_us.iter().enumerate() {
            let expected_us = sending_us * (index + 1) as f64;
            let late_us = due_us as f64 - expected_us;
            prop_assert!((-0.02..=1.02).contains(&late_us), "{late_us} us late");
        }
    }

    #[test]
    fn a_block_drops_everything(packets in any_packets()) {
        let policy = LinkPolicy { blocked: true, ..jittery() };
        let all = verdicts(&mut LinkState::new(1, A, B), &policy, &packets);
        prop_assert!(all.iter().all(|verdict| *verdict == Verdict::Drop(DropCause::Blocked)));
    }
}

#[test]
fn links_and_seeds_draw_independently() {
    let packets = [(10_000, 100); 64];
    let of = |seed, from, to| verdicts(&mut LinkState::new(seed, from, to), &jittery(), &packets);
    assert_ne!(of(1, A, B), of(2, A, B));
    assert_ne!(of(1, A, B), of(1, B, A));
    assert_ne!(of(1, A, B), of(1, A, HostIndex(2)));
}

#[test]
fn the_loss_share_is_that_of_the_policy() {
    let packets = [(10, 100); 100_000];
    for loss_ppm in [vec![1_000], vec![20_000], vec![300_000, 500_000]] {
        let policy = LinkPolicy {
            loss_ppm,
            ..LinkPolicy::default()
        };
        let all = verdicts(&mut LinkState::new(5, A, B), &policy, &packets);
        let lost = all
            .iter()
            .filter(|verdict| **verdict == Verdict::Drop(DropCause::Loss))
            .count();
        let (share, count) = (policy.loss_share(), packets.len() as f64);
        let deviation = (share * (1.0 - share) * count).sqrt();
        let error = (lost as f64 - share * count).abs();
        assert!(error < 5.0 * deviation, "{policy:?}: {lost} lost");
    }
}

#[test]
fn delays_follow_their_distribution() {
    let constant = lone_delays_us(Latency::Constant { mean_us: 700 }, 100);
    assert!(constant.iter().all(|&delay_us| delay_us == 700));

    let count = 20_000;
    let uniform = Latency::Uniform {
        mean_us: 5_000,
        jitter_us: 2_000,
    };
    let delays_us = lone_delays_us(uniform, count);
    assert!(
        delays_us
            .iter()
            .all(|delay_us| (3_000..=7_000).contains(delay_us))
    );
    // The standard deviation of a uniform distribution is its half width over the root of 3.
    let tolerance_us = 5.0 * 2_000.0 / 3f64.sqrt() / (count as f64).sqrt();
    assert!((mean(&delays_us) - 5_000.0).abs() < tolerance_us);

    // A jitter as large as the mean: one draw in six is cut to zero.
    let normal = Latency::Normal {
        mean_us: 5_000,
        jitter_us: 5_000,
    };
    let delays_us = lone_delays_us(normal, count);
    let expected_us = normal.mean().as_secs_f64() * 1e6;
    let tolerance_us = 5.0 * 5_000.0 / (count as f64).sqrt();
    assert!((mean(&delays_us) - expected_us).abs() < tolerance_us);
    let at_zero = delays_us.iter().filter(|&&delay_us| delay_us == 0).count() as f64;
    assert!((at_zero / count as f64 - 0.1587).abs() < 0.015, "{at_zero}");
}

/// The documented price of keeping the order.
#[test]
fn a_dense_stream_waits_for_its_slowest_packets() {
    let policy = LinkPolicy {
        latency: vec![Latency::Uniform {
            mean_us: 5_000,
            jitter_us: 5_000,
        }],
        ..LinkPolicy::default()
    };
    let mut link = LinkState::new(3, A, B);
    let delays_us: Vec<u64> = (0..10_000)
        .map(|packet| match link.decide(&policy, packet * 10, 100) {
            Verdict::Deliver { at_us, .. } => at_us - packet * 10,
            Verdict::Drop(cause) => panic!("dropped: {cause:?}"),
        })
        .collect();
    assert!(
        (8_500.0..10_000.0).contains(&mean(&delays_us)),
        "{}",
        mean(&delays_us)
    );
}

#[test]
fn a_full_line_drops_and_an_empty_one_never_does() {
    let policy = LinkPolicy {
        bandwidth_bps: Some(64_000),
        ..LinkPolicy::default()
    };
    let mut link = LinkState::new(1, A, B);
    let passed = (0..100)
        .filter(|_| matches!(link.decide(&policy, 10, 1_500), Verdict::Deliver { .. }))
        .count();
    assert_eq!(passed as u64, LINE_QUEUE_BYTES_MIN / 1_500);
    assert_eq!(
        link.decide(&policy, 10, 1_500),
        Verdict::Drop(DropCause::Queue)
    );
    // Longer than the queue, and still it passes, once the line is free.
    let verdict = link.decide(&policy, 60_000_000, 60_000);
    assert_eq!(verdict, plainly_at(60_000_000 + 7_500_000));
}

#[test]
fn a_rate_of_zero_passes_nothing() {
    let policy = LinkPolicy {
        bandwidth_bps: Some(0),
        ..LinkPolicy::default()
    };
    let verdict = LinkState::new(1, A, B).decide(&policy, 10, 100);
    assert_eq!(verdict, Verdict::Drop(DropCause::Queue));
}
