//! What this node last heard of the names it resolved or owns: the last resort of a resolve, and
//! the reason why its answers never go back in time.
//!
//! It lives in memory, bounded, and is written to disk shortly after it changed; losing the last
//! moments of it in a crash costs nothing that was promised.

use crate::{
    backoff::now,
    disk::{Disk, DiskError},
    ledger::{signed, unsigned},
};
use rusqlite::params;
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing::warn;
use wire::{Entry, Name, UnixMs};

/// The table; applied at every start.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS cache (
    name TEXT PRIMARY KEY, heard_at INTEGER NOT NULL, entry BLOB NOT NULL) WITHOUT ROWID;";

/// Names remembered at most; the one not heard of for longest makes room.
const NAMES_MAX: usize = 2048;
/// Changes are gathered for so long before they are written.
const WRITE_DELAY: Duration = Duration::from_millis(500);

/// The cache.
#[derive(Debug)]
pub struct Cache {
    disk: Disk,
    inner: Mutex<Inner>,
    writing: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    names: HashMap<Name, Cached>,
    changed: HashSet<Name>,
}

/// One remembered answer.
#[derive(Clone, Debug)]
pub struct Cached {
    /// What was heard.
    pub entry: Entry,
    /// When.
    pub heard_at: UnixMs,
}

impl Cache {
    /// Loads what earlier lives remembered.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn load(disk: Disk) -> Result<Self, DiskError> {
        let rows = disk
            .read(|connection| {
                let mut query = connection.prepare("SELECT heard_at, entry FROM cache")?;
                let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()
            })
            .await?;
        let mut inner = Inner::default();
        for (heard_at, blob) in rows {
            if let Ok(entry) = wire::decode::<Entry>(&blob, wire::limits::MESSAGE_BYTES_MAX) {
                let cached = Cached {
                    entry,
                    heard_at: UnixMs(unsigned(heard_at)),
                };
                inner.names.insert(cached.entry.name().clone(), cached);
            }
        }
        Ok(Self {
            disk,
            inner: Mutex::new(inner),
            writing: AtomicBool::new(false),
        })
    }

    /// What was last heard of a name, unless its record has expired.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<Cached> {
        let cached = self.lock().names.get(name).cloned()?;
        let record = cached.entry.record.as_ref()?;
        (record.body.expires_at > now()).then_some(cached)
    }

    /// Remembers a verified entry, unless a better one is remembered.
    pub fn put(self: &std::sync::Arc<Self>, entry: &Entry) {
        let name = entry.name().clone();
        {
            let mut inner = self.lock();
            let heard_at = now();
            match inner.names.get_mut(&name) {
                Some(cached) => {
                    cached.heard_at = heard_at;
                    match cached.entry.merge(entry).store {
                        Some(better) => cached.entry = better,
                        None => return,
                    }
                }
                None => {
                    inner.make_room();
                    inner.names.insert(
                        name.clone(),
                        Cached {
                            entry: entry.clone(),
                            heard_at,
                        },
                    );
                }
            }
            inner.changed.insert(name);
        }
        self.write_soon();
    }

    /// Forgets a name, because its grant was rejected.
    pub fn remove(self: &std::sync::Arc<Self>, name: &Name) {
        {
            let mut inner = self.lock();
            inner.names.remove(name);
            inner.changed.insert(name.clone());
        }
        self.write_soon();
    }

    fn write_soon(self: &std::sync::Arc<Self>) {
        if self.writing.swap(true, Ordering::AcqRel) {
            return;
        }
        let cache = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(WRITE_DELAY).await;
            cache.writing.store(false, Ordering::Release);
            if let Err(error) = cache.write().await {
                warn!(%error, "cannot write the cache");
            }
        });
    }

    async fn write(&self) -> Result<(), DiskError> {
        let rows: Vec<(Name, Option<Cached>)> = {
            let mut inner = self.lock();
            let changed = std::mem::take(&mut inner.changed);
            changed
                .into_iter()
                .map(|name| (name.clone(), inner.names.get(&name).cloned()))
                .collect()
        };
        self.disk
            .write(move |connection| {
                for (name, cached) in rows {
                    match cached {
                        Some(Cached { entry, heard_at }) => connection
                            .prepare_cached("INSERT OR REPLACE INTO cache VALUES (?, ?, ?)")?
                            .execute(params![
                                name.as_str(),
                                signed(heard_at.0),
                                wire::encode(&entry)
                            ])?,
                        None => connection
                            .prepare_cached("DELETE FROM cache WHERE name = ?")?
                            .execute([name.as_str()])?,
                    };
                }
                Ok(())
            })
            .await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no one panics while holding the cache")
    }
}

impl Inner {
    fn make_room(&mut self) {
        if self.names.len() < NAMES_MAX {
            return;
        }
        let oldest = self.names.iter().min_by_key(|(_, cached)| cached.heard_at);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.names.remove(&name);
            self.changed.insert(name);
        }
    }
}
