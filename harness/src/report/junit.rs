//! The verdict as JUnit XML, which continuous integration shows without being taught.
//!
//! One test suite is the plan, one test case a checker. A finding that failed is a `failure` with
//! its evidence, one that is unknown an `error`: the test did not get to an answer. Nothing is
//! said of how long a checker took, because what took time was the run; the suite has its length.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as JunitReport, TestCase, TestCaseStatus, TestSuite};

use super::compose::Report;
use crate::check::{Finding, Outcome};

/// Renders the file.
///
/// # Panics
/// Never: what is written goes to memory.
#[must_use]
pub fn render(report: &Report) -> String {
    let header = &report.header;
    let time = Duration::from_secs_f64((report.timings.run_ms / 1e3).max(0.0));
    let mut suite = TestSuite::new(allowed(&header.plan));
    suite.set_time(time);
    let properties = [
        ("question", header.question.clone()),
        ("seed", header.seed.to_string()),
        ("runtime", header.runtime.clone()),
        ("command", header.command.clone()),
    ];
    suite.add_properties(properties.map(|(name, value)| (name.to_owned(), allowed(&value))));
    suite.add_test_cases(report.findings.iter().map(|one| case(&header.plan, one)));
    if report.findings.is_empty() {
        suite.add_test_case(nothing_judged(&header.plan));
    }
    let mut junit = JunitReport::new("harness");
    junit.set_time(time);
    junit.add_test_suite(suite);
    junit
        .to_string()
        .expect("writing to memory does not fail, and every name is text")
}

fn case(plan: &str, finding: &Finding) -> TestCase {
    let status = match finding.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::Fail => not_passed(NonSuccessKind::Failure, "fail", finding),
        Outcome::Unknown => not_passed(NonSuccessKind::Error, "unknown", finding),
    };
    let mut case = TestCase::new(allowed(&finding.checker), status);
    case.set_classname(allowed(plan));
    if finding.outcome == Outcome::Pass {
        case.set_system_out(allowed(&finding.summary));
    }
    case
}

fn not_passed(kind: NonSuccessKind, word: &str, finding: &Finding) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(allowed(&finding.summary));
    status.set_type(word);
    let text: Vec<&str> = std::iter::once(finding.summary.as_str())
        .chain(finding.evidence.iter().map(String::as_str))
        .collect();
    status.set_description(allowed(&text.join("\n")));
    status
}

/// Text without the two characters that XML does not allow and the library lets through.
fn allowed(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}

/// A run that nobody judged is unknown, and a suite without cases would look sound.
fn nothing_judged(plan: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message("nothing was judged").set_type("unknown");
    let mut case = TestCase::new("verdict", status);
    case.set_classname(allowed(plan));
    case
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::report::sample;

    fn junit(with_mirrors: bool) -> String {
        let findings = sample::findings(with_mirrors);
        render(&Report::compose(&sample::outage(with_mirrors), findings))
    }

    fn named<'a>(document: &'a Document<'_>, tag: &str) -> Vec<Node<'a, 'a>> {
        let nodes = document.root().descendants();
        nodes.filter(|node| node.has_tag_name(tag)).collect()
    }

    #[test]
    fn a_failing_run() {
        insta::assert_snapshot!(junit(false));
    }

    #[test]
    fn a_stranger_reads_the_same_verdict() {
        let text = junit(false);
        let document = Document::parse(&text).expect("it is XML");
        let suite = named(&document, "testsuite");
        assert_eq!(suite.len(), 1);
        assert_eq!(suite[0].attribute("name"), Some("central-outage"));
        let counts = ["tests", "failures", "errors"].map(|name| suite[0].attribute(name));
        assert_eq!(counts, [Some("3"), Some("1"), Some("1")]);
        let failure = named(&document, "failure");
        let text = failure[0].text().unwrap_or_default();
        assert!(text.contains("at least 99.9% expected"), "{text}");
        let error = named(&document, "error");
        let text = error[0].text().unwrap_or_default();
        assert!(
            text.contains("<b>a line & its \"quotes\"</b>"),
            "what the system said is text, not markup: {text}"
        );
        let cases = named(&document, "testcase");
        let names: Vec<_> = cases.iter().map(|case| case.attribute("name")).collect();
        assert_eq!(
            names,
            [
                Some("availability"),
                Some("lost_writes"),
                Some("unexpected_exits")
            ]
        );
    }

    #[test]
    fn what_xml_cannot_say_does_not_break_the_file() {
        let finding = Finding {
            checker: "odd".into(),
            outcome: Outcome::Fail,
            summary: "\u{1b}[31m\u{0}\u{8} ]]> \u{fffe}".into(),
            evidence: vec!["\u{1}\r\n".into()],
        };
        let text = render(&Report::compose(&sample::outage(true), vec![finding]));
        let document = Document::parse(&text).expect("it is XML");
        assert_eq!(named(&document, "failure").len(), 1);
    }

    #[test]
    fn a_run_that_nobody_judged_is_no_success() {
        let text = render(&Report::compose(&sample::outage(true), vec![]));
        let document = Document::parse(&text).expect("it is XML");
        assert_eq!(named(&document, "error").len(), 1);
    }
}
