//! The report as Markdown, fit for a comment on a pull request: the verdict first, then the
//! figures, the faults, what did not pass with its evidence, and how to repeat the run.
//!
//! Its length is bounded, because a comment's is: evidence beyond `EVIDENCE_MAX` lines is counted
//! and left to the page. What the system said stands in fences or is escaped, so that it cannot
//! become markup, break a table or call anybody by name.

use std::fmt::Write as _;

use super::compose::Report;
use super::phases::Window;
use super::summary::{fault_recovery, fault_times, fault_words};
use super::words::{count, counted, duration, outcome, percent, verdict};
use crate::check::{FaultFigures, Finding, Outcome};

/// Most lines of evidence of one finding.
const EVIDENCE_MAX: usize = 8;

/// Most letters of one line of text that came from outside.
const LETTERS_MAX: usize = 300;

/// Most faults in the table.
const FAULTS_MAX: usize = 40;

/// Renders the report.
#[must_use]
pub fn render(report: &Report) -> String {
    let sections = [
        verdict_section(report),
        operations_table(report),
        faults_table(report),
        findings_section(report),
        repeat_section(report),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|one| !one.is_empty()).collect();
    sections.join("\n")
}

fn verdict_section(report: &Report) -> String {
    let header = &report.header;
    let word = outcome(report.outcome);
    let documented = match verdict(header.documented) {
        documented if documented == word => String::new(),
        documented => format!(" (documented verdict: {documented})"),
    };
    let end = match report.finished {
        Some(false) => "",
        Some(true) => "\nStopped by the user before its end.\n",
        None => "\nCut short: the history has no end.\n",
    };
    format!(
        "### {} {}: {}{documented}\n\n{}\n{end}\n{}, {} runtime, seed {}\n",
        sign(report.outcome),
        word.to_uppercase(),
        escaped(&header.plan),
        escaped(&header.question),
        counted(u64::from(header.hosts.len()), "host"),
        escaped(&header.runtime),
        header.seed,
    )
}

const fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✅",
        Outcome::Unknown => "❔",
        Outcome::Fail => "❌",
    }
}

fn operations_table(report: &Report) -> String {
    if report.operations.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| operation | asked | owed | available | calm | faults | after | raw | fail | unknown \
         | p50 | p99 |\n|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (kind, figures) in &report.operations {
        let within = |window| percent(report.figures(window, *kind).availability_owed);
        let cells = [
            kind.word().to_owned(),
            count(figures.invoked),
            count(figures.owed),
            format!("**{}**", percent(figures.availability_owed)),
            within(Window::Calm),
            within(Window::Faults),
            within(Window::After),
            percent(figures.availability_raw),
            count(figures.fail),
            count(figures.unknown),
            duration(figures.p50_ms),
            duration(figures.p99_ms),
        ];
        text.push_str(&row(&cells));
    }
    text
}

fn faults_table(report: &Report) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| fault | asked for | aimed at | active | first success | stable | measured |\n\
         |:--|:--|:--|:--|--:|--:|:--|\n",
    );
    for fault in report.faults.iter().take(FAULTS_MAX) {
        text.push_str(&fault_row(fault));
    }
    if report.faults.len() > FAULTS_MAX {
        let _ = writeln!(text, "\nand {} more", report.faults.len() - FAULTS_MAX);
    }
    text
}

