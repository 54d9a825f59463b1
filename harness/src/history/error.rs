//! Why a history cannot be read.

use thiserror::Error;

use super::event::FORMAT;
use super::read::{HOSTS_MAX, RUN_HOURS_MAX};

/// A history that cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file could not be read.
    #[error("the history could not be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is no event.
    #[error("line {line} of the history is no event: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The first event is not `run_started`.
    #[error("the history does not begin with `run_started`; is it an events.jsonl of a run?")]
    NoHeader,
    /// The events are of a format that this harness does not know.
    #[error("the history is of format {found}, this harness reads format {FORMAT} and older")]
    Format {
        /// The format found.
        found: u32,
    },
    /// An event refers to something that was never mentioned before.
    #[error("line {line} of the history refers to {what}, which never began")]
    Dangling {
        /// Counted from 1.
        line: usize,
        /// What it refers to.
        what: String,
    },
    /// An event has a time that no run gets to.
    #[error(
        "line {line} of the history has the time {at_us} µs, and no run is longer than \
         {RUN_HOURS_MAX} h; is the file damaged?"
    )]
    TooLate {
        /// Counted from 1.
        line: usize,
        /// The time found, microseconds since the start of the run.
        at_us: u64,
    },
    /// The first event lists more hosts than a plan can have.
    #[error(
        "line {line} of the history lists {found} hosts, and no run has more than {HOSTS_MAX}; \
         is the file damaged?"
    )]
    TooManyHosts {
        /// Counted from 1.
        line: usize,
        /// The number found.
        found: usize,
    },
}
