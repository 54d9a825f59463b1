//! A run: a schedule carried out on a runtime, phase by phase, into one history.
//!
//! boot → preload → timeline (calm until the first fault) → heal → settle → final reads → stop.
//! The run decides nothing about the system: what it saw are events, and checkers judge them.

mod progress;

mod lab;

mod preload;

mod measure;
mod roles;
mod timeline;
mod watches;

mod load;

mod settle;

mod digests;
mod final_reads;

mod engine;

mod job;

mod folder;

use std::path::PathBuf;

use thiserror::Error;

pub use engine::{Run, asked_to_stop, carry_out};
pub use folder::RunFolder;
pub use job::{Job, On};
pub use lab::{Lab, LabError};
pub use progress::{Progress, ProgressMode};

use crate::history::{HistoryError, WriterError};
use crate::runtime::RuntimeError;
use crate::system::SystemError;

/// The harness could not carry a run out.
#[derive(Debug, Error)]
pub enum RunError {
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The system could not be set up.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The hosts could not be brought to where the run can begin.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The history could not be written.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The history could not be read back.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A file of the run folder could not be written.
    #[error("could not write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The user asked to stop before the run began.
    #[error("interrupted before the run began")]
    Interrupted,
    /// The run folder is there already and not empty.
    #[error("the run folder {path} exists and is not empty; give another with --out")]
    FolderInUse {
        /// Which.
        path: PathBuf,
    },
}
