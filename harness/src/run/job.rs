//! A run from an empty folder to a history, on the runtime that was chosen.

use std::path::PathBuf;

use fabric::tap::Tap;
use tokio::time::Instant;

use super::engine::{Run, asked_to_stop, carry_out};
use super::{Progress, ProgressMode, RunError, RunFolder};
use crate::fault::FaultSpec;
use crate::history::{EventKind, EventSink, HistoryWriter};
use crate::runtime::Needs;
use crate::runtime::docker::{Docker, Setup};
use crate::runtime::local::Local;
use crate::system::{Directory, System};

/// Which runtime carries a run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Processes in namespaces; inside the enclosure.
    Local,
    /// Containers.
    Docker,
}

/// Everything that a run needs to be told.
#[derive(Debug)]
pub struct Job<'a> {
    /// What is to be run.
    pub run: Run<'a>,
    /// Where.
    pub on: On,
    /// Where everything goes.
    pub folder: &'a RunFolder,
    /// An executable of the harness, which also holds the system.
    pub program: PathBuf,
    /// How to show progress.
    pub progress: ProgressMode,
    /// Who looks at the packets; its times become those of the history.
    pub tap: Option<Tap>,
}

impl Job<'_> {
    /// Carries the schedule out and leaves the history in the run folder. Returns true when the
    /// user interrupted the run, whose history is then shorter but whole.
    ///
    /// # Errors
    /// When the harness could not do its job. Everything it started has been stopped then, or is
    /// being removed.
    pub async fn carry_out(&self) -> Result<bool, RunError> {
        let mut progress = Progress::new(self.progress);
        let zero = Instant::now();
        let observe = move |event: &_| progress.observe(event);
        let (sink, writer) = HistoryWriter::start(&self.folder.events(), zero, observe)?;
        let tap = self.tap.clone().map(|tap| tap.since(zero.into_std()));
        let carried_out = match self.on {
            On::Local => self.on_local(tap, &sink).await,
            On::Docker => self.on_docker(tap, &sink).await,
        };
        if let Err(error) = &carried_out {
            let message = error.to_string();
            sink.emit(EventKind::Trouble { message }).await;
        }
        drop(sink);
        writer.finish()?;
        carried_out
    }

    async fn on_local(&self, tap: Option<Tap>, sink: &EventSink) -> Result<bool, RunError> {
        let schedule = self.run.schedule;
        let system = self.system()?;
        let hosts = self.folder.hosts();
        let needs = Needs::of(schedule);
        let runtime = Local::new(
            &schedule.hosts,
            &system,
            &hosts,
            schedule.seed,
            &needs,
            sink,
        )?;
        runtime.set_tap(tap)?;
        carry_out(&self.run, system.start_order(), runtime, sink).await
    }

    async fn on_docker(&self, tap: Option<Tap>, sink: &EventSink) -> Result<bool, RunError> {
        let system = self.system()?;
        let hosts = self.folder.hosts();
        let needs = Needs::of(self.run.schedule);
        let setup = Setup {
            needs: &needs,
            plan: &self.run.plan.name,
            inventory: &self.run.schedule.hosts,
            limits: self.run.plan.system.limits,
            hosts: &hosts,
            program: &self.program,
            seed: self.run.schedule.seed,
        };
        let runtime = tokio::select! {
            runtime = Docker::new(setup, &system, sink) => runtime?,
            () = asked_to_stop() => return Err(RunError::Interrupted),
        };
        runtime.set_tap(tap)?;
        carry_out(&self.run, system.start_order(), runtime, sink).await
    }

    fn system(&self) -> Result<Directory, RunError> {
        let hosts = self.run.schedule.hosts.clone();
        let settings = self.run.plan.system.clone();
        let has_bugs = |fault: &FaultSpec| matches!(fault, FaultSpec::Bug(_));
        let mut system = Directory::new(self.program.clone(), hosts, settings)
            .with_bugs(self.run.schedule.any(has_bugs));
        system.prepare(&self.folder.hosts())?;
        Ok(system)
    }
}
