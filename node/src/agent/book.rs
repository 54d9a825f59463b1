//! The roster book: the rosters a node has verified, newest first, on disk for a cold start.
//!
//! A roster is believed if the pinned registry key signed it, whoever brought it. Older ones are
//! kept for a while, because provisional grants are judged by the roster of their epoch.

use crate::{
    disk::{Disk, DiskError},
    ledger::signed,
    net::Contact,
};
use rusqlite::params;
use std::sync::Arc;
use tokio::sync::watch;
use wire::{Epoch, Name, PublicKey, Roster, Signed, Trust};

/// The table; applied at every start.
pub const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS rosters (epoch INTEGER PRIMARY KEY, roster BLOB NOT NULL);";

/// How many rosters are remembered.
const ROSTERS_MAX: usize = 16;

/// The verified rosters of a process; clones of the view are cheap.
#[derive(Debug)]
pub struct Book {
    disk: Disk,
    view: watch::Sender<Arc<View>>,
}

/// The rosters at one moment.
#[derive(Clone, Debug)]
pub struct View {
    registry: PublicKey,
    rosters: Vec<Signed<Roster>>,
}

impl Book {
    /// Loads the rosters of earlier lives, checking each again.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn load(disk: Disk, registry: PublicKey) -> Result<Self, DiskError> {
        let rosters = disk
            .read(|connection| {
                let mut query =
                    connection.prepare("SELECT roster FROM rosters ORDER BY epoch DESC")?;
                let blobs = query.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
                blobs.collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        let rosters = rosters
            .iter()
            .filter_map(|blob| wire::decode(blob, wire::limits::MESSAGE_BYTES_MAX).ok())
            .filter(|roster: &Signed<Roster>| roster.verify(&registry).is_ok())
            .collect();
        let (view, _) = watch::channel(Arc::new(View { registry, rosters }));
        Ok(Self { disk, view })
    }

    /// The rosters now.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Wakes its holder when a newer roster is adopted.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Adopts a roster if it is newer and genuine; true if it was.
    ///
    /// # Errors
    /// [`DiskError`]; the roster holds for this life of the process all the same.
    pub async fn adopt(&self, roster: Signed<Roster>) -> Result<bool, DiskError> {
        let epoch = roster.body.epoch;
        let newer = self.view.send_if_modified(|view| {
            let newer = epoch > view.epoch() && roster.verify(&view.registry).is_ok();
            if newer {
                let view = Arc::make_mut(view);
                view.rosters.insert(0, roster.clone());
                view.rosters.truncate(ROSTERS_MAX);
            }
            newer
        });
        if newer {
            self.disk
                .write(move |connection| {
                    let row = params![signed(epoch.0), wire::encode(&roster)];
                    connection.execute("INSERT OR REPLACE INTO rosters VALUES (?, ?)", row)?;
                    let oldest = signed(epoch.0) - signed(ROSTERS_MAX as u64);
                    connection.execute("DELETE FROM rosters WHERE epoch <= ?", [oldest])
                })
                .await?;
        }
        Ok(newer)
    }
}

impl View {
    /// The newest roster.
    #[must_use]
    pub fn current(&self) -> Option<&Roster> {
        self.rosters.first().map(|roster| &roster.body)
    }

    /// The newest roster with its signature, to pass it on.
    #[must_use]
    pub fn signed(&self) -> Option<&Signed<Roster>> {
        self.rosters.first()
    }

    /// The newest epoch; 0 without a roster.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.current()
            .map_or(Epoch::default(), |roster| roster.epoch)
    }

    /// What grants are judged by.
    #[must_use]
    pub fn trust(&self) -> Trust<'_> {
        Trust {
            registry: self.registry,
            rosters: &self.rosters,
        }
    }

    /// The pinned key.
    #[must_use]
    pub fn registry(&self) -> PublicKey {
        self.registry
    }

    /// The replica group of a name.
    #[must_use]
    pub fn group(&self, name: &Name) -> Vec<Contact> {
        self.current()
            .map_or_else(Vec::new, |roster| contacts(&roster.group(name)))
    }

    /// The group that the name had in the epoch before; empty in the first epoch.
    #[must_use]
    pub fn previous_group(&self, name: &Name) -> Vec<Contact> {
        self.current()
            .map_or_else(Vec::new, |roster| contacts(&roster.previous_group(name)))
    }

    /// Every mirror but `me`.
    #[must_use]
    pub fn mirrors_but(&self, me: &PublicKey) -> Vec<Contact> {
        let mirrors = self.current().map_or(&[][..], |roster| &roster.mirrors);
        mirrors
            .iter()
            .filter(|mirror| mirror.key != *me)
            .map(Contact::from)
            .collect()
    }

    /// True if `me` holds the name now, or held it in the epoch before.
    #[must_use]
    pub fn holds(&self, me: &PublicKey, name: &Name) -> bool {
        let among = |group: &[&wire::Mirror]| group.iter().any(|mirror| mirror.key == *me);
        self.current()
            .is_some_and(|roster| among(&roster.group(name)) || among(&roster.previous_group(name)))
    }
}

fn contacts(group: &[&wire::Mirror]) -> Vec<Contact> {
    group.iter().map(|mirror| Contact::from(*mirror)).collect()
}
