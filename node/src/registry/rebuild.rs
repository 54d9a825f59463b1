//! Rebuilding: a registry that lost its disk, but not its key, gets back what it had granted.
//!
//! It learns that it had a life before from heartbeats that know a roster. It fetches that roster
//! from their senders, and its own signature proves it. Then it *rebuilds*: mirrors offer it what
//! they hold that is certified, and owners, who see in its answers to heartbeats that its store is
//! another one, deliver everything again. Meanwhile it says of no name that it does not exist, and
//! certifies none before a majority of the name's group has told what it holds: whoever was
//! granted a name has it at a majority of its group.

use super::{Registry, outbox};
use crate::{disk::DiskError, meta, net::Contact};
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{info, warn};
use wire::{
    Heartbeat, Name, PublicKey, Roster,
    message::{Request, Response},
    roster::majority_of,
};

/// One question for a roster.
const FETCH: Duration = Duration::from_secs(2);
/// A first roster waits so long for an older one that somebody claims to know.
const FOUNDING_PATIENCE: Duration = Duration::from_secs(10);
/// Mirrors that never compare delay the next roster so long, and no longer.
const ROSTER_PATIENCE: Duration = Duration::from_secs(60);
/// Members get so long to say what they hold.
const ASK: Duration = Duration::from_millis(500);
/// The key of the fact that it is not over.
const REBUILDING: &str = "rebuilding";
/// The key of the number of the store.
const STORE: &str = "store";

/// How far it is; idle in a registry that lost nothing.
#[derive(Debug, Default)]
pub struct Rebuild {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Since when it goes on.
    since: Option<Instant>,
    /// Mirrors of which everything is here.
    compared: BTreeSet<PublicKey>,
    /// When somebody first claimed to know a roster that is not here.
    claimed: Option<Instant>,
    fetching: bool,
}

/// The number of the store, drawn when it is made; and whether it is being rebuilt.
///
/// # Errors
/// Whatever SQLite says.
pub fn load(connection: &Connection) -> rusqlite::Result<(u64, bool)> {
    let store = match meta::get(connection, STORE)? {
        Some(store) => store,
        None => {
            let store: u64 = rand::random();
            meta::set(connection, STORE, &store)?;
            store
        }
    };
    let rebuilding = meta::get::<bool>(connection, REBUILDING)?;
    Ok((store, rebuilding.is_some()))
}

