//! Exit codes: the process status names what happened.
//!
//! Harness trouble is never reported as a failing system, so the two have codes of their own.
//! 64 and 70 are `EX_USAGE` and `EX_SOFTWARE` of BSD's `sysexits.h`; 130 is the shell's
//! convention for "ended by SIGINT".

use std::process::ExitCode;

/// How a command of the harness ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every property held.
    Pass,
    /// At least one property was seen to be violated.
    Fail,
    /// Nothing was seen to fail, but at least one property could not be judged.
    Unknown,
    /// The plan or the command line is wrong; nothing was started.
    Usage,
    /// The harness or its runtime could not do its job.
    Trouble,
    /// The user asked to stop.
    Interrupted,
}

impl Exit {
    /// The numeric process status.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Unknown => 3,
            Exit::Usage => 64,
            Exit::Trouble => 70,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
