//! Figures of a run: how many operations of each kind were served and how fast, (in `faults`)
//! what was measured of each fault beside what was asked for, and (in `recovery`) how soon after
//! it the service was back.
//!
//! *Served* is done, or rightly told that the name is taken. Latency counts from the intended
//! start, and an operation that was not served counts at its deadline, because until then its
//! caller had nothing. Only the open-loop workload counts, and figures of quality (latency, and
//! availability unless it is called raw) are of owed operations.

mod faults;
mod on_hosts;
mod recovery;

use std::collections::BTreeMap;
use std::ops::Range;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use faults::{FaultFigures, fault_figures};
pub use recovery::{Aftermath, Recoveries, Recovery, RecoveryFigures, Stability};

use super::owed::Owed;
use crate::history::{History, Operation, OperationKind, Outcome};

/// Significant decimal digits of latency quantiles.
const DIGITS: u8 = 3;

/// The same for the many short stretches of a series, which are drawn and not judged.
const DIGITS_SERIES: u8 = 2;

/// What became of the operations of one kind. Shares are from 0 to 1, rounded down to a millionth,
/// and absent when there was nothing to take a share of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationFigures {
    /// Operations started.
    pub invoked: u64,
    /// Done.
    pub ok: u64,
    /// Refused for good, rightly or not.
    pub fail: u64,
    /// Timed out, reset, or not completed when the run ended: it may have happened.
    pub unknown: u64,
    /// Done, or rightly told that the name is taken.
    pub served: u64,
    /// Operations that any good system should have served.
    pub owed: u64,
    /// Owed operations that were served.
    pub owed_served: u64,
    /// Owed operations that timed out, were reset or never completed.
    pub owed_unknown: u64,
    /// Look-ups answered from a local cache and said to be so; they are among `ok`.
    pub stale: u64,
    /// Served share of owed operations: what a plan's `availability` is judged by.
    pub availability_owed: Option<f64>,
    /// Served share of all operations.
    pub availability_raw: Option<f64>,
    /// Half of the owed operations were served at least this fast, milliseconds.
    pub p50_ms: Option<f64>,
    /// 90 of 100 were, milliseconds.
    pub p90_ms: Option<f64>,
    /// 99 of 100 were, milliseconds.
    pub p99_ms: Option<f64>,
    /// The slowest owed operation, milliseconds; the deadline when one was not served.
    pub max_ms: Option<f64>,
}

/// The figures of the whole workload, for each kind that was used.
#[must_use]
pub fn operation_figures(
    history: &History,
    owed: &Owed,
) -> BTreeMap<OperationKind, OperationFigures> {
    OperationFigures::within(history, owed, std::slice::from_ref(&(0..u64::MAX)))
}

impl OperationFigures {
    /// The figures of the workload operations that were meant to start within one of these spans
    /// of microseconds since the start of the run, for each kind that has any.
    #[must_use]
    pub fn within(
        history: &History,
        owed: &Owed,
        spans: &[Range<u64>],
    ) -> BTreeMap<OperationKind, OperationFigures> {
        let deadline_us = history.header.deadline_us;
        let mut tallies: BTreeMap<OperationKind, Tally> = BTreeMap::new();
        for operation in history.workload() {
            let invocation = &operation.invocation;
            if spans
                .iter()
                .any(|span| span.contains(&invocation.intended_us))
            {
                tallies
                    .entry(invocation.kind)
                    .or_insert_with(|| Tally::new(deadline_us, DIGITS))
                    .add(operation, owed.is_owed(operation));
            }
        }
        tallies
            .into_iter()
            .map(|(kind, tally)| (kind, tally.finish()))
            .collect()
    }

