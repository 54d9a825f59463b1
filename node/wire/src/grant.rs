//! Grants: who owns a name. Certified by the registry (final), or provisional by a majority of the
//! name's replica group while the registry could not be reached (settled by the registry later).

use crate::{
    claim::{Claim, Commit},
    clock::UnixMs,
    key::PublicKey,
    limits::REPLICAS_MAX,
    name::Name,
    roster::Roster,
    signed::{Body, Invalid, Signed},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The registry's word on who owns a name: final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The name.
    pub name: Name,
    /// Its owner.
    pub owner: PublicKey,
    /// When the registry certified it.
    pub certified_at: UnixMs,
}

/// A claim with the commits of a majority of the name's replica group, all of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionalGrant {
    /// The owner's claim.
    pub claim: Signed<Claim>,
    /// The mirrors' promises.
    pub commits: Vec<Signed<Commit>>,
}

/// Who owns a name, with the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// Final.
    Certified(Signed<Certificate>),
    /// Until the registry settles it.
    Provisional(ProvisionalGrant),
}

/// What a verifier trusts: the pinned registry key, and the rosters it has verified with it.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The pinned key.
    pub registry: PublicKey,
    /// Verified rosters; provisional grants of other epochs cannot be judged.
    pub rosters: &'a [Signed<Roster>],
}

impl Body for Certificate {
    const DOMAIN: &'static [u8] = b"directory/certificate/1\0";
}

impl Grant {
    /// The name granted.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Certified(certificate) => &certificate.body.name,
            Self::Provisional(provisional) => &provisional.claim.body.name,
        }
    }

    /// Who owns the name by this grant.
    #[must_use]
    pub fn owner(&self) -> PublicKey {
        match self {
            Self::Certified(certificate) => certificate.body.owner,
            Self::Provisional(provisional) => provisional.claim.body.owner,
        }
    }

    /// True if it is final.
    #[must_use]
    pub fn is_certified(&self) -> bool {
        matches!(self, Self::Certified(_))
    }

    /// Checks the proof.
    ///
    /// # Errors
    /// [`Invalid`], saying what is wrong with it.
    pub fn verify(&self, trust: Trust<'_>) -> Result<(), Invalid> {
        match self {
            Self::Certified(certificate) => certificate.signed_by(&trust.registry),
            Self::Provisional(provisional) => provisional.verify(trust),
        }
    }
}

impl ProvisionalGrant {
    fn verify(&self, trust: Trust<'_>) -> Result<(), Invalid> {
        if self.commits.len() > REPLICAS_MAX {
            return Err(Invalid::Limit);
        }
        self.claim.verify()?;
        let first = self.commits.first().ok_or(Invalid::NoMajority)?;
        let epoch = first.body.epoch;
        let name = &self.claim.body.name;
        let (group, majority) = trust
            .rosters
            .iter()
            .find_map(|roster| roster.body.group_at(epoch, name))
            .ok_or(Invalid::UnknownEpoch)?;
        let mut committed = BTreeSet::new();
        for commit in &self.commits {
            let member = group.iter().any(|mirror| mirror.key == commit.body.mirror);
            if commit.body.epoch == epoch && member {
                commit.answers(&self.claim)?;
                committed.insert(commit.body.mirror);
            }
        }
        if committed.len() >= majority {
            Ok(())
        } else {
            Err(Invalid::NoMajority)
        }
    }
}
