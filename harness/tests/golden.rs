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

#[test]
fn a_sound_history_passes_every_checker() {
    let findings = judge("sound");
    assert_eq!(check::verdict(&findings), Outcome::Pass, "{findings:#?}");
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
    let finding = only(
        "invented-value",
        "no-acknowledged-write-lost",
        Outcome::Fail,
    );
    assert!(finding.evidence[0].contains("op-99"), "{finding:?}");
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
fn a_history_cut_short_is_unknown_and_still_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sound.jsonl");
    let text = std::fs::read_to_string(path).expect("golden histories are committed");
    let cut = &text[..text.len() * 2 / 3];
    let history = History::read(cut.as_bytes()).expect("a torn last line is left out");
    let findings = check::judge(&history);
    assert_eq!(check::verdict(&findings), Outcome::Unknown, "{findings:#?}");
}
