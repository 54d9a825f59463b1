//! Why a clock could not be skewed or read.

use std::io;

use crate::Skew;

/// Why a clock could not be skewed or read.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Not on this machine, or not for this process.
    #[error("cannot skew this clock: {what}; {remedy}")]
    Unsupported {
        /// What is in the way.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// No such process.
    #[error(
        "there is no process {pid}, or it has ended or executed another program meanwhile; look \
         its number up again"
    )]
    Gone {
        /// The process asked for.
        pid: u32,
    },
    /// The kernel does not let this process trace the other one.
    #[error("no right to trace process {pid}: {why}")]
    Denied {
        /// The process asked for.
        pid: u32,
        /// The setting that forbids it, and what to do about it.
        why: String,
    },
    /// The process did not come to rest in time. Nothing was changed.
    #[error("process {pid} {what}")]
    TimedOut {
        /// The process asked for.
        pid: u32,
        /// What was waited for, and what to do about it.
        what: &'static str,
    },
    /// Such a clock would show a time that has no number.
    #[error(
        "{skew:?} makes the clock show a time over 292 years from 1970 now; take a smaller offset \
         or drift, or a later start of the drift"
    )]
    TooFar {
        /// The skew asked for.
        skew: Skew,
    },
    /// The kernel refused something else.
    #[error("could not {step} of process {pid}: {source}")]
    Io {
        /// The process asked for.
        pid: u32,
        /// What was tried.
        step: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}
