//! Tests on real processes, inside the same enclosure that a run uses.
//!
//! This is a test binary without the standard harness, because the enclosure must be entered
//! before any thread is started. Where the machine does not allow it, every test is passed over
//! with a visible line; `HARNESS_REQUIRE_LOCAL=1` turns that into a failure.

mod bed;
mod whole_run;

mod outage;

mod aims;
mod faults;
mod hosts;

mod properties;

use std::process::ExitCode;

use harness::runtime::local::enclosure::{self, Enclosed};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials()).exit_code();
    }
    match enclosure::enter() {
        Ok(Enclosed::Inside) => run_one_at_a_time(arguments),
        Ok(Enclosed::Ended(exit)) => exit.into(),
        Err(error) if std::env::var_os("HARNESS_REQUIRE_LOCAL").is_some_and(|v| v == "1") => {
            eprintln!("the local runtime is required here, and does not work: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("SKIPPED: all tests on real processes: {error}");
            ExitCode::SUCCESS
        }
    }
}

/// Each test boots a system of its own; two at once would only slow each other down.
fn run_one_at_a_time(mut arguments: Arguments) -> ExitCode {
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 7] = [
        (
            "names_registered_during_the_outage_resolve_everywhere_and_are_certified_after_it",
            outage::names_registered_during_the_outage,
        ),
        (
            "every_fault_of_the_network_is_measured_as_it_was_asked_for",
            faults::every_network_fault_is_measured,
        ),
        (
            "every_fault_of_processes_is_measured_as_it_was_asked_for",
            hosts::every_process_fault_is_measured,
        ),
        (
            "every_fault_of_disks_limits_clocks_and_programs_is_measured_as_it_was_asked_for",
            hosts::every_other_host_fault_is_measured,
        ),
        (
            "every_fault_hits_the_links_packets_and_clients_that_it_is_aimed_at",
            aims::every_aim_is_measured,
        ),
        (
            "every_step_starts_when_the_plan_says",
            aims::every_start_is_as_the_plan_says,
        ),
        (
            "within_tolerance_everything_stays_available",
            properties::within_tolerance,
        ),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    tests.into_iter().map(trial).collect()
}
