//! Figures of recovery: how soon after each fault the service was back.
//!
//! A fault that ends within the timeline has an *aftermath*, which lasts until the next fault
//! starts or the timeline ends. Two times are taken in it, both from the end of the fault:
//!
//! - to the *first success*: the first completion of an owed operation that was sent in the
//!   aftermath and served, to the microsecond. It says that somebody was served again;
//! - to *stable*: the aftermath is cut into windows of one second. A window is good when the
//!   served share of its owed operations is at least the calm's, and one without owed operations
//!   is neither good nor bad. Stable is the beginning of the first `STABLE_WINDOWS` good windows
//!   in a row. It says that it was as before for everybody.
//!
//! The calm is the time before the first fault. Where it was hardly available itself, coming back
//! to it says nothing. Of a fault that ends while another goes on, nothing can be told.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::check::owed::Owed;
use crate::history::{FaultRun, History, Operation};

/// The least availability of a calm that is worth coming back to.
const CALM_LEAST: f64 = 0.9;

/// Good windows in a row that count as stable.
const STABLE_WINDOWS: u64 = 3;

/// Length of a window, microseconds.
const WINDOW_US: u64 = 1_000_000;

/// How soon after the end of a fault the service was back, microseconds; absent where that cannot
/// be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryFigures {
    /// Until the first success.
    pub first_success_us: Option<u64>,
    /// Until it was stable.
    pub stable_us: Option<u64>,
}

/// How each fault of a run was recovered from.
#[derive(Clone, Debug, PartialEq)]
pub struct Recoveries {
    calm: f64,
    faults: Vec<Option<Recovery>>,
}

/// How a fault that ended within the timeline was recovered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Another fault was still active when it ended.
    InsideAnother,
    /// It has an aftermath of its own.
    Seen(Aftermath),
}

/// What the time after a fault was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aftermath {
    /// How long after the end of the fault the first success was, microseconds.
    pub first_success_us: Option<u64>,
    /// Whether it became stable.
    pub stability: Stability,
    /// True when the next fault ended it, and not the end of the timeline.
    pub cut_short: bool,
}

/// Whether the time after a fault became stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// It was stable this long after the end of the fault, microseconds.
    After(u64),
    /// It was not in all the time there was, microseconds.
    NotWithin(u64),
    /// Too little time or too few operations to tell.
    TooShort,
}

impl Recoveries {
    /// How each fault was recovered from; none when the clock never started.
    #[must_use]
    pub fn of(history: &History, owed: &Owed) -> Option<Recoveries> {
        let (clock, end) = history.timeline()?;
        let operations = OwedOperations::of(history, owed);
        let starts: Vec<u64> = history
            .faults
            .iter()
            .filter_map(|run| run.started_us)
            .collect();
        let first = starts.iter().copied().min().unwrap_or(end);
        let calm = operations.served_share(&(clock..first)).unwrap_or(1.0);
        let recovery = |run: &FaultRun| {
            let stopped = run.stopped_us.filter(|stopped| *stopped < end)?;
            if ends_inside_another(history, stopped, end) {
                return Some(Recovery::InsideAnother);
            }
            let later = starts.iter().copied().filter(|start| *start > stopped);
            let next = later.min().filter(|next| *next < end);
            let span = stopped..next.unwrap_or(end);
            Some(Recovery::Seen(Aftermath {
                first_success_us: operations.first_success_us(&span),
                stability: operations.stability(&span, calm),
                cut_short: next.is_some(),
            }))
        };
        Some(Recoveries {
            calm,
            faults: history.faults.iter().map(recovery).collect(),
        })
    }

    /// The availability of the calm, when it was so low that coming back to it says nothing.
    #[must_use]
    pub fn poor_calm(&self) -> Option<f64> {
        (self.calm < CALM_LEAST).then_some(self.calm)
    }

