//! Runtimes: what starts hosts and applies worlds to them.
//!
//! A runtime owns the hosts' processes, their folders and the fabric that joins them. It is told
//! what to do and reports what it saw; it never decides.

pub mod fake;
pub mod local;

mod reading;

use std::time::Instant;

use fabric::{HostIndex, LinkReport, PolicyTable};
use thiserror::Error;
use tokio::sync::watch;

pub use reading::{process_cpu, process_pss};

use crate::history::Usage;
use crate::system::Client;

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
    /// A host's network could not be made.
    #[error("could not make the network of a host: {0}")]
    HostNet(#[from] fabric::HostNetError),
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
