//! What names had before their newest entry, for the planted bug `stale-replies` alone: nothing is
//! kept while it is off.

use crate::bug::{Bug, Bugs};
use std::{collections::HashMap, sync::Mutex};
use wire::{Entry, Name};

/// Names remembered; beyond it, a new one takes the place of any other.
const NAMES_MAX: usize = 1000;

/// The entry before the newest, for some names.
#[derive(Debug, Default)]
pub struct Past {
    entries: Mutex<HashMap<Name, Entry>>,
}

impl Past {
    /// Keeps what an entry replaced, if a record was in it.
    pub fn keep(&self, replaced: Option<Entry>, bugs: &Bugs) {
        let Some(entry) = replaced.filter(|_| bugs.on(Bug::StaleReplies)) else {
            return;
        };
        if entry.record.is_none() {
            return;
        }
        let mut entries = self
            .entries
            .lock()
            .expect("no one panics while holding the past");
        if entries.len() >= NAMES_MAX
            && !entries.contains_key(entry.name())
            && let Some(any) = entries.keys().next().cloned()
        {
            entries.remove(&any);
        }
        entries.insert(entry.name().clone(), entry);
    }

    /// The entry to answer with instead of the newest, if there is one and the bug bites.
    pub fn instead(&self, name: &Name, bugs: &Bugs) -> Option<Entry> {
        if !bugs.on(Bug::StaleReplies) {
            return None;
        }
        let entries = self
            .entries
            .lock()
            .expect("no one panics while holding the past");
        let entry = entries.get(name)?;
        bugs.bites(Bug::StaleReplies).then(|| entry.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Certificate, Grant, PublicKey, Record, SecretKey, Signed, UnixMs};

    fn entry(number: usize) -> Entry {
        let key = SecretKey::from_seed([1; 32]);
        let name: Name = format!("name-{number}").parse().expect("a valid name");
        let certificate = Certificate {
            name: name.clone(),
            owner: key.public(),
            certified_at: UnixMs(0),
        };
        let record = Record {
            name,
            owner: key.public(),
            seq: 1,
            expires_at: UnixMs(1000),
            addresses: Vec::new(),
            profile: "value".into(),
            contacts: Vec::new(),
        };
        Entry {
            grant: Grant::Certified(Signed::new(certificate, &key)),
            record: Some(Signed::new(record, &key)),
        }
    }

    #[test]
    fn the_past_is_kept_and_told_only_with_the_bug_and_within_its_bound() {
        for (planted, kept) in [(None, 0), (Some("stale-replies"), NAMES_MAX)] {
            let planted: Vec<_> = planted
                .iter()
                .map(|bug: &&str| bug.parse().expect("a bug"))
                .collect();
            let bugs = Bugs::new(true, &planted, PublicKey([1; 32]));
            let past = Past::default();
            for number in 0..NAMES_MAX + 10 {
                past.keep(Some(entry(number)), &bugs);
            }
            let told = (0..NAMES_MAX + 10)
                .filter(|number| past.instead(entry(*number).name(), &bugs).is_some());
            assert_eq!(told.count(), kept);
            assert_eq!(bugs.bitten(Bug::StaleReplies), kept as u64);
        }
    }
}