    /// How the fault with this number was recovered from; none when it did not end within the
    /// timeline.
    #[must_use]
    pub fn of_fault(&self, fault: usize) -> Option<Recovery> {
        self.faults.get(fault).copied().flatten()
    }

    /// The figures of the fault with this number; none when nothing can be told.
    #[must_use]
    pub fn figures(&self, fault: usize) -> Option<RecoveryFigures> {
        let Recovery::Seen(aftermath) = self.of_fault(fault)? else {
            return None;
        };
        let stable_us = match aftermath.stability {
            Stability::After(us) if self.poor_calm().is_none() => Some(us),
            _ => None,
        };
        Some(RecoveryFigures {
            first_success_us: aftermath.first_success_us,
            stable_us,
        })
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

/// The owed operations of the workload, in the orders in which they are asked for.
struct OwedOperations {
    /// When each was meant to start, and whether it was served.
    meant: Vec<(u64, bool)>,
    /// When each that was served was sent, and when it completed.
    served: Vec<(u64, u64)>,
}

impl OwedOperations {
    fn of(history: &History, owed: &Owed) -> OwedOperations {
        let operations: Vec<&Operation> =
            history.workload().filter(|one| owed.is_owed(one)).collect();
        let mut meant: Vec<(u64, bool)> = operations
            .iter()
            .map(|one| (one.invocation.intended_us, one.is_served()))
            .collect();
        meant.sort_unstable();
        let mut served: Vec<(u64, u64)> = operations
            .iter()
            .filter(|one| one.is_served())
            .filter_map(|one| Some((one.invoked_us, one.completed_us?)))
            .collect();
        served.sort_unstable();
        OwedOperations { meant, served }
    }

    /// The served share of those meant to start in a span; none when there were none.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of operations are far below 2^52"
    )]
    fn served_share(&self, span: &Range<u64>) -> Option<f64> {
        let operations = within(&self.meant, span);
        let served = operations.iter().filter(|(_, served)| *served).count();
        (!operations.is_empty()).then(|| served as f64 / operations.len() as f64)
    }

    /// From the beginning of a span to the first success of what was sent in it, microseconds.
    fn first_success_us(&self, span: &Range<u64>) -> Option<u64> {
        let completed = within(&self.served, span).iter().map(|(_, at_us)| *at_us);
        let first = completed.min()?;
        Some(first.saturating_sub(span.start))
    }

    fn stability(&self, aftermath: &Range<u64>, calm: f64) -> Stability {
        let length_us = aftermath.end.saturating_sub(aftermath.start);
        let windows = length_us / WINDOW_US;
        let (mut good_in_row, mut stable_us, mut judged_any) = (0, 0, false);
        for window in 0..windows {
            let since_us = window * WINDOW_US;
            let start = aftermath.start + since_us;
            let Some(share) = self.served_share(&(start..start + WINDOW_US)) else {
                continue;
            };
            judged_any = true;
            if share < calm {
                good_in_row = 0;
                continue;
            }
            if good_in_row == 0 {
                stable_us = since_us;
            }
            good_in_row += 1;
            if good_in_row == STABLE_WINDOWS {
                return Stability::After(stable_us);
            }
        }
        match judged_any && windows >= STABLE_WINDOWS {
            true => Stability::NotWithin(length_us),
            false => Stability::TooShort,
        }
    }
}

