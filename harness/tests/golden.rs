//! Negative controls of the checkers, as golden histories.
//!
//! Goal: each checker is seen to fail on a history in which its property is broken, and no
//! checker fails on one in which nothing is. Method: one small recorded history, and copies of it
//! with one thing broken each; the verdict must name exactly the checker that should see it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use harness::check::{self, Outcome};
use harness::history::History;

fn judge(name: &str) -> Vec<check::Finding> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.jsonl"));
    let file = File::open(&path).expect("golden histories are committed");
    let history = History::read(BufReader::new(file)).expect("golden histories are readable");
    check::judge(&history)
}

/// Asserts that exactly this checker does not pass, and with this outcome.
fn only(name: &str, checker: &str, outcome: Outcome) -> check::Finding {
    let findings = judge(name);
    let not_passing: Vec<_> = findings
        .iter()
        .filter(|finding| finding.outcome != Outcome::Pass)
        .collect();
    assert_eq!(not_passing.len(), 1, "{name}: {not_passing:#?}");
    assert_eq!(not_passing[0].checker, checker, "{name}");
    assert_eq!(not_passing[0].outcome, outcome, "{name}: {not_passing:#?}");
    not_passing[0].clone()
}

/// Asserts that every checker passes.
fn all_pass(name: &str) {
    let findings = judge(name);
    assert_eq!(
        check::verdict(&findings),
        Outcome::Pass,
        "{name}: {findings:#?}"
    );
}

#[test]
fn a_sound_history_passes_every_checker() {
    all_pass("sound");
}

#[test]
fn a_lost_update_fails() {
    let finding = only("lost-update", "no-acknowledged-write-lost", Outcome::Fail);
    assert!(finding.evidence[0].contains("alice"), "{finding:?}");
    assert!(finding.evidence[0].contains("version 2"), "{finding:?}");
}

#[test]
fn a_lost_registration_fails() {
    let finding = only(
        "lost-registration",
        "no-acknowledged-write-lost",
        Outcome::Fail,
    );
    assert!(finding.evidence[0].contains("no such name"), "{finding:?}");
}

#[test]
fn a_read_that_misses_an_earlier_quorum_write_fails() {
    let finding = only(
        "rolled-back-read",
        "no-acknowledged-write-lost",
        Outcome::Fail,
    );
    assert!(finding.evidence[0].contains("version 1"), "{finding:?}");
}

#[test]
fn a_value_that_nobody_wrote_fails() {
    let finding = only("invented-value", "no-forged-record", Outcome::Fail);
    assert!(finding.evidence[0].contains("op-99"), "{finding:?}");
}

#[test]
fn an_owner_that_never_registered_the_name_fails() {
    let finding = only("forged-owner", "no-forged-record", Outcome::Fail);
    assert!(finding.evidence[0].contains("eeeeeeeeeeee"), "{finding:?}");
}

#[test]
fn a_value_at_the_version_of_another_fails() {
    let finding = only("forged-version", "no-forged-record", Outcome::Fail);
    assert!(
        finding.evidence[0].contains("`op-0` as version 2"),
        "{finding:?}"
    );
}

#[test]
fn a_version_that_no_write_can_have_fails() {
    let finding = only("forged-version-far", "no-forged-record", Outcome::Fail);
    assert!(finding.evidence[0].contains("version 900"), "{finding:?}");
}

#[test]
fn two_owners_of_one_name_fail() {
    let finding = only("double-owner", "one-owner", Outcome::Fail);
    assert!(finding.evidence[0].contains("bob"), "{finding:?}");
}

#[test]
fn an_exit_that_nobody_wanted_fails() {
    let findings = judge("unexpected-exit");
    let failing: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Fail)
        .map(|finding| finding.checker.as_str())
        .collect();
    // The host is not ready in the end either: both checkers are right.
    assert_eq!(failing, ["unexpected-exits", "ready-again"]);
}

#[test]
fn a_fault_without_evidence_is_unknown() {
    only("no-evidence", "fault-evidence", Outcome::Unknown);
}

#[test]
fn a_system_that_does_not_settle_fails() {
    only("never-settled", "ready-again", Outcome::Fail);
}

#[test]
fn an_outage_fails_the_expected_availability() {
    only("outage", "availability", Outcome::Fail);
}

#[test]
fn a_read_that_goes_back_in_time_fails() {
    let finding = only("backwards-read", "monotonic-reads", Outcome::Fail);
    assert!(finding.evidence[0].contains("version 3"), "{finding:?}");
    assert!(
        finding.evidence[0].contains("then version 2"),
        "{finding:?}"
    );
}

#[test]
fn reads_are_ordered_only_when_the_system_can_know_their_order() {
    all_pass("overlapping-reads");
    all_pass("backwards-unconfirmed");
    all_pass("backwards-after-restart");
}

