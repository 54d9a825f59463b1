//! Property: no metastable state. Once the last fault has ended and the time to recover has passed,
//! goodput is what it was in the calm, at the same offered load.
//!
//! A metastable system is one that a fault pushed over, and that stays down by its own load
//! (retries, queues, refusals) when the fault has gone. *Goodput* is the share of owed operations
//! that were served: a share, so that the offered load cancels out. It is compared between two
//! windows: the calm, before the first fault, and the time from the end of the last fault plus what
//! the plan gives for recovery (`RECOVERY_US` when it says nothing) to the end of the timeline.
//!
//! Where a fault goes on until the final heal, where a window is missing or has fewer operations
//! than say anything, or where the calm served nothing, there is nothing to judge.

use std::ops::Range;

use super::{Checker, Facts, Finding, Outcome};
use crate::history::History;
use crate::plan::Span;

/// The share of the calm's goodput that must be there again, in percent.
const GOODPUT_LEAST_PERCENT: u64 = 95;

/// Owed operations in a window that say something: one in twenty fewer served must be more than
/// chance.
const OPERATIONS_LEAST: u64 = 100;

/// What a system has to recover when its plan does not say, microseconds.
const RECOVERY_US: u64 = 5_000_000;

/// See the module.
#[derive(Debug)]
pub struct Metastable;

/// What was served in a window.
#[derive(Clone, Copy, Debug, Default)]
struct Goodput {
    owed: u64,
    served: u64,
    length_us: u64,
}

impl Checker for Metastable {
    fn name(&self) -> &'static str {
        "no-metastable-state"
    }

    fn property(&self) -> &'static str {
        "after the last fault goodput is what it was before the first"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let windows = match windows(facts.history) {
            Ok(windows) => windows,
            Err(why) => {
                let summary = format!("{why}: nothing to judge");
                return Finding::new(self, Outcome::Pass, summary, vec![]);
            }
        };
        let [calm, after] = windows.map(|window| Goodput::within(&window, facts));
        let figures = format!("{calm} before the first fault, {after} after the last");
        if calm.owed < OPERATIONS_LEAST || after.owed < OPERATIONS_LEAST || calm.served == 0 {
            let summary =
                format!("{figures}: too little to judge, {OPERATIONS_LEAST} each would be enough");
            return Finding::new(self, Outcome::Pass, summary, vec![]);
        }
        // Of whole numbers, crosswise: after.share >= 95% of calm.share.
        let is_back = u128::from(after.served) * u128::from(calm.owed) * 100
            >= u128::from(calm.served) * u128::from(after.owed) * u128::from(GOODPUT_LEAST_PERCENT);
        let outcome = match is_back {
            true => Outcome::Pass,
            false => Outcome::Fail,
        };
        let summary =
            format!("{figures} (at least {GOODPUT_LEAST_PERCENT}% of the former expected)");
        Finding::new(self, outcome, summary.clone(), vec![summary])
    }
}

/// The calm, and the time in which the system must be back; or why there are none.
fn windows(history: &History) -> Result<[Range<u64>; 2], &'static str> {
    let (clock, end) = history.timeline().ok_or("the clock never started")?;
    let runs = || {
        let started = |at_us: &u64| *at_us < end;
        let runs = history.faults.iter();
        runs.filter_map(move |run| Some((run.started_us.filter(started)?, run.stopped_us)))
    };
    let first = runs().map(|(start, _)| start).min();
    let first = first.ok_or("there was no fault")?;
    let stops = runs().map(|(_, stop)| stop.filter(|stop| *stop < end));
    let last = stops.collect::<Option<Vec<u64>>>();
    let last = last.ok_or("a fault went on until the final heal")?;
    let recovery = history.header.expect.recovery;
    let recovery_us = recovery.map_or(RECOVERY_US, Span::as_micros);
    let last = last.into_iter().max().unwrap_or(first);
    let back = last.saturating_add(recovery_us).min(end);
    Ok([clock..first, back..end])
}

