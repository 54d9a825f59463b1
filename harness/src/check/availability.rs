//! Property: of the operations that any good system should have served, and of all operations
//! where the plan asks for that, at least the expected share was served within the deadline.

use super::figures::OperationFigures;
use super::{Checker, Facts, Finding, Outcome};
use crate::history::OperationKind;
use crate::plan::{Availability, Share};

/// See the module.
#[derive(Debug)]
pub struct AvailabilityChecker;

/// One expectation beside what was found.
struct Judged {
    outcome: Outcome,
    text: String,
}

impl Checker for AvailabilityChecker {
    fn name(&self) -> &'static str {
        "availability"
    }

    fn property(&self) -> &'static str {
        "the expected share of operations was served within the deadline"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let expect = &facts.history.header.expect;
        let judged: Vec<Judged> = [
            ("owed", &expect.availability, false),
            ("all", &expect.availability_raw, true),
        ]
        .into_iter()
        .flat_map(|(of, wanted, raw)| {
            expectations(wanted).map(move |(kind, least)| (of, raw, kind, least))
        })
        .map(|(of, raw, kind, least)| {
            let figures = facts.operations.get(&kind).cloned().unwrap_or_default();
            judge_one(of, raw, kind, least, &figures)
        })
        .collect();
        let outcome = judged
            .iter()
            .map(|one| one.outcome)
            .max()
            .unwrap_or(Outcome::Pass);
        let texts: Vec<String> = judged.into_iter().map(|one| one.text).collect();
        let summary = if texts.is_empty() {
            "the plan expects no availability".to_owned()
        } else {
            texts.join("; ")
        };
        Finding::new(self, outcome, summary, texts)
    }
}

fn expectations(wanted: &Availability) -> impl Iterator<Item = (OperationKind, Share)> {
    [
        (OperationKind::Register, wanted.register),
        (OperationKind::Resolve, wanted.resolve),
        (OperationKind::Update, wanted.update),
    ]
    .into_iter()
    .filter_map(|(kind, share)| share.map(|share| (kind, share)))
}

fn judge_one(
    of: &str,
    raw: bool,
    kind: OperationKind,
    least: Share,
    figures: &OperationFigures,
) -> Judged {
    let (served, all, share) = if raw {
        (figures.served, figures.invoked, figures.availability_raw)
    } else {
        (figures.owed_served, figures.owed, figures.availability_owed)
    };
    let Some(share) = share else {
        let text = format!("{kind}: no {of} operation to judge (at least {least} expected)");
        return Judged {
            outcome: Outcome::Unknown,
            text,
        };
    };
    // In whole numbers: 999 of 1000 is 99.9%, whatever binary fractions make of it.
    let least_ppm = u128::from(least.parts_per_million());
    let outcome = if u128::from(served) * 1_000_000 >= u128::from(all) * least_ppm {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let text = format!(
        "{kind} {:.3}% of {all} {of} ({} not served; at least {least} expected)",
        share * 100.0,
        all - served,
    );
    Judged { outcome, text }
}
