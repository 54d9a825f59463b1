//! The outbox: pushes what changed to the replica groups, until a majority of each has it.
//!
//! What a member missed beyond that, the mirrors' own comparison brings, and what a whole group
//! lost, `refill`. A member that has a newer record sends it back, and the registry adopts it.

use super::{Registry, store, store::Push};
use crate::{
    backoff::{Backoff, around, now},
    disk::DiskError,
};
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tracing::warn;
use wire::{
    Entry,
    message::{Request, Response},
    roster::majority_of,
};

/// With nothing to push, look again after about so long.
const IDLE: Duration = Duration::from_secs(30);
/// The first and the longest bound of the wait before trying again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// Names read at once.
const PAGE: usize = 256;
/// Names pushed at the same time.
const PARALLEL: usize = 16;
/// A member gets so long to store a name.
const STORE: Duration = Duration::from_secs(2);

/// Pushes for ever.
pub async fn run(registry: Arc<Registry>) {
    let mut rosters = registry.book.changes();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, &registry.bugs);
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = sleep(wait) => {}
            () = registry.push.notified() => {}
            _ = rosters.changed() => {}
        }
        wait = match push_all(&registry).await {
            Ok(true) => {
                backoff.reset();
                around(IDLE)
            }
            Ok(false) => backoff.fail(),
            Err(error) => {
                warn!(%error, "cannot read the outbox");
                backoff.fail()
            }
        };
    }
}

/// True if nothing is left.
async fn push_all(registry: &Arc<Registry>) -> Result<bool, DiskError> {
    if registry.book.view().current().is_none() {
        // Nobody to push to yet; the first roster wakes us.
        return Ok(true);
    }
    let mut after = String::new();
    let mut all = true;
    loop {
        let from = after.clone();
        let page = registry
            .disk
            .read(move |connection| store::pushes(connection, &from, PAGE))
            .await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        after = last.entry.name().to_string();
        let done = stream::iter(page)
            .map(|push| push_one(registry, push))
            .buffer_unordered(PARALLEL)
            .fold(true, |all, done| async move { all && done })
            .await;
        all &= done;
    }
}

async fn push_one(registry: &Arc<Registry>, push: Push) -> bool {
    let name = push.entry.name().clone();
    let group = registry.book.view().group(&name);
    let majority = if group.is_empty() {
        0
    } else {
        majority_of(group.len())
    };
    let request = Request::Store(Box::new(push.entry.without_expired(now())));
    let mut stored = 0;
    for (_, answer) in registry.ask_group(&name, &request, STORE, true).await {
        match answer {
            Response::Stored => stored += 1,
            Response::Newer(held) => {
                // It is durable there, in a newer version, which we lack.
                stored += 1;
                adopt(registry, *held).await;
            }
            _ => {}
        }
    }
    if stored < majority {
        return false;
    }
    let version = push.version;
    let struck = registry
        .disk
        .write(move |connection| store::pushed(connection, &name, version))
        .await;
    // A newer version, perhaps one just adopted, is still to be pushed.
    struck.unwrap_or(false)
}

/// Takes in an entry that a mirror has and we lack, if it is genuine and certified.
pub async fn adopt(registry: &Arc<Registry>, entry: Entry) -> Option<crate::ledger::Merged> {
    let at = now();
    let valid =
        entry.grant.is_certified() && entry.verify(registry.book.view().trust(), at).is_ok();
    if !valid {
        return None;
    }
    let merged = registry
        .disk
        .write(move |connection| store::take_in(connection, entry, at))
        .await;
    merged.ok()
}
