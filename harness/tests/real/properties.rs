//! Property: within tolerance, registration and resolution stay available and no invariant breaks.
//!
//! Goal: find a fault schedule that the directory should survive and does not. Method: proptest
//! draws small schedules within what the directory promises to tolerate, each runs on real
//! processes, and every checker must pass. Tolerated are: the registry down, frozen or cut off at
//! any time; up to two of five mirrors (a minority of every replica group) dead, frozen or cut off
//! at once; latency far below the deadline. `HARNESS_PROPERTY_CASES` sets how many (3 in CI), and
//! `HARNESS_PROPERTY_SEED` which. A failing case is shrunk a little, since each attempt is a whole
//! run, and saved as a plan that `harness run` accepts.

use std::path::{Path, PathBuf};

use harness::check::{Outcome, verdict};
use harness::plan;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::bed::run_plan;

/// Mirrors that may be away at once: the largest minority of a group of five.
const MIRRORS_AWAY: usize = 2;

/// Length of the part of the timeline in which faults may be active, milliseconds.
const FAULTS_UNTIL_MS: u64 = 11_000;

/// One fault of a drawn schedule.
#[derive(Clone, Debug)]
struct Drawn {
    at_ms: u64,
    lasts_ms: u64,
    targets: String,
    fault: &'static str,
}

pub fn within_tolerance() {
    let cases = number("HARNESS_PROPERTY_CASES").unwrap_or(3);
    let seed = number("HARNESS_PROPERTY_SEED").unwrap_or(1);
    let config = Config {
        cases: u32::try_from(cases).unwrap_or(u32::MAX),
        max_shrink_iters: 6,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let result = TestRunner::new_with_rng(config, rng).run(&any_schedule(), |faults| {
        let (_, findings) = run_plan(&plan_of(&faults));
        match verdict(&findings) {
            Outcome::Pass => Ok(()),
            _ => Err(TestCaseError::fail(format!("{findings:#?}"))),
        }
    });
    if let Err(TestError::Fail(reason, faults)) = result {
        let saved = save(&plan_of(&faults));
        panic!(
            "{reason}\nseed {seed}; saved as a plan: harness run {}",
            saved.display()
        );
    }
}

/// A schedule within tolerance: some trouble for the registry, some for a few mirrors, some slow
/// links; each drawn or left out.
fn any_schedule() -> impl Strategy<Value = Vec<Drawn>> {
    let registry = fault_on(
        Just("registry".to_owned()),
        prop_oneof![
            Just("kill"),
            Just("pause"),
            Just("{partition: {shape: isolate}}"),
            Just("{partition: {shape: one-way, direction: to}}"),
        ],
    );
    let mirrors = fault_on(
        (1..=MIRRORS_AWAY).prop_map(|count| format!("{{count: {count}, of: mirrors}}")),
        prop_oneof![
            Just("kill"),
            Just("pause"),
            Just("{partition: {shape: isolate}}"),
            Just("{partition: {shape: one-way, direction: from}}"),
        ],
    );
    let slow = fault_on(
        prop_oneof![
            Just("registry".to_owned()),
            Just("{percent: 30%, of: nodes}".to_owned())
        ],
        prop_oneof![
            Just("{latency: {mean: 40ms, jitter: 10ms}}"),
            Just("{latency: {mean: 80ms, jitter: 20ms, distribution: normal}}"),
        ],
    );
    let some = |strategy| proptest::option::weighted(0.8, strategy);
    (some(registry), some(mirrors), some(slow))
        .prop_map(|(one, two, three)| [one, two, three].into_iter().flatten().collect())
}

fn fault_on(
    targets: impl Strategy<Value = String> + 'static,
    fault: impl Strategy<Value = &'static str> + 'static,
) -> BoxedStrategy<Drawn> {
    let times = (30u64..70, 10u64..80).prop_map(|(at, lasts)| (at * 100, lasts * 100));
    (times, targets, fault)
        .prop_map(|((at_ms, lasts_ms), targets, fault)| Drawn {
            at_ms,
            lasts_ms: lasts_ms.min(FAULTS_UNTIL_MS - at_ms),
            targets,
            fault,
        })
        .boxed()
}

fn plan_of(faults: &[Drawn]) -> String {
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
system: {{registry: 1, nodes: 9, mirrors: 5, replicas: 5}}
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

/// Saves a failing plan where a person will find it; it is checked that the harness accepts it.
fn save(text: &str) -> PathBuf {
    plan::load_str("failed.yaml", text, &[]).expect("it has just been run");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/failed-properties");
    std::fs::create_dir_all(&folder).expect("the reports folder is writable");
    let path = folder.join(format!("within-tolerance-{}.yaml", std::process::id()));
    std::fs::write(&path, text).expect("the reports folder is writable");
    path
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
