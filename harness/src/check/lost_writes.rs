//! Property: nothing acknowledged is lost. In the end every acknowledged name resolves to the
//! last acknowledged value or a newer one; and on the way, a read that says it asked a quorum
//! never misses a write that said it had reached one before the read began.
//!
//! A registration acknowledged as provisional says by its own words that it is not final; when
//! another owner was certified in the end, the loser's writes are not counted as lost but named.
//! A name that no final read could answer for is unknown, not lost.

use super::names::{NameFacts, Write, seconds};
use super::{Checker, Facts, Finding, Outcome};
use crate::history::{ErrorKind, Operation, Outcome as Ended};

/// See the module.
#[derive(Debug)]
pub struct LostWrites;

/// What became of one name.
enum Fate {
    Kept,
    SettledAgainst(String),
    Lost(String),
    Unread(String),
}

impl Checker for LostWrites {
    fn name(&self) -> &'static str {
        "no-acknowledged-write-lost"
    }

    fn property(&self) -> &'static str {
        "every acknowledged registration and update can be read back"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let (mut lost, mut unread, mut settled_against) = (vec![], vec![], vec![]);
        let mut writes = 0;
        for (name, of_name) in &facts.names {
            if of_name.acknowledged.is_empty() {
                continue;
            }
            writes += of_name.acknowledged.len();
            match fate(name, of_name) {
                Fate::Kept => lost.extend(missed_on_the_way(name, of_name)),
                Fate::SettledAgainst(text) => settled_against.push(text),
                Fate::Lost(text) => lost.push(text),
                Fate::Unread(text) => unread.push(text),
            }
        }
        let outcome = match (lost.len(), unread.len(), writes) {
            (1.., _, _) => Outcome::Fail,
            (0, 1.., _) | (0, 0, 0) => Outcome::Unknown,
            (0, 0, _) => Outcome::Pass,
        };
        let mut summary = format!(
            "{} of {writes} acknowledged writes lost or missed, {} names could not be read",
            lost.len(),
            unread.len()
        );
        if !settled_against.is_empty() {
            summary += &format!(
                ", {} provisional registrations settled for another owner",
                settled_against.len()
            );
        }
        let evidence = lost
            .into_iter()
            .chain(unread)
            .chain(settled_against)
            .collect();
        Finding::new(self, outcome, summary, evidence)
    }
}

fn fate(name: &str, facts: &NameFacts<'_>) -> Fate {
    let best = facts.last_read();
    let last = facts.acknowledged.iter().max_by_key(|write| write.seq);
    let Some(last) = last else {
        return Fate::Kept;
    };
    let Some((read, answer)) = best else {
        return unanswered(name, facts, last);
    };
    if let Some(text) = settled_against(name, facts) {
        return Fate::SettledAgainst(text);
    }
    let reader = format!(
        "{} (operation {})",
        read.invocation.client, read.invocation.op
    );
    if answer.seq.unwrap_or_default() < last.seq {
        return Fate::Lost(format!(
            "{name}: {} acknowledged version {} at {}, but in the end {reader} read version {}",
            last.client,
            last.seq,
            seconds(last.acknowledged_us),
            answer.seq.unwrap_or_default(),
        ));
    }
    Fate::Kept
}

fn unanswered(name: &str, facts: &NameFacts<'_>, last: &Write<'_>) -> Fate {
    let is_not_found = |read: &&&Operation| {
        matches!(
            &read.outcome,
            Some(Ended::Fail {
                error: ErrorKind::NotFound,
                ..
            })
        )
    };
    match facts.final_reads.iter().find(is_not_found) {
        Some(read) => Fate::Lost(format!(
            "{name}: acknowledged by {} at {} (version {}), but in the end {} was told that \
             there is no such name (operation {})",
            last.client,
            seconds(last.acknowledged_us),
            last.seq,
            read.invocation.client,
            read.invocation.op,
        )),
        None => Fate::Unread(format!(
            "{name}: none of {} final reads was answered",
            facts.final_reads.len()
        )),
    }
}

/// When another owner than a provisional one was final in the end.
fn settled_against(name: &str, facts: &NameFacts<'_>) -> Option<String> {
    let loser = facts.settled_against()?;
    Some(format!(
        "{name}: {} held it provisionally from {}, in the end it is another's",
        loser.client,
        seconds(loser.acknowledged_us)
    ))
}

/// Reads by quorum that missed an earlier write by quorum.
fn missed_on_the_way(name: &str, facts: &NameFacts<'_>) -> Vec<String> {
    let quorum_writes = || facts.acknowledged.iter().filter(|write| write.quorum);
    facts
        .reads
        .iter()
        .filter_map(|read| {
            let answer = read
                .answer()
                .filter(|answer| answer.confirmed && !answer.stale)?;
            let due = quorum_writes()
                .filter(|write| write.acknowledged_us < read.invocation.intended_us)
                .max_by_key(|write| write.seq)?;
            (answer.seq.unwrap_or_default() < due.seq).then(|| {
                format!(
                    "{name}: {} acknowledged version {} at {}, but at {} {} read version {} \
                     (operation {})",
                    due.client,
                    due.seq,
                    seconds(due.acknowledged_us),
                    seconds(read.completed_us.unwrap_or_default()),
                    read.invocation.client,
                    answer.seq.unwrap_or_default(),
                    read.invocation.op,
                )
            })
        })
        .collect()
}
