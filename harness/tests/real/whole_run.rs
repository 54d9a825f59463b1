//! A whole run of a plan on the local runtime, judged.

use std::path::PathBuf;

use harness::check::{self, Finding};
use harness::history::History;
use harness::plan::Plan;
use harness::run::{Job, On, ProgressMode, Run, RunFolder};
use harness::schedule;

/// The executable that holds the system under test.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_harness"))
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(future)
}

/// Runs a checked plan, and judges what happened.
pub fn run(plan: &Plan, seed: u64) -> (History, Vec<Finding>) {
    let schedule = schedule::compile(plan, seed);
    let out = tempfile::tempdir().expect("a temporary folder");
    let folder = RunFolder::create(Some(out.path()), "test", seed).expect("a run folder");
    let job = Job {
        run: Run {
            plan,
            schedule: &schedule,
            command: "test".into(),
        },
        on: On::Local,
        folder: &folder,
        program: program(),
        progress: ProgressMode::Quiet,
        tap: None,
    };
    block_on(job.carry_out()).expect("the run is carried out");
    let events = std::fs::read(folder.events()).expect("the history was written");
    let history = History::read(events.as_slice()).expect("the history is readable");
    let findings = check::judge(&history);
    (history, findings)
}

/// The finding of one checker.
pub fn finding<'a>(findings: &'a [Finding], checker: &str) -> &'a Finding {
    findings
        .iter()
        .find(|one| one.checker == checker)
        .expect("every checker has a finding")
}
