//! Property: a name has one owner. No two clients hold a final registration of the same name, no
//! two hold a provisional one, and no two reads name different final owners.
//!
//! A provisional registration beside a final one of somebody else is not a violation: it says of
//! itself that it is not final, and settlement decides.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Facts, Finding, Outcome};
use crate::history::{History, OperationKind};

/// See the module.
#[derive(Debug)]
pub struct OneOwner;

#[derive(Default)]
struct Owners<'a> {
    certified: BTreeSet<&'a str>,
    provisional: BTreeSet<&'a str>,
    /// Where each was seen first.
    seen: BTreeMap<&'a str, String>,
}

impl Checker for OneOwner {
    fn name(&self) -> &'static str {
        "one-owner"
    }

    fn property(&self) -> &'static str {
        "no name has two owners"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let names = owners(facts.history);
        let doubles: Vec<String> = names
            .iter()
            .filter(|(_, owners)| owners.certified.len() > 1 || owners.provisional.len() > 1)
            .map(|(name, owners)| describe(name, owners))
            .collect();
        let outcome = match (doubles.len(), names.len()) {
            (1.., _) => Outcome::Fail,
            (0, 0) => Outcome::Unknown,
            (0, _) => Outcome::Pass,
        };
        let summary = format!("{} of {} names have two owners", doubles.len(), names.len());
        Finding::new(self, outcome, summary, doubles)
    }
}

fn owners(history: &History) -> BTreeMap<&str, Owners<'_>> {
    let mut names: BTreeMap<&str, Owners<'_>> = BTreeMap::new();
    for operation in &history.operations {
        let invocation = &operation.invocation;
        let Some(answer) = operation.answer().filter(|answer| !answer.stale) else {
            continue;
        };
        let Some(owner) = answer.owner.as_deref() else {
            continue;
        };
        let owners = names.entry(&invocation.name).or_default();
        match (answer.certified, invocation.kind) {
            (true, _) => owners.certified.insert(owner),
            (false, OperationKind::Register) => owners.provisional.insert(owner),
            (false, _) => continue,
        };
        owners
            .seen
            .entry(owner)
            .or_insert_with(|| format!("by {} (operation {})", invocation.client, invocation.op));
    }
    names
}

fn describe(name: &str, owners: &Owners<'_>) -> String {
    let both = owners.certified.union(&owners.provisional);
    let list: Vec<String> = both
        .map(|owner| {
            let short: String = owner.chars().take(12).collect();
            let seen = owners.seen.get(owner).map_or("", String::as_str);
            format!("{short} {seen}")
        })
        .collect();
    format!("{name}: {}", list.join(" and "))
}