impl Rebuild {
    /// Goes on where an earlier life was.
    #[must_use]
    pub fn new(on: bool) -> Self {
        let inner = Inner {
            since: on.then(Instant::now),
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// True while something may be missing here.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.lock().since.is_some()
    }

    /// True while no roster is issued: one that is out there may come back, or a sitting mirror may
    /// hold what is missing here.
    #[must_use]
    pub fn holds_rosters_back(&self, founding: bool) -> bool {
        let inner = self.lock();
        let claimed = inner
            .claimed
            .is_some_and(|at| at.elapsed() < FOUNDING_PATIENCE);
        let rebuilding = inner.since.is_some_and(|at| at.elapsed() < ROSTER_PATIENCE);
        (founding && claimed) || rebuilding
    }

    /// Everything that this mirror holds is here. Returns true if that was the last one needed: of
    /// each group fewer than a majority were not heard, so whatever was granted was heard of.
    fn compared(&self, mirror: PublicKey, roster: &Roster) -> bool {
        let mut inner = self.lock();
        if inner.since.is_none() || !roster.has(&mirror) {
            return false;
        }
        inner.compared.insert(mirror);
        let unheard = roster.mirrors.len().saturating_sub(inner.compared.len());
        let group = usize::from(roster.replicas).min(roster.mirrors.len());
        let over = unheard < majority_of(group);
        if over {
            *inner = Inner::default();
        }
        over
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no one panics while holding the rebuilding")
    }
}

/// A heartbeat came in whose sender knows a newer roster than there is here.
pub fn heard_newer(registry: &Arc<Registry>, heartbeat: &Heartbeat) {
    {
        let mut inner = registry.rebuild.lock();
        inner.claimed.get_or_insert_with(Instant::now);
        if std::mem::replace(&mut inner.fetching, true) {
            return;
        }
    }
    let registry = registry.clone();
    let peer = Contact::new(heartbeat.node, &heartbeat.addresses);
    tokio::spawn(async move {
        if let Err(error) = fetch(&registry, peer).await {
            warn!(%error, "cannot write down that the store was lost");
        }
        registry.rebuild.lock().fetching = false;
    });
}

async fn fetch(registry: &Arc<Registry>, peer: Contact) -> Result<(), DiskError> {
    let answer = registry.net.ask(peer, Request::GetRoster, FETCH).await;
    let Ok(Response::Roster(Some(roster))) = answer else {
        return Ok(());
    };
    let newer = roster.body.epoch > registry.book.view().epoch();
    if !newer || roster.verify(&registry.id).is_err() {
        return Ok(());
    }
    // First, so that a crash in between does not make a registry that thinks it knows everything.
    registry
        .disk
        .write(|connection| meta::set(connection, REBUILDING, &true))
        .await?;
    registry
        .rebuild
        .lock()
        .since
        .get_or_insert_with(Instant::now);
    warn!(epoch = %roster.body.epoch, "this store has lost what was granted: rebuilding it");
    registry.book.adopt(*roster).await?;
    Ok(())
}

/// Everything that a mirror holds was found here.
///
/// # Errors
/// [`DiskError`].
pub async fn compared(registry: &Registry, mirror: PublicKey) -> Result<(), DiskError> {
    let view = registry.book.view();
    let over = view
        .current()
        .is_some_and(|roster| registry.rebuild.compared(mirror, roster));
    if over {
        info!("rebuilt");
        registry
            .disk
            .write(|connection| meta::forget(connection, REBUILDING))
            .await?;
    }
    Ok(())
}

/// Takes in what the group of a name holds; true if enough of it answered to know whose it is.
pub async fn recover(registry: &Arc<Registry>, name: &Name) -> bool {
    let answers = registry
        .ask_group(name, &Request::Lookup(name.clone()), ASK, false)
        .await;
    let group = registry.book.view().group(name);
    let mut answered = 0;
    for (member, answer) in answers {
        let Response::Found { entry, .. } = answer else {
            continue;
        };
        answered += usize::from(group.iter().any(|contact| contact.key == member.key));
        if let Some(entry) = entry {
            outbox::adopt(registry, *entry).await;
        }
    }
    !group.is_empty() && answered >= majority_of(group.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Epoch, Mirror, UnixMs};

    fn roster(mirrors: u8) -> Roster {
        let mirror = |id| Mirror {
            key: PublicKey([id; 32]),
            addresses: Vec::new(),
            score: 500,
            label: String::new(),
        };
        Roster {
            epoch: Epoch(3),
            issued_at: UnixMs(0),
            mirrors: (0..mirrors).map(mirror).collect(),
            replicas: 5,
            previous_epoch: Epoch(2),
            previous: Vec::new(),
            registry_addresses: Vec::new(),
        }
    }

    #[test]
    fn it_is_over_when_every_group_has_a_majority_that_told_all() {
        for (mirrors, needed) in [(8, 6), (5, 3), (3, 2), (1, 1)] {
            let (rebuild, roster) = (Rebuild::new(true), roster(mirrors));
            assert!(
                !rebuild.compared(PublicKey([99; 32]), &roster),
                "a stranger"
            );
            let told = (0..mirrors).find(|id| rebuild.compared(PublicKey([*id; 32]), &roster));
            assert_eq!(told, Some(needed - 1));
            assert!(!rebuild.is_on());
        }
    }

    #[test]
    fn the_store_keeps_its_number_and_another_store_has_another() {
        let open = || {
            let connection = Connection::open_in_memory().expect("SQLite");
            connection.execute_batch(meta::SCHEMA).expect("the schema");
            connection
        };
        let store = open();
        let first = load(&store).expect("SQLite");
        assert_eq!(load(&store).expect("SQLite"), first);
        assert_ne!(load(&open()).expect("SQLite").0, first.0);
    }
}
