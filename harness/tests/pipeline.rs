//! The whole pipeline in memory: plan → schedule → run → history → findings → every report.
//!
//! Goal: what a person reads is pinned, and a change of any stage that changes it is seen.
//! Method: shipped plans run on the fake runtime, in virtual time, without root; what depends on
//! the machine is replaced by fixed text.

use std::path::Path;

use harness::check;
use harness::history::{EventSink, History, HistoryWriter};
use harness::plan::{self, LoadedPlan};
use harness::report::{Report, html, junit, markdown, summary, verdict_json};
use harness::run::{Run, carry_out};
use harness::runtime::fake::Fake;
use harness::schedule;
use tokio::time::Instant;

fn shipped(name: &str, sets: &[&str]) -> LoadedPlan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../chaos-plans/{name}.yaml"));
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    plan::load(&path, &sets).expect("shipped plans have no mistakes")
}

/// Runs a plan on the fake runtime and reads its history back.
fn history_of(loaded: &LoadedPlan, seed: u64) -> History {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = folder.path().join("events.jsonl");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let schedule = schedule::compile(&loaded.plan, seed);
        let (sink, writer): (EventSink, HistoryWriter) =
            HistoryWriter::start(&events, Instant::now(), |_| {}).expect("a history");
        let fake = Fake::new(&schedule.hosts, &loaded.plan.system, seed, &sink);
        let command = format!("harness run {}.yaml --seed {seed}", loaded.plan.name);
        let run = Run {
            plan: &loaded.plan,
            schedule: &schedule,
            command,
        };
        let waves = vec![schedule.hosts.indexes().collect()];
        let interrupted = carry_out(&run, waves, fake, &sink)
            .await
            .expect("it is carried out");
        assert!(!interrupted);
        drop(sink);
        writer.finish().expect("the history is written");
    });
    let text = std::fs::read(&events).expect("the history was written");
    let mut history = History::read(text.as_slice()).expect("the history is readable");
    history.header.kernel = "6.1.0".into();
    history.header.processors = 2;
    history.header.started_at = "2026-01-01T00:00:00Z".into();
    history
}

fn report_of(loaded: &LoadedPlan, seed: u64) -> Report {
    let history = history_of(loaded, seed);
    let findings = check::judge(&history);
    Report::compose(&history, findings)
}

#[test]
fn a_system_that_survives_is_reported_so() {
    let report = report_of(&shipped("central-outage", &[]), 7);
    let text = summary::render(&report, Path::new("reports/run/report.html"), false);
    insta::assert_snapshot!("survives_summary", text);
    insta::assert_snapshot!("survives_verdict", verdict_json::render(&report));
}

#[test]
fn a_system_without_mirrors_fails_the_same_plan() {
    let report = report_of(&shipped("central-outage", &["system.mirrors=0"]), 7);
    assert_eq!(report.outcome, check::Outcome::Fail);
    let text = summary::render(&report, Path::new("reports/run/report.html"), false);
    insta::assert_snapshot!("outage_summary", text);
    insta::assert_snapshot!("outage_markdown", markdown::render(&report));
    insta::assert_snapshot!("outage_junit", junit::render(&report));
}

#[test]
fn the_page_of_a_run_is_whole_and_stands_alone() {
    let report = report_of(&shipped("central-outage", &["system.mirrors=0"]), 7);
    let page = html::render(&report);
    assert!(page.contains("<title>fail: central-outage</title>"));
    assert!(page.contains(r#"<header class="banner fail">"#));
    let faults: Vec<&str> = report
        .faults
        .iter()
        .map(|fault| fault.id.as_str())
        .collect();
    assert_eq!(faults, ["registry-dies", "slow-mirrors"]);
    let hosts: Vec<&str> = report
        .header
        .hosts
        .iter()
        .map(|(_, host)| host.id.0.as_str())
        .collect();
    assert_eq!(hosts.len(), 25);
    for name in faults.into_iter().chain(hosts) {
        // As the whole text of an element: `node-1` is a part of `node-10` too.
        assert!(page.contains(&format!(">{name}<")), "{name} is missing");
    }
    for outside in ["http://", "https://", "src=", "href=", "@import"] {
        assert!(!page.contains(outside), "`{outside}` is in the page");
    }
}

#[test]
fn every_shipped_plan_has_its_documented_verdict_on_an_ideal_system() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos-plans");
    for entry in std::fs::read_dir(folder).expect("plans are shipped") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let loaded = plan::load(&path, &[]).expect("shipped plans have no mistakes");
        let report = report_of(&loaded, 11);
        let documented = match loaded.plan.verdict {
            plan::Verdict::Pass => check::Outcome::Pass,
            plan::Verdict::Fail => check::Outcome::Fail,
        };
        assert_eq!(
            report.outcome,
            documented,
            "{}: {:#?}",
            path.display(),
            report.findings
        );
    }
}

#[test]
fn the_same_run_renders_the_same_page() {
    let loaded = shipped("split-halves", &[]);
    let (one, other) = (report_of(&loaded, 7), report_of(&loaded, 7));
    assert_eq!(html::render(&one), html::render(&other));
    assert_eq!(verdict_json::render(&one), verdict_json::render(&other));
}
