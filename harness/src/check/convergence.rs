//! Property: after settling, the hosts that hold a name agree: as many of them as shall hold it
//! have one and the same version, the newest that anybody has, and it is not older than the last
//! version acknowledged.
//!
//! What each host holds is what it says in its *digest*, a name and a version each. The harness
//! does not know which hosts are responsible for which name, and a host may keep an old copy of a
//! name that it handed over to others: such a *leftover* is counted and does no harm, because
//! nobody asks that host any more. So it is the number that is judged: a plan says how many
//! copies of a name there shall be (`RunHeader::copies`), and a member of the group that has
//! fallen behind leaves fewer. Where the number is not known, every holder must agree. The price
//! is that a leftover of the newest version can stand in for a member that is behind.
//!
//! A name that was settled against a provisional owner may be older than what the loser was
//! acknowledged. Without any digest, or before the end of the run, nothing is known.

use std::collections::BTreeMap;

use super::names::{NameFacts, names};
use super::{Checker, Finding, Outcome};
use crate::history::History;
use crate::host::HostId;

/// See the module.
#[derive(Debug)]
pub struct Convergence;

/// The hosts that hold one version of a name.
type Holders<'a> = Vec<&'a HostId>;

/// The versions of a name that are held, in order of their sequence number, then of their text.
type Versions<'a> = BTreeMap<(u64, &'a str), Holders<'a>>;

/// How one name came out.
enum State {
    Agreed { leftovers: usize },
    Apart(String),
}

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn property(&self) -> &'static str {
        "after settling, all hosts that must hold a name hold the same version"
    }

    fn check(&self, history: &History) -> Finding {
        if history.digests.is_empty() {
            let summary = "no host said what it holds in the end";
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        }
        let held = held(history);
        let (mut judged, mut leftovers, mut apart) = (0, 0, Vec::new());
        for (name, facts) in &names(history) {
            if facts.acknowledged.is_empty() {
                continue;
            }
            judged += 1;
            match state(name, facts, held.get(name), history.header.copies) {
                State::Agreed { leftovers: more } => leftovers += more,
                State::Apart(text) => apart.push(text),
            }
        }
        let outcome = match apart.len() {
            0 => Outcome::Pass,
            1.. => Outcome::Fail,
        };
        let summary = format!(
            "{} of {judged} names differ between the {} hosts that said what they hold, \
             {leftovers} older copies are left over",
            apart.len(),
            history.digests.len(),
        );
        Finding::new(self, outcome, summary, apart)
    }
}

fn held(history: &History) -> BTreeMap<&str, Versions<'_>> {
    let mut held: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for (host, records) in &history.digests {
        for (name, version) in records {
            let versions = held.entry(name).or_default();
            let key = (seq(version), version.as_str());
            versions.entry(key).or_default().push(host);
        }
    }
    held
}

/// The sequence number that a version begins with; 0 when it begins with none.
fn seq(version: &str) -> u64 {
    let number = version.split(':').next().unwrap_or_default();
    number.parse().unwrap_or_default()
}

fn state(
    name: &str,
    facts: &NameFacts<'_>,
    held: Option<&Versions<'_>>,
    copies: Option<u32>,
) -> State {
    let Some(versions) = held else {
        return State::Apart(format!("{name}: nobody holds it in the end"));
    };
    let all: usize = versions.values().map(Vec::len).sum();
    let newest_seq = versions.keys().map(|(seq, _)| *seq).max().unwrap_or(0);
    let of_newest = versions
        .iter()
        .filter(|((seq, _), _)| *seq == newest_seq)
        .map(|(_, holders)| holders.len());
    let agreed = of_newest.max().unwrap_or(0);
    let due = copies.map_or(all, |copies| usize::try_from(copies).unwrap_or(usize::MAX));
    if agreed < due {
        return State::Apart(format!(
            "{name}: {agreed} hosts hold the newest version, {due} should: {}",
            describe(versions)
        ));
    }
    let last = facts.acknowledged.iter().map(|write| write.seq).max();
    let last = last.filter(|_| facts.settled_against().is_none());
    match last {
        Some(last) if newest_seq < last => State::Apart(format!(
            "{name}: version {last} was acknowledged, the newest that is held is {}",
            describe(versions)
        )),
        _ => State::Agreed {
            leftovers: all - agreed,
        },
    }
}

/// Every version with its holders, newest first.
fn describe(versions: &Versions<'_>) -> String {
    let one = |((_, version), holders): (&(u64, &str), &Holders<'_>)| {
        let hosts: Vec<&str> = holders.iter().map(|host| host.0.as_str()).collect();
        format!("{version} on {}", hosts.join(", "))
    };
    let all: Vec<String> = versions.iter().rev().map(one).collect();
    all.join("; ")
}
