//! Properties of worlds: folding is order-free, healing is folding nothing, and reconciling ends
//! where it was told to, by a model of what the steps do and on imitated hosts.

use std::path::Path;
use std::time::Duration;

use fabric::{Filter, HostIndex};
use harness::fault::{Aim, FaultSpec};
use harness::history::HistoryWriter;
use harness::plan;
use harness::run::Lab;
use harness::runtime::fake::Fake;
use harness::runtime::{Observed, Runtime};
use harness::world::{Action, ActiveFault, HostWorld, Process, World, fold, reached, reconcile};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
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
        any_other_fault(),
    ];
    yaml.prop_map(|text| {
        let value = serde_yaml::from_str::<serde_yaml::Value>(&text).expect("made above");
        serde_yaml::with::singleton_map_recursive::deserialize(value).expect("made above")
    })
}

/// Faults of processes, disks, limits, clocks, programs and clients, and the drawn shapes.
fn any_other_fault() -> impl Strategy<Value = String> {
    let shapes = ["halves", "bridge", "majorities-ring"];
    prop_oneof![
        Just("crash".to_owned()),
        Just("leave".to_owned()),
        Just("join".to_owned()),
        Just("power-loss".to_owned()),
        Just("disk-read-only".to_owned()),
        (0u32..9).prop_map(|kib| format!("disk-full: {{free: {kib}KiB}}")),
        (1u32..90).prop_map(|ms| format!("disk-slow: {{latency: {ms}ms}}")),
        (1u32..90).prop_map(|share| format!("cpu: {{share: {share}%}}")),
        (1u32..90).prop_map(|mib| format!("memory: {{limit: {mib}MiB}}")),
        (9u32..90).prop_map(|limit| format!("files: {{limit: {limit}}}")),
        (1u32..90).prop_map(|s| format!("clock: {{offset: '-{s}s', drift: '+1%'}}")),
        (1u32..=100).prop_map(|p| format!("bug: {{name: drop-replies, probability: {p}%}}")),
        (2u32..9).prop_map(|factor| format!("load: {{factor: {factor}, ramp: 3s}}")),
        (1u32..9).prop_map(|each| format!("flash-crowd: {{each: {each}, within: 1s}}")),
        select(shapes.to_vec()).prop_map(|shape| format!("partition: {{shape: {shape}}}")),
        Just("partition: {shape: isolate, only_new: true}".to_owned()),
        select(vec!["lan", "3g", "lossy-wifi"]).prop_map(|name| format!("profile: {name}")),
        Just("flap: {down: 1s, up: 1s}".to_owned()),
    ]
}

/// A fault at some hosts, perhaps at some of their links or for some packets only.
fn any_active() -> impl Strategy<Value = ActiveFault> {
    let targets = proptest::collection::btree_set(0..HOSTS, 0..=usize::from(HOSTS));
    let link = (0..HOSTS, 1..HOSTS).prop_map(|(from, on)| (from, (from + on) % HOSTS));
    let links = proptest::option::weighted(0.2, proptest::collection::btree_set(link, 1..4));
    let port = proptest::option::weighted(0.2, 1u16..9);
    let numbers = any::<(u8, u16)>();
    (any_fault(), targets, links, port, numbers).prop_map(
        |(fault, targets, links, port, (draw, began))| {
            let hosts: Vec<HostIndex> = targets.into_iter().map(HostIndex).collect();
            let pair = |(from, to)| (HostIndex(from), HostIndex(to));
            let aim = Aim {
                links: links.map(|links| links.into_iter().map(pair).collect()),
                filter: Filter {
                    protocol: None,
                    port,
                },
                draw: draw.into(),
                began_us: began.into(),
                ..Aim::at(&hosts)
            };
            ActiveFault { fault, aim }
        },
    )
}

fn any_world() -> impl Strategy<Value = World> {
    vec(any_active(), 0..6).prop_map(|active| fold(&World::healthy(HOSTS), &active))
}

/// The hosts as a model of a runtime has them: what is set, and how often each thing was done.
#[derive(Clone, Debug)]
struct Carried {
    host: HostWorld,
    starts: u32,
    wipes: u32,
    power_losses: u32,
}

impl Carried {
    fn is_gone(&self) -> bool {
        self.host.process.is_gone()
    }
}

