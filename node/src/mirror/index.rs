//! What two stores compare: their common names in buckets, a digest for each bucket.
//!
//! The index over the store is made once for each change of the store or the roster, and only when
//! somebody asks for it, so that an idle mirror compares 512 bytes and reads nothing.

use crate::{agent::Agent, backoff::now, disk::DiskError, ledger, ledger::Line};
use std::{collections::HashMap, sync::Arc};
use wire::{Epoch, Name, PublicKey, Version, limits::DIGEST_BUCKETS};

/// The names of the store, with who holds them.
#[derive(Debug)]
pub struct Index {
    pub(super) changes: u64,
    epoch: Epoch,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    line: Line,
    bucket: usize,
    digest: u64,
    group: Vec<PublicKey>,
}

/// The index of the store as it is now.
///
/// # Errors
/// [`DiskError`].
pub async fn current(agent: &Arc<Agent>) -> Result<Arc<Index>, DiskError> {
    let view = agent.book.view();
    let (changes, epoch) = (agent.mirror.changes(), view.epoch());
    let known = agent
        .mirror
        .index
        .lock()
        .expect("no one panics while holding the index")
        .clone();
    if let Some(index) = known.filter(|index| index.changes == changes && index.epoch == epoch) {
        return Ok(index);
    }
    let lines = agent
        .disk
        .read(|connection| ledger::lines(connection, now()))
        .await?;
    let row = |line: Line| {
        let group = view
            .current()
            .map_or_else(Vec::new, |roster| roster.group(&line.name));
        let group = group.iter().map(|mirror| mirror.key).collect();
        let (bucket, digest) = place(&line);
        Row {
            line,
            bucket,
            digest,
            group,
        }
    };
    let index = Arc::new(Index {
        changes,
        epoch,
        rows: lines.into_iter().map(row).collect(),
    });
    *agent
        .mirror
        .index
        .lock()
        .expect("no one panics while holding the index") = Some(index.clone());
    Ok(index)
}

/// One bit for each bucket in which a neighbour's summary is not like ours.
///
/// # Errors
/// [`DiskError`].
pub async fn differing(
    agent: &Arc<Agent>,
    from: PublicKey,
    buckets: &[u64],
) -> Result<u64, DiskError> {
    let index = current(agent).await?;
    Ok(difference(&index.summary(&agent.id, &from), buckets))
}

/// Which of a neighbour's versions this mirror wants.
///
/// # Errors
/// [`DiskError`].
pub async fn wanted(
    agent: &Arc<Agent>,
    offered: &[(Name, Version)],
) -> Result<Vec<Name>, DiskError> {
    let index = current(agent).await?;
    let view = agent.book.view();
    let ours: HashMap<&Name, Version> = index
        .rows
        .iter()
        .map(|row| (&row.line.name, row.line.version))
        .collect();
    let wants = |name: &Name, version: &Version| {
        view.holds(&agent.id, name) && ours.get(name).is_none_or(|held| held.wants(version))
    };
    let wanted = offered
        .iter()
        .filter(|(name, version)| wants(name, version));
    Ok(wanted.map(|(name, _)| name.clone()).collect())
}

impl Index {
    /// The digests of the names that both hold.
    pub fn summary(&self, me: &PublicKey, other: &PublicKey) -> Vec<u64> {
        summary(self.common(me, other).map(|row| (row.bucket, row.digest)))
    }

    /// The versions of the names that both hold, in the buckets whose bit is set.
    pub fn versions(&self, me: &PublicKey, other: &PublicKey, bits: u64) -> Vec<(Name, Version)> {
        let rows = self
            .common(me, other)
            .filter(|row| bits >> row.bucket & 1 == 1);
        rows.map(|row| (row.line.name.clone(), row.line.version))
            .collect()
    }

    /// What the other must hold now, whether or not this mirror still must.
    pub fn handover(&self, other: &PublicKey) -> Vec<(Name, Version)> {
        let rows = self.rows.iter().filter(|row| row.group.contains(other));
        rows.map(|row| (row.line.name.clone(), row.line.version))
            .collect()
    }

    /// The certified names that this mirror holds: what the registry should have.
    pub fn certified(&self, me: &PublicKey) -> Vec<(Name, Version)> {
        let rows = self.rows.iter();
        let rows = rows.filter(|row| row.group.contains(me) && row.line.version.certified);
        rows.map(|row| (row.line.name.clone(), row.line.version))
            .collect()
    }

    fn common(&self, me: &PublicKey, other: &PublicKey) -> impl Iterator<Item = &Row> {
        let (me, other) = (*me, *other);
        self.rows
            .iter()
            .filter(move |row| row.group.contains(&me) && row.group.contains(&other))
    }
}

/// Folds lines into buckets; the order does not matter.
pub fn summary(lines: impl Iterator<Item = (usize, u64)>) -> Vec<u64> {
    let mut buckets = vec![0; DIGEST_BUCKETS];
    for (bucket, digest) in lines {
        buckets[bucket] ^= digest;
    }
    buckets
}

/// The bucket and the digest of one line.
pub fn place(line: &Line) -> (usize, u64) {
    let position = line.name.position();
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    // The factor is odd, and the name's own: equal changes of two names do not cancel out.
    let state = word(&line.version.hash).wrapping_add(u64::from(line.version.certified));
    let digest = state
        .wrapping_mul(word(&position[8..16]) | 1)
        .rotate_left(32);
    (
        usize::from(position[0]) % DIGEST_BUCKETS,
        digest ^ word(&position[16..24]),
    )
}

/// One bit for each bucket that differs.
pub fn difference(ours: &[u64], theirs: &[u64]) -> u64 {
    let zero = 0;
    let theirs = theirs.iter().chain(std::iter::repeat(&zero));
    let pairs = ours.iter().zip(theirs).enumerate();
    pairs
        .filter(|(_, (ours, theirs))| ours != theirs)
        .fold(0, |bits, (at, _)| bits | 1 << at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(certified: bool, seq: u64) -> Vec<Line> {
        let name = |number: u32| format!("name-{number}").parse().expect("a valid name");
        let version = Version {
            certified,
            seq,
            hash: seq.to_be_bytes(),
        };
        (0..500)
            .map(|number| Line {
                name: name(number),
                version,
            })
            .collect()
    }

    fn digest(lines: &[Line]) -> Vec<u64> {
        summary(lines.iter().map(place))
    }

    #[test]
    fn equal_stores_have_equal_summaries_in_any_order() {
        let mut other = lines(true, 1);
        other.reverse();
        assert_eq!(difference(&digest(&lines(true, 1)), &digest(&other)), 0);
    }

    #[test]
    fn every_change_shows_even_if_all_names_change_alike() {
        let before = digest(&lines(false, 1));
        assert_eq!(difference(&before, &digest(&lines(true, 1))), u64::MAX);
        assert_eq!(difference(&before, &digest(&lines(false, 2))), u64::MAX);
        let mut one = lines(false, 1);
        one[77].version.seq = 2;
        one[77].version.hash = [2; 8];
        assert_eq!(difference(&before, &digest(&one)).count_ones(), 1);
        one.truncate(77);
        assert_ne!(difference(&before, &digest(&one)), 0);
        assert_ne!(difference(&before, &[]), 0, "a short summary differs");
    }
}
