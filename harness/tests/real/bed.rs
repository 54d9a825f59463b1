//! The test bed: a small system of real processes, or a whole run of a plan.

use harness::check::{self, Finding};
use harness::history::{EventSink, History, HistoryWriter};
use harness::plan;
use harness::run::{Job, Lab, On, ProgressMode, Run, RunFolder};
use harness::runtime::Needs;
use harness::runtime::local::Local;
use harness::schedule::{self, Schedule};
use harness::system::{Directory, System};
use std::path::PathBuf;
use tokio::time::Instant;

/// The executable that holds the system under test.
fn program() -> PathBuf {
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

/// A laboratory with everything made and nothing started.
pub struct Bed {
    pub lab: Lab<Local>,
    pub system: Directory,
    pub schedule: Schedule,
    writer: HistoryWriter,
    folder: tempfile::TempDir,
}

impl Bed {
    /// Makes the hosts that a plan describes.
    pub fn new(yaml: &str) -> Bed {
        let loaded = plan::load_str("test.yaml", yaml, &[]).expect("the test's plan is sound");
        let schedule = schedule::compile(&loaded.plan, 7);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let events = folder.path().join("events.jsonl");
        let (sink, writer): (EventSink, HistoryWriter) =
            HistoryWriter::start(&events, Instant::now(), |_| {}).expect("a history");
        let mut system = Directory::new(
            program(),
            schedule.hosts.clone(),
            loaded.plan.system.clone(),
        );
        system.prepare(folder.path()).expect("the system is set up");
        let runtime = Local::new(
            &schedule.hosts,
            &system,
            folder.path(),
            7,
            &Needs::of(&schedule),
            &sink,
        );
        let runtime = runtime.expect("the network is made");
        let lab = Lab::new(runtime, schedule.hosts.clone(), schedule.healthy(), sink);
        Bed {
            lab: lab.expect("the links are set"),
            system,
            schedule,
            writer,
            folder,
        }
    }

    /// Ends everything.
    pub async fn end(self) {
        let Bed {
            lab,
            writer,
            folder,
            ..
        } = self;
        lab.stop().await.expect("everything stops");
        drop(lab);
        writer.finish().expect("the history is written");
        drop(folder);
    }
}

/// A whole run of a plan, judged.
pub fn run_plan(yaml: &str) -> (History, Vec<Finding>) {
    let loaded = plan::load_str("test.yaml", yaml, &[]).expect("the test's plan is sound");
    let schedule = schedule::compile(&loaded.plan, 7);
    let out = tempfile::tempdir().expect("a temporary folder");
    let folder = RunFolder::create(Some(out.path()), "test", 7).expect("a run folder");
    let job = Job {
        run: Run {
            plan: &loaded.plan,
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
