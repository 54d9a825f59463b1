//! Property: after each fault ends, availability is back to what it was in the calm within the
//! expected time.
//!
//! The calm is the time before the first fault. Time after a fault is cut into windows of one
//! second; a window is good when the served share of its owed operations is at least the calm's,
//! and one without owed operations is neither good nor bad. The fault is recovered from at the
//! beginning of the first `STABLE_WINDOWS` good windows in a row. Each fault has until the next
//! one starts, or the timeline ends. One that is followed by the next too soon to tell, or that
//! ends while another goes on, is named and not judged: what counts then is how the last of them
//! was recovered from. Where the calm itself was hardly available, coming back to it is no
//! recovery, and the outcome is unknown.

use super::owed::Owed;
use super::{Checker, Finding, Outcome};
use crate::history::{History, Operation};
use crate::plan::Span;

/// The least availability of a calm that is worth coming back to.
const CALM_LEAST: f64 = 0.9;

/// Good windows in a row that count as stable.
const STABLE_WINDOWS: usize = 3;

/// Length of a window, microseconds.
const WINDOW_US: u64 = 1_000_000;

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

    fn check(&self, history: &History) -> Finding {
        let Some(bound) = history.header.expect.recovery else {
            return Finding::new(self, Outcome::Pass, "the plan bounds no recovery", vec![]);
        };
        let owed = Owed::of(history);
        let operations: Vec<&Operation> =
            history.workload().filter(|one| owed.is_owed(one)).collect();
        let Some((clock, end)) = history.timeline() else {
            return Finding::new(self, Outcome::Unknown, "the clock never started", vec![]);
        };
        let starts: Vec<u64> = history
            .faults
            .iter()
            .filter_map(|run| run.started_us)
            .collect();
        let first = starts.iter().copied().min().unwrap_or(end);
        let calm = served_share(&operations, clock, first).unwrap_or(1.0);
        if calm < CALM_LEAST {
            let calm = (calm * 100.0).floor();
            let summary = format!(
                "the calm was only {calm:.0}% available, so coming back to it would say nothing"
            );
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        }
        let judged: Vec<(Option<Outcome>, String)> = history
            .header
            .faults
            .iter()
            .zip(&history.faults)
            .filter_map(|(fault, run)| Some((&fault.id, run.stopped_us?)))
            .filter(|(_, stopped)| *stopped < end)
            .map(|(id, stopped)| {
                if ends_inside_another(history, stopped, end) {
                    return (
                        None,
                        format!("{id}: another fault was still active when it ended"),
                    );
                }
                let next = starts
                    .iter()
                    .copied()
                    .filter(|start| *start > stopped)
                    .min();
                let until = next.unwrap_or(end).min(end);
                let judged = judge_one(id, bound, recovery_us(&operations, stopped, until, calm));
                match judged {
                    (Outcome::Unknown, _) if until < end => {
                        (None, format!("{id}: the next fault came too soon to tell"))
                    }
                    (outcome, text) => (Some(outcome), text),
                }
            })
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

/// True when another fault goes on at this moment and ends later within the timeline.
fn ends_inside_another(history: &History, stopped: u64, end: u64) -> bool {
    history.faults.iter().any(|other| {
        other.started_us.is_some_and(|start| start < stopped)
            && other
                .stopped_us
                .is_some_and(|stop| stop > stopped && stop < end)
    })
}

/// How the time after a fault went.
#[derive(Clone, Copy)]
enum Recovery {
    /// Stable this long after the end of the fault, microseconds.
    After(u64),
    /// Not stable in all the time there was, microseconds.
    NotWithin(u64),
    /// Too little time or too few operations to tell.
    TooShort,
}

fn judge_one(id: &str, bound: Span, recovery: Recovery) -> (Outcome, String) {
    let bound_us = bound.as_micros();
    let seconds = |us: u64| Span(std::time::Duration::from_millis(us / 1000));
    match recovery {
        Recovery::After(us) if us <= bound_us => (
            Outcome::Pass,
            format!("{id}: {} (at most {bound} expected)", seconds(us)),
        ),
        Recovery::After(us) => (
            Outcome::Fail,
            format!("{id}: only after {} (at most {bound})", seconds(us)),
        ),
        Recovery::NotWithin(us) if us >= bound_us => (
            Outcome::Fail,
            format!("{id}: not within {} (at most {bound})", seconds(us)),
        ),
        Recovery::NotWithin(_) | Recovery::TooShort => (
            Outcome::Unknown,
            format!("{id}: too little time after it to tell"),
        ),
    }
}

fn recovery_us(operations: &[&Operation], from: u64, until: u64, calm: f64) -> Recovery {
    let windows = usize::try_from(until.saturating_sub(from) / WINDOW_US).unwrap_or(usize::MAX);
    let mut good_in_row = 0;
    let mut run_start = 0;
    let mut judged_any = false;
    for window in 0..windows {
        let start = from + window as u64 * WINDOW_US;
        let Some(share) = served_share(operations, start, start + WINDOW_US) else {
            continue;
        };
        judged_any = true;
        if share < calm {
            good_in_row = 0;
            continue;
        }
        if good_in_row == 0 {
            run_start = if window == 0 { from } else { start };
        }
        good_in_row += 1;
        if good_in_row == STABLE_WINDOWS {
            return Recovery::After(run_start - from);
        }
    }
    match judged_any && windows >= STABLE_WINDOWS {
        true => Recovery::NotWithin(until - from),
        false => Recovery::TooShort,
    }
}

/// The served share of operations meant to start in `from..until`; none when there were none.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of operations are far below 2^52"
)]
fn served_share(operations: &[&Operation], from: u64, until: u64) -> Option<f64> {
    let within = |one: &&&Operation| (from..until).contains(&one.invocation.intended_us);
    let all = operations.iter().filter(within).count();
    let served = operations
        .iter()
        .filter(within)
        .filter(|one| one.is_served())
        .count();
    (all > 0).then(|| served as f64 / all as f64)
}
