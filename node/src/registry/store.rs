//! The registry's tables beside the ledger: the outbox to the mirrors, and the known peers.
//!
//! A change of an entry and its line in the outbox are one transaction: a crash loses no push.

use crate::{
    bug::Bugs,
    ledger::{self, Merged, signed, unsigned},
};
use rusqlite::{Connection, params};
use wire::{Certificate, Entry, Grant, Name, PublicKey, Record, Signed, UnixMs};

/// The tables; applied at every start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS outbox (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peers (key BLOB PRIMARY KEY, peer BLOB NOT NULL) WITHOUT ROWID;
";

/// A name to be pushed; the version tells whether it changed again meanwhile.
#[derive(Clone, Debug)]
pub struct Push {
    /// What.
    pub entry: Entry,
    /// Which change of it.
    pub version: i64,
}

/// Certifies a name, unless it is another's: the place where names become unique.
///
/// Returns the certificate that holds, whoever's it is.
///
/// # Errors
/// Whatever SQLite says.
pub fn certify(
    connection: &Connection,
    certificate: Signed<Certificate>,
    record: Option<Signed<Record>>,
    now: UnixMs,
) -> rusqlite::Result<Signed<Certificate>> {
    let owner = certificate.body.owner;
    let held = ledger::get(connection, &certificate.body.name)?;
    let certificate = match held.map(|entry| entry.grant) {
        Some(Grant::Certified(held)) if held.body.owner != owner => return Ok(held),
        Some(Grant::Certified(held)) => held,
        _ => certificate,
    };
    let entry = Entry {
        grant: Grant::Certified(certificate.clone()),
        record,
    };
    take_in(connection, entry, now)?;
    Ok(certificate)
}

/// Merges an entry into the ledger, and puts it into the outbox if that changed anything.
///
/// # Errors
/// Whatever SQLite says.
pub fn take_in(connection: &Connection, entry: Entry, now: UnixMs) -> rusqlite::Result<Merged> {
    let name = entry.name().clone();
    let merged = ledger::merge(connection, entry, &Bugs::default(), now)?;
    if merged.changed {
        connection
            .prepare_cached(
                "INSERT INTO outbox VALUES (?, 1)
                 ON CONFLICT (name) DO UPDATE SET version = version + 1",
            )?
            .execute([name.as_str()])?;
    }
    Ok(merged)
}

/// Up to `count` names to be pushed, after the given one.
///
/// # Errors
/// Whatever SQLite says.
pub fn pushes(connection: &Connection, after: &str, count: usize) -> rusqlite::Result<Vec<Push>> {
    let mut query = connection.prepare_cached(
        "SELECT entry, version FROM outbox JOIN entries USING (name)
         WHERE name > ? ORDER BY name LIMIT ?",
    )?;
    let rows = query.query_map(params![after, signed(count as u64)], |row| {
        let blob: Vec<u8> = row.get(0)?;
        let entry = wire::decode(&blob, wire::limits::MESSAGE_BYTES_MAX).ok();
        let version = row.get(1)?;
        Ok(entry.map(|entry| Push { entry, version }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// Strikes a name off the outbox, unless it changed again; true if it is off.
///
/// # Errors
/// Whatever SQLite says.
pub fn pushed(connection: &Connection, name: &Name, version: i64) -> rusqlite::Result<bool> {
    let struck = connection
        .prepare_cached("DELETE FROM outbox WHERE name = ? AND version = ?")?
        .execute(params![name.as_str(), version])?;
    Ok(struck > 0)
}

/// How many names wait in the outbox, and how many claims lost.
///
/// # Errors
/// Whatever SQLite says.
pub fn counts(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached("SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM rejected)")?
        .query_row([], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))
}

/// The known peers, as they were written.
///
/// # Errors
/// Whatever SQLite says.
pub fn peers(connection: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut query = connection.prepare("SELECT peer FROM peers")?;
    query.query_map([], |row| row.get(0))?.collect()
}

/// Writes known peers.
///
/// # Errors
/// Whatever SQLite says.
pub fn save_peers(connection: &Connection, rows: &[(PublicKey, Vec<u8>)]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO peers VALUES (?, ?)")?;
    for (key, blob) in rows {
        insert.execute(params![key.0, blob])?;
    }
    Ok(())
}