    /// The figures of each stretch of `width_us` from the first to the end of `span`, by intended
    /// start, for each kind that was used; quantiles within 1 %.
    #[must_use]
    pub fn series(
        history: &History,
        owed: &Owed,
        span: &Range<u64>,
        width_us: u64,
    ) -> BTreeMap<OperationKind, Vec<OperationFigures>> {
        let deadline_us = history.header.deadline_us;
        let length = span.end.saturating_sub(span.start).div_ceil(width_us);
        let mut series: BTreeMap<OperationKind, BTreeMap<u64, Tally>> = BTreeMap::new();
        for operation in history.workload() {
            let invocation = &operation.invocation;
            if span.contains(&invocation.intended_us) {
                series
                    .entry(invocation.kind)
                    .or_default()
                    .entry((invocation.intended_us - span.start) / width_us)
                    .or_insert_with(|| Tally::new(deadline_us, DIGITS_SERIES))
                    .add(operation, owed.is_owed(operation));
            }
        }
        let fill = |mut tallies: BTreeMap<u64, Tally>| {
            (0..length)
                .map(|at| tallies.remove(&at).map(Tally::finish).unwrap_or_default())
                .collect()
        };
        series
            .into_iter()
            .map(|(kind, tallies)| (kind, fill(tallies)))
            .collect()
    }
}

/// Collects operations of one kind, or of one stretch of time.
struct Tally {
    figures: OperationFigures,
    latencies: Histogram<u64>,
    longest_us: u64,
    deadline_us: u64,
}

impl Tally {
    fn new(deadline_us: u64, digits: u8) -> Tally {
        let latencies = Histogram::new(digits).expect("a histogram has up to five digits");
        Tally {
            figures: OperationFigures::default(),
            latencies,
            longest_us: 0,
            deadline_us,
        }
    }

    fn add(&mut self, operation: &Operation, owed: bool) {
        let figures = &mut self.figures;
        let served = operation.is_served();
        figures.invoked += 1;
        let count = match &operation.outcome {
            Some(Outcome::Ok(_)) => &mut figures.ok,
            Some(Outcome::Fail { .. }) => &mut figures.fail,
            Some(Outcome::Unknown { .. }) | None => &mut figures.unknown,
        };
        *count += 1;
        figures.served += u64::from(served);
        figures.stale += u64::from(operation.answer().is_some_and(|answer| answer.stale));
        if owed {
            self.add_owed(operation, served);
        }
    }

    fn add_owed(&mut self, operation: &Operation, served: bool) {
        let refused = matches!(operation.outcome, Some(Outcome::Fail { .. }));
        self.figures.owed += 1;
        self.figures.owed_served += u64::from(served);
        self.figures.owed_unknown += u64::from(!served && !refused);
        let served_us = if served { operation.latency_us() } else { None };
        let latency_us = served_us.unwrap_or(self.deadline_us);
        self.latencies
            .record(latency_us)
            .expect("the histogram grows as needed");
        self.longest_us = self.longest_us.max(latency_us);
    }

    fn finish(self) -> OperationFigures {
        // A bucket of the histogram is named by its upper end, which may lie above every value.
        let quantile = |quantile: f64| {
            let value = self
                .latencies
                .value_at_quantile(quantile)
                .min(self.longest_us);
            (self.figures.owed > 0).then(|| milliseconds(value))
        };
        OperationFigures {
            availability_owed: share(self.figures.owed_served, self.figures.owed),
            availability_raw: share(self.figures.served, self.figures.invoked),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            max_ms: quantile(1.0),
            ..self.figures
        }
    }
}

