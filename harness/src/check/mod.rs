//! Checkers: pure functions from a history to a finding.
//!
//! One property, one file. A checker sees nothing but the history and facts computed from it, so
//! an old run can be judged again. A finding has three outcomes, and unknown is never rounded to
//! pass. The verdict is the worst finding.

mod owed;

mod facts;

mod availability;
mod latency;
mod metastable;
mod recovery;

mod names;

mod forged_records;
mod lost_writes;
mod monotonic_reads;
mod read_your_writes;

mod convergence;
mod one_owner;

mod bounded_load;
mod own_overlay;

mod ready;
mod unexpected_exits;

mod fault_evidence;
mod harness_trouble;

mod figures;

use serde::{Deserialize, Serialize};

pub use facts::Facts;
pub use figures::{
    FaultFigures, OperationFigures, RecoveryFigures, fault_figures, operation_figures,
};
pub use owed::Owed;

use crate::exit::Exit;
use crate::history::History;

/// How a property came out, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It held.
    Pass,
    /// It could not be judged.
    Unknown,
    /// It was seen not to hold.
    Fail,
}

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The checker's name.
    pub checker: String,
    /// How the property came out.
    pub outcome: Outcome,
    /// One sentence.
    pub summary: String,
    /// The facts behind it, each a line that a person can follow up; at most `EVIDENCE_LINES`.
    #[serde(default)]
    pub evidence: Vec<String>,
}

/// A property of a history.
pub trait Checker {
    /// Its name in findings.
    fn name(&self) -> &'static str;

    /// The property, in one sentence.
    fn property(&self) -> &'static str;

    /// Judges a history by its facts.
    fn check(&self, facts: &Facts<'_>) -> Finding;
}

/// The most lines of evidence that a finding keeps; the summary has the full count.
pub const EVIDENCE_LINES: usize = 20;

/// Every checker, in the order of the report.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(availability::AvailabilityChecker),
        Box::new(latency::LatencyChecker),
        Box::new(recovery::RecoveryChecker),
        Box::new(metastable::Metastable),
        Box::new(lost_writes::LostWrites),
        Box::new(forged_records::ForgedRecords),
        Box::new(monotonic_reads::MonotonicReads),
        Box::new(read_your_writes::ReadYourWrites),
        Box::new(one_owner::OneOwner),
        Box::new(convergence::Convergence),
        Box::new(bounded_load::BoundedLoad),
        Box::new(own_overlay::OwnOverlay),
        Box::new(unexpected_exits::UnexpectedExits),
        Box::new(ready::ReadyAgain),
        Box::new(fault_evidence::FaultEvidence),
        Box::new(harness_trouble::HarnessTrouble),
    ]
}

/// The findings of all checkers.
#[must_use]
pub fn judge(history: &History) -> Vec<Finding> {
    let facts = Facts::of(history);
    all().iter().map(|checker| checker.check(&facts)).collect()
}

/// The worst outcome; unknown when there is no finding at all.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Outcome {
    findings
        .iter()
        .map(|finding| finding.outcome)
        .max()
        .unwrap_or(Outcome::Unknown)
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Pass => Exit::Pass,
            Outcome::Unknown => Exit::Unknown,
            Outcome::Fail => Exit::Fail,
        }
    }
}

impl Finding {
    /// A finding of a checker, with its evidence cut to `EVIDENCE_LINES`.
    #[must_use]
    pub fn new(
        checker: &impl Checker,
        outcome: Outcome,
        summary: impl Into<String>,
        mut evidence: Vec<String>,
    ) -> Finding {
        evidence.truncate(EVIDENCE_LINES);
        Finding {
            checker: checker.name().to_owned(),
            outcome,
            summary: summary.into(),
            evidence,
        }
    }
}
