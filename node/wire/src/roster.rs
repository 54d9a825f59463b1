//! Rosters: which nodes are mirrors, signed by the registry, and which of them hold a name.
//!
//! The *replica group* of a name is the k mirrors closest to SHA-256(name) in Kademlia's XOR
//! metric, a mirror standing at SHA-256 of its key. It is spread over the mirrors' labels: no label
//! has more than its fair share of the seats as long as others can take them, so that one bad
//! release cannot take all replicas. A roster also carries the list before it, so that a reader can
//! ask both groups, and judge provisional grants of the epoch before.

use crate::{
    clock::UnixMs,
    key::PublicKey,
    limits::{LABEL_BYTES_MAX, MIRRORS_MAX, REPLICAS_MAX},
    name::Name,
    record::addresses_fit,
    signed::{Body, Invalid, Signed},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The number of a roster; the registry counts them up from 1, and 0 means "none yet".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// One mirror of a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Its identity.
    pub key: PublicKey,
    /// Where it listens, as multiaddresses.
    pub addresses: Vec<String>,
    /// Its availability, in thousandths.
    pub score: u16,
    /// What it may have in common with others, such as its software version: a group is spread over
    /// these. Empty if nothing is known.
    pub label: String,
}

/// The mirrors of one epoch, best first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Which roster this is; the newer one wins.
    pub epoch: Epoch,
    /// When the registry issued it.
    pub issued_at: UnixMs,
    /// The mirrors, best first. Empty when the registry runs without mirrors.
    pub mirrors: Vec<Mirror>,
    /// Size of a replica group.
    pub replicas: u8,
    /// The epoch before.
    pub previous_epoch: Epoch,
    /// The mirrors of the epoch before.
    pub previous: Vec<Mirror>,
    /// Where the registry itself listens for peers.
    pub registry_addresses: Vec<String>,
}

impl Body for Roster {
    const DOMAIN: &'static [u8] = b"directory/roster/1\0";
}

impl Signed<Roster> {
    /// Checks limits and the registry's signature.
    ///
    /// # Errors
    /// [`Invalid::Limit`] or [`Invalid::Signature`].
    pub fn verify(&self, registry: &PublicKey) -> Result<(), Invalid> {
        let roster = &self.body;
        let mirrors = || roster.mirrors.iter().chain(&roster.previous);
        let fits = roster.mirrors.len() <= MIRRORS_MAX
            && roster.previous.len() <= MIRRORS_MAX
            && (1..=REPLICAS_MAX).contains(&usize::from(roster.replicas))
            && mirrors().all(|mirror| {
                addresses_fit(&mirror.addresses) && mirror.label.len() <= LABEL_BYTES_MAX
            })
            && addresses_fit(&roster.registry_addresses);
        if !fits {
            return Err(Invalid::Limit);
        }
        self.signed_by(registry)
    }
}

impl Roster {
    /// The replica group of a name, closest first.
    #[must_use]
    pub fn group(&self, name: &Name) -> Vec<&Mirror> {
        closest(&self.mirrors, usize::from(self.replicas), name)
    }

    /// The replica group that the name had in the epoch before.
    #[must_use]
    pub fn previous_group(&self, name: &Name) -> Vec<&Mirror> {
        closest(&self.previous, usize::from(self.replicas), name)
    }

    /// The group of a name at an epoch, with its majority, if this roster knows that epoch.
    #[must_use]
    pub fn group_at(&self, epoch: Epoch, name: &Name) -> Option<(Vec<&Mirror>, usize)> {
        let group = if epoch == self.epoch {
            self.group(name)
        } else if epoch == self.previous_epoch && epoch != Epoch::default() {
            self.previous_group(name)
        } else {
            return None;
        };
        let majority = majority_of(group.len());
        Some((group, majority))
    }

    /// True if the key is a mirror of this roster.
    #[must_use]
    pub fn has(&self, key: &PublicKey) -> bool {
        self.mirrors.iter().any(|mirror| mirror.key == *key)
    }

    /// True if the key is in the replica group of the name.
    #[must_use]
    pub fn holds(&self, key: &PublicKey, name: &Name) -> bool {
        self.group(name).iter().any(|mirror| mirror.key == *key)
    }
}

/// How many of a group are a majority.
#[must_use]
pub fn majority_of(members: usize) -> usize {
    members / 2 + 1
}

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

fn closest<'a>(mirrors: &'a [Mirror], count: usize, name: &Name) -> Vec<&'a Mirror> {
    let target = name.position();
    let mut ranked: Vec<_> = mirrors
        .iter()
        .map(|mirror| (distance(mirror, &target), mirror))
        .collect();
    ranked.sort_unstable_by_key(|(distance, _)| *distance);
    let ranked = ranked.into_iter().map(|(_, mirror)| mirror);
    spread(ranked, count, |mirror| mirror.label.as_str())
}

/// The first `count` of a ranking, spread over labels: each label gets at most its fair share of
/// the seats, and seats that are left over then go to the first ones that have none.
#[must_use]
pub fn spread<T>(
    ranked: impl Iterator<Item = T>,
    count: usize,
    label: impl Fn(&T) -> &str,
) -> Vec<T> {
    let ranked: Vec<T> = ranked.collect();
    let labels: BTreeSet<&str> = ranked.iter().map(&label).collect();
    let share = count.div_ceil(labels.len().max(1));
    let mut seats: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen = vec![false; ranked.len()];
    let mut free = count;
    for (at, candidate) in ranked.iter().enumerate() {
        let taken = seats.entry(label(candidate)).or_default();
        if free > 0 && *taken < share {
            *taken += 1;
            free -= 1;
            chosen[at] = true;
        }
    }
    for seat in &mut chosen {
        if free > 0 && !*seat {
            free -= 1;
            *seat = true;
        }
    }
    let chosen = ranked.into_iter().zip(chosen);
    chosen
        .filter(|(_, chosen)| *chosen)
        .map(|(candidate, _)| candidate)
        .collect()
}

fn distance(mirror: &Mirror, target: &[u8; 32]) -> [u8; 32] {
    let mut distance = mirror.key.position();
    for (byte, other) in distance.iter_mut().zip(target) {
        *byte ^= other;
    }
    distance
}
