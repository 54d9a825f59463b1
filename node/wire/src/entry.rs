//! An entry is what a store keeps for a name: the grant and the newest record. [`Entry::merge`] is
//! the one rule by which every store (mirror, registry, cache) takes in another's entry.

use crate::{
    clock::UnixMs,
    grant::{Grant, Trust},
    key::PublicKey,
    name::Name,
    record::Record,
    signed::{Invalid, Signed, encode},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A grant with the owner's newest record, if there is one yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who owns the name.
    pub grant: Grant,
    /// What it resolves to.
    pub record: Option<Signed<Record>>,
}

/// What two stores compare: equal versions hold equal entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// A certified grant beats a provisional one.
    pub certified: bool,
    /// The sequence number of the record, 0 without one.
    pub seq: u64,
    /// The first bytes of the SHA-256 over owner and record.
    pub hash: [u8; 8],
}

/// What a store does with an entry offered to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// What to store, if anything changes.
    pub store: Option<Entry>,
    /// What to answer.
    pub verdict: Verdict,
}

/// How an offered entry compares with the one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored, or already there.
    Accepted,
    /// A newer record is there.
    Older,
    /// The name is granted to another owner, or another record has the same sequence number.
    Conflict,
}

impl Entry {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.grant.name()
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> PublicKey {
        self.grant.owner()
    }

    /// The sequence number of the record, 0 without one.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.body.seq)
    }

    /// What stores compare.
    #[must_use]
    pub fn version(&self) -> Version {
        let digest = Sha256::digest(encode(&(self.owner(), &self.record)));
        let mut hash = [0; 8];
        hash.copy_from_slice(&digest[..8]);
        Version {
            certified: self.grant.is_certified(),
            seq: self.seq(),
            hash,
        }
    }

    /// Checks grant and record, and that they belong together.
    ///
    /// # Errors
    /// [`Invalid`], saying what is wrong.
    pub fn verify(&self, trust: Trust<'_>, now: UnixMs) -> Result<(), Invalid> {
        if let Some(record) = &self.record {
            if record.body.name != *self.name() || record.body.owner != self.owner() {
                return Err(Invalid::Mismatch);
            }
            record.verify(now)?;
        }
        self.grant.verify(trust)
    }

    /// The entry with its record left out if that has expired: the grant goes on.
    #[must_use]
    pub fn without_expired(mut self, now: UnixMs) -> Self {
        self.record = self.record.filter(|record| record.body.expires_at > now);
        self
    }

    /// What a store that holds `self` does with a verified entry for the same name.
    ///
    /// One owner: the stronger grant and the newer record stay. Two owners: certified beats
    /// provisional, and otherwise the first one stays.
    #[must_use]
    pub fn merge(&self, offered: &Self) -> Merge {
        if self.owner() != offered.owner() {
            let takes_over = offered.grant.is_certified() && !self.grant.is_certified();
            return if takes_over {
                Merge {
                    store: Some(offered.clone()),
                    verdict: Verdict::Accepted,
                }
            } else {
                Merge {
                    store: None,
                    verdict: Verdict::Conflict,
                }
            };
        }
        let (record, verdict) = match (&self.record, &offered.record) {
            (Some(_), None) => (&self.record, Verdict::Accepted),
            (Some(held), Some(new)) if new.body.seq < held.body.seq => {
                (&self.record, Verdict::Older)
            }
            (Some(held), Some(new)) if new.body.seq == held.body.seq && held != new => {
                (&self.record, Verdict::Conflict)
            }
            _ => (&offered.record, Verdict::Accepted),
        };
        let stronger = offered.grant.is_certified() && !self.grant.is_certified();
        let grant = if stronger {
            &offered.grant
        } else {
            &self.grant
        };
        let merged = Self {
            grant: grant.clone(),
            record: record.clone(),
        };
        let store = (merged != *self).then_some(merged);
        Merge { store, verdict }
    }

    /// The better of two verified entries for one name, for a reader.
    #[must_use]
    pub fn newest(self, other: &Self) -> Self {
        self.merge(other).store.unwrap_or(self)
    }
}

impl Version {
    /// True if a store that holds `self` should ask for `offered`.
    #[must_use]
    pub fn wants(&self, offered: &Self) -> bool {
        offered.seq > self.seq || (offered.certified && !self.certified)
    }
}