/// A share of a whole, rounded down to a millionth: what is not all is never 1.
fn share(part: u64, whole: u64) -> Option<f64> {
    let millionths = part.saturating_mul(1_000_000).checked_div(whole)?;
    Some(ratio(millionths, 1_000_000))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^52"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times of a run stay far below 2^52 microseconds"
)]
fn milliseconds(us: u64) -> f64 {
    us as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Answer, ErrorKind};
    use crate::report::sample::HistoryBuilder;

    const SECOND: u64 = 1_000_000;

    fn refused(error: ErrorKind) -> Outcome {
        Outcome::Fail {
            error,
            detail: String::new(),
        }
    }

    fn unknown() -> Outcome {
        Outcome::Unknown {
            detail: "time-out".to_owned(),
        }
    }

    #[test]
    fn what_was_not_served_counts_at_its_deadline() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        let kind = OperationKind::Resolve;
        let ok = || Outcome::Ok(Answer::default());
        builder.operation(kind, "node-1", SECOND, Some((SECOND + 10_000, ok())));
        builder.operation(kind, "node-1", SECOND, Some((SECOND + 30_000, ok())));
        builder.operation(
            kind,
            "node-2",
            SECOND,
            Some((SECOND + 9_000_000, unknown())),
        );
        let instant = refused(ErrorKind::Unavailable);
        builder.operation(kind, "node-2", SECOND, Some((SECOND + 1, instant)));
        let history = builder.finish(20 * SECOND);
        let figures = &operation_figures(&history, &Owed::of(&history))[&kind];
        assert_eq!(
            (figures.invoked, figures.ok, figures.fail, figures.unknown),
            (4, 2, 1, 1)
        );
        assert_eq!(
            (figures.owed, figures.owed_served, figures.owed_unknown),
            (4, 2, 1)
        );
        assert_eq!(figures.availability_owed, Some(0.5));
        assert_eq!(
            figures.max_ms,
            Some(2000.0),
            "the deadline, neither 9 s nor 1 µs"
        );
        let p50 = figures.p50_ms.expect("something was owed");
        assert!((p50 - 30.0).abs() < 0.03, "{p50}");
    }

    #[test]
    fn a_registration_told_that_the_name_is_taken_was_served() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        for kind in [OperationKind::Register, OperationKind::Update] {
            let done = (SECOND + 5_000, refused(ErrorKind::Taken));
            builder.operation(kind, "node-1", SECOND, Some(done));
        }
        let history = builder.finish(20 * SECOND);
        let figures = operation_figures(&history, &Owed::of(&history));
        assert_eq!(
            figures[&OperationKind::Register].availability_owed,
            Some(1.0)
        );
        assert_eq!(figures[&OperationKind::Update].availability_owed, Some(0.0));
        assert!(
            !figures.contains_key(&OperationKind::Resolve),
            "none was started"
        );
    }

    #[test]
    fn raw_counts_what_was_not_owed_too() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        let fault = builder.schedule("pause");
        builder.start_fault(SECOND, fault, &["node-1"]);
        builder.pause(SECOND, "node-1");
        let kind = OperationKind::Resolve;
        builder.operation(kind, "node-1", 2 * SECOND, Some((4 * SECOND, unknown())));
        let answer = Answer {
            stale: true,
            ..Answer::default()
        };
        builder.operation(
            kind,
            "node-2",
            2 * SECOND,
            Some((2 * SECOND, Outcome::Ok(answer))),
        );
        let history = builder.finish(20 * SECOND);
        let figures = &operation_figures(&history, &Owed::of(&history))[&kind];
        assert_eq!((figures.owed, figures.stale), (1, 1));
        assert_eq!(figures.availability_owed, Some(1.0));
        assert_eq!(figures.availability_raw, Some(0.5));
    }

    #[test]
    fn a_series_has_every_stretch_and_adds_up() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        for second in [1, 1, 3] {
            let done = (second * SECOND + 5_000, Outcome::Ok(Answer::default()));
            builder.operation(OperationKind::Update, "node-1", second * SECOND, Some(done));
        }
        let history = builder.finish(20 * SECOND);
        let owed = Owed::of(&history);
        let series = OperationFigures::series(&history, &owed, &(SECOND..5 * SECOND), SECOND);
        let invoked: Vec<u64> = series[&OperationKind::Update]
            .iter()
            .map(|one| one.invoked)
            .collect();
        assert_eq!(invoked, [2, 0, 1, 0]);
    }
}
