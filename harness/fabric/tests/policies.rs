//! Goal: composing policies is order-free, and what it does is what DESIGN.md promises.
//! Method: properties over arbitrary policies.

use fabric::{
    Corrupt, Corruption, Distribution, Filter, Filtered, GilbertElliott, Latency, LinkPolicy,
    Protocol, Reorder,
};
use proptest::prelude::*;

fn any_latency() -> impl Strategy<Value = Latency> {
    let micros = || 0..2_000_000u64;
    prop_oneof![
        micros().prop_map(|mean_us| Latency::Constant { mean_us }),
        (micros(), micros())
            .prop_map(|(mean_us, jitter_us)| Latency::Uniform { mean_us, jitter_us }),
        (micros(), micros())
            .prop_map(|(mean_us, jitter_us)| Latency::Normal { mean_us, jitter_us }),
        (micros(), micros())
            .prop_map(|(mean_us, jitter_us)| Latency::Pareto { mean_us, jitter_us }),
        (micros(), micros(), 0..=1_000_000u32).prop_map(|(mean_us, jitter_us, correlation_ppm)| {
            Latency::Correlated {
                distribution: Distribution::Pareto,
                mean_us,
                jitter_us,
                correlation_ppm,
            }
        }),
    ]
}

fn any_chain() -> impl Strategy<Value = GilbertElliott> {
    let ppm = || prop_oneof![Just(0), Just(1_000_000), 0..=1_000_000u32];
    (ppm(), ppm(), ppm(), ppm()).prop_map(
        |(to_bad_ppm, to_good_ppm, loss_good_ppm, loss_bad_ppm)| GilbertElliott {
            to_bad_ppm,
            to_good_ppm,
            loss_good_ppm,
            loss_bad_ppm,
        },
    )
}

fn any_corrupt() -> impl Strategy<Value = Corrupt> {
    let how = prop_oneof![Just(Corruption::Silent), Just(Corruption::Detected)];
    (0..=1_000_000u32, how).prop_map(|(share_ppm, how)| Corrupt { share_ppm, how })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let protocol = prop_oneof![
        Just(Protocol::Tcp),
        Just(Protocol::Udp),
        Just(Protocol::Icmp)
    ];
    (prop::option::of(protocol), prop::option::of(80..82u16))
        .prop_map(|(protocol, port)| Filter { protocol, port })
}

fn sorted<T: Ord + std::fmt::Debug>(
    one: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..4).prop_map(|mut list| {
        list.sort_unstable();
        list
    })
}

prop_compose! {
    fn any_limits()(
        bandwidth_bps in prop::option::of(1..10_000_000_000u64),
        queue_bytes in prop::option::of(1..1_000_000u64),
        mtu_bytes in prop::option::of(1..1_500u16),
    ) -> LinkPolicy {
        LinkPolicy { bandwidth_bps, queue_bytes, mtu_bytes, ..LinkPolicy::default() }
    }
}

prop_compose! {
    fn any_base()(
        limits in any_limits(),
        switches in any::<[bool; 4]>(),
        latency in sorted(any_latency()),
        loss_ppm in sorted(0..=1_000_000u32),
        gilbert_elliott in sorted(any_chain()),
        duplicate_ppm in sorted(0..=1_000_000u32),
        reorder in sorted((0..=1_000_000u32, 0..9_000u64)
            .prop_map(|(share_ppm, late_us)| Reorder { share_ppm, late_us })),
        corrupt in sorted(any_corrupt()),
    ) -> LinkPolicy {
        let [blocked, reset, jam, new_connections_blocked] = switches;
        LinkPolicy {
            blocked, latency, loss_ppm, gilbert_elliott, duplicate_ppm, reorder, corrupt, reset,
            jam, new_connections_blocked, ..limits
        }
    }
}

fn any_policy() -> impl Strategy<Value = LinkPolicy> {
    let filtered =
        (any_filter(), any_base()).prop_map(|(filter, policy)| Filtered { filter, policy });
    (any_base(), sorted(filtered)).prop_map(|(base, filtered)| LinkPolicy { filtered, ..base })
}

fn composed(one: &LinkPolicy, other: &LinkPolicy) -> LinkPolicy {
    let mut both = one.clone();
    both.compose(other);
    both
}

proptest! {
    #[test]
    fn composing_is_commutative(a in any_policy(), b in any_policy()) {
        prop_assert_eq!(composed(&a, &b), composed(&b, &a));
    }

    #[test]
    fn composing_is_associative(a in any_policy(), b in any_policy(), c in any_policy()) {
        prop_assert_eq!(composed(&composed(&a, &b), &c), composed(&a, &composed(&b, &c)));
    }

    #[test]
    fn a_healthy_policy_changes_nothing(a in any_policy()) {
        prop_assert_eq!(composed(&a, &LinkPolicy::default()), a.clone());
        prop_assert_eq!(composed(&LinkPolicy::default(), &a), a);
    }

    #[test]
    fn switches_and_limits_are_idempotent(
        limits in any_limits(),
        switches in any::<[bool; 4]>(),
    ) {
        let [blocked, reset, jam, new_connections_blocked] = switches;
        let policy = LinkPolicy { blocked, reset, jam, new_connections_blocked, ..limits };
        prop_assert_eq!(composed(&policy, &policy), policy);
    }

    #[test]
    fn the_parts_of_a_composition_show(a in any_policy(), b in any_policy()) {
        let both = composed(&a, &b);
        prop_assert_eq!(both.is_cut(), a.is_cut() || b.is_cut());
        prop_assert_eq!(both.is_healthy(), a.is_healthy() && b.is_healthy());
        prop_assert_eq!(both.mean_latency(), a.mean_latency() + b.mean_latency());
        let kept = (1.0 - a.loss_share()) * (1.0 - b.loss_share());
        prop_assert!((1.0 - both.loss_share() - kept).abs() < 1e-9);
        let narrowest = a.bandwidth_bps.into_iter().chain(b.bandwidth_bps).min();
        prop_assert_eq!(both.bandwidth_bps, narrowest);
        let shortest = a.mtu_bytes.into_iter().chain(b.mtu_bytes).min();
        prop_assert_eq!(both.mtu_bytes, shortest);
        prop_assert_eq!(both.jam, a.jam || b.jam);
        prop_assert_eq!(both.corrupt.len(), a.corrupt.len() + b.corrupt.len());
        prop_assert_eq!(both.filtered.len(), a.filtered.len() + b.filtered.len());
        prop_assert!(both.reorder.is_sorted() && both.filtered.is_sorted());
    }
}
