//! Goal: composing policies is order-free, and what it does is what DESIGN.md promises.
//! Method: properties over arbitrary policies.

use fabric::{Latency, LinkPolicy};
use proptest::prelude::*;

fn any_latency() -> impl Strategy<Value = Latency> {
    let micros = || 0..2_000_000u64;
    prop_oneof![
        micros().prop_map(|mean_us| Latency::Constant { mean_us }),
        (micros(), micros())
            .prop_map(|(mean_us, jitter_us)| Latency::Uniform { mean_us, jitter_us }),
        (micros(), micros())
            .prop_map(|(mean_us, jitter_us)| Latency::Normal { mean_us, jitter_us }),
    ]
}

prop_compose! {
    fn any_policy()(
        blocked in any::<bool>(),
        mut latency in prop::collection::vec(any_latency(), 0..4),
        mut loss_ppm in prop::collection::vec(0..=1_000_000u32, 0..4),
        bandwidth_bps in prop::option::of(1..10_000_000_000u64),
    ) -> LinkPolicy {
        latency.sort_unstable();
        loss_ppm.sort_unstable();
        LinkPolicy { blocked, latency, loss_ppm, bandwidth_bps }
    }
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
    fn blocks_and_bandwidths_are_idempotent(
        blocked in any::<bool>(),
        bandwidth_bps in prop::option::of(any::<u64>()),
    ) {
        let policy = LinkPolicy { blocked, bandwidth_bps, ..LinkPolicy::default() };
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
    }
}
