//! Catching up: a mirror that is new to its duty first learns what the others promised.
//!
//! A group keeps its promises because each member remembers its own. One that comes into the roster
//! later remembers nothing: it could commit a name that the group committed to another, and say "no
//! such name" of one that is there. So it leases and commits nothing, and is no voice for "not
//! found", until it was found equal with a majority of the other mirrors and has repeated their
//! commits as its own, or was found equal with the registry, which knows all that is final.
//!
//! The mirrors of the first roster have nothing to catch up with.

use super::{
    offer::{ASK, ExchangeError},
    shelf,
};
use crate::{agent::Agent, disk::DiskError, meta, net::Contact};
use rusqlite::Connection;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::{info, warn};
use wire::{
    Commitment, Epoch, Name, PublicKey, Roster,
    message::{Request, Response},
    roster::majority_of,
};

/// Pages of one neighbour in one round; more wait for the next.
const PAGES_MAX: usize = 64;
/// The key of the fact that this store remembers what it promised.
const CAUGHT_UP: &str = "caught-up";

/// Whether this mirror may promise anything.
#[derive(Debug, Default)]
pub struct CatchUp {
    done: AtomicBool,
    heard: Mutex<BTreeSet<PublicKey>>,
}

/// What a new roster means for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// It is no mirror's.
    None,
    /// It remembers all that matters.
    Founded,
    /// It has missed what the epoch before promised.
    New,
    /// As before.
    Same,
}

fn duty(roster: &Roster, me: &PublicKey) -> Duty {
    if !roster.has(me) {
        Duty::None
    } else if roster.previous_epoch == Epoch::default() {
        Duty::Founded
    } else if roster.previous.iter().any(|mirror| mirror.key == *me) {
        Duty::Same
    } else {
        Duty::New
    }
}

impl CatchUp {
    /// What an earlier life of the store knew.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let known: Option<bool> = meta::get(connection, CAUGHT_UP)?;
        Ok(Self {
            done: AtomicBool::new(known.is_some()),
            heard: Mutex::default(),
        })
    }

    /// True if this mirror knows what was promised before it came.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Notes that a neighbour has told everything. Returns true if that was the last one needed.
    fn heard(&self, neighbour: PublicKey, others: usize) -> bool {
        let mut heard = self
            .heard
            .lock()
            .expect("no one panics while holding the set");
        heard.insert(neighbour);
        heard.len() >= majority_of(others)
    }
}

/// Takes in what a roster that was just adopted means for this store.
pub async fn begin(agent: &Agent, roster: &Roster) {
    let state = &agent.mirror.catch_up;
    let done = match duty(roster, &agent.id) {
        Duty::Founded => true,
        Duty::None | Duty::New => false,
        Duty::Same => return,
    };
    // A restarted mirror reads its first roster again.
    if done == state.is_done() {
        return;
    }
    state
        .heard
        .lock()
        .expect("no one panics while holding the set")
        .clear();
    write(agent, done).await;
}

/// A neighbour was found equal: takes over what it promised.
///
/// # Errors
/// [`ExchangeError`]; the next round asks again.
pub async fn from_neighbour(
    agent: &Arc<Agent>,
    neighbour: &Contact,
    others: usize,
) -> Result<(), ExchangeError> {
    let mut after: Option<Name> = None;
    for _ in 0..PAGES_MAX {
        let request = Request::Promises(after.clone());
        let Response::Promises(page) = agent.net.ask(neighbour.clone(), request, ASK).await? else {
            // It is catching up itself.
            return Ok(());
        };
        let Some(last) = page.last() else {
            if agent.mirror.catch_up.heard(neighbour.key, others) {
                write(agent, true).await;
            }
            return Ok(());
        };
        after = Some(last.claim.body.name.clone());
        for promise in page {
            repeat(agent, promise).await?;
        }
    }
    Ok(())
}

/// The registry has the same as this mirror: all that is final.
pub async fn from_registry(agent: &Agent) {
    if !agent.mirror.catch_up.is_done() {
        write(agent, true).await;
    }
}

/// Commits to whom the neighbour did, if that is proved and the name is ours to hold.
async fn repeat(agent: &Agent, promise: Commitment) -> Result<(), DiskError> {
    let view = agent.book.view();
    if promise.verify().is_err() || !view.holds(&agent.id, &promise.claim.body.name) {
        return Ok(());
    }
    let own = Commitment {
        commit: promise.claim.commit(view.epoch(), &agent.key),
        ..promise
    };
    agent
        .disk
        .write(move |connection| shelf::commit(connection, own))
        .await
        .map(|_| ())
}

async fn write(agent: &Agent, done: bool) {
    let written = agent
        .disk
        .write(move |connection| {
            if done {
                meta::set(connection, CAUGHT_UP, &true)
            } else {
                meta::forget(connection, CAUGHT_UP)
            }
        })
        .await;
    if let Err(error) = written {
        warn!(%error, "cannot write down whether this mirror has caught up");
        return;
    }
    agent.mirror.catch_up.done.store(done, Ordering::Relaxed);
    if done {
        info!("caught up with the mirrors");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Mirror, UnixMs};

    fn roster(epoch: u64, mirrors: &[u8], previous: &[u8]) -> Roster {
        let mirror = |id: &u8| Mirror {
            key: PublicKey([*id; 32]),
            addresses: Vec::new(),
            score: 500,
            label: String::new(),
        };
        Roster {
            epoch: Epoch(epoch),
            issued_at: UnixMs(0),
            mirrors: mirrors.iter().map(mirror).collect(),
            replicas: 5,
            previous_epoch: Epoch(epoch - 1),
            previous: previous.iter().map(mirror).collect(),
            registry_addresses: Vec::new(),
        }
    }

    #[test]
    fn only_who_was_there_before_remembers() {
        let me = PublicKey([1; 32]);
        assert_eq!(duty(&roster(1, &[1, 2], &[]), &me), Duty::Founded);
        assert_eq!(duty(&roster(2, &[2, 3], &[1, 2]), &me), Duty::None);
        assert_eq!(duty(&roster(2, &[1, 2], &[2, 3]), &me), Duty::New);
        assert_eq!(duty(&roster(3, &[1, 2], &[1, 3]), &me), Duty::Same);
    }

    #[test]
    fn a_majority_of_the_others_has_to_be_heard() {
        let state = CatchUp::default();
        assert!(!state.heard(PublicKey([2; 32]), 4));
        assert!(!state.heard(PublicKey([2; 32]), 4), "the same one again");
        assert!(!state.heard(PublicKey([3; 32]), 4));
        assert!(state.heard(PublicKey([4; 32]), 4));
    }
}
