//! The test bed: a small system of real processes, or a whole run of a plan that a test has.

use harness::check::Finding;
use harness::history::{EventSink, History, HistoryWriter};
use harness::plan;
use harness::run::Lab;
use harness::runtime::Needs;
use harness::runtime::local::Local;
use harness::schedule::{self, Schedule};
use harness::system::{Directory, System};
use tokio::time::Instant;

pub use crate::whole_run::{block_on, finding};
use crate::whole_run::{program, run};

/// The seed of every choice.
const SEED: u64 = 7;

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
        let schedule = schedule::compile(&loaded.plan, SEED);
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
            SEED,
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
    run(&loaded.plan, SEED)
}
