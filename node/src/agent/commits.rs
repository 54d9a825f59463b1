//! What commits alone tell a reader. The owner is answered as soon as a majority committed, before
//! anybody holds the whole grant; so whoever hears a majority of commits puts the grant together
//! itself, and whoever hears fewer must not say that there is no such name while the rest is
//! silent.

use crate::net::Contact;
use std::collections::{BTreeMap, BTreeSet};
use wire::{Claim, Commitment, Entry, Grant, ProvisionalGrant, PublicKey, Signed, UnixMs};

/// The commits heard for one name, the newest of each mirror.
#[derive(Debug, Default)]
pub struct Commits {
    by_mirror: BTreeMap<PublicKey, Commitment>,
}

impl Commits {
    /// Takes in what a mirror shows, if it is genuine and its record still holds.
    pub fn hear(&mut self, from: PublicKey, shown: Commitment, now: UnixMs) {
        let genuine = shown.commit.body.mirror == from
            && shown.verify().is_ok()
            && shown.record.verify(now).is_ok();
        if genuine {
            self.by_mirror.insert(from, shown);
        }
    }

    /// Grant and record, for each claim that so many mirrors committed in one epoch. Whether they
    /// are the group, [`Entry::verify`] knows.
    #[must_use]
    pub fn entries(&self, majority: usize) -> Vec<Entry> {
        let mut rounds: Vec<Vec<&Commitment>> = Vec::new();
        for held in self.by_mirror.values() {
            let same = |other: &&Commitment| {
                other.claim == held.claim && other.commit.body.epoch == held.commit.body.epoch
            };
            match rounds.iter_mut().find(|round| round.iter().all(same)) {
                Some(round) => round.push(held),
                None => rounds.push(vec![held]),
            }
        }
        let enough = rounds.iter().filter(|round| round.len() >= majority.max(1));
        enough.map(|round| entry(round)).collect()
    }

    /// True if a claim may have the commits of a majority, given who of the group has answered.
    #[must_use]
    pub fn may_be_majority(&self, group: &[Contact], heard: &BTreeSet<PublicKey>) -> bool {
        let silent = group.iter().filter(|member| !heard.contains(&member.key));
        let silent = silent.count();
        let votes = |claim: &Signed<Claim>| {
            let committed = group.iter().filter(|member| {
                let shown = self.by_mirror.get(&member.key);
                shown.is_some_and(|shown| shown.claim == *claim)
            });
            committed.count()
        };
        let majority = wire::roster::majority_of(group.len());
        let mut claims = self.by_mirror.values().map(|shown| &shown.claim);
        claims.any(|claim| votes(claim) > 0 && votes(claim) + silent >= majority)
    }
}

fn entry(round: &[&Commitment]) -> Entry {
    let newest = round.iter().max_by_key(|held| held.record.body.seq);
    Entry {
        grant: Grant::Provisional(ProvisionalGrant {
            claim: round[0].claim.clone(),
            commits: round.iter().map(|held| held.commit.clone()).collect(),
        }),
        record: newest.map(|held| held.record.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Epoch, Record, SecretKey};

    const NOW: UnixMs = UnixMs(1000);

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn commitment(owner: u8, mirror: u8, seq: u64) -> Commitment {
        let owner = key(owner);
        let name: wire::Name = "alice".parse().expect("a valid name");
        let claim = Claim {
            name: name.clone(),
            owner: owner.public(),
            nonce: [0; 16],
            made_at: NOW,
        };
        let record = Record {
            name,
            owner: owner.public(),
            seq,
            expires_at: UnixMs(2000),
            addresses: Vec::new(),
            profile: "value".into(),
            contacts: Vec::new(),
        };
        let claim = Signed::new(claim, &owner);
        Commitment {
            commit: claim.commit(Epoch(1), &key(mirror)),
            claim,
            record: Signed::new(record, &owner),
        }
    }

    fn group() -> Vec<Contact> {
        (10..15)
            .map(|mirror| Contact::new(key(mirror).public(), &[]))
            .collect()
    }

    fn heard(mirrors: std::ops::Range<u8>) -> BTreeSet<PublicKey> {
        mirrors.map(|mirror| key(mirror).public()).collect()
    }

    #[test]
    fn a_majority_of_commits_is_a_grant_with_the_newest_record() {
        let mut commits = Commits::default();
        for (mirror, seq) in [(10, 1), (11, 2)] {
            commits.hear(key(mirror).public(), commitment(1, mirror, seq), NOW);
        }
        commits.hear(key(12).public(), commitment(2, 12, 9), NOW);
        assert_eq!(commits.entries(3), Vec::new(), "two owners do not add up");
        commits.hear(key(13).public(), commitment(1, 13, 1), NOW);
        let entries = commits.entries(3);
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].owner(), entries[0].seq()), (key(1).public(), 2));
    }

    #[test]
    fn silent_members_keep_the_question_open() {
        let mut commits = Commits::default();
        let nobody = |commits: &Commits, heard| !commits.may_be_majority(&group(), &heard);
        assert!(
            nobody(&commits, heard(10..13)),
            "no commit, no registration"
        );
        commits.hear(key(10).public(), commitment(1, 10, 1), NOW);
        assert!(
            !nobody(&commits, heard(10..13)),
            "two silent ones may have committed"
        );
        assert!(
            nobody(&commits, heard(10..14)),
            "one silent one is not enough"
        );
    }

    #[test]
    fn what_a_mirror_cannot_have_signed_is_not_heard() {
        let mut commits = Commits::default();
        commits.hear(key(11).public(), commitment(1, 10, 1), NOW);
        let mut other = commitment(1, 10, 1);
        other.record = commitment(2, 10, 1).record;
        commits.hear(key(10).public(), other, NOW);
        commits.hear(key(10).public(), commitment(1, 10, 1), UnixMs(3000));
        assert!(
            commits.entries(1).is_empty(),
            "not its own, not the owner's, expired"
        );
    }
}
