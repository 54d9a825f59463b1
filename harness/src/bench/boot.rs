//! A system that starts and then does nothing: how long it takes, and what it costs.
//!
//! Real processes on the local runtime, inside the enclosure, on the disk of the temporary folder,
//! because a node that starts waits for its disk. No workload, no faults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fabric::HostIndex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::{BenchError, Budget, Figure, Section};
use crate::history::{EventSink, HistoryWriter, Usage};
use crate::host::HostId;
use crate::plan;
use crate::run::Lab;
use crate::runtime::Runtime;
use crate::runtime::local::Local;
use crate::schedule;
use crate::system::{Directory, System};

/// How long all nodes together may take to get ready.
const BOOT_PATIENCE: Duration = Duration::from_secs(300);

/// For how long the idle system is watched.
const IDLE: Duration = Duration::from_secs(10);

/// The size of the group of mirrors, and how many hold a name, where there are nodes enough.
const MIRRORS: u16 = 8;
const REPLICAS: u16 = 5;

/// The budget of a boot is for this many nodes, and grows with them.
const BUDGET_NODES: f64 = 100.0;
const BUDGET_SECONDS: f64 = 10.0;

/// The folder of all hosts; removed when this is dropped.
struct Folder(PathBuf);

/// What was seen.
struct Seen {
    network: Duration,
    ready: Duration,
    before: Usage,
    after: Usage,
    open_files: usize,
}

/// Boots a registry and so many nodes, watches them, and stops them.
///
/// # Errors
/// When they cannot be started, or the user asks to stop. Nothing is left then either.
pub async fn boot(program: &Path, nodes: u16) -> Result<Section, BenchError> {
    let folder = Folder::create()?;
    Ok(section(nodes, &boot_in(&folder, program, nodes).await?))
}

async fn boot_in(folder: &Folder, program: &Path, nodes: u16) -> Result<Seen, BenchError> {
    let events = folder.0.join("events.jsonl");
    let (sink, writer) = HistoryWriter::start(&events, Instant::now(), |_| {})?;
    let seen = watch(folder, program, nodes, sink).await;
    writer.finish()?;
    seen
}

async fn watch(
    folder: &Folder,
    program: &Path,
    nodes: u16,
    sink: EventSink,
) -> Result<Seen, BenchError> {
    let mirrors = MIRRORS.min(nodes);
    let replicas = REPLICAS.min(mirrors);
    let yaml = format!(
        "name: bench\nquestion: What does it cost?\n\
         system: {{nodes: {nodes}, mirrors: {mirrors}, replicas: {replicas}}}\n\
         workload: {{rates: {{resolve: 1/s}}}}\nduration: 1s\n"
    );
    let plan = plan::load_str("bench.yaml", &yaml, &[]);
    let plan = plan
        .expect("a plan without faults is sound for any number of nodes")
        .plan;
    let schedule = schedule::compile(&plan, 1);
    let mut system = Directory::new(program.to_owned(), schedule.hosts.clone(), plan.system);
    system.prepare(&folder.0)?;
    let begun = Instant::now();
    let runtime = Local::new(&schedule.hosts, &system, &folder.0, 1, &sink)?;
    let network = begun.elapsed();
    let lab = Lab::new(runtime, schedule.hosts.clone(), schedule.healthy(), sink)?;
    let mut interrupt = stop_signal(SignalKind::interrupt())?;
    let mut terminate = stop_signal(SignalKind::terminate())?;
    let seen = tokio::select! {
        seen = idle(&lab, system.start_order(), begun) => seen,
        _ = interrupt.recv() => Err(BenchError::Interrupted),
        _ = terminate.recv() => Err(BenchError::Interrupted),
    };
    lab.stop().await?;
    Ok(Seen { network, ..seen? })
}

