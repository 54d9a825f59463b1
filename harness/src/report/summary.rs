//! The summary on the terminal: the verdict first, the figures behind it, and how to go on.
//!
//! Plain text at most 100 columns wide where the names allow it; colour only when asked for.

use std::fmt::Write as _;
use std::path::Path;

use super::compose::Report;
use super::phases::Window;
use super::usage::milliseconds;
use super::words::{count, counted, duration, outcome, percent, verdict};
use crate::check::{FaultFigures, Finding, OperationFigures, Outcome};

/// Renders the summary. `page` is where the report for people is.
#[must_use]
pub fn render(report: &Report, page: &Path, colour: bool) -> String {
    let paint = Paint { colour };
    let sections = [
        verdict_lines(report, paint),
        availability_table(report),
        latency_table(report),
        faults_lines(report, paint),
        findings_lines(report, paint),
        figures_lines(report),
        next_lines(report, page),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|one| !one.is_empty()).collect();
    sections.join("\n")
}

fn verdict_lines(report: &Report, paint: Paint) -> String {
    let header = &report.header;
    let word = outcome(report.outcome).to_uppercase();
    let mut text = format!("{}  {}", paint.outcome(report.outcome, &word), header.plan);
    if verdict(header.documented) != outcome(report.outcome) {
        let _ = write!(
            text,
            "  (documented verdict: {})",
            verdict(header.documented)
        );
    }
    let end = match report.finished {
        Some(false) => "",
        Some(true) => "stopped by the user before its end\n",
        None => "cut short: the history has no end\n",
    };
    let hosts = counted(u64::from(header.hosts.len()), "host");
    let _ = write!(text, "\n{}\n{end}", header.question);
    let _ = writeln!(
        text,
        "{hosts}, {} runtime, seed {}",
        header.runtime, header.seed
    );
    text
}

fn availability_table(report: &Report) -> String {
    let heads = [
        "", "asked", "owed", "all", "calm", "faults", "after", "raw", "fail", "unknown",
    ];
    let rows = report.operations.iter().map(|(kind, figures)| {
        let within = |window| percent(report.figures(window, *kind).availability_owed);
        vec![
            kind.word().to_owned(),
            count(figures.invoked),
            count(figures.owed),
            percent(figures.availability_owed),
            within(Window::Calm),
            within(Window::Faults),
            within(Window::After),
            percent(figures.availability_raw),
            count(figures.fail),
            count(figures.unknown),
        ]
    });
    table(
        "Availability of owed operations: calm, during faults, after",
        &heads,
        rows.collect(),
    )
}

fn latency_table(report: &Report) -> String {
    let heads = [
        "",
        "calm p50",
        "p90",
        "p99",
        "max",
        "faults p50",
        "p90",
        "p99",
        "max",
    ];
    let rows = report.operations.keys().map(|kind| {
        let calm = quantiles(&report.figures(Window::Calm, *kind));
        let faults = quantiles(&report.figures(Window::Faults, *kind));
        [kind.word().to_owned()]
            .into_iter()
            .chain(calm)
            .chain(faults)
            .collect()
    });
    table(
        "Latency of owed operations: calm, and during faults",
        &heads,
        rows.collect(),
    )
}

fn quantiles(figures: &OperationFigures) -> [String; 4] {
    [
        figures.p50_ms,
        figures.p90_ms,
        figures.p99_ms,
        figures.max_ms,
    ]
    .map(duration)
}

fn faults_lines(report: &Report, paint: Paint) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let mut text = String::from("Faults\n");
    for fault in &report.faults {
        let mark = match fault.proved {
            Some(true) => paint.outcome(Outcome::Pass, "proved"),
            Some(false) => paint.outcome(Outcome::Fail, "NOT PROVED"),
            None => paint.outcome(Outcome::Unknown, "NOT MEASURED"),
        };
        let when = fault_times(fault);
        let _ = writeln!(
            text,
            "  {} {when}  {}: {}",
            fault.id,
            fault_words(fault),
            fault.aimed_at
        );
        let _ = writeln!(text, "      {mark}: {}", fault.proof);
    }
    text
}

/// When a fault was active, in seconds since the start of the clock.
pub(super) fn fault_times(fault: &FaultFigures) -> String {
    let seconds = |ms: f64| format!("{:.1} s", ms / 1000.0);
    match (fault.started_ms, fault.stopped_ms) {
        (None, _) => "never".to_owned(),
        (Some(start), None) => format!("{} to the end", seconds(start)),
        (Some(start), Some(stop)) if stop - start < 50.0 => format!("at {}", seconds(start)),
        (Some(start), Some(stop)) => format!("{:.1} to {}", start / 1000.0, seconds(stop)),
    }
}

