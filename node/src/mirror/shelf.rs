//! A mirror's durable promises: the commits it gave, beside the ledger of what it holds.
//!
//! A commit keeps the record that came with it. Once a grant is here, that record counts like any
//! other: the newest one stays, whichever way it came.

use crate::{
    bug::{Bug, Bugs},
    ledger,
};
use rusqlite::{Connection, OptionalExtension, params};
use wire::{Commitment, Entry, Name, PublicKey, UnixMs, Verdict, limits::MESSAGE_BYTES_MAX};

/// The table; applied at every start.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS commits (
    name TEXT PRIMARY KEY, owner BLOB NOT NULL, commitment BLOB NOT NULL) WITHOUT ROWID;";

/// What a mirror has for one name.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Grant and record.
    pub entry: Option<Entry>,
    /// The commit, as long as no certified grant has made it moot.
    pub commitment: Option<Commitment>,
}

impl Held {
    /// True if the name is granted or committed to somebody else.
    #[must_use]
    pub fn is_anothers(&self, owner: PublicKey) -> bool {
        let entry = self.entry.as_ref().map(Entry::owner);
        let commitment = self.commitment.as_ref().map(|held| held.claim.body.owner);
        [entry, commitment]
            .into_iter()
            .flatten()
            .any(|holder| holder != owner)
    }
}

/// What is here for a name.
///
/// # Errors
/// Whatever SQLite says.
pub fn held(connection: &Connection, name: &Name) -> rusqlite::Result<Held> {
    let blob: Option<Vec<u8>> = connection
        .prepare_cached("SELECT commitment FROM commits WHERE name = ?")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    let commitment = blob.and_then(|blob| wire::decode(&blob, MESSAGE_BYTES_MAX).ok());
    Ok(Held {
        entry: ledger::get(connection, name)?,
        commitment,
    })
}

/// Commits the name to an owner, unless it is granted or committed to another. Returns what is
/// here afterwards.
///
/// # Errors
/// Whatever SQLite says.
pub fn commit(connection: &Connection, commitment: Commitment) -> rusqlite::Result<Held> {
    let claim = &commitment.claim.body;
    let held = held(connection, &claim.name)?;
    if held.entry.is_some() || held.is_anothers(claim.owner) {
        return Ok(held);
    }
    let newer_here = held.commitment.as_ref().is_some_and(|here| {
        here.claim == commitment.claim && here.record.body.seq > commitment.record.body.seq
    });
    let record = match &held.commitment {
        Some(here) if newer_here => here.record.clone(),
        _ => commitment.record,
    };
    let commitment = Commitment {
        record,
        ..commitment
    };
    let claim = &commitment.claim.body;
    connection
        .prepare_cached("INSERT OR REPLACE INTO commits VALUES (?, ?, ?)")?
        .execute(params![
            claim.name.as_str(),
            claim.owner.0,
            wire::encode(&commitment)
        ])?;
    Ok(Held {
        commitment: Some(commitment),
        ..held
    })
}

/// Takes in a verified entry, and with it the record of the owner's commit, if that is newer. A
/// certified entry makes the commit moot; if that was another's, it is kept among the rejected.
///
/// # Errors
/// Whatever SQLite says.
pub fn store(
    connection: &Connection,
    entry: Entry,
    bugs: &Bugs,
    now: UnixMs,
) -> rusqlite::Result<ledger::Merged> {
    let name = entry.name().clone();
    let mut merged = ledger::merge(connection, entry, bugs, now)?;
    let Some(commitment) = held(connection, &name)?.commitment else {
        return Ok(merged);
    };
    let owner = commitment.claim.body.owner;
    let ours = owner == merged.held.owner();
    let record = &commitment.record;
    let newer = ours && record.body.seq > merged.held.seq() && record.verify(now).is_ok();
    if newer && !bugs.bites(Bug::SkipSeqCheck) {
        let newer = Entry {
            grant: merged.held.grant,
            record: Some(record.clone()),
        };
        merged = ledger::merge(connection, newer, bugs, now)?;
        // Whoever offered the entry has an older record, or none.
        merged.verdict = Verdict::Older;
    }
    if merged.held.grant.is_certified() {
        if !ours {
            ledger::reject(connection, &name, owner, &wire::encode(&commitment), now)?;
        }
        connection
            .prepare_cached("DELETE FROM commits WHERE name = ?")?
            .execute([name.as_str()])?;
    }
    Ok(merged)
}

/// Up to `count` commits without a grant here, in order of their names, after the given one: their
/// claimants may be gone.
///
/// # Errors
/// Whatever SQLite says.
pub fn orphans(
    connection: &Connection,
    after: Option<&Name>,
    count: usize,
) -> rusqlite::Result<Vec<Commitment>> {
    let mut query = connection.prepare_cached(
        "SELECT commitment FROM commits
         WHERE name > ? AND name NOT IN (SELECT name FROM entries) ORDER BY name LIMIT ?",
    )?;
    let after = after.map_or("", Name::as_str);
    let blobs = query.query_map(params![after, ledger::signed(count as u64)], |row| {
        row.get::<_, Vec<u8>>(0)
    })?;
    let decode = |blob: Vec<u8>| wire::decode(&blob, MESSAGE_BYTES_MAX).ok();
    blobs
        .filter_map(|blob| blob.map(decode).transpose())
        .collect()
}

