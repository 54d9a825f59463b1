//! Facts: a history, and what several checkers need of it, computed once for all of them.

use std::collections::BTreeMap;

use super::figures::{OperationFigures, operation_figures};
use super::names::{NameFacts, names};
use super::owed::Owed;
use crate::history::{History, OperationKind};

/// See the module.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The history itself.
    pub history: &'a History,
    /// What each client was owed, and when.
    pub owed: Owed,
    /// What was written and read of each name.
    pub names: BTreeMap<&'a str, NameFacts<'a>>,
    /// The figures of the whole workload, for each kind of operation that was used.
    pub operations: BTreeMap<OperationKind, OperationFigures>,
}

impl<'a> Facts<'a> {
    /// The facts of a history.
    #[must_use]
    pub fn of(history: &'a History) -> Facts<'a> {
        let owed = Owed::of(history);
        Facts {
            history,
            names: names(history),
            operations: operation_figures(history, &owed),
            owed,
        }
    }
}
