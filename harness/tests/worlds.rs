//! Properties of worlds: folding is order-free, healing is folding nothing, and reconciling ends
//! where it was told to.

use fabric::HostIndex;
use harness::fault::FaultSpec;
use harness::world::{Action, ActiveFault, Process, World, fold, reconcile};
use proptest::prelude::*;

const HOSTS: u16 = 5;

fn any_fault() -> impl Strategy<Value = FaultSpec> {
    let yaml = prop_oneof![
        Just("kill".to_owned()),
        Just("restart".to_owned()),
        Just("pause".to_owned()),
        Just("partition: {shape: split}".to_owned()),
        Just("partition: {shape: isolate}".to_owned()),
        Just("partition: {shape: one-way, direction: to}".to_owned()),
        Just("partition: {shape: one-way, direction: from}".to_owned()),
        (1u32..500).prop_map(|ms| format!("latency: {{mean: {ms}ms}}")),
        (10u32..500).prop_map(|ms| format!("latency: {{mean: {ms}ms, jitter: 5ms}}")),
        (1u32..=100).prop_map(|percent| format!("loss: {{rate: {percent}%}}")),
    ];
    yaml.prop_map(|text| {
        let value = serde_yaml::from_str::<serde_yaml::Value>(&text).expect("made above");
        serde_yaml::with::singleton_map_recursive::deserialize(value).expect("made above")
    })
}

fn any_active() -> impl Strategy<Value = ActiveFault> {
    let targets = proptest::collection::btree_set(0..HOSTS, 0..=usize::from(HOSTS));
    (any_fault(), targets).prop_map(|(fault, targets)| ActiveFault {
        fault,
        targets: targets.into_iter().map(HostIndex).collect(),
    })
}

fn any_world() -> impl Strategy<Value = World> {
    proptest::collection::vec(any_active(), 0..6)
        .prop_map(|active| fold(&World::healthy(HOSTS), &active))
}

/// What the steps do to processes, without any process: the model of a runtime.
fn carry_out(actual: &World, actions: &[Action]) -> (Vec<Process>, Vec<u32>) {
    let hosts = (0..HOSTS).map(HostIndex);
    let mut processes: Vec<Process> = hosts.map(|host| actual.process(host)).collect();
    let mut starts = vec![0; usize::from(HOSTS)];
    for action in actions {
        match action {
            Action::SetLinks => {}
            Action::Kill(host) => processes[usize::from(host.0)] = Process::Dead,
            Action::Pause(host) => {
                assert_eq!(processes[usize::from(host.0)], Process::Running);
                processes[usize::from(host.0)] = Process::Paused;
            }
            Action::Resume(host) => {
                assert_eq!(processes[usize::from(host.0)], Process::Paused);
                processes[usize::from(host.0)] = Process::Running;
            }
            Action::Start(host) => {
                assert_eq!(processes[usize::from(host.0)], Process::Dead);
                processes[usize::from(host.0)] = Process::Running;
                starts[usize::from(host.0)] += 1;
            }
            Action::Restart(host) => {
                assert_eq!(processes[usize::from(host.0)], Process::Running);
                starts[usize::from(host.0)] += 1;
            }
        }
    }
    (processes, starts)
}

proptest! {
    #[test]
    fn folding_is_order_free(
        active in proptest::collection::vec(any_active(), 0..6)
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
    ) {
        let healthy = World::healthy(HOSTS);
        prop_assert_eq!(fold(&healthy, &active.0), fold(&healthy, &active.1));
    }

    #[test]
    fn no_fault_is_the_healthy_world(hosts in 1u16..20) {
        prop_assert_eq!(fold(&World::healthy(hosts), []), World::healthy(hosts));
    }

    #[test]
    fn reconciling_ends_where_it_was_told_to(from in any_world(), to in any_world()) {
        let actions = reconcile(&from, &to);
        let (processes, starts) = carry_out(&from, &actions);
        for host in (0..HOSTS).map(HostIndex) {
            prop_assert_eq!(processes[usize::from(host.0)], to.process(host));
            let due = to.restarts(host) > from.restarts(host) && to.process(host) != Process::Dead;
            prop_assert!(!due || starts[usize::from(host.0)] > 0, "a restart was left out");
        }
        let links_differ = (0..HOSTS).any(|one| (0..HOSTS).any(|other| {
            from.link(HostIndex(one), HostIndex(other)) != to.link(HostIndex(one), HostIndex(other))
        }));
        prop_assert!(!links_differ || actions.contains(&Action::SetLinks));
        prop_assert!(reconcile(&to, &to).is_empty(), "a world is not where it is");
    }

    #[test]
    fn whoever_is_cut_off_from_all_sits_in_no_majority(world in any_world()) {
        for host in (0..HOSTS).map(HostIndex) {
            let alone = (0..HOSTS).map(HostIndex).filter(|other| *other != host).all(|other| {
                world.process(other) != Process::Running
                    || world.link(host, other).is_cut()
                    || world.link(other, host).is_cut()
            });
            prop_assert!(!(alone && world.sits_in_majority(host)));
        }
    }
}
