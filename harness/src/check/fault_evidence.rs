//! Property: every fault of the plan was measured to have happened.
//!
//! A fault that did nothing proves nothing, so without evidence the verdict is unknown, however
//! well everything else went.

use super::figures::fault_figures;
use super::{Checker, Facts, Finding, Outcome};

/// See the module.
#[derive(Debug)]
pub struct FaultEvidence;

impl Checker for FaultEvidence {
    fn name(&self) -> &'static str {
        "fault-evidence"
    }

    fn property(&self) -> &'static str {
        "every fault was measured to have happened"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let faults = fault_figures(facts.history, &facts.owed);
        let unproved: Vec<String> = faults
            .iter()
            .filter(|fault| fault.proved != Some(true))
            .map(|fault| format!("{}: {}", fault.id, fault.proof))
            .collect();
        let outcome = if unproved.is_empty() {
            Outcome::Pass
        } else {
            Outcome::Unknown
        };
        let summary = match (faults.len(), unproved.len()) {
            (0, _) => "the plan has no faults".to_owned(),
            (all, 0) => format!("all {all} faults were measured to have happened"),
            (all, some) => format!("{some} of {all} faults are without evidence"),
        };
        Finding::new(self, outcome, summary, unproved)
    }
}
