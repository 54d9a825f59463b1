//! Property: what a client has read it never unreads: of two confirmed reads of a name by the
//! same process of the same client, one after the other, the later never has an older version.
//!
//! One read is after another when it was sent after the other had completed; reads that overlap
//! are not ordered. A process that was started again begins anew, because what it had read went
//! with its memory; that no acknowledged write is missed even then is another checker's property.
//! Unconfirmed and stale reads promise nothing, and neither does a name that was settled against
//! a provisional owner.

use super::names::{NameFacts, seconds};
use super::{Checker, Facts, Finding, Outcome};
use crate::history::{History, HostState, Operation};
use crate::host::HostId;

/// See the module.
#[derive(Debug)]
pub struct MonotonicReads;

impl Checker for MonotonicReads {
    fn name(&self) -> &'static str {
        "monotonic-reads"
    }

    fn property(&self) -> &'static str {
        "no client reads an older version after a newer one"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let (mut back, mut judged) = (Vec::new(), 0);
        for (name, of_name) in &facts.names {
            if of_name.settled_against().is_some() {
                continue;
            }
            for client in of_name.readers() {
                let reads = reads(facts.history, of_name, client);
                judged += reads.len();
                back.extend(steps_back(name, &reads));
            }
        }
        let outcome = match back.len() {
            0 => Outcome::Pass,
            1.. => Outcome::Fail,
        };
        let summary = format!(
            "{} of {judged} confirmed reads went back in time",
            back.len()
        );
        Finding::new(self, outcome, summary, back)
    }
}

/// A confirmed read.
struct Read<'a> {
    operation: &'a Operation,
    seq: u64,
    completed_us: u64,
    /// How often the client's process had been started by then; none when it was started anew
    /// during the read.
    process: Option<usize>,
}

fn reads<'a>(history: &History, facts: &NameFacts<'a>, client: &HostId) -> Vec<Read<'a>> {
    let states = history.hosts.get(client).map_or(&[][..], Vec::as_slice);
    let starts: Vec<u64> = states
        .iter()
        .filter(|(_, state)| matches!(state, HostState::Started { .. }))
        .map(|(at_us, _)| *at_us)
        .collect();
    let process = |at_us: u64| starts.partition_point(|start| *start <= at_us);
    let read = |(operation, seq): (&'a Operation, u64)| {
        let completed_us = operation.completed_us?;
        let (first, last) = (process(operation.invoked_us), process(completed_us));
        Some(Read {
            operation,
            seq,
            completed_us,
            process: (first == last).then_some(first),
        })
    };
    facts.confirmed_reads(client).filter_map(read).collect()
}

/// The reads that are older than one that had completed before they were sent.
fn steps_back(name: &str, reads: &[Read<'_>]) -> Vec<String> {
    let mut completed: Vec<&Read<'_>> = reads.iter().collect();
    completed.sort_by_key(|read| read.completed_us);
    let mut sent: Vec<&Read<'_>> = reads.iter().collect();
    sent.sort_by_key(|read| read.operation.invoked_us);
    let mut completed = completed.into_iter().peekable();
    let mut newest: Option<&Read<'_>> = None;
    let mut back = Vec::new();
    for read in sent {
        let before = |one: &&Read<'_>| one.completed_us < read.operation.invoked_us;
        while let Some(one) = completed.next_if(before) {
            let replaces =
                newest.is_none_or(|newest| one.process > newest.process || one.seq >= newest.seq);
            if one.process.is_some() && replaces {
                newest = Some(one);
            }
        }
        let Some(newest) = newest.filter(|newest| newest.process == read.process) else {
            continue;
        };
        if read.seq < newest.seq {
            let client = &read.operation.invocation.client;
            back.push(format!(
                "{name}: {client} read version {} at {} (operation {}), and then version {} at \
                 {} (operation {})",
                newest.seq,
                seconds(newest.completed_us),
                newest.operation.invocation.op,
                read.seq,
                seconds(read.completed_us),
                read.operation.invocation.op,
            ));
        }
    }
    back
}
