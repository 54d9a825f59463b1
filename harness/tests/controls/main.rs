//! Negative controls on real processes: the plans of `chaos-plans/controls`.
//!
//! Goal: each checker that such a plan names is seen to fail because of the planted bug, and of
//! nothing else. Method: the plan is run as it is, and the finding of its checker must be fail;
//! then the same plan without its bugs is run with the same seed, and that finding must be pass.
//!
//! The enclosure must be entered before any thread is started, so this is a test binary without the
//! standard harness. Where the machine does not allow it, the runs are passed over with a visible
//! line; `HARNESS_REQUIRE_LOCAL=1` turns that into a failure. `HARNESS_TEST_SEED` gives all of them
//! another seed.

#[path = "../real/whole_run.rs"]
mod whole_run;

mod control;

use std::process::ExitCode;

use harness::check::Outcome;
use harness::runtime::local::enclosure::{self, Enclosed};
use libtest_mimic::{Arguments, Failed, Trial};

use control::{Control, all, bugs_without_control};
use whole_run::{finding, run};

/// Runs at a time: a small system leaves much of the machine idle while it waits.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let list = Trial::test("every_bug_of_the_system_has_a_control", || {
        bugs_without_control(&all()).map_err(Failed::from)
    });
    let mut trials: Vec<Trial> = all().into_iter().map(trial).collect();
    trials.push(list);
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    match enclosure::enter() {
        Ok(Enclosed::Inside) => {
            arguments.test_threads.get_or_insert(AT_ONCE);
            libtest_mimic::run(&arguments, trials).exit_code()
        }
        Ok(Enclosed::Ended(exit)) => exit.into(),
        Err(error) if std::env::var_os("HARNESS_REQUIRE_LOCAL").is_some_and(|v| v == "1") => {
            eprintln!("the local runtime is required here, and does not work: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("SKIPPED: all runs of controls: {error}");
            let list = trials.split_off(trials.len() - 1);
            libtest_mimic::run(&arguments, list).exit_code()
        }
    }
}

/// The trial of one control.
fn trial(control: Control) -> Trial {
    let name = format!("{}_is_caught_by_{}", control.name, control.checker);
    Trial::test(name.replace('-', "_"), move || judge(&control))
}

/// The checker fails with the bugs, and passes without them.
fn judge(control: &Control) -> Result<(), Failed> {
    let expectations = [
        ("with its bugs", control.plan.clone(), Outcome::Fail),
        ("without them", control.without_bugs(), Outcome::Pass),
    ];
    for (how, plan, expected) in expectations {
        let (_, findings) = run(&plan, control.seed);
        let found = finding(&findings, &control.checker);
        println!("{} {how}: {}", control.name, found.summary);
        if found.outcome != expected {
            return Err(Failed::from(format!(
                "{} {how}, seed {}: {} was to be {expected:?}\n{findings:#?}",
                control.name, control.seed, control.checker
            )));
        }
    }
    Ok(())
}
