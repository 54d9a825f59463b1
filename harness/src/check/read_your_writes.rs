//! Property: a client sees its own writes: a confirmed read that was sent after the client's own
//! mirrored write had been acknowledged sees that version or a newer one.
//!
//! Unconfirmed and stale reads promise nothing, neither does a write that did not reach a quorum,
//! and neither does a name that was settled against a provisional owner.

use super::names::{NameFacts, Write, seconds};
use super::{Checker, Facts, Finding, Outcome};
use crate::history::Operation;

/// See the module.
#[derive(Debug)]
pub struct ReadYourWrites;

impl Checker for ReadYourWrites {
    fn name(&self) -> &'static str {
        "read-your-writes"
    }

    fn property(&self) -> &'static str {
        "no client misses its own acknowledged write"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let (mut missed, mut judged) = (Vec::new(), 0);
        for (name, of_name) in &facts.names {
            if of_name.settled_against().is_some() {
                continue;
            }
            for (read, seq, own) in reads_after_own_write(of_name) {
                judged += 1;
                if seq < own.seq {
                    missed.push(describe(name, read, seq, &own));
                }
            }
        }
        let outcome = match missed.len() {
            0 => Outcome::Pass,
            1.. => Outcome::Fail,
        };
        let summary = format!(
            "{} of {judged} confirmed reads missed a write of their own client",
            missed.len()
        );
        Finding::new(self, outcome, summary, missed)
    }
}

/// The confirmed reads with the version that they read and the newest write that they are due.
fn reads_after_own_write<'a>(
    facts: &NameFacts<'a>,
) -> impl Iterator<Item = (&'a Operation, u64, Write<'a>)> {
    facts.readers().into_iter().flat_map(move |client| {
        let own: Vec<Write<'a>> = facts
            .acknowledged
            .iter()
            .filter(|write| write.quorum && write.client == client)
            .copied()
            .collect();
        facts
            .confirmed_reads(client)
            .filter_map(move |(read, seq)| {
                let due = own
                    .iter()
                    .filter(|write| write.acknowledged_us < read.invoked_us)
                    .max_by_key(|write| write.seq)?;
                Some((read, seq, *due))
            })
    })
}

fn describe(name: &str, read: &Operation, seq: u64, own: &Write<'_>) -> String {
    format!(
        "{name}: {} had version {} acknowledged at {} (operation {}), but at {} it read version \
         {seq} (operation {})",
        own.client,
        own.seq,
        seconds(own.acknowledged_us),
        own.operation.invocation.op,
        seconds(read.completed_us.unwrap_or_default()),
        read.invocation.op,
    )
}
