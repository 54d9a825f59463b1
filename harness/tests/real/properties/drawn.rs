//! Fault schedules within what the directory promises to tolerate, drawn, and written as plans.
//!
//! Pure, so that what is drawn can be tested where no real process can be started.
//!
//! Tolerated are: the registry down, frozen or cut off at any time; a minority of every replica
//! group dead, frozen or cut off at once; latency far below the deadline. Whom a fault on mirrors
//! hits is drawn when it fires, and one that comes back may still be catching up when the next one
//! goes. So all faults of a schedule together are aimed at no more mirrors than may be away at
//! once, whether they overlap or not.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Mirrors that may be away at once: the largest minority of a replica group of five.
pub const MIRRORS_AWAY: usize = 2;

/// Length of the part of the timeline in which faults may be active, milliseconds.
const FAULTS_UNTIL_MS: u64 = 11_000;

const REGISTRY_FAULTS: &[&str] = &[
    "kill",
    "pause",
    "{partition: {shape: isolate}}",
    "{partition: {shape: one-way, direction: to}}",
];

const MIRROR_FAULTS: &[&str] = &[
    "kill",
    "pause",
    "{partition: {shape: isolate}}",
    "{partition: {shape: one-way, direction: from}}",
];

/// Not the registry: one that is cut off sends nothing that could be measured to be slow.
const SLOW_TARGETS: &[&str] = &["{percent: 30%, of: nodes}", "{percent: 60%, of: nodes}"];

const SLOW_FAULTS: &[&str] = &[
    "{latency: {mean: 40ms, jitter: 10ms}}",
    "{latency: {mean: 80ms, jitter: 20ms, distribution: normal}}",
];

/// One fault of a drawn schedule.
#[derive(Clone, Debug)]
pub struct Drawn {
    at_ms: u64,
    lasts_ms: u64,
    targets: String,
    fault: &'static str,
}

/// A schedule within tolerance: some trouble for the registry, some for a few mirrors, some slow
/// links; each drawn or left out.
pub fn any_schedule() -> impl Strategy<Value = Vec<Drawn>> {
    let registry = fault_on(Just("registry".to_owned()), select(REGISTRY_FAULTS));
    let targets = select(SLOW_TARGETS).prop_map(str::to_owned);
    let slow = fault_on(targets, select(SLOW_FAULTS));
    let parts = (
        option::weighted(0.8, registry),
        option::weighted(0.9, mirror_faults()),
        option::weighted(0.8, slow),
    );
    parts.prop_map(|(registry, mirrors, slow)| {
        let mirrors = mirrors.into_iter().flatten();
        let all = registry.into_iter().chain(mirrors).chain(slow);
        all.collect::<Vec<Drawn>>()
    })
}

/// The plan that a schedule is run as.
pub fn plan_of(faults: &[Drawn]) -> String {
    let steps: String = faults
        .iter()
        .map(|one| {
            format!(
                "\n  - {{at: {}ms, for: {}ms, targets: {}, fault: {}}}",
                one.at_ms, one.lasts_ms, one.targets, one.fault
            )
        })
        .collect();
    let timeline = if steps.is_empty() { " []" } else { &steps };
    format!(
        "name: within-tolerance
question: Does the directory stay available under faults that it should tolerate?
seed: 7
system: {{registry: 1, nodes: 11, mirrors: 8, replicas: 5}}
network: {{latency: 5ms, jitter: 1ms}}
workload:
  names: 30
  rates: {{register: 5/s, resolve: 30/s, update: 4/s}}
timeline:{timeline}
duration: 15s
expect:
  availability: {{resolve: 99%, register: 97%}}
"
    )
}

/// One fault on as many mirrors as may be away, or fewer, or that many different faults on one
/// mirror each, which mostly overlap.
fn mirror_faults() -> impl Strategy<Value = Vec<Drawn>> {
    let together = fault_on((1..=MIRRORS_AWAY).prop_map(mirrors), select(MIRROR_FAULTS));
    let kinds = subsequence(MIRROR_FAULTS, MIRRORS_AWAY);
    let apart = (kinds, vec(any_time(), MIRRORS_AWAY)).prop_map(|(kinds, times)| {
        let one = |(fault, (at_ms, lasts_ms))| Drawn {
            at_ms,
            lasts_ms,
            targets: mirrors(1),
            fault,
        };
        kinds
            .into_iter()
            .zip(times)
            .map(one)
            .collect::<Vec<Drawn>>()
    });
    prop_oneof![together.prop_map(|fault| vec![fault]), apart]
}

fn mirrors(count: usize) -> String {
    format!("{{count: {count}, of: mirrors}}")
}

fn fault_on(
    targets: impl Strategy<Value = String>,
    fault: impl Strategy<Value = &'static str>,
) -> impl Strategy<Value = Drawn> {
    (any_time(), targets, fault).prop_map(|((at_ms, lasts_ms), targets, fault)| Drawn {
        at_ms,
        lasts_ms,
        targets,
        fault,
    })
}

/// When a fault begins and how long it lasts, milliseconds.
fn any_time() -> impl Strategy<Value = (u64, u64)> {
    (30u64..70, 10u64..80).prop_map(|(at, lasts)| {
        let at_ms = at * 100;
        (at_ms, (lasts * 100).min(FAULTS_UNTIL_MS - at_ms))
    })
}
