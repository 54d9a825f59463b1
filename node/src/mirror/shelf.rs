//! A mirror's durable promises: the commits it gave, beside the ledger of what it holds.

use crate::ledger;
use rusqlite::{Connection, OptionalExtension, params};
use wire::{Commitment, Entry, Name, PublicKey, UnixMs, limits::MESSAGE_BYTES_MAX};

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

/// Takes in a verified entry. A certified one makes the commit moot; if that was another's, it is
/// kept among the rejected.
///
/// # Errors
/// Whatever SQLite says.
pub fn store(
    connection: &Connection,
    entry: Entry,
    blindly: bool,
    now: UnixMs,
) -> rusqlite::Result<ledger::Merged> {
    let name = entry.name().clone();
    let merged = ledger::merge(connection, entry, blindly, now)?;
    if merged.held.grant.is_certified()
        && let Some(moot) = held(connection, &name)?.commitment
    {
        let loser = moot.claim.body.owner;
        if loser != merged.held.owner() {
            ledger::reject(connection, &name, loser, &wire::encode(&moot), now)?;
        }
        connection
            .prepare_cached("DELETE FROM commits WHERE name = ?")?
            .execute([name.as_str()])?;
    }
    Ok(merged)
}

/// Commits without a grant here: their claimants may be gone, so this mirror submits them.
///
/// # Errors
/// Whatever SQLite says.
pub fn orphans(connection: &Connection) -> rusqlite::Result<Vec<Commitment>> {
    let mut query = connection.prepare_cached(
        "SELECT commitment FROM commits WHERE name NOT IN (SELECT name FROM entries)",
    )?;
    let blobs = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
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
    use wire::{Certificate, Claim, Epoch, Grant, SecretKey, Signed};

    fn open() -> Connection {
        let connection = Connection::open_in_memory().expect("SQLite");
        connection
            .execute_batch(&[ledger::SCHEMA, SCHEMA].concat())
            .expect("the schema");
        connection
    }

    fn commitment(owner: u8) -> Commitment {
        let key = SecretKey::from_seed([owner; 32]);
        let name = "alice".parse().expect("a valid name");
        let body = Claim {
            name,
            owner: key.public(),
            nonce: [0; 16],
            made_at: UnixMs(0),
        };
        let claim = Signed::new(body, &key);
        let commit = claim.commit(Epoch(1), &SecretKey::from_seed([9; 32]));
        Commitment { claim, commit }
    }

    #[test]
    fn a_mirror_commits_a_name_to_one_owner_for_ever() {
        let connection = open();
        let (one, two) = (commitment(1), commitment(2));
        let held = commit(&connection, one.clone()).expect("SQLite");
        assert_eq!(held.commitment.as_ref(), Some(&one));
        let held = commit(&connection, two).expect("SQLite");
        assert_eq!(held.commitment.as_ref(), Some(&one), "the first one stays");
        assert_eq!(orphans(&connection).expect("SQLite"), vec![one]);
    }

    #[test]
    fn a_certificate_makes_a_commit_moot_and_keeps_the_loser() {
        let connection = open();
        let lost = commitment(1);
        commit(&connection, lost.clone()).expect("SQLite");
        let name = lost.claim.body.name.clone();
        let owner = SecretKey::from_seed([2; 32]).public();
        let body = Certificate {
            name: name.clone(),
            owner,
            certified_at: UnixMs(0),
        };
        let grant = Grant::Certified(Signed::new(body, &SecretKey::from_seed([8; 32])));
        let entry = Entry {
            grant,
            record: None,
        };
        store(&connection, entry.clone(), false, UnixMs(1)).expect("SQLite");
        let held = held(&connection, &name).expect("SQLite");
        assert_eq!((held.entry, held.commitment), (Some(entry), None));
        let kept: i64 = connection
            .query_row("SELECT count(*) FROM rejected", [], |row| row.get(0))
            .expect("SQLite");
        assert_eq!(kept, 1);
    }
}