/// How many of those there are.
///
/// # Errors
/// Whatever SQLite says.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM commits WHERE name NOT IN (SELECT name FROM entries)",
        )?
        .query_row([], |row| row.get(0).map(ledger::unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Certificate, Claim, Epoch, Grant, Record, SecretKey, Signed};

    fn open() -> Connection {
        let connection = Connection::open_in_memory().expect("SQLite");
        connection
            .execute_batch(&[ledger::SCHEMA, SCHEMA].concat())
            .expect("the schema");
        connection
    }

    fn commitment(owner: u8) -> Commitment {
        let key = SecretKey::from_seed([owner; 32]);
        let name: Name = "alice".parse().expect("a valid name");
        let body = Claim {
            name: name.clone(),
            owner: key.public(),
            nonce: [0; 16],
            made_at: UnixMs(0),
        };
        let claim = Signed::new(body, &key);
        let commit = claim.commit(Epoch(1), &SecretKey::from_seed([9; 32]));
        Commitment {
            claim,
            commit,
            record: record(owner, 1),
        }
    }

    fn record(owner: u8, seq: u64) -> Signed<Record> {
        let key = SecretKey::from_seed([owner; 32]);
        let body = Record {
            name: "alice".parse().expect("a valid name"),
            owner: key.public(),
            seq,
            expires_at: UnixMs(1000),
            addresses: Vec::new(),
            profile: "value".into(),
            contacts: Vec::new(),
        };
        Signed::new(body, &key)
    }

    fn certified(owner: u8, record: Option<Signed<Record>>) -> Entry {
        let body = Certificate {
            name: "alice".parse().expect("a valid name"),
            owner: SecretKey::from_seed([owner; 32]).public(),
            certified_at: UnixMs(0),
        };
        Entry {
            grant: Grant::Certified(Signed::new(body, &SecretKey::from_seed([8; 32]))),
            record,
        }
    }

    #[test]
    fn a_mirror_commits_a_name_to_one_owner_for_ever() {
        let connection = open();
        let (one, two) = (commitment(1), commitment(2));
        let held = commit(&connection, one.clone()).expect("SQLite");
        assert_eq!(held.commitment.as_ref(), Some(&one));
        let held = commit(&connection, two).expect("SQLite");
        assert_eq!(held.commitment.as_ref(), Some(&one), "the first one stays");
        assert_eq!(
            orphans(&connection, None, usize::MAX).expect("SQLite"),
            vec![one]
        );
    }

    #[test]
    fn a_repeated_commit_keeps_the_newest_record() {
        let connection = open();
        let newer = Commitment {
            record: record(1, 2),
            ..commitment(1)
        };
        for asked in [commitment(1), newer.clone(), commitment(1)] {
            commit(&connection, asked).expect("SQLite");
        }
        let name = newer.claim.body.name.clone();
        let held = held(&connection, &name).expect("SQLite");
        assert_eq!(held.commitment, Some(newer));
    }

    #[test]
    fn the_record_of_a_commit_outlives_it_unless_a_newer_one_comes() {
        for (offered, kept) in [(None, 2), (Some(1), 2), (Some(3), 3)] {
            let connection = open();
            let mine = Commitment {
                record: record(1, 2),
                ..commitment(1)
            };
            commit(&connection, mine).expect("SQLite");
            let entry = certified(1, offered.map(|seq| record(1, seq)));
            let name = entry.name().clone();
            let merged = store(&connection, entry, &Bugs::default(), UnixMs(1)).expect("SQLite");
            let older = merged.verdict == Verdict::Older;
            assert_eq!((merged.held.seq(), older), (kept, offered != Some(3)));
            let held = held(&connection, &name).expect("SQLite");
            assert_eq!(held.entry, Some(merged.held));
            assert!(held.commitment.is_none());
        }
    }

    #[test]
    fn a_certificate_makes_a_commit_moot_and_keeps_the_loser() {
        let connection = open();
        let lost = commitment(1);
        commit(&connection, lost.clone()).expect("SQLite");
        let name = lost.claim.body.name.clone();
        let entry = certified(2, None);
        store(&connection, entry.clone(), &Bugs::default(), UnixMs(1)).expect("SQLite");
        let held = held(&connection, &name).expect("SQLite");
        assert_eq!((held.entry, held.commitment), (Some(entry), None));
        let kept: i64 = connection
            .query_row("SELECT count(*) FROM rejected", [], |row| row.get(0))
            .expect("SQLite");
        assert_eq!(kept, 1);
    }
}
