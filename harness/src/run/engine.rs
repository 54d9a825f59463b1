//! The engine: a schedule carried out on any runtime, phase by phase.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fabric::HostIndex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::digests::digests;
use super::final_reads::final_reads;
use super::load::Sampler;
use super::preload::preload;
use super::settle::{await_all_ready, settle};
use super::timeline::Timeline;
use super::{Lab, LabError, RunError};
use crate::history::{EventKind, EventSink, FORMAT, Phase, RunHeader};
use crate::plan::{self, Plan};
use crate::runtime::Runtime;
use crate::schedule::Schedule;
use crate::workload::{Load, NameBook, drive};

/// How long all hosts together may take to get ready.
const BOOT_PATIENCE: Duration = Duration::from_secs(120);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The checked plan.
    pub plan: &'a Plan,
    /// The plan, compiled.
    pub schedule: &'a Schedule,
    /// The command that repeats the run.
    pub command: String,
}

/// Carries a schedule out on a runtime on which nothing runs yet. `waves` is the order in which
/// the hosts start. Returns true when the user interrupted the run.
///
/// # Errors
/// When the harness could not do its job. Every process has been stopped then.
pub async fn carry_out<R: Runtime>(
    run: &Run<'_>,
    waves: Vec<Vec<HostIndex>>,
    runtime: R,
    sink: &EventSink,
) -> Result<bool, RunError> {
    let schedule = run.schedule;
    sink.emit(EventKind::RunStarted(Box::new(header(run, runtime.name()))))
        .await;
    let mut lab = Lab::new(
        runtime,
        schedule.hosts.clone(),
        schedule.healthy(),
        sink.clone(),
    )?;
    let result = tokio::select! {
        result = phases(run, waves, &mut lab) => result.map(|()| false),
        () = asked_to_stop() => Ok(true),
    };
    phase(&lab, Phase::Stop).await;
    let stopped = lab.stop().await;
    log_alarms(&lab).await;
    let closed = lab.runtime.close().await;
    let interrupted = result?;
    stopped?;
    closed?;
    lab.sink.emit(EventKind::RunFinished { interrupted }).await;
    Ok(interrupted)
}

/// The phases of a run, in order.
async fn phases<R: Runtime>(
    run: &Run<'_>,
    waves: Vec<Vec<HostIndex>>,
    lab: &mut Lab<R>,
) -> Result<(), RunError> {
    let schedule = run.schedule;
    phase(lab, Phase::Boot).await;
    lab.boot(waves, BOOT_PATIENCE).await?;
    phase(lab, Phase::Preload).await;
    let book = preload(lab, schedule.workload.names, schedule.seed).await;
    let book = Arc::new(Mutex::new(book));
    phase(lab, Phase::Timeline).await;
    let mut timeline = Timeline::new(schedule);
    run_timeline(schedule, lab, &mut timeline, &book).await?;
    phase(lab, Phase::Heal).await;
    timeline.heal(lab).await?;
    timeline.run_recovery(lab).await?;
    await_all_ready(lab, run.plan.settle.0).await;
    phase(lab, Phase::Settle).await;
    settle(lab, run.plan.settle.0).await;
    phase(lab, Phase::FinalReads).await;
    digests(lab).await;
    Sampler::new(lab).ask_all().await;
    let book = book.lock().unwrap_or_else(PoisonError::into_inner).clone();
    final_reads(lab, &book, schedule.seed).await;
    let usage = lab.runtime.usage();
    lab.sink.emit(EventKind::Usage(usage)).await;
    Ok(())
}

/// Workload and faults side by side, from the same start of the clock.
async fn run_timeline<R: Runtime>(
    schedule: &Schedule,
    lab: &mut Lab<R>,
    timeline: &mut Timeline<'_>,
    book: &Arc<Mutex<NameBook>>,
) -> Result<(), LabError> {
    let clock = Instant::now();
    let clients: Vec<_> = lab
        .inventory
        .indexes()
        .map(|host| lab.runtime.client(host).clone())
        .collect();
    let inventory = lab.inventory.clone();
    let load = Load {
        workload: &schedule.workload,
        seed: schedule.seed,
        clock,
        length: Duration::from_micros(schedule.timeline_us),
        inventory: &inventory,
        operator: Arc::clone(&lab.operator),
        book: Arc::clone(book),
        news: lab.load_news.take().expect("the workload runs once"),
        origin: lab.sink.origin(),
    };
    let workload = drive(load, |host| clients[usize::from(host.0)].clone());
    let sampler = Sampler::new(lab);
    let sampled = sampler.go_on(Duration::from_micros(schedule.timeline_us));
    let faults = timeline.run(lab, clock);
    let both = async { tokio::join!(workload, faults).1 };
    let faults = tokio::select! {
        faults = both => faults,
        never = sampled => match never {},
    };
    sampler.ask_all().await;
    faults
}

/// Records what the hosts' logs say that must not be there.
async fn log_alarms<R: Runtime>(lab: &Lab<R>) {
    for (index, host) in lab.inventory.iter() {
        for line in lab.runtime.log_alarms(index) {
            let host = host.id.clone();
            lab.sink.emit(EventKind::LogAlarm { host, line }).await;
        }
    }
}

async fn phase<R>(lab: &Lab<R>, phase: Phase) {
    lab.sink.emit(EventKind::PhaseStarted { phase }).await;
}

/// Returns when the user asks to stop, by Ctrl-C or by asking the process to end.
pub async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        // Without handlers the signals keep their default effect, which is to end the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// How many hosts hold each name in the end: its replica group, and the registry.
fn copies(system: &plan::System) -> u32 {
    u32::from(system.replicas.min(system.mirrors)) + u32::from(system.registry)
}

fn header(run: &Run<'_>, runtime: &str) -> RunHeader {
    RunHeader {
        format: FORMAT,
        plan: run.plan.name.clone(),
        question: run.plan.question.clone(),
        documented: run.plan.verdict,
        seed: run.schedule.seed,
        runtime: runtime.to_owned(),
        command: run.command.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        hosts: run.schedule.hosts.clone(),
        network: run.plan.network.clone(),
        faults: run.schedule.scheduled_faults(),
        expect: run.plan.expect.clone(),
        deadline_us: run.plan.workload.deadline.as_micros(),
        timeline_us: run.schedule.timeline_us,
        copies: Some(copies(&run.plan.system)),
    }
}
