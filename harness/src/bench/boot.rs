//! A system that starts and then does nothing: how long it takes, and what it costs.
//!
//! Real processes, on the local runtime inside the enclosure, or in containers, on the disk of the
//! temporary folder, because a node that starts waits for its disk. No workload, no faults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fabric::HostIndex;
use tokio::time::Instant;

use super::{BenchError, Budget, Figure, Section};
use crate::history::{EventSink, HistoryWriter, Usage};
use crate::host::HostId;
use crate::plan::{self, Limits};
use crate::run::{Lab, On, asked_to_stop};
use crate::runtime::docker::{Docker, Setup};
use crate::runtime::local::Local;
use crate::runtime::{Needs, Runtime};
use crate::schedule::{self, Schedule};
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
    set_up: Duration,
    ready: Duration,
    stopped: Duration,
    before: Usage,
    after: Usage,
    open_files: usize,
}

/// What to boot.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// How many nodes, beside the registry.
    pub nodes: u16,
    /// On which runtime.
    pub on: On,
}

/// Boots a registry and so many nodes, watches them, and stops them.
///
/// # Errors
/// When they cannot be started, or the user asks to stop. Nothing is left then either.
pub async fn boot(program: &Path, boot: Boot) -> Result<Section, BenchError> {
    let folder = Folder::create()?;
    Ok(section(boot, &boot_in(&folder, program, boot).await?))
}

async fn boot_in(folder: &Folder, program: &Path, boot: Boot) -> Result<Seen, BenchError> {
    let events = folder.0.join("events.jsonl");
    let (sink, writer) = HistoryWriter::start(&events, Instant::now(), |_| {})?;
    let seen = watch(folder, program, boot, sink).await;
    writer.finish()?;
    seen
}

async fn watch(
    folder: &Folder,
    program: &Path,
    boot: Boot,
    sink: EventSink,
) -> Result<Seen, BenchError> {
    let plan = plan_of(boot.nodes);
    let schedule = schedule::compile(&plan, 1);
    let mut system = Directory::new(program.to_owned(), schedule.hosts.clone(), plan.system);
    system.prepare(&folder.0)?;
    let begun = Instant::now();
    match boot.on {
        On::Local => {
            let runtime = Local::new(
                &schedule.hosts,
                &system,
                &folder.0,
                1,
                &Needs::default(),
                &sink,
            )?;
            start_and_stop(runtime, begun, &schedule, &system, sink).await
        }
        On::Docker => {
            let needs = Needs::default();
            let setup = Setup {
                needs: &needs,
                plan: &plan.name,
                inventory: &schedule.hosts,
                limits: Limits::default(),
                hosts: &folder.0,
                program,
                seed: 1,
            };
            let runtime = tokio::select! {
                runtime = Docker::new(setup, &system, &sink) => runtime?,
                () = asked_to_stop() => return Err(BenchError::Interrupted),
            };
            start_and_stop(runtime, begun, &schedule, &system, sink).await
        }
    }
}

/// The smallest plan with so many nodes.
fn plan_of(nodes: u16) -> plan::Plan {
    let mirrors = MIRRORS.min(nodes);
    let replicas = REPLICAS.min(mirrors);
    let yaml = format!(
        "name: bench\nquestion: What does it cost?\n\
         system: {{nodes: {nodes}, mirrors: {mirrors}, replicas: {replicas}}}\n\
         workload: {{rates: {{resolve: 1/s}}}}\nduration: 1s\n"
    );
    let loaded = plan::load_str("bench.yaml", &yaml, &[]);
    loaded
        .expect("a plan without faults is sound for any number of nodes")
        .plan
}

/// Starts everything on a runtime, watches it do nothing, and stops it.
async fn start_and_stop<R: Runtime>(
    runtime: R,
    begun: Instant,
    schedule: &Schedule,
    system: &impl System,
    sink: EventSink,
) -> Result<Seen, BenchError> {
    let set_up = begun.elapsed();
    let lab = Lab::new(runtime, schedule.hosts.clone(), schedule.healthy(), sink)?;
    let seen = tokio::select! {
        seen = idle(&lab, system.start_order(), begun) => seen,
        () = asked_to_stop() => Err(BenchError::Interrupted),
    };
    let stopping = Instant::now();
    let stopped = lab.stop().await;
    let closed = lab.runtime.close().await;
    let seen = seen?;
    stopped?;
    closed?;
    Ok(Seen {
        set_up,
        stopped: stopping.elapsed(),
        ..seen
    })
}

/// Starts everything and watches it do nothing.
async fn idle<R: Runtime>(
    lab: &Lab<R>,
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
        set_up: Duration::ZERO,
        ready,
        stopped: Duration::ZERO,
        before,
        after,
        open_files,
    })
}

fn section(boot: Boot, seen: &Seen) -> Section {
    let Boot { nodes, on } = boot;
    let (runtime, set_up) = match on {
        On::Local => ("local runtime", "networks made"),
        On::Docker => ("containers", "engine greeted, image there, reaper ready"),
    };
    let budget = BUDGET_SECONDS * f64::from(nodes).max(BUDGET_NODES) / BUDGET_NODES;
    let ready = Figure::new(
        "all ready, from the very start",
        seen.ready.as_secs_f64(),
        "s",
    );
    // The budgets are the local runtime's: an engine needs its own time for each container, and its
    // storage may keep a copy of the executable in memory for each.
    let within = |figure: Figure, budget: f64| match on {
        On::Local => figure.within(Budget::AtMost(budget)),
        On::Docker => figure,
    };
    let ready = within(ready, budget);
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
        title: format!("A registry and {nodes} nodes, {runtime}, started and left alone"),
        figures: vec![
            Figure::new(set_up, seen.set_up.as_secs_f64(), "s"),
            ready,
            Figure::new("all stopped and removed", seen.stopped.as_secs_f64(), "s"),
            within(
                Figure::new("memory of a node (PSS), median", median(&pss), "MiB"),
                15.0,
            ),
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