/// The part of an ordered list that lies within a span; nothing when the span ends before it
/// begins.
fn within<'a, T>(ordered: &'a [(u64, T)], span: &Range<u64>) -> &'a [(u64, T)] {
    let before = |moment: u64| ordered.partition_point(|(at_us, _)| *at_us < moment);
    let start = before(span.start);
    &ordered[start..before(span.end).max(start)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Answer, ErrorKind, OperationKind, Outcome};
    use crate::report::sample::HistoryBuilder;

    const SECOND: u64 = 1_000_000;

    /// Three hosts that are ready at once, and the clock starts.
    fn running() -> HistoryBuilder {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        builder
    }

    fn fault(builder: &mut HistoryBuilder, start_s: u64, stop_s: u64) {
        let number = builder.schedule("kill");
        builder.start_fault(start_s * SECOND, number, &["registry"]);
        builder.stop_fault(stop_s * SECOND, number);
    }

    /// An operation that is sent at this millisecond and takes this many.
    fn operation(builder: &mut HistoryBuilder, client: &str, sent: u64, took: u64, end: Outcome) {
        let done = Some(((sent + took) * 1000, end));
        builder.operation(OperationKind::Resolve, client, sent * 1000, done);
    }

    fn served(builder: &mut HistoryBuilder, client: &str, sent: u64, took: u64) {
        let end = Outcome::Ok(Answer::default());
        operation(builder, client, sent, took, end);
    }

    fn refused(builder: &mut HistoryBuilder, client: &str, sent: u64, took: u64) {
        let end = Outcome::Fail {
            error: ErrorKind::Unavailable,
            detail: String::new(),
        };
        operation(builder, client, sent, took, end);
    }

    fn figures(builder: HistoryBuilder) -> Vec<Option<RecoveryFigures>> {
        let history = builder.finish(60 * SECOND);
        let recoveries = Recoveries::of(&history, &Owed::of(&history)).expect("the clock started");
        let faults = 0..history.faults.len();
        faults.map(|fault| recoveries.figures(fault)).collect()
    }

    fn times(first_success_us: Option<u64>, stable_us: Option<u64>) -> Option<RecoveryFigures> {
        Some(RecoveryFigures {
            first_success_us,
            stable_us,
        })
    }

    #[test]
    fn the_first_success_is_owed_and_sent_after_the_fault() {
        let mut builder = running();
        fault(&mut builder, 10, 20);
        served(&mut builder, "node-1", 19_900, 200);
        served(&mut builder, "registry", 20_010, 10);
        refused(&mut builder, "node-1", 20_050, 10);
        served(&mut builder, "node-1", 20_200, 700);
        served(&mut builder, "node-2", 20_300, 50);
        for second in 21..24 {
            served(&mut builder, "node-1", second * 1000, 1);
        }
        // The first window has a failure in it, so it is stable from the second one on.
        assert_eq!(figures(builder), [times(Some(350_000), Some(SECOND))]);
    }

    #[test]
    fn a_fault_has_until_the_next_one() {
        let mut builder = running();
        fault(&mut builder, 10, 20);
        fault(&mut builder, 22, 30);
        for second in 23..60 {
            served(&mut builder, "node-1", second * 1000, 7);
        }
        assert_eq!(
            figures(builder),
            [times(None, None), times(Some(7_000), Some(0))]
        );
    }

    #[test]
    fn of_a_fault_that_ends_inside_another_nothing_can_be_told() {
        let mut builder = running();
        fault(&mut builder, 10, 20);
        fault(&mut builder, 15, 30);
        fault(&mut builder, 40, 70);
        for second in 0..60 {
            served(&mut builder, "node-1", second * 1000, 7);
        }
        let figures = figures(builder);
        assert_eq!(figures[0], None);
        assert_eq!(figures[1], times(Some(7_000), Some(0)));
        assert_eq!(figures[2], None, "it ended with the timeline");
    }

    #[test]
    fn a_poor_calm_leaves_the_first_success() {
        let mut builder = running();
        fault(&mut builder, 10, 20);
        for second in 0..10 {
            refused(&mut builder, "node-1", second * 1000, 7);
        }
        for second in 20..60 {
            served(&mut builder, "node-1", second * 1000, 7);
        }
        assert_eq!(figures(builder), [times(Some(7_000), None)]);
    }

    #[test]
    fn a_fault_before_the_clock_has_no_calm_and_no_trouble() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(20 * SECOND);
        fault(&mut builder, 10, 15);
        served(&mut builder, "node-1", 12_000, 7);
        assert_eq!(figures(builder), [times(None, None)]);
    }
}
