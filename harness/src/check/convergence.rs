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
//! A host that was ready when the digests were taken and gave none is *silent*: whatever is
//! missing elsewhere, it may hold. So a name is apart only when it would be so with all silent
//! hosts on its side, and otherwise a silent host leaves the outcome unknown. A host that was not
//! ready then is another checker's finding.
//!
//! A name that was settled against a provisional owner may be older than what the loser was
//! acknowledged. Without any digest, or before the end of the run, nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use super::names::NameFacts;
use super::ready::is_ready_at;
use super::{Checker, Facts, Finding, Outcome};
use crate::history::{History, Phase};
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
    Agreed {
        leftovers: usize,
    },
    Apart(String),
    /// The silent hosts decide.
    Untold,
}

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn property(&self) -> &'static str {
        "after settling, all hosts that must hold a name hold the same version"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let history = facts.history;
        if history.digests.is_empty() {
            let summary = "no host said what it holds in the end";
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        }
        let (held, silent) = (held(history), silent(history));
        let copies = Copies {
            due: history.header.copies,
            untold: silent.len(),
        };
        let (mut judged, mut leftovers, mut apart) = (0, 0, Vec::new());
        for (name, of_name) in &facts.names {
            if of_name.acknowledged.is_empty() {
                continue;
            }
            judged += 1;
            match state(name, of_name, held.get(name), copies) {
                State::Agreed { leftovers: more } => leftovers += more,
                State::Apart(text) => apart.push(text),
                State::Untold => {}
            }
        }
        let outcome = match (apart.len(), silent.len()) {
            (1.., _) => Outcome::Fail,
            (0, 1..) => Outcome::Unknown,
            (0, 0) => Outcome::Pass,
        };
        let mut summary = format!(
            "{} of {judged} names differ between the {} hosts that said what they hold, \
             {leftovers} older copies are left over",
            apart.len(),
            history.digests.len(),
        );
        if !silent.is_empty() {
            summary += &format!(", {} ready hosts did not say", silent.len());
        }
        let silent = silent
            .into_iter()
            .map(|host| format!("{host} was ready and did not say what it holds"));
        let evidence = apart.into_iter().chain(silent).collect();
        Finding::new(self, outcome, summary, evidence)
    }
}

/// The hosts that were ready when the digests were taken and gave none.
fn silent(history: &History) -> Vec<&HostId> {
    let taken_us = history.phase_start(Phase::FinalReads).unwrap_or(u64::MAX);
    let told: BTreeSet<&HostId> = history.digests.iter().map(|(host, _)| host).collect();
    history
        .header
        .hosts
        .iter()
        .map(|(_, host)| &host.id)
        .filter(|host| !told.contains(host) && is_ready_at(history, host, taken_us))
        .collect()
}

/// The copies of a name that there shall be, and that there may be without our knowing.
#[derive(Clone, Copy)]
struct Copies {
    /// How many hosts shall hold it; none when that is not known.
    due: Option<u32>,
    /// How many hosts did not say what they hold.
    untold: usize,
}

impl Copies {
    /// True when so few hosts hold a version that it is too few, whatever was not told. `all` is
    /// the number of hosts that hold any.
    fn are_missing(self, agreed: usize, all: usize) -> bool {
        match self.due() {
            Some(due) => agreed.saturating_add(self.untold) < due,
            None => agreed < all,
        }
    }

    /// True when every copy that there shall be may be on a host that did not say.
    fn may_all_be_untold(self) -> bool {
        self.untold > 0 && self.due().is_none_or(|due| self.untold >= due)
    }

    fn due(self) -> Option<usize> {
        self.due
            .map(|due| usize::try_from(due).unwrap_or(usize::MAX))
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

fn state(name: &str, facts: &NameFacts<'_>, held: Option<&Versions<'_>>, copies: Copies) -> State {
    let apart = |text: String| match copies.may_all_be_untold() {
        true => State::Untold,
        false => State::Apart(text),
    };
    let Some(versions) = held else {
        return apart(format!("{name}: nobody holds it in the end"));
    };
    let all: usize = versions.values().map(Vec::len).sum();
    let newest_seq = versions.keys().map(|(seq, _)| *seq).max().unwrap_or(0);
    let of_newest = versions
        .iter()
        .filter(|((seq, _), _)| *seq == newest_seq)
        .map(|(_, holders)| holders.len());
    let agreed = of_newest.max().unwrap_or(0);
    let due = copies.due().unwrap_or(all);
    if copies.are_missing(agreed, all) {
        return State::Apart(format!(
            "{name}: {agreed} hosts hold the newest version, {due} should: {}",
            describe(versions)
        ));
    }
    let last = facts.acknowledged.iter().map(|write| write.seq).max();
    let last = last.filter(|_| facts.settled_against().is_none());
    match last {
        Some(last) if newest_seq < last => apart(format!(
            "{name}: version {last} was acknowledged, the newest that is held is {}",
            describe(versions)
        )),
        _ if agreed < due => State::Untold,
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
