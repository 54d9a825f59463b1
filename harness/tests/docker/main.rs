//! The Docker runtime on a real engine.
//!
//! Goal: the same plans give the same verdicts on containers, and nothing is left of them whatever
//! happens to the harness or the engine. Method: the executable is run as a user runs it, and the
//! engine is asked by its own command line what there is. Where no engine answers, every test is
//! passed over with a visible line; `HARNESS_REQUIRE_DOCKER=1` turns that into a failure.

mod bench;

mod leftovers;

mod runs;

mod trouble;

mod stalling_proxy;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each test starts a system of its own; two at once would only slow each other down.
    arguments.test_threads = Some(1);
    if !arguments.list
        && let Err(said) = bench::engine_answers()
    {
        let required = std::env::var_os("HARNESS_REQUIRE_DOCKER").is_some_and(|value| value == "1");
        if required {
            eprintln!("an engine is required here, and none answers: {said}");
            return ExitCode::FAILURE;
        }
        println!("SKIPPED: all tests on containers: {said}");
        return ExitCode::SUCCESS;
    }
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 12] = [
        (
            "every_fault_happens_on_containers_and_nothing_acknowledged_is_lost",
            runs::every_fault_happens,
        ),
        (
            "every_fault_of_hosts_happens_on_containers",
            runs::every_host_fault_happens,
        ),
        (
            "a_wiped_disk_is_empty_when_the_host_is_back",
            runs::wiped_disk,
        ),
        (
            "the_network_can_be_held_by_a_container",
            runs::network_in_a_container,
        ),
        ("a_user_without_root_can_run_containers", runs::without_root),
        ("limits_of_a_plan_are_the_containers", runs::limits_are_kept),
        (
            "nothing_is_left_after_sigkill_at_any_moment",
            leftovers::after_sigkill,
        ),
        (
            "nothing_is_left_after_an_interrupt",
            leftovers::after_interrupt,
        ),
        (
            "a_sweep_removes_what_a_reaper_could_not",
            leftovers::sweep_removes_what_a_reaper_could_not,
        ),
        (
            "an_engine_that_stops_answering_is_trouble_of_the_harness",
            trouble::silent_engine,
        ),
        (
            "an_engine_that_is_not_there_is_named_with_what_to_do",
            trouble::absent_engine,
        ),
        (
            "a_host_that_ends_at_once_is_shown_with_its_last_words",
            trouble::host_that_ends_at_once,
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
