//! `verdict.json`: the verdict and its figures, for programs.
//!
//! The format is versioned and documented in `reports/README.md`; keys are only ever added
//! within a version. Times are milliseconds, or microseconds where the key says so; shares are from
//! 0 to 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compose::{FiguresByKind, Report, Timings};
use super::phases::Window;
use super::usage::UsageFigures;
use crate::check::{FaultFigures, Finding, Outcome};
use crate::plan::Verdict;

/// The version of the format.
pub const VERDICT_FORMAT: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictFile {
    /// Version of the format, `VERDICT_FORMAT`.
    pub format: u32,
    /// The plan's name.
    pub plan: String,
    /// The plan's question.
    pub question: String,
    /// The verdict that the plan is documented to have.
    pub documented: Verdict,
    /// The seed of every choice.
    pub seed: u64,
    /// `local`, `docker` or `fake`.
    pub runtime: String,
    /// Version of the harness.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
    /// Wall clock at the start, RFC 3339, UTC.
    pub started_at: String,
    /// The command that repeats the run.
    pub command: String,
    /// Whether the user stopped the run; null when its history was cut short.
    pub interrupted: Option<bool>,
    /// The verdict: the worst finding.
    pub outcome: Outcome,
    /// What each checker found.
    pub findings: Vec<Finding>,
    /// The figures of the whole workload, by kind of operation.
    pub operations: FiguresByKind,
    /// The same for the parts of the timeline.
    pub windows: WindowFigures,
    /// The faults of the schedule, in its order.
    pub faults: Vec<FaultFigures>,
    /// How long things took.
    pub timings: Timings,
    /// Resources used; null when nothing was sampled.
    pub usage: Option<UsageFigures>,
}

/// The figures of the workload by part of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowFigures {
    /// Before the first fault.
    pub calm: FiguresByKind,
    /// While at least one fault was active.
    pub faults: FiguresByKind,
    /// After the first fault, while none was active.
    pub after: FiguresByKind,
}

/// Renders a report as `verdict.json`, with a newline at its end.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(&VerdictFile::of(report))
        .expect("keys are strings and no number is infinite");
    text.push('\n');
    text
}

impl VerdictFile {
    /// What the file says of a report.
    #[must_use]
    pub fn of(report: &Report) -> VerdictFile {
        let header = report.header.clone();
        VerdictFile {
            format: VERDICT_FORMAT,
            plan: header.plan,
            question: header.question,
            documented: header.documented,
            seed: header.seed,
            runtime: header.runtime,
            version: header.version,
            kernel: header.kernel,
            started_at: header.started_at,
            command: header.command,
            interrupted: report.finished,
            outcome: report.outcome,
            findings: report.findings.clone(),
            operations: report.operations.clone(),
            windows: WindowFigures::of(&report.windows),
            faults: report.faults.clone(),
            timings: report.timings.clone(),
            usage: report.usage.clone(),
        }
    }
}

impl WindowFigures {
    fn of(windows: &BTreeMap<Window, FiguresByKind>) -> WindowFigures {
        let get = |window| windows.get(&window).cloned().unwrap_or_default();
        WindowFigures {
            calm: get(Window::Calm),
            faults: get(Window::Faults),
            after: get(Window::After),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_file_reads_back_as_it_was_written() {
        let report = Report::compose(&sample::outage(false), sample::findings(false));
        let file: VerdictFile = serde_json::from_str(&render(&report)).expect("our own format");
        assert_eq!(file, VerdictFile::of(&report));
    }

    #[test]
    fn the_file_of_a_passing_run() {
        let report = Report::compose(&sample::outage(true), sample::findings(true));
        insta::assert_snapshot!(render(&report));
    }
}
