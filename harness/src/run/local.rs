//! A run on the local runtime, from an empty folder to a history.

use std::path::PathBuf;

use fabric::tap::Tap;
use tokio::time::Instant;

use super::engine::{Run, carry_out};
use super::{Progress, ProgressMode, RunError, RunFolder};
use crate::history::{EventKind, EventSink, HistoryWriter};
use crate::runtime::local::Local;
use crate::system::{Directory, System};

/// Everything that a run needs to be told.
#[derive(Debug)]
pub struct LocalRun<'a> {
    /// What is to be run.
    pub run: Run<'a>,
    /// Where everything goes.
    pub folder: &'a RunFolder,
    /// An executable of the harness, which also holds the system.
    pub program: PathBuf,
    /// How to show progress.
    pub progress: ProgressMode,
    /// Who looks at the packets; its times become those of the history.
    pub tap: Option<Tap>,
}

/// Carries the schedule out and leaves the history in the run folder. Returns true when the user
/// interrupted the run, whose history is then shorter but whole.
///
/// # Errors
/// When the harness could not do its job. Everything it started has been stopped then.
pub async fn run_local(local: &LocalRun<'_>) -> Result<bool, RunError> {
    let mut progress = Progress::new(local.progress);
    let zero = Instant::now();
    let observe = move |event: &_| progress.observe(event);
    let (sink, writer) = HistoryWriter::start(&local.folder.events(), zero, observe)?;
    let tap = local.tap.clone().map(|tap| tap.since(zero.into_std()));
    let carried_out = set_up_and_carry_out(local, tap, &sink).await;
    if let Err(error) = &carried_out {
        sink.emit(EventKind::Trouble {
            message: error.to_string(),
        })
        .await;
    }
    drop(sink);
    writer.finish()?;
    carried_out
}

async fn set_up_and_carry_out(
    local: &LocalRun<'_>,
    tap: Option<Tap>,
    sink: &EventSink,
) -> Result<bool, RunError> {
    let schedule = local.run.schedule;
    let settings = local.run.plan.system.clone();
    let mut system = Directory::new(local.program.clone(), schedule.hosts.clone(), settings);
    let hosts = local.folder.hosts();
    system.prepare(&hosts)?;
    let runtime = Local::new(&schedule.hosts, &system, &hosts, schedule.seed, sink)?;
    runtime.set_tap(tap)?;
    carry_out(&local.run, system.start_order(), runtime, sink).await
}