fn fault_row(fault: &FaultFigures) -> String {
    let mark = match fault.proved {
        Some(true) => "proved",
        Some(false) => "**not proved**",
        None => "**not measured**",
    };
    let [first_success, stable] = fault_recovery(fault);
    row(&[
        escaped(&fault.id),
        escaped(&fault_words(fault)),
        escaped(&fault.aimed_at),
        fault_times(fault),
        first_success,
        stable,
        format!("{mark}: {}", escaped(&fault.proof)),
    ])
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Passing checkers in one line, all others with their evidence.
fn findings_section(report: &Report) -> String {
    if report.findings.is_empty() {
        return "Nothing was judged.\n".to_owned();
    }
    let (passed, others): (Vec<&Finding>, Vec<&Finding>) = report
        .findings
        .iter()
        .partition(|finding| finding.outcome == Outcome::Pass);
    let mut text = String::new();
    for finding in others {
        let _ = writeln!(
            text,
            "{} **{}** {}: {}\n{}",
            sign(finding.outcome),
            outcome(finding.outcome),
            escaped(&finding.checker),
            escaped(&finding.summary),
            evidence(finding),
        );
    }
    if !passed.is_empty() {
        let names: Vec<String> = passed.iter().map(|one| escaped(&one.checker)).collect();
        let _ = writeln!(text, "{} passed: {}", sign(Outcome::Pass), names.join(", "));
    }
    text
}

fn evidence(finding: &Finding) -> String {
    let lines: Vec<String> = finding
        .evidence
        .iter()
        .take(EVIDENCE_MAX)
        .map(|line| one_line(line))
        .collect();
    let left = finding.evidence.len() - lines.len();
    let more = match left {
        0 => String::new(),
        _ => format!(
            "\nand {} more, see `report.html`\n",
            counted(left as u64, "line")
        ),
    };
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n{}{more}", fenced(&lines.join("\n"))),
    }
}

fn repeat_section(report: &Report) -> String {
    format!(
        "Repeat it:\n\n{}",
        fenced(&one_line(&report.header.command))
    )
}

/// A block of code whose fence is longer than any run of backticks in it.
fn fenced(text: &str) -> String {
    let longest = text
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}text\n{text}\n{fence}\n")
}

/// Text from outside on one line of bounded length, without control characters.
fn one_line(text: &str) -> String {
    let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut letters = text.chars().map(visible);
    let mut line: String = letters.by_ref().take(LETTERS_MAX).collect();
    if letters.next().is_some() {
        line.push('…');
    }
    line
}

/// Text from outside as text, within a table as well.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => {
                safe.push('\\');
                safe.push(letter);
            }
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn markdown(with_mirrors: bool) -> String {
        let findings = sample::findings(with_mirrors);
        render(&Report::compose(&sample::outage(with_mirrors), findings))
    }

    #[test]
    fn a_passing_run() {
        insta::assert_snapshot!(markdown(true));
    }

    #[test]
    fn a_failing_run() {
        insta::assert_snapshot!(markdown(false));
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_head() {
        let mut report = Report::compose(&sample::outage(false), vec![]);
        report.faults[0].aimed_at = "a|b\n| c".into();
        report.faults[0].proof = "1 | 2 \\| 3".into();
        let text = render(&report);
        let mut tables = 0;
        for block in text.split("\n\n") {
            let rows: Vec<&str> = block.lines().filter(|line| line.starts_with('|')).collect();
            let cells = |row: &str| {
                row.replace("\\\\", "")
                    .replace("\\|", "")
                    .matches('|')
                    .count()
            };
            assert!(
                rows.iter().all(|row| cells(row) == cells(rows[0])),
                "{block}"
            );
            tables += usize::from(!rows.is_empty());
        }
        assert_eq!(tables, 2);
    }

    #[test]
    fn no_evidence_can_leave_its_fence_or_fill_a_comment() {
        let finding = Finding {
            checker: "loud".into(),
            outcome: Outcome::Fail,
            summary: "@everybody <img src=x> | `x`".into(),
            evidence: vec!["````\n# shouting ".repeat(2000); 20],
        };
        let text = render(&Report::compose(&sample::outage(true), vec![finding]));
        assert!(text.len() < 8_000, "{} bytes", text.len());
        assert!(!text.contains("\n# shouting") && !text.contains("@everybody"));
        assert!(!text.contains("<img"));
        assert!(text.contains("\n`````text\n````") && text.contains("and 12 lines more, see"));
    }
}
