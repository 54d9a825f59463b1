//! Goal: each part of a policy does to packets what its words say, as often as they say, and
//! disturbs nothing else.
//! Method: fixed seeds and many draws; a share is compared with its expectation within four
//! standard deviations, so that a test that passes once passes always.

use fabric::facts::Facts;
use fabric::link::{DropCause, LinkState, Marks, Verdict};
use fabric::{
    Corrupt, Corruption, Distribution, GilbertElliott, HostIndex, Latency, LinkPolicy, Protocol,
    Reorder,
};
use proptest::prelude::*;

const A: HostIndex = HostIndex(0);
const B: HostIndex = HostIndex(1);
const PACKETS: u64 = 100_000;

/// The verdicts on packets that are sent so far apart.
fn verdicts(policy: &LinkPolicy, packets: u64, gap_us: u64) -> Vec<Verdict> {
    let mut link = LinkState::new(9, A, B);
    (1..=packets)
        .map(|number| link.decide(policy, number * gap_us, 100))
        .collect()
}

fn marks(verdicts: &[Verdict]) -> impl Iterator<Item = Marks> {
    verdicts.iter().map(|verdict| match verdict {
        Verdict::Deliver { marks, .. } => *marks,
        Verdict::Drop(cause) => panic!("dropped: {cause:?}"),
    })
}

/// Asserts that so many of so many are a share, within four standard deviations.
#[track_caller]
fn assert_share(found: usize, of: u64, share: f64) {
    let expected = share * of as f64;
    let deviation = (expected * (1.0 - share)).sqrt();
    let error = (found as f64 - expected).abs();
    assert!(
        error <= 4.0 * deviation,
        "{found} of {of} are not a share of {share}"
    );
}

fn bursts() -> GilbertElliott {
    GilbertElliott {
        to_bad_ppm: 20_000,
        to_good_ppm: 100_000,
        loss_good_ppm: 0,
        loss_bad_ppm: 1_000_000,
    }
}

/// Losses of a chain come in bursts, so their count scatters more than that of independent ones:
/// by `(1 + q) / (1 - q)` in variance, where `q = 1 - p - r` is the correlation of neighbouring
/// states (the variance of the mean of a stationary process whose correlation falls as `q^n`).
#[test]
fn losses_of_a_chain_come_in_bursts_of_the_stated_length_and_share() {
    let policy = LinkPolicy {
        gilbert_elliott: vec![bursts()],
        ..LinkPolicy::default()
    };
    let all = verdicts(&policy, PACKETS, 10);
    let lost: Vec<bool> = all
        .iter()
        .map(|verdict| *verdict == Verdict::Drop(DropCause::Loss))
        .collect();
    let count = lost.iter().filter(|lost| **lost).count() as f64;
    let share = policy.loss_share();
    assert!((share - 1.0 / 6.0).abs() < 1e-12);
    let q: f64 = 1.0 - 0.02 - 0.1;
    let variance = PACKETS as f64 * share * (1.0 - share) * (1.0 + q) / (1.0 - q);
    assert!(
        (count - share * PACKETS as f64).abs() < 4.0 * variance.sqrt(),
        "{count}"
    );
    // A burst lasts 1 / r = 10 packets in the mean, with a deviation of nearly as much.
    let begun = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
    assert!(
        (count / begun - 10.0).abs() < 4.0 * 10.0 / begun.sqrt(),
        "{}",
        count / begun
    );
}

