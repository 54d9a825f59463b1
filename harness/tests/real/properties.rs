//! Property: within tolerance, registration and resolution stay available and no invariant breaks.
//!
//! Goal: find a fault schedule that the directory should survive and does not. Method: proptest
//! draws small schedules within what the directory promises to tolerate (`drawn` says what that
//! is), each runs on real processes, and every checker must pass. `HARNESS_PROPERTY_CASES` sets how
//! many (3 in CI), and `HARNESS_PROPERTY_SEED` which. A failing case is printed, shrunk a little,
//! since each attempt is a whole run, and saved as a plan that `harness run` accepts.

mod drawn;

use std::path::{Path, PathBuf};

use harness::check::{Outcome, verdict};
use harness::plan;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::bed::run_plan;
use drawn::{Drawn, any_schedule, plan_of};

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
    let runs =
        TestRunner::new_with_rng(config, rng).run(&any_schedule(), |faults| survives(&faults));
    match runs {
        Ok(()) => {}
        Err(TestError::Fail(reason, faults)) => {
            let text = plan_of(&faults);
            let saved = save(&text);
            panic!(
                "{reason}\n{text}\nseed {seed}; saved as a plan: harness run {}",
                saved.display()
            );
        }
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
    }
}

/// Runs a schedule. One that fails is printed at once: shrinking takes minutes, and may be stopped.
fn survives(faults: &[Drawn]) -> Result<(), TestCaseError> {
    let text = plan_of(faults);
    let (_, findings) = run_plan(&text);
    match verdict(&findings) {
        Outcome::Pass => Ok(()),
        outcome => {
            println!("{outcome:?}:\n{text}");
            Err(TestCaseError::fail(format!("{findings:#?}")))
        }
    }
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