/// Starts everything and watches it do nothing.
async fn idle(
    lab: &Lab<Local>,
    waves: Vec<Vec<HostIndex>>,
    begun: Instant,
) -> Result<Seen, BenchError> {
    lab.boot(waves, BOOT_PATIENCE).await?;
    let ready = begun.elapsed();
    let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = lab.runtime.usage();
    tokio::time::sleep(IDLE).await;
    let after = lab.runtime.usage();
    Ok(Seen {
        network: Duration::ZERO,
        ready,
        before,
        after,
        open_files,
    })
}

fn section(nodes: u16, seen: &Seen) -> Section {
    let budget = BUDGET_SECONDS * f64::from(nodes).max(BUDGET_NODES) / BUDGET_NODES;
    let pss = sorted(nodes_of(&seen.after).map(|host| host.pss_bytes as f64 / f64::from(1 << 20)));
    let wall_us = seen
        .after
        .wall_us
        .saturating_sub(seen.before.wall_us)
        .max(1) as f64;
    let earlier: BTreeMap<&HostId, u64> = seen
        .before
        .hosts
        .iter()
        .map(|host| (&host.host, host.cpu_us))
        .collect();
    let share = |host: &crate::history::HostUsage| {
        let before_us = earlier.get(&host.host).copied().unwrap_or(host.cpu_us);
        100.0 * host.cpu_us.saturating_sub(before_us) as f64 / wall_us
    };
    let cpu = sorted(nodes_of(&seen.after).map(share));
    let total: f64 = seen.after.hosts.iter().map(share).sum();
    let fabric_us = seen
        .after
        .fabric_cpu_us
        .saturating_sub(seen.before.fabric_cpu_us);
    let mean = cpu.iter().sum::<f64>() / cpu.len().max(1) as f64;
    Section {
        title: format!("A registry and {nodes} nodes, started and left alone"),
        figures: vec![
            Figure::new("networks made", seen.network.as_secs_f64(), "s"),
            Figure::new(
                "all ready, networks included",
                seen.ready.as_secs_f64(),
                "s",
            )
            .within(Budget::AtMost(budget)),
            Figure::new("memory of a node (PSS), median", median(&pss), "MiB")
                .within(Budget::AtMost(15.0)),
            Figure::new("memory of a node (PSS), largest", last(&pss), "MiB"),
            Figure::new("processor of an idle node, mean", mean, "% of one")
                .within(Budget::AtMost(0.1)),
            Figure::new("processor of an idle node, largest", last(&cpu), "% of one"),
            Figure::new("processor of all hosts, idle", total, "% of one"),
            Figure::new(
                "processor of the fabric, idle",
                100.0 * fabric_us as f64 / wall_us,
                "% of one",
            ),
            Figure::new("open files of the harness", seen.open_files as f64, "files"),
        ],
        notes: vec![format!(
            "idle: the {} seconds after the last one was ready; processor time is counted in \
             hundredths of a second",
            IDLE.as_secs()
        )],
    }
}

/// Everything but the registry.
fn nodes_of(usage: &Usage) -> impl Iterator<Item = &crate::history::HostUsage> {
    usage.hosts.iter().filter(|host| host.host.0 != "registry")
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn last(sorted: &[f64]) -> f64 {
    sorted.last().copied().unwrap_or_default()
}

fn stop_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, BenchError> {
    signal(kind).map_err(|source| BenchError::Start { source })
}

impl Folder {
    fn create() -> Result<Folder, BenchError> {
        let name = format!("harness-bench-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        // The guard is there before the folder.
        let folder = Folder(path.clone());
        std::fs::create_dir(&path).map_err(|source| BenchError::Folder { path, source })?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_end_of_nothing_are_zero() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(last(&[]), 0.0);
        let values = sorted([3.0, 1.0, 2.0].into_iter());
        assert_eq!((median(&values), last(&values)), (2.0, 3.0));
    }

    #[test]
    fn the_folder_is_gone_in_the_end() {
        let folder = Folder::create().expect("a folder");
        let path = folder.0.clone();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