#[test]
fn two_equal_chains_are_independent_and_survive_the_coming_and_going_of_others() {
    let twice = LinkPolicy {
        gilbert_elliott: vec![bursts(), bursts()],
        ..LinkPolicy::default()
    };
    let lost = verdicts(&twice, PACKETS, 10)
        .iter()
        .filter(|verdict| **verdict == Verdict::Drop(DropCause::Loss))
        .count() as f64;
    let error = lost / PACKETS as f64 - twice.loss_share();
    assert!(error.abs() < 0.015, "{error}");

    // A chain that can only turn bad once is still bad after another has come and gone.
    let trap = GilbertElliott {
        to_bad_ppm: 1_000_000,
        to_good_ppm: 0,
        loss_good_ppm: 0,
        loss_bad_ppm: 1_000_000,
    };
    let harmless = GilbertElliott::default();
    let with = |gilbert_elliott| LinkPolicy {
        gilbert_elliott,
        ..LinkPolicy::default()
    };
    let mut link = LinkState::new(1, A, B);
    assert!(matches!(
        link.decide(&with(vec![trap]), 1, 100),
        Verdict::Deliver { .. }
    ));
    for chains in [vec![harmless, trap], vec![trap]] {
        let verdict = link.decide(&with(chains), 2, 100);
        assert_eq!(verdict, Verdict::Drop(DropCause::Loss));
    }
}

#[test]
fn the_share_of_copies_is_that_of_independent_chances() {
    let policy = LinkPolicy {
        duplicate_ppm: vec![50_000, 200_000],
        ..LinkPolicy::default()
    };
    let all = verdicts(&policy, PACKETS, 10);
    let twice = marks(&all).filter(|marks| marks.twice).count();
    assert_share(twice, PACKETS, 1.0 - 0.95 * 0.8);
}

#[test]
fn chosen_packets_fall_behind_and_the_others_keep_their_order() {
    let policy = LinkPolicy {
        latency: vec![Latency::Uniform {
            mean_us: 500,
            jitter_us: 500,
        }],
        reorder: vec![Reorder {
            share_ppm: 100_000,
            late_us: 2_000,
        }],
        ..LinkPolicy::default()
    };
    let all = verdicts(&policy, PACKETS, 100);
    let mut latest_us = 0;
    let (mut chosen, mut overtaken) = (0, 0);
    for (index, verdict) in all.iter().enumerate() {
        let Verdict::Deliver { at_us, marks } = *verdict else {
            panic!("dropped");
        };
        if marks.reordered {
            chosen += 1;
            let next = all.get(index + 1);
            let overtakes = |next: &Verdict| match next {
                Verdict::Deliver { at_us: next_us, .. } => *next_us < at_us,
                Verdict::Drop(_) => false,
            };
            overtaken += usize::from(next.is_some_and(overtakes));
        } else {
            assert!(
                at_us >= latest_us,
                "{index} overtook one that was not chosen"
            );
            latest_us = at_us;
        }
    }
    assert_share(chosen, PACKETS, 0.1);
    // The next packet is sent 100 us later and waits 1000 us at most, so it overtakes, unless it
    // is chosen itself.
    assert!(overtaken * 10 > chosen * 8, "{overtaken} of {chosen}");
}

#[test]
fn corrupted_packets_are_detected_if_any_choice_says_so() {
    let one = |share_ppm, how| Corrupt { share_ppm, how };
    let policy = LinkPolicy {
        corrupt: vec![
            one(300_000, Corruption::Silent),
            one(100_000, Corruption::Detected),
        ],
        ..LinkPolicy::default()
    };
    let all = verdicts(&policy, PACKETS, 10);
    let flips: Vec<_> = marks(&all).filter_map(|marks| marks.flip).collect();
    let count = |how| flips.iter().filter(|flip| flip.how == how).count();
    assert_share(count(Corruption::Detected), PACKETS, 0.1);
    assert_share(count(Corruption::Silent), PACKETS, 0.3 * 0.9);
    // Every place is as likely: a quarter of them in the first quarter.
    let first = flips.iter().filter(|flip| flip.place < 1 << 30).count();
    assert_share(first, flips.len() as u64, 0.25);
}

