//! What mirrors ask the registry over the overlay: comparisons, newer records, the roster.

use super::{Registry, outbox, rebuild, refill};
use crate::{
    backoff::now,
    bug::Bug,
    disk::DiskError,
    ledger::{self, Line},
    mirror::index,
    net::Inbound,
};
use std::{collections::HashMap, sync::Arc};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tracing::info;
use wire::{
    Name, PublicKey, Verdict, Version,
    message::{Refusal, Request, Response},
};

/// Requests handled at the same time; more wait in the overlay's queue, and then are shed.
const HANDLERS: usize = 64;

/// Takes what the overlay brings, for ever.
pub async fn attend(registry: Arc<Registry>, mut inbound: mpsc::Receiver<Inbound>) {
    let handlers = Arc::new(Semaphore::new(HANDLERS));
    while let Some(event) = inbound.recv().await {
        match event {
            Inbound::Request {
                from,
                request,
                responder,
            } => {
                if registry.door.is_closed(Instant::now()) {
                    continue;
                }
                let permit = handlers.clone().acquire_owned().await;
                let registry = registry.clone();
                tokio::spawn(async move {
                    if request.body.is_write() && registry.bugs.bites(Bug::DuplicateReplies) {
                        let _ = answer(&registry, from, request.body.clone()).await;
                    }
                    let answered = answer(&registry, from, request.body).await;
                    let broken = Response::Refused(Refusal::Broken);
                    responder.answer(answered.unwrap_or(broken)).await;
                    drop(permit);
                });
            }
            // A mirror is there (again): what waits for it can go out now.
            Inbound::Connected(_) => registry.push.notify_one(),
            // Rosters come from here.
            Inbound::NewerEpoch(_) => {}
        }
    }
}

/// Applies each new roster to the overlay.
pub async fn follow_rosters(registry: Arc<Registry>) {
    let mut changes = registry.book.changes();
    loop {
        let view = changes.borrow_and_update().clone();
        registry.net.set_epoch(view.epoch());
        registry.net.serve_kad(true).await;
        registry.net.keep(view.mirrors_but(&registry.id)).await;
        info!(epoch = %view.epoch(), "roster in force");
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn answer(
    registry: &Arc<Registry>,
    from: PublicKey,
    request: Request,
) -> Result<Response, DiskError> {
    let view = registry.book.view();
    if !view.current().is_some_and(|roster| roster.has(&from)) && request != Request::GetRoster {
        return Ok(Response::Refused(Refusal::NotAllowed));
    }
    Ok(match request {
        Request::GetRoster => Response::Roster(view.signed().cloned().map(Box::new)),
        Request::Lookup(name) => {
            let entry = registry
                .disk
                .read(move |connection| ledger::get(connection, &name))
                .await?;
            Response::Found {
                entry: entry.map(Box::new),
                commitment: None,
            }
        }
        Request::Summary(buckets) => {
            let bits = differing(registry, from, &buckets).await?;
            if bits == 0 {
                rebuild::compared(registry, from).await?;
            } else {
                refill::begin(registry, from, bits);
            }
            Response::Differs(bits)
        }
        Request::Offer(versions) => Response::Wanted(wanted(registry, versions).await?),
        Request::Store(entry) => match outbox::adopt(registry, *entry).await {
            Some(merged) if merged.verdict == Verdict::Accepted => Response::Stored,
            Some(merged) if merged.verdict == Verdict::Older => {
                Response::Newer(Box::new(merged.held))
            }
            Some(merged) => Response::Conflict(Box::new(merged.held)),
            None => Response::Refused(Refusal::Invalid),
        },
        _ => Response::Refused(Refusal::NotAllowed),
    })
}

/// Compares a mirror's summary with what it should hold.
async fn differing(
    registry: &Arc<Registry>,
    from: PublicKey,
    buckets: &[u64],
) -> Result<u64, DiskError> {
    let view = registry.book.view();
    let lines = registry
        .disk
        .read(|connection| ledger::lines(connection, now()))
        .await?;
    let held = |line: &&Line| {
        view.current()
            .is_some_and(|roster| roster.holds(&from, &line.name))
    };
    let ours = index::summary(lines.iter().filter(held).map(index::place));
    Ok(index::difference(&ours, buckets))
}

async fn wanted(
    registry: &Arc<Registry>,
    offered: Vec<(Name, Version)>,
) -> Result<Vec<Name>, DiskError> {
    let lines = registry
        .disk
        .read(|connection| ledger::lines(connection, now()))
        .await?;
    let ours: HashMap<&Name, Version> = lines
        .iter()
        .map(|line| (&line.name, line.version))
        .collect();
    let wants =
        |(name, version): &(Name, Version)| ours.get(name).is_none_or(|held| held.wants(version));
    Ok(offered
        .into_iter()
        .filter(wants)
        .map(|(name, _)| name)
        .collect())
}
