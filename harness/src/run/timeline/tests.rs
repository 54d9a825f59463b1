//! Properties of timelines, on imitated hosts in virtual time.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::history::{HistoryWriter, Phase};
use crate::plan;
use crate::runtime::fake::Fake;
use crate::schedule;
use crate::world::{HostWorld, Process};

/// Steps without their start: lasting, instant, coming and going, cut short, waiting.
const STEPS: &[&str] = &[
    "for: 3s, targets: registry, fault: kill",
    "targets: nodes, fault: kill",
    "for: 9s, targets: {count: 3, of: nodes}, fault: pause",
    "for: 2s, targets: [registry, node-1], fault: wipe",
    "for: 2s, targets: {one: mirrors}, fault: power-loss",
    "targets: {majority: nodes}, fault: restart",
    "targets: node-2, fault: crash",
    "for: 4s, targets: node-2, fault: leave",
    "targets: late, fault: join",
    "for: 6s, targets: node-3, fault: {crash-loop: {uptime: 500ms, first: 300ms}}",
    "for: 6s, targets: nodes, fault: {churn: {session: {constant: 2s}, gap: {constant: 1s}}}",
    "targets: nodes, fault: {mass-restart: {within: 4s}}",
    "targets: mirrors, fault: {rolling-restart: {gap: 200ms}}",
    "for: 3s, targets: {minority: mirrors}, fault: {partition: {shape: bridge}}",
    "links: node-1 <-> registry, port: 80, fault: {latency: {mean: 40ms}}",
    "for: 5s, targets: node-1, fault: {flap: {down: 300ms, up: 400ms, jitter: 100ms}}",
    "for: 5s, targets: nodes, fault: {disk-full: {free: 0B}}",
    "targets: nodes, fault: {cpu: {share: 5%}}",
    "for: 5s, targets: node-1, fault: {clock: {offset: +1m, every: 300ms}}",
    "for: 5s, targets: node-1, fault: {bug: {name: drop-replies}}",
    "for: 5s, fault: {load: {factor: 3, ramp: 1s}}",
    "fault: {flash-crowd: {each: 2}}",
    "every: 2s, times: 3, jitter: 500ms, for: 1s, targets: node-4, fault: jam",
    "when: {host: node-2, state: down}, for: 1s, targets: node-4, fault: pause",
    "sequence: [{for: 1s, targets: node-4, fault: jam}, {targets: node-4, fault: crash}]",
    "phase: heal, for: 2s, targets: node-1, fault: pause",
];

fn plan_of(steps: &[(u64, &str)]) -> String {
    let step = |(at, what): &(u64, &str)| format!("  - {{at: {at}ms, {what}}}\n");
    let steps: String = steps.iter().map(step).collect();
    format!(
        "name: x\nquestion: y\nduration: 12s\n\
         system: {{nodes: 5, mirrors: 3, replicas: 3, cohorts: \
         [{{name: late, count: 2, starts: later}}]}}\n\
         workload: {{rates: {{resolve: 1/s}}}}\ntimeline:\n{steps}"
    )
}

/// Runs the timeline of a plan and its recovery; `cancel_ms` ends it early, as somebody would who
/// interrupts it. Returns the world in the end and the healthy one.
async fn run(text: &str, cancel_ms: Option<u64>) -> (World, World, Vec<HostWorld>) {
    let loaded = plan::load_str("x.yaml", text, &[]).expect("drawn plans have no mistakes");
    let schedule = schedule::compile(&loaded.plan, 7);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = folder.path().join("events.jsonl");
    let (sink, writer) = HistoryWriter::start(&events, Instant::now(), |_| {}).expect("a history");
    let fake = Fake::new(&schedule.hosts, &loaded.plan.system, 7, &sink);
    let healthy = schedule.healthy();
    let lab = Lab::new(fake, schedule.hosts.clone(), healthy.clone(), sink);
    let mut lab = lab.expect("links are set");
    let all: Vec<HostIndex> = lab.inventory.indexes().collect();
    let booted = lab.boot(vec![all.clone()], Duration::from_secs(1)).await;
    booted.expect("imitated hosts start");
    let phase = Phase::Timeline;
    lab.sink.emit(EventKind::PhaseStarted { phase }).await;
    let mut timeline = Timeline::new(&schedule);
    let clock = Instant::now();
    let cancelled = Duration::from_millis(cancel_ms.unwrap_or(u64::MAX >> 20));
    let ran = tokio::time::timeout(cancelled, timeline.run(&mut lab, clock)).await;
    assert!(ran.is_err() || ran.is_ok_and(|ran| ran.is_ok()));
    timeline.heal(&mut lab).await.expect("it heals");
    timeline
        .run_recovery(&mut lab)
        .await
        .expect("it heals again");
    let bent = all.iter().map(|host| lab.runtime.bent(*host)).collect();
    let world = lab.world().clone();
    drop(lab);
    writer.finish().expect("the history is written");
    (world, healthy, bent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Goal: whatever overlapped, came and went or was cancelled in between, healing leaves the
    /// healthy world. Method: drawn timelines on imitated hosts, some of them cut short.
    #[test]
    fn healing_leaves_the_healthy_world(
        steps in vec((0u64..10_000, select(STEPS)), 1..7),
        cancel_ms in proptest::option::of(0u64..12_000),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime starts");
        let (world, healthy, bent) = runtime.block_on(run(&plan_of(&steps), cancel_ms));
        prop_assert_eq!(world.policies().differences(&healthy.policies()).count(), 0);
        prop_assert_eq!(world.load(), healthy.load());
        for (index, bent) in (0..world.hosts()).map(HostIndex).zip(bent) {
            let host = world.host(index);
            prop_assert_eq!(host.process, Process::Running);
            prop_assert_eq!(&host.disk, &healthy.host(index).disk);
            prop_assert_eq!(bent.disk, host.disk);
            prop_assert_eq!(bent.limits, healthy.host(index).limits);
            prop_assert!(bent.clock.is_empty());
            prop_assert!(bent.bugs.is_empty(), "{:?}", bent.bugs);
        }
    }
}
