//! The system under test, as far as the harness knows it.
//!
//! Three things and no more: how a host's process is started (`System::launch`), how a client
//! registers, resolves and updates (`Client`), and what a host says of itself (`Status`). Nothing
//! outside this folder knows what the system is made of.

mod http;

mod directory;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

pub use directory::{BUGS, COHORT_LABEL, Directory, LABEL_BYTES_MAX, LABELS_MAX, SystemError};
pub use http::HttpClient;

use fabric::HostIndex;

use crate::history::{OperationKind, Outcome};

/// How to start a host's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. Paths in them are relative to the host's folder.
    pub arguments: Vec<OsString>,
}

/// The name of the client socket in a host's folder.
pub const SOCKET: &str = "api.sock";

/// The name of the disk folder in a host's folder.
pub const DISK: &str = "disk";

/// A host did not say how it is.
#[derive(Debug, Error)]
#[error("no status: {0}")]
pub struct StatusError(pub String);

/// A host did not take the bugs that its program shall have.
#[derive(Clone, Debug, Error)]
pub enum BugsError {
    /// It did not answer.
    #[error("no answer: {0}")]
    Silent(String),
    /// It cannot have these bugs.
    #[error("refused: {0}")]
    Refused(String),
}

/// What a host says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// It serves.
    pub ready: bool,
    /// The role-dependent groups it is in right now, for example `mirror`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Work that it still has to do before the system is settled; 0 when there is none.
    #[serde(default)]
    pub pending: u64,
    /// The wall clock as its process sees it, microseconds since 1970; absent when the system does
    /// not say.
    #[serde(default)]
    pub unix_us: Option<i64>,
    /// Requests of other hosts that its process has handled since it started; absent when the
    /// system does not count.
    #[serde(default)]
    pub served: Option<u64>,
    /// Peers of other systems whose addresses it believes; absent when the system does not say.
    #[serde(default)]
    pub strangers: Option<u64>,
}

/// The client interface of one host. Cheap to clone.
pub trait Client: Clone + Send + Sync + 'static {
    /// Does one operation and waits at most `patience` for it.
    fn operate(
        &self,
        kind: OperationKind,
        name: &str,
        value: &str,
        patience: Duration,
    ) -> impl Future<Output = Outcome> + Send;

    /// What the host says of itself.
    ///
    /// # Errors
    /// When it does not answer in time or not in the agreed form.
    fn status(&self) -> impl Future<Output = Result<Status, StatusError>> + Send;

    /// Gives the host's program exactly these bugs, each with the chance, from 0 to 1, with which
    /// it bites.
    ///
    /// # Errors
    /// When it does not answer in time, or does not have them.
    fn set_bugs(
        &self,
        bugs: &BTreeMap<String, f64>,
    ) -> impl Future<Output = Result<(), BugsError>> + Send;

    /// How often bugs bit so far, since the process was started.
    ///
    /// # Errors
    /// When it does not answer in time or not in the agreed form.
    fn bug_bites(&self) -> impl Future<Output = Result<u64, StatusError>> + Send;

    /// The addresses of the hosts that hold a name; none when the system cannot say.
    ///
    /// # Errors
    /// When it does not answer in time or not in the agreed form.
    fn replicas(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<Vec<Ipv4Addr>>, StatusError>> + Send;

    /// What the host holds: each name with a text that is the same where the version is the same
    /// (see `EventKind::Digest`); none when the system cannot say.
    ///
    /// # Errors
    /// When it does not answer in time or not in the agreed form.
    fn digest(
        &self,
    ) -> impl Future<Output = Result<Option<BTreeMap<String, String>>, StatusError>> + Send;
}

/// A system under test.
pub trait System {
    /// Prepares the hosts' folders, before anything runs. `hosts` is the folder that holds them.
    ///
    /// # Errors
    /// When the system cannot be set up; nothing was started then.
    fn prepare(&mut self, hosts: &Path) -> Result<(), SystemError>;

    /// How to start a host.
    fn launch(&self, host: HostIndex) -> Launch;

    /// The hosts in waves: each wave is started when the one before is running.
    fn start_order(&self) -> Vec<Vec<HostIndex>>;
}
