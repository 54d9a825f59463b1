//! Property: no read returns a value, an owner or a version that nobody wrote.
//!
//! Every answered read is judged, also an unconfirmed and a stale one: what a reader may have got
//! late or from one replica alone it still must not get from thin air.
//!
//! - A *value* is forged when no client ever tried to write it to that name.
//! - An *owner* is forged when it is none of those who can own the name. Who can is known where
//!   each registration of the name was either acknowledged, which tells its owner, or refused for
//!   good; after a time-out anybody could be.
//! - A *version* is forged when it cannot belong to the value read. A value that was acknowledged
//!   at a version is never at a lower one, nor at or beyond that of a later acknowledged write; one
//!   whose writer heard nothing is never at a version that another value was acknowledged at. An
//!   owner may write its value again to keep it from expiring, which raises the version: hence only
//!   what no such renewal explains is forged. This is judged where one operation registered the
//!   name, because an owner that registers it again is told about the first value.
//!
//! What is old but genuine is the business of other checkers.

use std::collections::BTreeSet;

use super::names::{NameFacts, Write, seconds};
use super::{Checker, Facts, Finding, Outcome};
use crate::history::{Answer, Operation, OperationKind, Outcome as Ended};

/// No owner renews a record more often than this, so a version grows no faster without writes.
const RENEWAL_US_MIN: u64 = 1_000_000;

/// See the module.
#[derive(Debug)]
pub struct ForgedRecords;

impl Checker for ForgedRecords {
    fn name(&self) -> &'static str {
        "no-forged-record"
    }

    fn property(&self) -> &'static str {
        "no read returns a value, owner or version that nobody wrote"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let (mut forged, mut judged) = (Vec::new(), 0);
        for (name, of_name) in &facts.names {
            let genuine = Genuine::of(of_name);
            let reads = of_name.reads.iter().chain(&of_name.final_reads);
            for (read, answer) in reads.filter_map(|read| Some((read, read.answer()?))) {
                judged += 1;
                if let Some(what) = genuine.objection(read, answer) {
                    let invocation = &read.invocation;
                    forged.push(format!(
                        "{name}: at {} {} read {what} (operation {})",
                        seconds(read.completed_us.unwrap_or_default()),
                        invocation.client,
                        invocation.op,
                    ));
                }
            }
        }
        let outcome = match forged.len() {
            0 => Outcome::Pass,
            1.. => Outcome::Fail,
        };
        let summary = format!(
            "{} of {judged} reads returned what nobody wrote",
            forged.len()
        );
        Finding::new(self, outcome, summary, forged)
    }
}

/// What can truly be read of one name.
struct Genuine<'a> {
    facts: &'a NameFacts<'a>,
    /// Those who can own it; none when anybody can.
    owners: Option<BTreeSet<&'a str>>,
    /// One operation registered it.
    registered_once: bool,
}

impl<'a> Genuine<'a> {
    fn of(facts: &'a NameFacts<'a>) -> Genuine<'a> {
        let registrations = || {
            let writes = facts.writes.iter().copied();
            writes.filter(|write| write.invocation.kind == OperationKind::Register)
        };
        let refused = |one: &&Operation| matches!(one.outcome, Some(Ended::Fail { .. }));
        let possible = registrations().filter(|one| !refused(one));
        let owners: Option<BTreeSet<&str>> = possible
            .map(|one| one.answer().and_then(|answer| answer.owner.as_deref()))
            .collect();
        Genuine {
            facts,
            owners: owners.filter(|owners| !owners.is_empty()),
            registered_once: registrations().count() == 1,
        }
    }

    /// What nobody wrote of what was read; none when all of it is genuine.
    fn objection(&self, read: &Operation, answer: &Answer) -> Option<String> {
        self.of_value(answer)
            .or_else(|| self.of_owner(answer))
            .or_else(|| self.of_version(read, answer))
    }

    fn of_value(&self, answer: &Answer) -> Option<String> {
        let value = answer.value.as_deref()?;
        let forged = !self.facts.attempted.contains(value);
        forged.then(|| format!("`{value}`, which nobody ever wrote"))
    }

    fn of_owner(&self, answer: &Answer) -> Option<String> {
        let owner = answer.owner.as_deref()?;
        let forged = !self.owners.as_ref()?.contains(owner);
        forged.then(|| {
            let short: String = owner.chars().take(12).collect();
            format!("that it is owned by {short}, who never registered it")
        })
    }

    fn of_version(&self, read: &Operation, answer: &Answer) -> Option<String> {
        let seq = answer.seq.filter(|_| self.registered_once)?;
        let value = answer.value.as_deref()?;
        let written = |write: &Write<'a>| write.operation.invocation.value.as_deref();
        let acknowledged = || {
            let writes = self.facts.acknowledged.iter();
            writes.filter(|write| write.seq > 0)
        };
        let registered =
            |write: &Write<'_>| write.operation.invocation.kind == OperationKind::Register;
        let first = acknowledged().find(|write| registered(write))?.seq;
        let own = acknowledged().find(|write| written(write) == Some(value));
        // Of a value that nobody acknowledged, only the version that another one has is impossible.
        let (least, below) = match own {
            Some(own) => (own.seq, own.seq),
            None => (first, seq.saturating_sub(1)),
        };
        let taken = acknowledged().find(|write| below < write.seq && write.seq <= seq);
        if let Some(other) = taken.filter(|other| written(other) != Some(value)) {
            return Some(format!(
                "`{value}` as version {seq}, but version {} is another value's, acknowledged to \
                 {} at {}",
                other.seq,
                other.client,
                seconds(other.acknowledged_us)
            ));
        }
        let most = first.saturating_add(self.versions_by(read));
        (seq < least || seq > most)
            .then(|| format!("`{value}` as version {seq}, which no write of it can have"))
    }

    /// By how much a version can have grown when a read ended: by each write that was sent, and by
    /// renewals.
    fn versions_by(&self, read: &Operation) -> u64 {
        let end_us = read.completed_us.unwrap_or(u64::MAX);
        let sent = self.facts.writes.iter();
        let sent = sent.filter(|write| write.invoked_us <= end_us).count();
        (sent as u64).saturating_add(end_us / RENEWAL_US_MIN)
    }
}