/// What the steps do to hosts, without any host: the model of a runtime.
fn carry_out(actual: &World, actions: &[Action], wanted: &World) -> Vec<Carried> {
    let hosts = (0..HOSTS).map(HostIndex);
    let as_it_is = |host: HostIndex| Carried {
        host: HostWorld {
            process: actual.process(host),
            ..actual.host(host).clone()
        },
        starts: 0,
        wipes: 0,
        power_losses: 0,
    };
    let mut all: Vec<Carried> = hosts.map(as_it_is).collect();
    for action in actions {
        let Some(index) = action.host() else { continue };
        let (one, to) = (&mut all[usize::from(index.0)], wanted.host(index));
        match action {
            Action::SetLinks | Action::SetLoad | Action::Gather(_) => {}
            Action::SetDisk(_) => one.host.disk = to.disk,
            Action::SetLimits(_) => one.host.limits = to.limits,
            Action::SetClock(_) => one.host.clock.clone_from(&to.clock),
            Action::SetBugs(_) => {
                assert_eq!(one.host.process, Process::Running, "it cannot be told");
                one.host.bugs.clone_from(&to.bugs);
            }
            Action::Kill(_) => one.host.process = Process::Dead,
            Action::Terminate(_) => {
                assert_eq!(one.host.process, Process::Running);
                one.host.process = Process::Left;
            }
            Action::Pause(_) => {
                assert_eq!(one.host.process, Process::Running);
                one.host.process = Process::Paused;
            }
            Action::Resume(_) => {
                assert_eq!(one.host.process, Process::Paused);
                one.host.process = Process::Running;
            }
            Action::Wipe(_) => {
                assert!(one.is_gone());
                one.wipes += 1;
            }
            Action::LosePower(_) => {
                one.host.process = Process::Dead;
                one.power_losses += 1;
            }
            Action::Start(_) => {
                assert!(one.is_gone());
                one.host.process = Process::Running;
                // A new process has no bugs until it is told.
                one.host.bugs.clear();
                one.starts += 1;
            }
            Action::Restart(_) => {
                assert_eq!(one.host.process, Process::Running);
                one.host.bugs.clear();
                one.starts += 1;
            }
        }
    }
    all
}

/// True when a process is to be there that is not the one that was.
fn starts_anew(from: &HostWorld, to: &HostWorld) -> bool {
    let emptied = to.wipes > from.wipes || to.power_losses > from.power_losses;
    let ended = from.process().is_gone() || emptied;
    let again = to.restarts > from.restarts || to.crashes > from.crashes;
    !to.process().is_gone() && (ended || again)
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
        let carried = carry_out(&from, &actions, &to);
        for host in (0..HOSTS).map(HostIndex) {
            let (one, old, new) = (&carried[usize::from(host.0)], from.host(host), to.host(host));
            let gone = new.process().is_gone();
            prop_assert!(one.host.process == new.process() || (gone && one.is_gone()));
            prop_assert_eq!(one.wipes > 0, new.wipes > old.wipes);
            prop_assert_eq!(one.power_losses > 0, new.power_losses > old.power_losses);
            prop_assert_eq!(one.starts > 0, starts_anew(old, new), "a start was left out");
            prop_assert_eq!(one.host.disk, new.disk);
            prop_assert_eq!(one.host.limits, new.limits);
            prop_assert_eq!(&one.host.clock, &new.clock);
            // A frozen process cannot be told, and the world that was reached says so.
            let reached = reached(&from, &to);
            prop_assert!(gone || one.host.bugs == reached.host(host).bugs);
        }
        let links_differ = (0..HOSTS).any(|one| (0..HOSTS).any(|other| {
            from.link(HostIndex(one), HostIndex(other)) != to.link(HostIndex(one), HostIndex(other))
        }));
        prop_assert_eq!(links_differ, actions.contains(&Action::SetLinks));
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
        let (old, new) = (from.host(host), to.host(host));
        let alive = !new.process().is_gone();
        let started = starts_anew(old, new);
        // A crash and a restart at once are two starts.
        prop_assert_eq!((host, starts.clone().count() > 0), (host, started));
        let wanted = Observed {
            starts: before.starts + u32::try_from(starts.count()).expect("few"),
            alive,
            ready: alive,
            stopped: to.process(host) == Process::Paused,
            wipes: before.wipes + u32::from(new.wipes > old.wipes),
            power_losses: before.power_losses + u32::from(new.power_losses > old.power_losses),
        };
        prop_assert_eq!((host, seen(lab, host)), (host, wanted));
        let bent = lab.runtime.bent(host);
        prop_assert_eq!(bent.disk, new.disk);
        prop_assert_eq!(bent.limits, new.limits);
        prop_assert_eq!(bent.clock, new.clock.clone());
        if alive {
            prop_assert_eq!(
                (host, bent.bugs),
                (host, lab.world().host(host).bugs.clone())
            );
        }
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
