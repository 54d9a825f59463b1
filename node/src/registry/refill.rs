//! Refill: a mirror that holds other things than the registry is sent what it misses.
//!
//! Mirrors compare with the registry in each of their rounds. What they have and it has not, they
//! offer; this is the other direction, without which a group that lost all its copies at once
//! would stay empty.

use super::Registry;
use crate::{
    backoff::now,
    ledger,
    mirror::{
        index,
        offer::{ExchangeError, offer},
    },
};
use std::{collections::HashSet, sync::Arc};
use tracing::debug;
use wire::{Name, PublicKey, Version};

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

fn under_way(registry: &Registry, change: impl FnOnce(&mut HashSet<PublicKey>) -> bool) -> bool {
    let mut refills = registry
        .refills
        .lock()
        .expect("no one panics while holding the refills");
    change(&mut refills)
}

async fn refill(
    registry: &Arc<Registry>,
    mirror: PublicKey,
    bits: u64,
) -> Result<(), ExchangeError> {
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
    offer(&registry.net, &registry.disk, &contact, &versions).await?;
    Ok(())
}
