//! What the parts of a mirror share.

use super::{index::Index, leases::Leases, past::Past};
use crate::agent::Agent;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, Semaphore};
use wire::PublicKey;

/// Requests handled at the same time; more wait in the overlay's queue, and then are shed.
const HANDLERS: usize = 64;

/// The state of a node's mirror side; idle while no roster names it.
#[derive(Debug)]
pub struct Mirror {
    pub(super) leases: Mutex<Leases>,
    pub(super) past: Past,
    pub(super) handlers: Arc<Semaphore>,
    pub(super) wake: Notify,
    pub(super) settle: Notify,
    pub(super) stored: Notify,
    pub(super) index: Mutex<Option<Arc<Index>>>,
    /// Counts the changes of the store.
    changes: AtomicU64,
    /// For each neighbour, the count at which the two were found equal.
    equal: Mutex<HashMap<PublicKey, u64>>,
    /// Neighbours that told a difference and wait for this mirror's round.
    differing: Mutex<BTreeSet<PublicKey>>,
}

impl Default for Mirror {
    fn default() -> Self {
        Self {
            leases: Mutex::default(),
            past: Past::default(),
            handlers: Arc::new(Semaphore::new(HANDLERS)),
            wake: Notify::new(),
            settle: Notify::new(),
            stored: Notify::new(),
            index: Mutex::new(None),
            changes: AtomicU64::new(1),
            equal: Mutex::default(),
            differing: Mutex::default(),
        }
    }
}

impl Mirror {
    /// How many requests of peers are being handled.
    pub(super) fn under_way(&self) -> usize {
        HANDLERS - self.handlers.available_permits()
    }

    /// Starts a round of repair soon.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// How many connected neighbours are not known to hold the same as this mirror.
    #[must_use]
    pub fn pending(&self, agent: &Agent) -> u64 {
        let view = agent.book.view();
        if !view.current().is_some_and(|roster| roster.has(&agent.id)) {
            return 0;
        }
        let connected = agent.net.connected();
        let changes = self.changes();
        let equal = self
            .equal
            .lock()
            .expect("no one panics while holding the comparison");
        let others = view.mirrors_but(&agent.id);
        let unequal = others.iter().filter(|other| {
            connected.contains(&other.key) && equal.get(&other.key) != Some(&changes)
        });
        unequal.count() as u64
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.stored.notify_one();
    }

    pub(super) fn found_equal(&self, peer: PublicKey, at: u64) {
        self.equal
            .lock()
            .expect("no one panics while holding the comparison")
            .insert(peer, at);
    }

    pub(super) fn found_different(&self, peer: PublicKey) {
        self.equal
            .lock()
            .expect("no one panics while holding the comparison")
            .remove(&peer);
    }

    pub(super) fn asked_for_round(&self, peer: PublicKey) {
        let mut differing = self
            .differing
            .lock()
            .expect("no one panics while holding the set");
        if differing.insert(peer) {
            self.wake();
        }
    }

    pub(super) fn begin_round(&self) {
        self.differing
            .lock()
            .expect("no one panics while holding the set")
            .clear();
    }
}
