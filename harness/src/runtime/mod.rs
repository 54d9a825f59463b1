//! Runtimes: what starts hosts and applies worlds to them.
//!
//! A runtime owns the hosts' processes, their folders and the fabric that joins them. It is told
//! what to do and reports what it saw; it never decides.

pub mod docker;
pub mod fake;
pub mod local;

mod alarms;
mod bent;
mod body;
mod home;
mod reading;
mod served;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fabric::{HostIndex, LinkReport, PolicyTable};
use thiserror::Error;
use tokio::sync::watch;

pub use reading::{process_cpu, process_pss};

use crate::fault::FaultSpec;
use crate::history::{HostUsage, Usage};
use crate::host::Inventory;
use crate::schedule::Schedule;
use crate::system::Client;
use crate::world::{ClockBend, Disk, ProcessLimits};

/// Prefix length of the fabric's network, 198.18.0.0/15 (RFC 2544).
const PREFIX: u8 = 15;

/// Largest packet, bytes.
const MTU: u16 = 1500;

/// How often a starting host is asked whether it is ready. There is no event to wait for: the
/// interface to the system is a question.
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// The runtime could not do what it was told.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// The machine lacks something.
    #[error("{what}; {remedy}")]
    Unsupported {
        /// What it lacks.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// A step on a host failed.
    #[error("could not {step} {host}: {source}")]
    Host {
        /// The step.
        step: &'static str,
        /// The host's name.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// The network could not be made or changed.
    #[error("the virtual network failed: {0}")]
    Fabric(#[from] fabric::FabricError),
    /// The wall clock of a process could not be set.
    #[error("could not set the wall clock of a process: {0}")]
    Clock(#[from] clock::ClockError),
    /// A host's disk could not be served.
    #[error("could not serve the disk of a host: {0}")]
    Disk(#[from] disk::DiskError),
    /// A host's network could not be made.
    #[error("could not make the network of a host: {0}")]
    HostNet(#[from] fabric::HostNetError),
    /// The Docker engine did not do its part.
    #[error(transparent)]
    Engine(#[from] docker::EngineError),
    /// The image of the containers could not be made.
    #[error(transparent)]
    Image(#[from] docker::ImageError),
    /// The container that holds the network did not do its part.
    #[error(transparent)]
    Remote(#[from] docker::RemoteError),
    /// The run folder could not be used.
    #[error("could not use {path}: {source}")]
    Folder {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What a process was last seen doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How often it was started.
    pub starts: u32,
    /// It exists.
    pub alive: bool,
    /// It says that it serves.
    pub ready: bool,
    /// The kernel says that it is stopped.
    pub stopped: bool,
    /// How often its disk was emptied.
    pub wipes: u32,
    /// How often it lost its power.
    pub power_losses: u32,
}

/// What can be read of a host at one moment; all but the limits only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// How long its processes were held back, to keep them to their share of the processor.
    pub cpu_held: Duration,
    /// Processor time that its processes used.
    pub cpu_used: Duration,
    /// The limit of private memory that its process has, bytes.
    pub memory_limit: Option<u64>,
    /// The limit of open files that its process has.
    pub files_limit: Option<u64>,
    /// How much more than the true time its process is set to see, nanoseconds.
    pub clock_error_ns: Option<i64>,
    /// What its disk did, when the harness serves it.
    pub disk: DiskProbe,
}

/// What a host's disk did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskProbe {
    /// Operations refused because it was full.
    pub refused_full: u64,
    /// Operations refused because it was read-only.
    pub refused_read_only: u64,
    /// Operations that took longer.
    pub delayed: u64,
    /// How much longer, together.
    pub delay_total: Duration,
    /// Bytes lost that were not synced.
    pub lost_bytes: u64,
}

/// What the faults of a schedule need of a runtime, known before anything is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The hosts whose disks must be served by the harness.
    pub disks: BTreeSet<HostIndex>,
    /// Wall clocks must be set.
    pub clock: bool,
}

impl Observed {
    /// The same host with its next process.
    fn started(self) -> Observed {
        Observed {
            starts: self.starts + 1,
            alive: true,
            ..self.without_process()
        }
    }

    /// The same host without a process.
    fn without_process(self) -> Observed {
        Observed {
            starts: self.starts,
            wipes: self.wipes,
            power_losses: self.power_losses,
            ..Observed::default()
        }
    }
}

impl Needs {
    /// What the faults of a schedule need.
    #[must_use]
    pub fn of(schedule: &Schedule) -> Needs {
        Needs {
            disks: schedule.possible_targets(FaultSpec::needs_disk),
            clock: schedule.any(|fault| matches!(fault, FaultSpec::Clock(_))),
        }
    }

    /// Refuses what this machine cannot do at all.
    fn check(&self) -> Result<(), RuntimeError> {
        match self.clock {
            true => Ok(clock::supported()?),
            false => Ok(()),
        }
    }
}

/// Starts, stops and freezes hosts, and sets the links between them.
///
/// Every method that ends a process returns when it was seen to be dead.
pub trait Runtime {
    /// How clients reach a host.
    type Client: Client;

    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Starts a host's process on its kept disk.
    fn start(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Ends a host's process by SIGKILL.
    fn kill(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Asks a host's process to end and waits; SIGKILL when it takes too long.
    fn terminate(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Freezes a host's process.
    fn pause(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Lets a frozen process go on.
    fn resume(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Empties the disk of a host that does not run, except for what the system's set-up had put
    /// there before the first start.
    fn wipe(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Ends a host's process by SIGKILL, if there is one, and takes back what it had not synced.
    fn lose_power(&self, host: HostIndex) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// From now on a host's disk is this bad.
    fn set_disk(&self, host: HostIndex, disk: &Disk) -> Result<(), RuntimeError>;

    /// From now on a host's process may use this much, also when it is started again.
    fn set_limits(&self, host: HostIndex, limits: &ProcessLimits) -> Result<(), RuntimeError>;

    /// From now on a host's wall clock is this wrong, also when its process is started again.
    fn set_clock(&self, host: HostIndex, bends: &[ClockBend]) -> Result<(), RuntimeError>;

    /// What can be read of a host now.
    fn probe(&self, host: HostIndex) -> Probe;

    /// Removes what the runtime has made, once every process has ended. What cannot be removed is
    /// an error that says how to do it by hand.
    fn close(&self) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Gives every link its policy at once; returns when that took effect.
    fn set_links(&self, policies: PolicyTable) -> Result<Instant, RuntimeError>;

    /// What every link has carried and dropped so far.
    fn link_counters(&self) -> Result<Vec<LinkReport>, RuntimeError>;

    /// What a host's process is doing; changes can be waited for.
    fn observe(&self, host: HostIndex) -> watch::Receiver<Observed>;

    /// The client of a host.
    fn client(&self, host: HostIndex) -> &Self::Client;

    /// The last lines of a host's log, for messages.
    fn log_tail(&self, host: HostIndex) -> String;

    /// The lines of a host's log that must not be there, such as panics; a bounded number of them.
    fn log_alarms(&self, host: HostIndex) -> Vec<String>;

    /// Resources used so far.
    fn usage(&self) -> Usage;
}

/// Returns when a host says that it is ready.
async fn until_ready(client: &impl Client) {
    loop {
        if client.status().await.is_ok_and(|status| status.ready) {
            return;
        }
        tokio::time::sleep(READY_INTERVAL).await;
    }
}

/// What the hosts' processes use, as far as this machine knows them; `processes` are in the order
/// of the inventory.
fn host_usage(
    inventory: &Inventory,
    processes: impl Iterator<Item = Option<u32>>,
) -> Vec<HostUsage> {
    inventory
        .iter()
        .zip(processes)
        .filter_map(|((_, info), pid)| {
            let pid = pid?;
            Some(HostUsage {
                host: info.id.clone(),
                address: info.address,
                pss_bytes: process_pss(pid)?,
                cpu_us: micros(process_cpu(pid)?),
            })
        })
        .collect()
}

/// Processor time of this process so far, all threads.
fn own_cpu() -> Duration {
    process_cpu(std::process::id()).unwrap_or_default()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
