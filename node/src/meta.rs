//! A few facts about a store as a whole, such as which store it is.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

/// The table; applied at every start.
pub const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";

/// More than any fact takes.
const VALUE_BYTES_MAX: usize = 64;

/// The fact under a key.
///
/// # Errors
/// Whatever SQLite says.
pub fn get<T: DeserializeOwned>(connection: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    let blob: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(blob.and_then(|blob| wire::decode(&blob, VALUE_BYTES_MAX).ok()))
}

/// Writes a fact.
///
/// # Errors
/// Whatever SQLite says.
pub fn set<T: Serialize>(connection: &Connection, key: &str, value: &T) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?
        .execute(params![key, wire::encode(value)])?;
    Ok(())
}

/// Forgets a fact.
///
/// # Errors
/// Whatever SQLite says.
pub fn forget(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM meta WHERE key = ?")?
        .execute([key])?;
    Ok(())
}
