//! Properties of worlds: folding is order-free, healing is folding nothing, and reconciling ends
//! where it was told to, by a model of what the steps do and on imitated hosts.

use std::path::Path;
use std::time::Duration;

use fabric::HostIndex;
use harness::fault::FaultSpec;
use harness::history::HistoryWriter;
use harness::plan;
use harness::run::Lab;
use harness::runtime::fake::Fake;
use harness::runtime::{Observed, Runtime};
use harness::world::{Action, ActiveFault, Process, World, fold, reconcile};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

const HOSTS: u16 = 5;

/// A system of as many hosts, the registry included.
const SYSTEM: &str = "
name: worlds
question: Do the hosts go from any world to any other?
system: {nodes: 4, mirrors: 3, replicas: 3}
workload: {rates: {resolve: 1/s}}
";

fn any_fault() -> impl Strategy<Value = FaultSpec> {
    let yaml = prop_oneof![
        Just("kill".to_owned()),
        Just("restart".to_owned()),
        Just("pause".to_owned()),
        Just("wipe".to_owned()),
        Just("partition: {shape: split}".to_owned()),
        Just("partition: {shape: isolate}".to_owned()),
        Just("partition: {shape: one-way, direction: to}".to_owned()),
        Just("partition: {shape: one-way, direction: from}".to_owned()),
        (1u32..500).prop_map(|ms| format!("latency: {{mean: {ms}ms}}")),
        (10u32..500).prop_map(|ms| format!("latency: {{mean: {ms}ms, jitter: 5ms}}")),
        (1u32..=100).prop_map(|percent| format!("loss: {{rate: {percent}%}}")),
        (1u32..=90).prop_map(|percent| format!("loss: {{rate: {percent}%, burst: 4}}")),
        (1u32..50).prop_map(|mbit| format!("bandwidth: {{rate: {mbit}mbit}}")),
        (1u32..=100).prop_map(|percent| format!("duplicate: {{rate: {percent}%}}")),
        (1u32..=100).prop_map(|percent| format!("reorder: {{rate: {percent}%, late: 20ms}}")),
        (1u32..=100).prop_map(|percent| format!("corrupt: {{rate: {percent}%, silent: true}}")),
        (68u32..1500).prop_map(|bytes| format!("mtu: {{bytes: {bytes}}}")),
        Just("reset".to_owned()),
        Just("jam".to_owned()),
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
    vec(any_active(), 0..6).prop_map(|active| fold(&World::healthy(HOSTS), &active))
}

/// What the steps do to processes, without any process: the model of a runtime. Returns the
/// processes, how often each was started, and how often its disk was emptied.
fn carry_out(actual: &World, actions: &[Action]) -> (Vec<Process>, Vec<u32>, Vec<u32>) {
    let hosts = (0..HOSTS).map(HostIndex);
    let mut processes: Vec<Process> = hosts.map(|host| actual.process(host)).collect();
    let mut starts = vec![0; usize::from(HOSTS)];
    let mut wipes = vec![0; usize::from(HOSTS)];
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
            Action::Wipe(host) => {
                assert_eq!(processes[usize::from(host.0)], Process::Dead);
                wipes[usize::from(host.0)] += 1;
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
    (processes, starts, wipes)
}

proptest! {
    #[test]
    fn folding_is_order_free(
        active in vec(any_active(), 0..6)
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
        let (processes, starts, wipes) = carry_out(&from, &actions);
        for host in (0..HOSTS).map(HostIndex) {
            prop_assert_eq!(processes[usize::from(host.0)], to.process(host));
            let due = to.restarts(host) > from.restarts(host) && to.process(host) != Process::Dead;
            let emptied = to.wipes(host) > from.wipes(host);
            prop_assert_eq!(wipes[usize::from(host.0)] > 0, emptied);
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

proptest! {
    // Each case writes a history, and draws several worlds.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn imitated_hosts_go_from_any_world_to_any_other(worlds in vec(any_world(), 2..=4)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime starts");
        runtime.block_on(go_through(&worlds, &folder.path().join("events.jsonl")))?;
    }
}

/// Boots imitated hosts and brings them to one world after the other.
async fn go_through(worlds: &[World], events: &Path) -> Result<(), TestCaseError> {
    let loaded = plan::load_str("worlds.yaml", SYSTEM, &[]).expect("it has no mistakes");
    let hosts = plan::inventory(&loaded.plan);
    let (sink, writer) = HistoryWriter::start(events, Instant::now(), |_| {}).expect("a history");
    let fake = Fake::new(&hosts, &loaded.plan.system, 7, &sink);
    let all: Vec<HostIndex> = hosts.indexes().collect();
    let mut lab = Lab::new(fake, hosts, World::healthy(HOSTS), sink).expect("links are set");
    let booted = lab.boot(vec![all], Duration::from_secs(1)).await;
    booted.expect("imitated hosts start");
    for world in worlds {
        go(&mut lab, world).await?;
    }
    // The history ends when the last one that could write to it is gone.
    drop(lab);
    writer.finish().expect("the history is written");
    Ok(())
}

/// Brings imitated hosts to a world. What is seen of each must be what the world wants, by exactly
/// the steps that were due.
async fn go(lab: &mut Lab<Fake>, to: &World) -> Result<(), TestCaseError> {
    let from = lab.world().clone();
    let actions = reconcile(&from, to);
    let before: Vec<Observed> = lab
        .inventory
        .indexes()
        .map(|host| seen(lab, host))
        .collect();
    let applied = lab.apply(to.clone()).await;
    applied.expect("an imitated host does what it is told");
    let (links, wanted_links) = (lab.runtime.links(), to.policies());
    for (host, before) in lab.inventory.indexes().zip(before) {
        let start = [Action::Start(host), Action::Restart(host)];
        let starts = actions.iter().filter(|action| start.contains(*action));
        let emptied = to.wipes(host) > from.wipes(host);
        let alive = to.process(host) != Process::Dead;
        let ended = from.process(host) == Process::Dead || emptied;
        let started = alive && (ended || to.restarts(host) > from.restarts(host));
        prop_assert_eq!((host, starts.count()), (host, usize::from(started)));
        let wanted = Observed {
            starts: before.starts + u32::from(started),
            alive,
            ready: alive,
            stopped: to.process(host) == Process::Paused,
            wipes: before.wipes + u32::from(emptied),
        };
        prop_assert_eq!((host, seen(lab, host)), (host, wanted));
        for other in lab.inventory.indexes() {
            let link = (host, other, links.get(host, other));
            prop_assert_eq!(link, (host, other, wanted_links.get(host, other)));
        }
    }
    Ok(())
}

fn seen(lab: &Lab<Fake>, host: HostIndex) -> Observed {
    *lab.runtime.observe(host).borrow()
}