impl Goodput {
    /// Of the owed operations that were meant to start in a window.
    fn within(window: &Range<u64>, facts: &Facts<'_>) -> Goodput {
        let mut goodput = Goodput {
            length_us: window.end.saturating_sub(window.start),
            ..Goodput::default()
        };
        let meant = |intended_us: u64| window.contains(&intended_us);
        let operations = facts.history.workload();
        for operation in operations.filter(|one| meant(one.invocation.intended_us)) {
            if facts.owed.is_owed(operation) {
                goodput.owed += 1;
                goodput.served += u64::from(operation.is_served());
            }
        }
        goodput
    }
}

impl std::fmt::Display for Goodput {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of operations and microseconds are far below 2^52"
    )]
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Goodput {
            owed,
            served,
            length_us,
        } = *self;
        let seconds = length_us as f64 / 1e6;
        let percent = served as f64 / (owed as f64).max(1.0) * 100.0;
        let rate = served as f64 / seconds.max(1e-6);
        write!(
            formatter,
            "{percent:.1}% of {owed} owed served in {seconds:.1} s ({rate:.1}/s)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Answer, OperationKind, Outcome as Ended};
    use crate::report::sample::HistoryBuilder;

    const SECOND: u64 = 1_000_000;
    /// The clock starts here.
    const CLOCK: u64 = SECOND;
    /// The timeline ends here.
    const END: u64 = 31 * SECOND;

    /// A run of 30 s with 20 look-ups a second, of which `served` says which are; the fault lasts
    /// from 10 s to `stop_s`, or to the end.
    fn finding(stop_s: Option<u64>, served: impl Fn(u64) -> bool) -> Finding {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(CLOCK);
        let fault = builder.schedule("kill");
        builder.start_fault(10 * SECOND, fault, &["registry"]);
        if let Some(stop_s) = stop_s {
            builder.stop_fault(stop_s * SECOND, fault);
        }
        for number in 0..600 {
            let at_us = CLOCK + number * SECOND / 20;
            let ended = match served(at_us / SECOND) {
                true => Ended::Ok(Answer::default()),
                false => Ended::Unknown {
                    detail: String::new(),
                },
            };
            let done = Some((at_us + 1000, ended));
            builder.operation(OperationKind::Resolve, "node-1", at_us, done);
        }
        builder.phase(END, crate::history::Phase::Heal);
        let history = builder.finish(END + SECOND);
        Metastable.check(&Facts::of(&history))
    }

    #[test]
    fn goodput_that_is_not_back_fails_and_goodput_that_is_passes() {
        // From 17 s on it must be back.
        let sound = finding(Some(12), |second| !(10..17).contains(&second));
        assert_eq!(sound.outcome, Outcome::Pass, "{sound:?}");
        assert!(sound.summary.contains("100.0% of 280"), "{sound:?}");
        let stuck = finding(Some(12), |second| second < 10);
        assert_eq!(stuck.outcome, Outcome::Fail, "{stuck:?}");
        assert!(stuck.summary.contains("(20.0/s) before"), "{stuck:?}");
        assert!(stuck.summary.contains("0.0% of 280"), "{stuck:?}");
    }

    #[test]
    fn one_in_twenty_fewer_is_still_enough() {
        // 14 windows of one second, so 5% are 0.7 of them.
        let one_second = finding(Some(12), |second| second != 20);
        assert_eq!(one_second.outcome, Outcome::Fail, "{one_second:?}");
        let poorer_calm = finding(Some(12), |second| second != 20 && second != 5);
        assert_eq!(poorer_calm.outcome, Outcome::Pass, "{poorer_calm:?}");
    }

    #[test]
    fn without_two_windows_of_enough_operations_there_is_nothing_to_judge() {
        for stop_s in [None, Some(23), Some(30)] {
            let finding = finding(stop_s, |second| second < 10);
            assert_eq!(finding.outcome, Outcome::Pass, "{finding:?}");
            assert!(finding.summary.contains("to judge"), "{finding:?}");
        }
    }
}
