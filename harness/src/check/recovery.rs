//! Property: after each fault ends, availability is back to what it was in the calm within the
//! expected time.
//!
//! What counts is the time to *stable*; the time to the *first success* is told beside it
//! (`figures::recovery` says what the two are). Each fault has until the next one starts, or the
//! timeline ends. One that is followed by the next too soon to tell, or that ends while another
//! goes on, is named and not judged: what counts then is how the last of them was recovered from.
//! Where the calm itself was hardly available, coming back to it is no recovery, and the outcome
//! is unknown.

use std::time::Duration;

use super::figures::{Aftermath, Recoveries, Recovery, Stability};
use super::{Checker, Facts, Finding, Outcome};
use crate::plan::Span;

/// See the module.
#[derive(Debug)]
pub struct RecoveryChecker;

impl Checker for RecoveryChecker {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn property(&self) -> &'static str {
        "after each fault ends, availability is back to calm within the expected time"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let header = &facts.history.header;
        let Some(bound) = header.expect.recovery else {
            return Finding::new(self, Outcome::Pass, "the plan bounds no recovery", vec![]);
        };
        let Some(recoveries) = Recoveries::of(facts.history, &facts.owed) else {
            return Finding::new(self, Outcome::Unknown, "the clock never started", vec![]);
        };
        if let Some(calm) = recoveries.poor_calm() {
            let calm = (calm * 100.0).floor();
            let summary = format!(
                "the calm was only {calm:.0}% available, so coming back to it would say nothing"
            );
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        }
        let judged: Vec<(Option<Outcome>, String)> = header
            .faults
            .iter()
            .enumerate()
            .filter_map(|(number, fault)| Some((&fault.id, recoveries.of_fault(number)?)))
            .map(|(id, recovery)| judge_one(id, bound, recovery))
            .collect();
        let outcome = judged
            .iter()
            .filter_map(|(outcome, _)| *outcome)
            .max()
            .unwrap_or(match judged.is_empty() {
                true => Outcome::Pass,
                false => Outcome::Unknown,
            });
        let texts: Vec<String> = judged.into_iter().map(|(_, text)| text).collect();
        let summary = match texts.is_empty() {
            true => "no fault ended within the timeline".to_owned(),
            false => texts.join("; "),
        };
        Finding::new(self, outcome, summary, texts)
    }
}

/// What is said of one fault, and its outcome when it is judged.
fn judge_one(id: &str, bound: Span, recovery: Recovery) -> (Option<Outcome>, String) {
    let aftermath = match recovery {
        Recovery::Seen(aftermath) => aftermath,
        Recovery::InsideAnother => {
            let text = format!("{id}: another fault was still active when it ended");
            return (None, text);
        }
    };
    let (outcome, stable) = judge_stability(bound, aftermath);
    let text = format!("{id}: {stable}, {}", first_success(aftermath));
    (outcome, text)
}

fn judge_stability(bound: Span, aftermath: Aftermath) -> (Option<Outcome>, String) {
    let bound_us = bound.as_micros();
    let seconds = |us: u64| Span(Duration::from_millis(us / 1000));
    match aftermath.stability {
        Stability::After(us) if us <= bound_us => (
            Some(Outcome::Pass),
            format!("stable after {} (at most {bound} expected)", seconds(us)),
        ),
        Stability::After(us) => (
            Some(Outcome::Fail),
            format!("stable only after {} (at most {bound})", seconds(us)),
        ),
        Stability::NotWithin(us) if us >= bound_us => (
            Some(Outcome::Fail),
            format!("not stable within {} (at most {bound})", seconds(us)),
        ),
        Stability::NotWithin(_) | Stability::TooShort if aftermath.cut_short => {
            (None, "the next fault came too soon to tell".to_owned())
        }
        Stability::NotWithin(_) | Stability::TooShort => (
            Some(Outcome::Unknown),
            "too little time after it to tell".to_owned(),
        ),
    }
}

fn first_success(aftermath: Aftermath) -> String {
    match aftermath.first_success_us {
        Some(us) => format!("first success after {}", Span(Duration::from_micros(us))),
        None => "nothing owed was served".to_owned(),
    }
}
