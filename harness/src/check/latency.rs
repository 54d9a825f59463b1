//! Property: the latency quantiles that the plan bounds are within their bounds.
//!
//! Quantiles are of owed operations, from their intended start; one that was not served counts
//! at its deadline.

use super::figures::OperationFigures;
use super::{Checker, Facts, Finding, Outcome};
use crate::history::OperationKind;
use crate::plan::{Quantiles, Span};

/// See the module.
#[derive(Debug)]
pub struct LatencyChecker;

impl Checker for LatencyChecker {
    fn name(&self) -> &'static str {
        "latency"
    }

    fn property(&self) -> &'static str {
        "the bounded latency quantiles are within their bounds"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let wanted = &facts.history.header.expect.latency;
        let judged: Vec<(Outcome, String)> = [
            (OperationKind::Register, &wanted.register),
            (OperationKind::Resolve, &wanted.resolve),
            (OperationKind::Update, &wanted.update),
        ]
        .into_iter()
        .flat_map(|(kind, quantiles)| judge_kind(kind, quantiles, facts.operations.get(&kind)))
        .collect();
        let outcome = judged
            .iter()
            .map(|(outcome, _)| *outcome)
            .max()
            .unwrap_or(Outcome::Pass);
        let texts: Vec<String> = judged.into_iter().map(|(_, text)| text).collect();
        let summary = if texts.is_empty() {
            "the plan bounds no latency".to_owned()
        } else {
            texts.join("; ")
        };
        Finding::new(self, outcome, summary, texts)
    }
}

fn judge_kind(
    kind: OperationKind,
    bounds: &Quantiles,
    figures: Option<&OperationFigures>,
) -> Vec<(Outcome, String)> {
    let measured = |pick: fn(&OperationFigures) -> Option<f64>| figures.and_then(pick);
    [
        ("p50", bounds.p50, measured(|f| f.p50_ms)),
        ("p90", bounds.p90, measured(|f| f.p90_ms)),
        ("p99", bounds.p99, measured(|f| f.p99_ms)),
    ]
    .into_iter()
    .filter_map(|(name, bound, measured)| Some(judge_one(kind, name, bound?, measured)))
    .collect()
}

fn judge_one(
    kind: OperationKind,
    name: &str,
    bound: Span,
    measured: Option<f64>,
) -> (Outcome, String) {
    let bound_ms = bound.0.as_secs_f64() * 1e3;
    match measured {
        None => (
            Outcome::Unknown,
            format!("{kind} {name}: no owed operation to judge"),
        ),
        Some(ms) => {
            let outcome = if ms <= bound_ms {
                Outcome::Pass
            } else {
                Outcome::Fail
            };
            (
                outcome,
                format!("{kind} {name} {ms:.1} ms (at most {bound} expected)"),
            )
        }
    }
}
