//! Measurements of the harness itself, beside what was budgeted for them.
//!
//! A *figure* is one measured number with, where there is one, its *budget*: the number that it
//! should not be above, or below. Budgets are for a machine with two processors and never fail
//! anything; a busy machine measures itself, not the harness.
//!
//! `fabric` measures the network, with `partition` for how fast it changes; `boot` a system that
//! starts and then does nothing.

mod figure;

mod partition;

mod fabric;

mod boot;

pub use self::fabric::{FabricBench, fabric};
pub use boot::{Boot, boot};
pub use figure::{Budget, Figure, Section, human, json};

use thiserror::Error;

use crate::history::WriterError;
use crate::run::LabError;
use crate::runtime::RuntimeError;
use crate::system::SystemError;

/// Nothing was measured.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The hosts could not talk.
    #[error(transparent)]
    Measure(#[from] ::fabric::measure::MeasureError),
    /// The network could not be made.
    #[error(transparent)]
    Network(#[from] ::fabric::FabricError),
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The system could not be set up.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The system did not start.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The history could not be written.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The folder of the hosts could not be made.
    #[error("could not make a folder for the hosts in {path}: {source}")]
    Folder {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The measurement could not be started.
    #[error("could not start: {source}")]
    Start {
        /// Why.
        source: std::io::Error,
    },
    /// Another process measured, and ended like this.
    #[error("the measurement ended")]
    Ended(crate::exit::Exit),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