#[test]
fn what_the_headers_say_decides_in_a_fixed_order() {
    let opening = Facts {
        protocol: Some(Protocol::Tcp),
        opens: true,
        resettable: true,
        ..Facts::from(1_000)
    };
    let all = LinkPolicy {
        blocked: true,
        mtu_bytes: Some(999),
        new_connections_blocked: true,
        reset: true,
        ..LinkPolicy::default()
    };
    let passing_mtu = LinkPolicy {
        blocked: false,
        mtu_bytes: Some(1_000),
        ..all.clone()
    };
    let old = Facts {
        opens: false,
        ..opening
    };
    let reset = Facts {
        resettable: false,
        ..old
    };
    let mut link = LinkState::new(1, A, B);
    let mut of = |policy: &LinkPolicy, packet| link.decide(policy, 1, packet);
    assert_eq!(of(&all, opening), Verdict::Drop(DropCause::Blocked));
    let unblocked = LinkPolicy {
        blocked: false,
        ..all.clone()
    };
    assert_eq!(of(&unblocked, opening), Verdict::Drop(DropCause::Mtu));
    assert_eq!(of(&passing_mtu, opening), Verdict::Drop(DropCause::New));
    assert_eq!(of(&passing_mtu, old), Verdict::Drop(DropCause::Reset));
    assert!(matches!(
        of(&passing_mtu, reset),
        Verdict::Deliver { at_us: 1, .. }
    ));
}

#[test]
fn a_queue_holds_as_many_bytes_as_the_policy_says() {
    let with = |queue_bytes| LinkPolicy {
        bandwidth_bps: Some(64_000),
        queue_bytes,
        ..LinkPolicy::default()
    };
    for (queue_bytes, passed) in [(Some(6_000), 4), (Some(100), 1), (None, 16)] {
        let mut link = LinkState::new(1, A, B);
        let all = (0..100).map(|_| link.decide(&with(queue_bytes), 10, 1_500));
        let due = all.filter(|verdict| matches!(verdict, Verdict::Deliver { .. }));
        assert_eq!(due.count(), passed, "{queue_bytes:?}");
    }
}

fn bent() -> LinkPolicy {
    LinkPolicy {
        latency: vec![
            Latency::Pareto {
                mean_us: 3_000,
                jitter_us: 2_000,
            },
            Latency::Correlated {
                distribution: Distribution::Normal,
                mean_us: 1_000,
                jitter_us: 900,
                correlation_ppm: 250_000,
            },
        ],
        gilbert_elliott: vec![bursts()],
        duplicate_ppm: vec![100_000],
        reorder: vec![Reorder {
            share_ppm: 100_000,
            late_us: 700,
        }],
        corrupt: vec![Corrupt {
            share_ppm: 100_000,
            how: Corruption::Silent,
        }],
        bandwidth_bps: Some(10_000_000),
        queue_bytes: Some(20_000),
        mtu_bytes: Some(1_400),
        ..LinkPolicy::default()
    }
}

proptest! {
    #[test]
    fn the_same_packets_meet_the_same_verdicts(
        seed in any::<u64>(),
        packets in prop::collection::vec((0..5_000u64, 20..1_500usize), 1..200),
    ) {
        let run = || {
            let mut link = LinkState::new(seed, A, B);
            let mut now_us = 0;
            let all = packets.iter().map(|&(gap_us, bytes)| {
                now_us += gap_us;
                link.decide(&bent(), now_us, bytes)
            });
            all.collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

/// What a seed decided before the newer parts existed, it decides still: numbers taken from the
/// version before them.
#[test]
fn older_parts_draw_the_numbers_that_they_always_drew() {
    let policy = LinkPolicy {
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
        loss_ppm: vec![200_000],
        ..LinkPolicy::default()
    };
    let of = |verdict: &Verdict| match verdict {
        Verdict::Deliver { at_us, .. } => Some(*at_us),
        Verdict::Drop(_) => None,
    };
    let drawn: Vec<Option<u64>> = verdicts(&policy, 12, 100_000).iter().map(of).collect();
    let pinned = [
        Some(104_900),
        Some(205_844),
        Some(305_646),
        None,
        Some(503_971),
        Some(603_656),
        Some(705_522),
        Some(805_220),
        None,
        Some(1_004_635),
        Some(1_102_629),
        None,
    ];
    assert_eq!(drawn, pinned);
}
