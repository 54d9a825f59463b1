//! What the parts of a node share.

use super::{
    Refusal, book::Book, cache::Cache, registry_client::RegistryClient, restraint::RetryBudget,
};
use crate::{
    backoff::now,
    bug::{Bug, Bugs, Door},
    disk::Disk,
    mirror::Mirror,
    net::Net,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{Notify, OwnedMutexGuard, Semaphore},
    time::{Instant, timeout_at},
};
use wire::{Entry, Invalid, Name, PublicKey, SecretKey, UnixMs, roster::majority_of};

/// What an operation needs at least once it has its turn.
const TURN_MIN: Duration = Duration::from_millis(250);

/// A node.
#[derive(Debug)]
pub struct Agent {
    /// Its key.
    pub key: SecretKey,
    /// Its identity.
    pub id: PublicKey,
    /// When this life of the process started.
    pub session: UnixMs,
    /// Where it listens, as multiaddresses.
    pub addresses: Vec<String>,
    /// How long its records hold unless it renews them.
    pub record_life: Duration,
    /// The labels of its command line.
    pub labels: Vec<(String, String)>,
    /// Its store.
    pub disk: Disk,
    /// The overlay.
    pub net: Net,
    /// The rosters.
    pub book: Book,
    /// The registry.
    pub registry: RegistryClient,
    /// What it last heard.
    pub cache: Arc<Cache>,
    /// Turns: one operation at a time for each name.
    pub names: Turns,
    /// What it does for others.
    pub mirror: Mirror,
    /// What it may still ask again.
    pub retries: RetryBudget,
    /// Planted bugs.
    pub bugs: Bugs,
    /// Whether it serves peers, as far as planted bugs let it.
    pub door: Door,
    /// Read repairs under way.
    pub repairs: Arc<Semaphore>,
    /// Provisional grants that are being stored after they were acknowledged.
    pub stores: Arc<Semaphore>,
    /// Operations under way.
    pub operations: Arc<Semaphore>,
    /// Wakes the settling task.
    pub settle: Notify,
}

/// One operation at a time for each name.
#[derive(Debug, Default)]
pub struct Turns {
    names: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>,
}

impl Agent {
    /// Tells the settling task that there is something to deliver.
    pub fn settle_soon(&self) {
        self.settle.notify_one();
    }

    /// True if something may be asked again. The planted bug `retry-without-backoff` knows no
    /// budget, either.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        let now = Instant::now().into_std();
        self.retries.pay(now) || self.bugs.on(Bug::RetryWithoutBackoff)
    }

    /// How many of a group have to hold a write. The planted bug `quorum-of-one` is content with
    /// one.
    #[must_use]
    pub fn majority_of(&self, members: usize) -> usize {
        if members > 1 && self.bugs.bites(Bug::QuorumOfOne) {
            return 1;
        }
        majority_of(members)
    }

    /// Judges an entry that somebody sent. The planted bug `skip-signature-check` believes whatever
    /// is not to be believed, and leaves alone what only a newer roster can judge.
    ///
    /// # Errors
    /// [`Invalid`], saying what is wrong.
    pub fn judge(&self, entry: &Entry) -> Result<(), Invalid> {
        let judged = entry.verify(self.book.view().trust(), now());
        let forged = judged.is_err() && judged != Err(Invalid::UnknownEpoch);
        if forged && self.bugs.bites(Bug::SkipSignatureCheck) {
            return Ok(());
        }
        judged
    }
}

impl Turns {
    /// Waits for the name's turn, as long as there is time left to do something with it: an
    /// operation that begins too late can only fail, and makes the next one late.
    ///
    /// # Errors
    /// [`Refusal::Busy`] if another operation has it until then.
    pub async fn lock(
        &self,
        name: &Name,
        deadline: Instant,
    ) -> Result<OwnedMutexGuard<()>, Refusal> {
        let turn = {
            let mut names = self
                .names
                .lock()
                .expect("no one panics while holding the turns");
            // Only this map holds the turns that nobody waits for.
            names.retain(|_, turn| Arc::strong_count(turn) > 1);
            names.entry(name.clone()).or_default().clone()
        };
        let busy = Refusal::Busy {
            retry_after_ms: 100,
        };
        timeout_at(deadline - TURN_MIN, turn.lock_owned())
            .await
            .map_err(|_| busy)
    }
}
