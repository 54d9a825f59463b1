//! The names this node claimed: their grants, their newest records, and what the registry has yet
//! to hear of them.
//!
//! A row is written before anything is sent, so that after a crash the node still knows what it
//! asked for, and never uses a sequence number twice. The outbox to the registry is no table of
//! its own: a row is in it while `registry_seq` is behind the record.

use crate::{
    disk::{Disk, DiskError},
    ledger::{self, signed, unsigned},
    meta,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::{Certificate, Claim, Entry, Grant, Name, PublicKey, Record, Signed, UnixMs};

/// The table; applied at every start.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS owned (
    name TEXT PRIMARY KEY, state INTEGER NOT NULL, claim BLOB NOT NULL, grant_ BLOB,
    record BLOB NOT NULL, seq INTEGER NOT NULL, registry_seq INTEGER NOT NULL,
    expires_at INTEGER NOT NULL) WITHOUT ROWID;";

/// The key of the number of the registry's store.
const REGISTRY_STORE: &str = "registry-store";

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked for; whether anyone granted it is not known.
    Claiming = 0,
    /// A majority of the group committed it.
    Provisional = 1,
    /// The registry certified it.
    Certified = 2,
    /// The registry gave the name to another.
    Rejected = 3,
}

/// One claimed name.
#[derive(Clone, Debug)]
pub struct Owned {
    /// What became of it.
    pub state: State,
    /// What was asked.
    pub claim: Signed<Claim>,
    /// The grant; another owner's certificate if rejected.
    pub grant: Option<Grant>,
    /// The newest record.
    pub record: Signed<Record>,
    /// The newest sequence number that the registry is known to have.
    pub registry_seq: u64,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backlog {
    /// Claims and provisional grants that the registry has not settled.
    pub unsettled: u64,
    /// Records that the registry has not got.
    pub outbox: u64,
    /// Names that were given to another.
    pub rejected: u64,
}

impl Owned {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.claim.body.name
    }

    /// The owner; always this node.
    #[must_use]
    pub fn owner(&self) -> PublicKey {
        self.claim.body.owner
    }

    /// Grant and record, if the name is ours.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        let ours = matches!(self.state, State::Provisional | State::Certified);
        let grant = self.grant.clone().filter(|_| ours)?;
        Some(Entry {
            grant,
            record: Some(self.record.clone()),
        })
    }

    /// True if the newest record has expired by then.
    #[must_use]
    pub fn expires_before(&self, instant: UnixMs) -> bool {
        self.record.body.expires_at < instant
    }

    /// Notes the grant of the name to this node.
    pub fn granted(&mut self, grant: Grant) {
        self.state = if grant.is_certified() {
            State::Certified
        } else {
            State::Provisional
        };
        self.grant = Some(grant);
    }

    /// Notes that the name is another's.
    pub fn rejected(&mut self, certificate: Signed<Certificate>) {
        self.state = State::Rejected;
        self.grant = Some(Grant::Certified(certificate));
    }
}

/// Writes a row, durably.
///
/// # Errors
/// [`DiskError`].
pub async fn save(disk: &Disk, owned: Owned) -> Result<(), DiskError> {
    disk.write(move |connection| put(connection, &owned)).await
}

/// Writes a rejected row and keeps what was lost in the table of the rejected.
///
/// # Errors
/// [`DiskError`].
pub async fn save_rejected(disk: &Disk, owned: Owned, at: UnixMs) -> Result<(), DiskError> {
    disk.write(move |connection| {
        let proof = wire::encode(&(&owned.claim, &owned.record));
        ledger::reject(connection, owned.name(), owned.owner(), &proof, at)?;
        put(connection, &owned)
    })
    .await
}

/// Forgets a claim of which certainly nothing was accepted.
///
/// # Errors
/// [`DiskError`].
pub async fn forget(disk: &Disk, name: Name) -> Result<(), DiskError> {
    disk.write(move |connection| {
        connection.execute("DELETE FROM owned WHERE name = ?", [name.as_str()])?;
        Ok(())
    })
    .await
}

