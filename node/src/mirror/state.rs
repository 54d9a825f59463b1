//! What the parts of a mirror share.

use super::{catch_up::CatchUp, index::Index, leases::Leases, past::Past};
use crate::{agent::Agent, slow_start};
use std::{
    collections::{BTreeSet, HashMap},
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, Semaphore};
use wire::{Epoch, PublicKey};

/// Requests handled at the same time; more wait in the overlay's queue, and then are shed.
const HANDLERS: usize = 64;

/// A restarted mirror begins with so many handlers, and gets as many again with each step.
const HANDLERS_AT_START: usize = 8;

/// The state of a node's mirror side; idle while no roster names it.
#[derive(Debug)]
pub struct Mirror {
    pub(super) leases: Mutex<Leases>,
    pub(super) past: Past,
    pub(super) handlers: Arc<Semaphore>,
    /// How many handlers there are now.
    places: AtomicUsize,
    pub(super) wake: Notify,
    pub(super) settle: Notify,
    pub(super) stored: Notify,
    pub(super) index: Mutex<Option<Arc<Index>>>,
    pub(super) catch_up: CatchUp,
    /// The newest epoch under which this mirror went through all its neighbours.
    settled: AtomicU64,
    /// Counts the changes of the store.
    changes: AtomicU64,
    /// For each neighbour, the count at which the two were found equal.
    equal: Mutex<HashMap<PublicKey, u64>>,
    /// Neighbours that told a difference and wait for this mirror's round.
    differing: Mutex<BTreeSet<PublicKey>>,
}

impl Mirror {
    /// A mirror that may have been one before.
    #[must_use]
    pub fn new(catch_up: CatchUp) -> Self {
        Self {
            catch_up,
            settled: AtomicU64::new(0),
            leases: Mutex::default(),
            past: Past::default(),
            handlers: Arc::new(Semaphore::new(HANDLERS)),
            places: AtomicUsize::new(HANDLERS),
            wake: Notify::new(),
            settle: Notify::new(),
            stored: Notify::new(),
            index: Mutex::new(None),
            changes: AtomicU64::new(1),
            equal: Mutex::default(),
            differing: Mutex::default(),
        }
    }

    /// How many requests of peers are being handled.
    pub(super) fn under_way(&self) -> usize {
        let places = self.places.load(Ordering::Relaxed);
        places.saturating_sub(self.handlers.available_permits())
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

    /// The newest epoch under which this mirror compared with all neighbours that it reaches.
    #[must_use]
    pub fn settled(&self) -> Epoch {
        Epoch(self.settled.load(Ordering::Relaxed))
    }

    /// True if this mirror may promise something.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        self.catch_up.is_done()
    }

    pub(super) fn settled_under(&self, epoch: Epoch) {
        self.settled.fetch_max(epoch.0, Ordering::Relaxed);
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

/// Lets a restarted mirror take up its work step by step.
pub async fn slow_start(agent: Arc<Agent>) {
    let mirror = &agent.mirror;
    let tell = |places| mirror.places.store(places, Ordering::Relaxed);
    let places = (HANDLERS_AT_START, HANDLERS);
    let steps = iter::repeat(HANDLERS_AT_START);
    slow_start::slow_start(&mirror.handlers, places, steps, tell).await;
}
