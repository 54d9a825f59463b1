//! Bugs on purpose, by name: what the harness plants to show that its checkers catch it.
//!
//! They are off, and cannot be switched on, unless the process was started with `--enable-bugs`.
//! A new bug is one line in [`Bug`], one in [`Bug::NAMES`], and an `if bugs.on(Bug::…)` where it
//! bites.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Answers a write before its commit; the commit follows half a second later.
    AckBeforeCommit,
    /// A mirror stores an older or conflicting record over the one it has.
    SkipSeqCheck,
}

/// The switches of one process.
#[derive(Clone, Debug, Default)]
pub struct Bugs {
    enabled: bool,
    on: Arc<[AtomicBool; Bug::NAMES.len()]>,
}

/// Why a bug is not switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BugError {
    /// Not a bug's name.
    #[error("no bug is called {0:?}; there are {names}", names = Bug::names())]
    Unknown(String),
    /// The process was started without the option.
    #[error("start the process with --enable-bugs first")]
    Disabled,
}

impl Bug {
    const NAMES: [(Self, &'static str); 2] = [
        (Self::AckBeforeCommit, "ack-before-commit"),
        (Self::SkipSeqCheck, "skip-seq-check"),
    ];

    fn names() -> String {
        Self::NAMES.map(|(_, name)| name).join(", ")
    }
}

impl FromStr for Bug {
    type Err = BugError;

    fn from_str(text: &str) -> Result<Self, BugError> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found
            .map(|(bug, _)| *bug)
            .ok_or_else(|| BugError::Unknown(text.to_owned()))
    }
}

impl Bugs {
    /// The switches of a process, as its command line says.
    #[must_use]
    pub fn new(enabled: bool, on: &[Bug]) -> Self {
        let bugs = Self {
            enabled,
            on: Arc::default(),
        };
        for bug in on {
            bugs.on[*bug as usize].store(enabled, Ordering::Relaxed);
        }
        bugs
    }

    /// True if the bug shall bite.
    #[must_use]
    pub fn on(&self, bug: Bug) -> bool {
        self.on[bug as usize].load(Ordering::Relaxed)
    }

    /// Switches a bug.
    ///
    /// # Errors
    /// [`BugError::Disabled`] without `--enable-bugs`.
    pub fn switch(&self, bug: Bug, on: bool) -> Result<(), BugError> {
        if !self.enabled {
            return Err(BugError::Disabled);
        }
        self.on[bug as usize].store(on, Ordering::Relaxed);
        Ok(())
    }
}