/// The row of a name.
///
/// # Errors
/// [`DiskError`].
pub async fn load(disk: &Disk, name: Name) -> Result<Option<Owned>, DiskError> {
    disk.read(move |connection| {
        connection
            .prepare_cached(&select("WHERE name = ?"))?
            .query_row([name.as_str()], parse)
            .optional()
            .map(Option::flatten)
    })
    .await
}

/// The rows that the registry has to hear of, or whose record expires before `renew_before`.
///
/// # Errors
/// [`DiskError`].
pub async fn due(disk: &Disk, renew_before: UnixMs) -> Result<Vec<Owned>, DiskError> {
    disk.read(move |connection| {
        let due = "WHERE state < 2 OR (state = 2 AND (registry_seq < seq OR expires_at < ?))";
        let mut query = connection.prepare_cached(&select(due))?;
        let rows = query.query_map([signed(renew_before.0)], parse)?;
        rows.filter_map(Result::transpose).collect()
    })
    .await
}

/// Notes that the registry has a record.
///
/// # Errors
/// [`DiskError`].
pub async fn delivered(disk: &Disk, name: Name, seq: u64) -> Result<(), DiskError> {
    disk.write(move |connection| {
        connection
            .prepare_cached("UPDATE owned SET registry_seq = max(registry_seq, ?) WHERE name = ?")?
            .execute(params![signed(seq), name.as_str()])?;
        Ok(())
    })
    .await
}

/// Notes which store the registry has. With another one than before, it has none of the records.
/// Returns true if so.
///
/// # Errors
/// [`DiskError`].
pub async fn registry_has_store(disk: &Disk, store: u64) -> Result<bool, DiskError> {
    disk.write(move |connection| {
        let known: Option<u64> = meta::get(connection, REGISTRY_STORE)?;
        meta::set(connection, REGISTRY_STORE, &store)?;
        let lost = known.is_some_and(|known| known != store);
        if lost {
            connection.execute("UPDATE owned SET registry_seq = 0", [])?;
        }
        Ok(lost)
    })
    .await
}

/// What is left to do; for the status.
///
/// # Errors
/// Whatever SQLite says.
pub fn backlog(connection: &Connection) -> rusqlite::Result<Backlog> {
    connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE state < 2),
                    count(*) FILTER (WHERE state = 2 AND registry_seq < seq),
                    count(*) FILTER (WHERE state = 3) FROM owned",
        )?
        .query_row([], |row| {
            Ok(Backlog {
                unsettled: unsigned(row.get(0)?),
                outbox: unsigned(row.get(1)?),
                rejected: unsigned(row.get(2)?),
            })
        })
}

fn put(connection: &Connection, owned: &Owned) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO owned VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            owned.name().as_str(),
            owned.state as u8,
            wire::encode(&owned.claim),
            owned.grant.as_ref().map(wire::encode),
            wire::encode(&owned.record),
            signed(owned.record.body.seq),
            signed(owned.registry_seq),
            signed(owned.record.body.expires_at.0),
        ])?;
    Ok(())
}

fn select(condition: &str) -> String {
    format!("SELECT state, claim, grant_, record, registry_seq FROM owned {condition}")
}

fn parse(row: &Row<'_>) -> rusqlite::Result<Option<Owned>> {
    fn decode<T: serde::de::DeserializeOwned>(blob: &[u8]) -> Option<T> {
        wire::decode(blob, wire::limits::MESSAGE_BYTES_MAX).ok()
    }
    let state = match row.get(0)? {
        0 => State::Claiming,
        1 => State::Provisional,
        2 => State::Certified,
        _ => State::Rejected,
    };
    let (claim, grant): (Vec<u8>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
    let (record, registry_seq): (Vec<u8>, i64) = (row.get(3)?, row.get(4)?);
    Ok(decode(&claim)
        .zip(decode(&record))
        .map(|(claim, record)| Owned {
            state,
            claim,
            grant: grant.and_then(|blob| decode(&blob)),
            record,
            registry_seq: unsigned(registry_seq),
        }))
}
