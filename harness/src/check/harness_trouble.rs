//! Property: the harness did its own part: the run is whole, nothing it tried failed, and it
//! started operations when they were due.
//!
//! What the harness could not do must not be read as what the system did, so trouble makes the
//! verdict unknown.

use super::{Checker, Facts, Finding, Outcome};
use crate::history::History;

/// Operations started later than this share of their deadline were held up by the harness.
const LATE_SHARE_OF_DEADLINE: u64 = 4;

/// One operation in this many may be late: a busy machine is not yet a harness in trouble.
const LATE_ONE_IN: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct HarnessTrouble;

impl Checker for HarnessTrouble {
    fn name(&self) -> &'static str {
        "harness"
    }

    fn property(&self) -> &'static str {
        "the harness did its own part"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let history = facts.history;
        let mut troubles: Vec<String> = history
            .troubles
            .iter()
            .map(|(_, message)| message.clone())
            .collect();
        match history.finished {
            None => troubles.push("the history has no end: the harness was stopped".to_owned()),
            Some(true) => troubles.push("the run was interrupted".to_owned()),
            Some(false) => {}
        }
        troubles.extend(late_operations(history));
        let outcome = if troubles.is_empty() {
            Outcome::Pass
        } else {
            Outcome::Unknown
        };
        let summary = match troubles.len() {
            0 => "the run is whole and kept its schedule".to_owned(),
            count => format!("{count} things kept the harness from judging"),
        };
        Finding::new(self, outcome, summary, troubles)
    }
}

fn late_operations(history: &History) -> Option<String> {
    let bound_us = history.header.deadline_us / LATE_SHARE_OF_DEADLINE;
    let is_late = |invoked: u64, intended: u64| invoked.saturating_sub(intended) > bound_us;
    let all = history.workload().count();
    let late = history
        .workload()
        .filter(|one| is_late(one.invoked_us, one.invocation.intended_us))
        .count();
    (late * LATE_ONE_IN > all).then(|| {
        format!(
            "{late} of {all} operations were started more than {} ms late: this machine is too \
             slow or too busy for the plan's rates",
            bound_us / 1000
        )
    })
}
