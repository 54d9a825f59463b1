//! Claims and commits: the two steps by which a replica group grants a name without the registry.
//!
//! A *claim* is an owner's signed wish. A mirror first *leases* the name to one claimant at a time
//! (not signed, forgotten after seconds) and then *commits*: a durable, signed promise never to
//! commit the name to anyone else. A majority of commits of one epoch is a provisional grant, and
//! two majorities of one group share a mirror, so two owners can never both hold one.
//!
//! With the commit, a mirror keeps the owner's first record: a majority of commits is a whole
//! registration, even if the owner dies before it stored anything else.

use crate::{
    clock::UnixMs,
    key::{PublicKey, SecretKey},
    name::Name,
    record::Record,
    roster::Epoch,
    signed::{Body, Invalid, Signed, encode},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An owner asks for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name asked for.
    pub name: Name,
    /// Who asks, and signs.
    pub owner: PublicKey,
    /// Tells two claims of the same owner apart.
    pub nonce: [u8; 16],
    /// When the owner made it.
    pub made_at: UnixMs,
}

/// A mirror's promise to commit the name to no other owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The name promised.
    pub name: Name,
    /// To whom.
    pub owner: PublicKey,
    /// The SHA-256 of the claim it answers.
    pub claim_hash: [u8; 32],
    /// Who promises, and signs.
    pub mirror: PublicKey,
    /// The roster under which the mirror knew itself to be of the group.
    pub epoch: Epoch,
}

/// A commit together with the claim it answers, and the record that was kept with it: the proof
/// that a mirror shows to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// The owner's claim.
    pub claim: Signed<Claim>,
    /// The mirror's commit.
    pub commit: Signed<Commit>,
    /// The newest record that came with the claim; it may have expired since.
    pub record: Signed<Record>,
}

impl Body for Claim {
    const DOMAIN: &'static [u8] = b"directory/claim/1\0";
}

impl Body for Commit {
    const DOMAIN: &'static [u8] = b"directory/commit/1\0";
}

impl Signed<Claim> {
    /// Checks that the owner named in the claim signed it.
    ///
    /// # Errors
    /// [`Invalid::Signature`] otherwise.
    pub fn verify(&self) -> Result<(), Invalid> {
        self.signed_by(&self.body.owner)
    }

    /// True if a record is for the name and by the owner of this claim.
    #[must_use]
    pub fn goes_with(&self, record: &Signed<Record>) -> bool {
        record.body.name == self.body.name && record.body.owner == self.body.owner
    }

    /// What commits refer to.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(encode(&self.body)).into()
    }

    /// The commit with which a mirror answers this claim.
    #[must_use]
    pub fn commit(&self, epoch: Epoch, mirror: &SecretKey) -> Signed<Commit> {
        let body = Commit {
            name: self.body.name.clone(),
            owner: self.body.owner,
            claim_hash: self.hash(),
            mirror: mirror.public(),
            epoch,
        };
        Signed::new(body, mirror)
    }
}

impl Commitment {
    /// Checks all signatures, that the commit answers the claim, and that the record goes with it.
    /// The record may have expired: the promise has not.
    ///
    /// # Errors
    /// [`Invalid::Signature`] or [`Invalid::Mismatch`].
    pub fn verify(&self) -> Result<(), Invalid> {
        self.claim.verify()?;
        self.commit.answers(&self.claim)?;
        if !self.claim.goes_with(&self.record) {
            return Err(Invalid::Mismatch);
        }
        self.record.signed_by(&self.claim.body.owner)
    }
}

impl Signed<Commit> {
    /// Checks that the commit is its mirror's, and for this claim.
    ///
    /// # Errors
    /// [`Invalid::Mismatch`] or [`Invalid::Signature`].
    pub fn answers(&self, claim: &Signed<Claim>) -> Result<(), Invalid> {
        let body = &self.body;
        let same = body.name == claim.body.name
            && body.owner == claim.body.owner
            && body.claim_hash == claim.hash();
        if !same {
            return Err(Invalid::Mismatch);
        }
        self.signed_by(&body.mirror)
    }
}
