//! The table of entries (name → grant and newest record) that mirrors and registry both keep.
//!
//! The functions take a connection and run inside the store's transaction. What loses to another
//! entry is moved to the table `rejected`: nothing that was once granted vanishes without a trace.

use crate::bug::{Bug, Bugs};
use rusqlite::{Connection, OptionalExtension, params};
use wire::{Entry, Merge, Name, PublicKey, UnixMs, Verdict, Version};

/// The tables; applied at every start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (
    name TEXT PRIMARY KEY, owner BLOB NOT NULL, certified INTEGER NOT NULL, seq INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, hash BLOB NOT NULL, entry BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejected (
    name TEXT NOT NULL, owner BLOB NOT NULL, at INTEGER NOT NULL, proof BLOB NOT NULL,
    PRIMARY KEY (name, owner)
) WITHOUT ROWID;
";

/// A line of a digest.
#[derive(Clone, Debug)]
pub struct Line {
    /// The name.
    pub name: Name,
    /// What stores compare.
    pub version: Version,
}

/// What [`merge`] did.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The answer to whoever offered the entry.
    pub verdict: Verdict,
    /// True if the table changed.
    pub changed: bool,
    /// What is in the table now.
    pub held: Entry,
    /// What was there before, if that has changed.
    pub replaced: Option<Entry>,
}

/// The entry of a name.
///
/// # Errors
/// Whatever SQLite says.
pub fn get(connection: &Connection, name: &Name) -> rusqlite::Result<Option<Entry>> {
    let blob: Option<Vec<u8>> = connection
        .prepare_cached("SELECT entry FROM entries WHERE name = ?")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    Ok(blob.and_then(|blob| wire::decode(&blob, wire::limits::MESSAGE_BYTES_MAX).ok()))
}

/// Takes in a verified entry by the rule of [`Entry::merge`], which the planted bug
/// `skip-seq-check` overrules.
///
/// # Errors
/// Whatever SQLite says.
pub fn merge(
    connection: &Connection,
    offered: Entry,
    bugs: &Bugs,
    now: UnixMs,
) -> rusqlite::Result<Merged> {
    let Some(held) = get(connection, offered.name())? else {
        put(connection, &offered)?;
        return Ok(Merged {
            verdict: Verdict::Accepted,
            changed: true,
            held: offered,
            replaced: None,
        });
    };
    let mut merge = held.merge(&offered);
    let overruled = merge.verdict != Verdict::Accepted && bugs.bites(Bug::SkipSeqCheck);
    if overruled {
        merge = Merge {
            verdict: Verdict::Accepted,
            store: Some(offered),
        };
    }
    let Some(entry) = merge.store else {
        return Ok(Merged {
            verdict: merge.verdict,
            changed: false,
            held,
            replaced: None,
        });
    };
    if entry.owner() != held.owner() && !overruled {
        let proof = wire::encode(&held);
        reject(connection, held.name(), held.owner(), &proof, now)?;
    }
    put(connection, &entry)?;
    Ok(Merged {
        verdict: merge.verdict,
        changed: true,
        held: entry,
        replaced: Some(held),
    })
}

/// Remembers a grant or claim that lost, with its proof.
///
/// # Errors
/// Whatever SQLite says.
pub fn reject(
    connection: &Connection,
    name: &Name,
    owner: PublicKey,
    proof: &[u8],
    now: UnixMs,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO rejected VALUES (?, ?, ?, ?)")?
        .execute(params![name.as_str(), owner.0, signed(now.0), proof])?;
    Ok(())
}

/// Every name with its version, without expired records.
///
/// # Errors
/// Whatever SQLite says.
pub fn lines(connection: &Connection, now: UnixMs) -> rusqlite::Result<Vec<Line>> {
    let mut query = connection.prepare_cached(
        "SELECT name, certified, seq, hash FROM entries WHERE expires_at > ? ORDER BY name",
    )?;
    let rows = query.query_map([signed(now.0)], |row| {
        let name: String = row.get(0)?;
        let version = Version {
            certified: row.get(1)?,
            seq: unsigned(row.get(2)?),
            hash: row.get(3)?,
        };
        Ok(Name::try_from(name).ok().map(|name| Line { name, version }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// Entries whose grant is still provisional.
///
/// # Errors
/// Whatever SQLite says.
pub fn provisional(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut query = connection.prepare_cached("SELECT entry FROM entries WHERE certified = 0")?;
    let blobs = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    let decode = |blob: Vec<u8>| wire::decode(&blob, wire::limits::MESSAGE_BYTES_MAX).ok();
    blobs
        .filter_map(|blob| blob.map(decode).transpose())
        .collect()
}

/// How many names there are, and how many of them are provisional.
///
/// # Errors
/// Whatever SQLite says.
pub fn count(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached("SELECT count(*), count(*) FILTER (WHERE certified = 0) FROM entries")?
        .query_row([], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))
}

/// A count or an instant as SQLite stores it.
#[must_use]
pub fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The reverse of [`signed`].
#[must_use]
pub fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn put(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let version = entry.version();
    // A grant without a record does not expire.
    let expires_at = entry
        .record
        .as_ref()
        .map_or(u64::MAX, |record| record.body.expires_at.0);
    connection
        .prepare_cached("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            entry.name().as_str(),
            entry.owner().0,
            version.certified,
            signed(version.seq),
            signed(expires_at),
            version.hash,
            wire::encode(entry),
        ])?;
    Ok(())
}
