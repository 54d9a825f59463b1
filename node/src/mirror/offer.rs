//! Offering: what one store holds is offered to a peer by name and version, and the peer is sent
//! what it wants of that. Mirrors do so with each other and with the registry, and the registry
//! with mirrors.

use crate::{
    disk::{Disk, DiskError},
    ledger,
    net::{AskError, Contact, Net},
};
use futures::{StreamExt, stream};
use std::time::Duration;
use wire::{
    Name, Version,
    limits::OFFER_NAMES_MAX,
    message::{Request, Response},
};

/// One question.
pub const ASK: Duration = Duration::from_secs(2);
/// Entries sent to one peer at the same time.
const PARALLEL: usize = 8;

/// Why an exchange was not finished.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The peer did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The store failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The peer answered nonsense.
    #[error("the peer answered {0}")]
    Answer(&'static str),
}

/// Offers versions and sends what is wanted; returns how many were sent.
///
/// # Errors
/// [`ExchangeError`]; what was sent before stays sent.
pub async fn offer(
    net: &Net,
    disk: &Disk,
    peer: &Contact,
    versions: &[(Name, Version)],
) -> Result<usize, ExchangeError> {
    let mut sent = 0;
    for page in versions.chunks(OFFER_NAMES_MAX) {
        let offer = Request::Offer(page.to_vec());
        let Response::Wanted(names) = net.ask(peer.clone(), offer, ASK).await? else {
            return Err(ExchangeError::Answer("something else to an offer"));
        };
        sent += names.len();
        stream::iter(names)
            .map(|name| send(net, disk, peer, name))
            .buffer_unordered(PARALLEL)
            .for_each(|()| async {})
            .await;
    }
    Ok(sent)
}

async fn send(net: &Net, disk: &Disk, peer: &Contact, name: Name) {
    let held = disk
        .read(move |connection| ledger::get(connection, &name))
        .await;
    if let Ok(Some(entry)) = held {
        // Whatever goes wrong here is seen as a difference in the next comparison.
        let _ = net
            .ask(peer.clone(), Request::Store(Box::new(entry)), ASK)
            .await;
    }
}
