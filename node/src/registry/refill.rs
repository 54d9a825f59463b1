//! Refill: a mirror that holds other things than the registry is sent what it misses.
//!
//! Mirrors compare with the registry in each of their rounds. What they have and it has not, they
//! offer; this is the other direction, without which a group that lost all its copies at once
//! would stay empty.

use super::Registry;
use crate::{
    backoff::now,
    disk::DiskError,
    ledger,
    mirror::index,
    net::{AskError, Contact},
};
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tracing::debug;
use wire::{
    Name, PublicKey, Version,
    limits::OFFER_NAMES_MAX,
    message::{Request, Response},
};

/// One question.
const ASK: Duration = Duration::from_secs(2);
/// Entries sent to one mirror at the same time.
const PARALLEL: usize = 8;

/// Why a refill was not finished; the mirror's next round begins another one.
#[derive(Debug, thiserror::Error)]
enum RefillError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the mirror answered something else to an offer")]
    Answer,
}

/// Sends a mirror, in the background, what it misses in the buckets whose bit is set; one refill of
/// a mirror at a time.
pub fn begin(registry: &Arc<Registry>, mirror: PublicKey, bits: u64) {
    if !under_way(registry, |mirrors| mirrors.insert(mirror)) {
        return;
    }
    let registry = registry.clone();
    tokio::spawn(async move {
        if let Err(error) = refill(&registry, mirror, bits).await {
            debug!(%error, peer = ?mirror, "cannot refill");
        }
        under_way(&registry, |mirrors| mirrors.remove(&mirror));
    });
}

fn under_way(
    registry: &Registry,
    change: impl FnOnce(&mut std::collections::HashSet<PublicKey>) -> bool,
) -> bool {
    let mut refills = registry
        .refills
        .lock()
        .expect("no one panics while holding the refills");
    change(&mut refills)
}

async fn refill(registry: &Arc<Registry>, mirror: PublicKey, bits: u64) -> Result<(), RefillError> {
    let view = registry.book.view();
    let Some(contact) = view
        .mirrors_but(&registry.id)
        .into_iter()
        .find(|contact| contact.key == mirror)
    else {
        return Ok(());
    };
    let lines = registry
        .disk
        .read(|connection| ledger::lines(connection, now()))
        .await?;
    let concerned = |line: &ledger::Line| {
        let of_mirror = view
            .current()
            .is_some_and(|roster| roster.holds(&mirror, &line.name));
        of_mirror && bits >> index::place(line).0 & 1 == 1
    };
    let versions: Vec<(Name, Version)> = lines
        .into_iter()
        .filter(concerned)
        .map(|line| (line.name, line.version))
        .collect();
    for page in versions.chunks(OFFER_NAMES_MAX) {
        let offer = Request::Offer(page.to_vec());
        let Response::Wanted(names) = registry.net.ask(contact.clone(), offer, ASK).await? else {
            return Err(RefillError::Answer);
        };
        stream::iter(names)
            .map(|name| send(registry, &contact, name))
            .buffer_unordered(PARALLEL)
            .for_each(|()| async {})
            .await;
    }
    Ok(())
}

async fn send(registry: &Arc<Registry>, contact: &Contact, name: Name) {
    let held = registry
        .disk
        .read(move |connection| ledger::get(connection, &name))
        .await;
    if let Ok(Some(entry)) = held {
        let store = Request::Store(Box::new(entry.without_expired(now())));
        // Whatever goes wrong here shows in the mirror's next comparison.
        let _ = registry.net.ask(contact.clone(), store, ASK).await;
    }
}