#[test]
fn a_client_that_misses_its_own_write_fails() {
    let finding = only("own-write-missed", "read-your-writes", Outcome::Fail);
    assert!(finding.evidence[0].contains("node-1"), "{finding:?}");
}

#[test]
fn a_mirror_that_is_behind_in_the_end_fails() {
    let finding = only("mirror-behind", "convergence", Outcome::Fail);
    assert!(finding.evidence[0].contains("on node-3"), "{finding:?}");
}

#[test]
fn mirrors_that_hold_different_things_in_the_end_fail() {
    only("mirrors-apart", "convergence", Outcome::Fail);
}

#[test]
fn a_mirror_that_bears_the_others_load_fails() {
    all_pass("load-spread");
    let finding = only("load-on-one", "bounded-load", Outcome::Fail);
    assert!(
        finding.summary.starts_with("node-2 handled 1100 requests"),
        "{finding:?}"
    );
    only("load-unsaid", "bounded-load", Outcome::Unknown);
}

#[test]
fn a_host_that_believes_strangers_in_the_end_fails() {
    all_pass("own-overlay");
    let finding = only("strangers-believed", "own-overlay", Outcome::Fail);
    assert!(
        finding.evidence[0].contains("node-2 believes 3"),
        "{finding:?}"
    );
}

#[test]
fn a_copy_that_is_left_over_does_no_harm() {
    all_pass("leftover-copy");
}

#[test]
fn agreeing_on_what_is_too_old_fails() {
    let finding = only("held-too-old", "convergence", Outcome::Fail);
    assert!(finding.evidence[0].contains("version 2"), "{finding:?}");
}

#[test]
fn nobody_saying_what_it_holds_is_unknown() {
    only("nobody-says", "convergence", Outcome::Unknown);
}

#[test]
fn a_ready_host_that_does_not_say_what_it_holds_is_unknown() {
    let finding = only("mirror-silent", "convergence", Outcome::Unknown);
    assert!(finding.evidence[0].contains("node-3"), "{finding:?}");
    assert_eq!(finding.evidence.len(), 1, "{finding:?}");
}

#[test]
fn what_differs_whatever_a_silent_host_holds_fails() {
    let finding = only("silent-and-behind", "convergence", Outcome::Fail);
    assert!(finding.evidence[0].contains("on node-2"), "{finding:?}");
    assert!(finding.evidence[1].contains("node-3"), "{finding:?}");
}

#[test]
fn operations_that_the_harness_started_late_are_unknown() {
    let finding = only("started-late", "harness", Outcome::Unknown);
    assert!(finding.evidence[0].contains("1 of 4"), "{finding:?}");
}

#[test]
fn a_panic_in_a_log_fails() {
    let finding = only("log-alarm", "unexpected-exits", Outcome::Fail);
    assert!(finding.evidence[0].contains("panicked at"), "{finding:?}");
}

#[test]
fn slower_than_expected_fails() {
    let finding = only("slow", "latency", Outcome::Fail);
    assert!(finding.summary.contains("at most 5ms"), "{finding:?}");
}

#[test]
fn an_outage_that_outlives_its_fault_for_too_long_fails() {
    let finding = only("late-recovery", "recovery", Outcome::Fail);
    let late = "kill-1: stable only after 4s (at most 2s), first success after 4s 50ms 999us";
    assert_eq!(finding.evidence, [late]);
    all_pass("recovery");
}

#[test]
fn goodput_that_stays_down_after_the_fault_fails() {
    let finding = only("metastable", "no-metastable-state", Outcome::Fail);
    assert!(finding.summary.contains("90.0% of 120"), "{finding:?}");
}

#[test]
fn of_faults_in_quick_succession_the_last_is_judged() {
    all_pass("two-faults");
    let finding = only("two-faults-late", "recovery", Outcome::Fail);
    assert!(
        finding.summary.contains("kill-1: the next fault came"),
        "{finding:?}"
    );
}

#[test]
fn coming_back_to_a_calm_that_was_no_good_is_unknown() {
    let finding = only("bad-calm", "recovery", Outcome::Unknown);
    assert!(finding.summary.contains("only 7"), "{finding:?}");
    assert!(!finding.summary.contains("kill-1"), "{finding:?}");
}

#[test]
fn a_history_cut_short_is_unknown_and_still_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sound.jsonl");
    let text = std::fs::read_to_string(path).expect("golden histories are committed");
    let cut = &text[..text.len() * 2 / 3];
    let history = History::read(cut.as_bytes()).expect("a torn last line is left out");
    let findings = check::judge(&history);
    assert_eq!(check::verdict(&findings), Outcome::Unknown, "{findings:#?}");
}
