//! What a history says of each name: who wrote and who read what. Shared by the checkers of
//! single names, so that they exclude the same things.
//!
//! A read counts as *confirmed* when it says that a quorum was asked and does not say that it is
//! stale. A write counts as *mirrored* when it says that a quorum holds it. A name was *settled
//! against* a provisional owner when somebody else's registration was final in the end; nothing
//! more is promised to the loser, who was told from the start that it was not final.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Answer, History, Operation, OperationKind, Purpose};
use crate::host::HostId;

/// Everything about one name.
#[derive(Debug, Default)]
pub struct NameFacts<'a> {
    /// Acknowledged writes, in order of invocation.
    pub acknowledged: Vec<Write<'a>>,
    /// Every write that anybody tried, in order of invocation.
    pub writes: Vec<&'a Operation>,
    /// Every value that anybody tried to write.
    pub attempted: BTreeSet<&'a str>,
    /// Every answered read of the workload, in order of invocation.
    pub reads: Vec<&'a Operation>,
    /// Every final read.
    pub final_reads: Vec<&'a Operation>,
}

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The registration or update.
    pub operation: &'a Operation,
    /// Who wrote.
    pub client: &'a HostId,
    /// The version written; 0 when the system does not say.
    pub seq: u64,
    /// It is mirrored.
    pub quorum: bool,
    /// When it was acknowledged, microseconds since the start of the run.
    pub acknowledged_us: u64,
}

/// What a history says of each name.
pub fn names(history: &History) -> BTreeMap<&str, NameFacts<'_>> {
    let mut names: BTreeMap<&str, NameFacts<'_>> = BTreeMap::new();
    for operation in &history.operations {
        let invocation = &operation.invocation;
        let facts = names.entry(&invocation.name).or_default();
        facts.attempted.extend(invocation.value.as_deref());
        if invocation.kind != OperationKind::Resolve {
            facts.writes.push(operation);
        }
        match (invocation.kind, invocation.purpose, operation.answer()) {
            (OperationKind::Resolve, Purpose::FinalRead, _) => facts.final_reads.push(operation),
            (OperationKind::Resolve, _, Some(_)) => facts.reads.push(operation),
            (OperationKind::Register | OperationKind::Update, _, Some(answer)) => {
                facts.acknowledged.push(Write {
                    operation,
                    client: &invocation.client,
                    seq: answer.seq.unwrap_or_default(),
                    quorum: answer.mirrored,
                    acknowledged_us: operation.completed_us.unwrap_or(u64::MAX),
                });
            }
            _ => {}
        }
    }
    names
}

impl<'a> NameFacts<'a> {
    /// The newest final read that was answered, and not stale.
    pub fn last_read(&self) -> Option<(&'a Operation, &'a Answer)> {
        self.final_reads
            .iter()
            .filter_map(|read| read.answer().map(|answer| (*read, answer)))
            .filter(|(_, answer)| !answer.stale)
            .max_by_key(|(_, answer)| answer.seq)
    }

    /// The provisional registration of somebody who did not keep the name, when another who
    /// registered it did.
    pub fn settled_against(&self) -> Option<Write<'a>> {
        let final_owner = self.last_read()?.1.owner.as_deref();
        let registrations = || {
            let registered = self.acknowledged.iter().filter_map(|write| {
                let is_one = write.operation.invocation.kind == OperationKind::Register;
                let answer = write.operation.answer().filter(|_| is_one)?;
                Some((write, answer))
            });
            registered.map(|(write, answer)| (write, answer, answer.owner.as_deref()))
        };
        let (loser, ..) = registrations()
            .find(|(_, answer, owner)| !answer.certified && *owner != final_owner)?;
        registrations()
            .any(|(_, _, owner)| owner == final_owner)
            .then_some(*loser)
    }

    /// The confirmed reads of one client, with the versions they read.
    pub fn confirmed_reads(&self, client: &HostId) -> impl Iterator<Item = (&'a Operation, u64)> {
        self.reads
            .iter()
            .chain(&self.final_reads)
            .filter(move |read| read.invocation.client == *client)
            .filter_map(|read| {
                let answer = read.answer()?;
                let counts = answer.confirmed && !answer.stale;
                counts.then_some((*read, answer.seq?))
            })
    }

    /// Everybody who read the name.
    pub fn readers(&self) -> BTreeSet<&'a HostId> {
        let reads = self.reads.iter().chain(&self.final_reads);
        reads.map(|read| &read.invocation.client).collect()
    }
}

/// A time as evidence shows it: seconds since the start of the run.
#[expect(clippy::cast_precision_loss, reason = "shown with three decimals")]
pub fn seconds(at_us: u64) -> String {
    format!("{:.3} s", at_us as f64 / 1e6)
}