/// How soon after a fault somebody was served again, and availability was back to calm.
pub(super) fn fault_recovery(fault: &FaultFigures) -> [String; 2] {
    let times = fault
        .recovery
        .map(|one| [one.first_success_us, one.stable_us]);
    times
        .unwrap_or_default()
        .map(|us| duration(us.map(milliseconds)))
}

/// What a fault does, with its parameters.
pub(super) fn fault_words(fault: &FaultFigures) -> String {
    format!("{} {}", fault.kind, fault.parameters)
        .trim_end()
        .to_owned()
}

fn findings_lines(report: &Report, paint: Paint) -> String {
    let mut text = String::from("Findings\n");
    for finding in &report.findings {
        let word = format!("{:<7}", outcome(finding.outcome));
        let word = paint.outcome(finding.outcome, &word);
        let _ = writeln!(text, "  {word}  {}: {}", finding.checker, finding.summary);
        text.push_str(&evidence_lines(finding));
    }
    if report.findings.is_empty() {
        text.push_str("  none: nothing was judged\n");
    }
    text
}

/// The evidence of a finding that did not pass.
fn evidence_lines(finding: &Finding) -> String {
    match finding.outcome {
        Outcome::Pass => String::new(),
        Outcome::Unknown | Outcome::Fail => finding
            .evidence
            .iter()
            .map(|line| format!("             {line}\n"))
            .collect(),
    }
}

fn figures_lines(report: &Report) -> String {
    let timings = &report.timings;
    let hosts = counted(u64::from(report.header.hosts.len()), "host");
    let mut text = format!(
        "Figures\n  boot to {hosts} ready {}, heal {}, settle {}, whole run {}\n",
        duration(timings.boot_ms),
        duration(timings.heal_ms),
        duration(timings.settle_ms),
        duration(Some(timings.run_ms)),
    );
    if timings.links_changed_max_ms.is_some() {
        let slowest = duration(timings.links_changed_max_ms);
        let _ = writeln!(text, "  network changed on all links within {slowest}");
    }
    if let Some(usage) = &report.usage {
        let _ = writeln!(
            text,
            "  per node: PSS {:.1} MiB median, {:.1} MiB max; CPU {} median, {} max",
            usage.node_pss_median_mib,
            usage.node_pss_max_mib,
            duration(Some(usage.node_cpu_median_ms)),
            duration(Some(usage.node_cpu_max_ms)),
        );
        let _ = writeln!(
            text,
            "  CPU in {}: hosts {}, harness {}, fabric {}",
            duration(Some(usage.wall_ms)),
            duration(Some(usage.hosts_cpu_ms)),
            duration(Some(usage.harness_cpu_ms)),
            duration(Some(usage.fabric_cpu_ms)),
        );
    }
    text
}

fn next_lines(report: &Report, page: &Path) -> String {
    format!(
        "Report   {}\nRepeat   {}\n",
        page.display(),
        report.header.command
    )
}

/// A table with a title; numbers to the right, the first column to the left.
fn table(title: &str, heads: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut all = vec![
        heads
            .iter()
            .map(|head| (*head).to_owned())
            .collect::<Vec<String>>(),
    ];
    all.extend(rows);
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            all.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = format!("{title}\n");
    for row in &all {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(line, " {cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn outcome(self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Pass => "1;32",
            Outcome::Unknown => "1;33",
            Outcome::Fail => "1;31",
        };
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn summary(with_mirrors: bool, colour: bool) -> String {
        let findings = sample::findings(with_mirrors);
        let report = Report::compose(&sample::outage(with_mirrors), findings);
        render(
            &report,
            Path::new("reports/central-outage-7/report.html"),
            colour,
        )
    }

    #[test]
    fn a_passing_run() {
        insta::assert_snapshot!(summary(true, false));
    }

    #[test]
    fn a_failing_run() {
        insta::assert_snapshot!(summary(false, false));
    }

    #[test]
    fn colour_changes_nothing_but_escapes() {
        let painted = summary(false, true);
        assert!(painted.starts_with("\u{1b}[1;31mFAIL\u{1b}[0m"));
        let mut bare = painted;
        for escape in ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"] {
            bare = bare.replace(escape, "");
        }
        assert_eq!(bare, summary(false, false));
    }
}
