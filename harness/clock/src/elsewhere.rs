//! What the crate does on machines for which it has no machine code: it says so.

use crate::{ClockError, Skew};

/// Whether clocks can be skewed here: not on this architecture.
///
/// # Errors
/// Always.
pub fn supported() -> Result<(), ClockError> {
    Err(ClockError::Unsupported {
        what: "clocks are skewed by machine code for Linux on x86-64 only".to_owned(),
        remedy: "run the harness on such a machine",
    })
}

/// Would skew the clock of a process.
///
/// # Errors
/// Always: see [`supported`].
pub fn set(_pid: u32, _skew: Skew) -> Result<(), ClockError> {
    supported()
}

/// Would say what the clock of a process shows.
///
/// # Errors
/// Always: see [`supported`].
pub fn get(_pid: u32) -> Result<Option<Skew>, ClockError> {
    supported().map(|()| None)
}
