//! Repair: neighbours compare what they hold in common, and send what the other misses.
//!
//! A round goes over all connected mirrors: a summary of 64 digests; for the buckets that differ,
//! names and versions; for what the other wants, the entries. Each side sends only its own, and a
//! difference makes the other side begin a round, too. A mirror that is no longer in the roster
//! hands over what it holds. The registry is offered what is certified.

use super::{
    catch_up,
    index::{self, Index},
    offer::{ASK, ExchangeError, offer},
};
use crate::{
    agent::Agent,
    backoff::{around, jitter},
    bug::Bug,
    disk::DiskError,
    ledger,
    net::Contact,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use tracing::debug;
use wire::{
    Name, Version,
    message::{Request, Response},
};

/// After a round that could not compare with everyone, or after an event, the next comes this soon.
const INTERVAL: Duration = Duration::from_secs(5);
/// As long as each round finds everything equal, the next one comes twice as late, up to this.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// A round that was asked for waits up to so long, so that it serves several askers.
const SPREAD: Duration = Duration::from_millis(500);
/// Changes are gathered for about so long before they are compared.
const AFTER_CHANGE: Duration = Duration::from_secs(2);
/// After a difference, the next round comes about this soon.
const AGAIN: Duration = Duration::from_millis(500);

/// What a round found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Equal,
    /// Some neighbour could not be asked.
    Unclear,
    Different,
}

/// Makes rounds for ever.
pub async fn run(agent: Arc<Agent>) {
    let mut calm = INTERVAL;
    let mut next = Instant::now() + around(INTERVAL);
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = agent.mirror.wake.notified() => {
                calm = INTERVAL;
                next = next.min(Instant::now() + jitter(SPREAD));
                continue;
            }
            () = agent.mirror.stored.notified() => {
                calm = INTERVAL;
                next = next.min(Instant::now() + around(AFTER_CHANGE));
                continue;
            }
        }
        if agent.bugs.bites(Bug::SkipRepair) {
            next = Instant::now() + around(INTERVAL);
            continue;
        }
        agent.mirror.begin_round();
        let found = round(&agent).await.unwrap_or_else(|error| {
            debug!(%error, "the round of repair failed");
            Found::Unclear
        });
        let wait = match found {
            Found::Equal => around(calm),
            Found::Unclear => around(INTERVAL),
            Found::Different => around(AGAIN),
        };
        calm = match found {
            Found::Equal => (calm * 2).min(INTERVAL_MAX),
            Found::Unclear | Found::Different => INTERVAL,
        };
        next = Instant::now() + wait;
    }
}

/// Compares with every connected neighbour, and with the registry.
async fn round(agent: &Arc<Agent>) -> Result<Found, DiskError> {
    let view = agent.book.view();
    let Some(roster) = view.current() else {
        return Ok(Found::Equal);
    };
    let index = index::current(agent).await?;
    let connected = agent.net.connected();
    let mut found = Found::Equal;
    let (sits, others) = (roster.has(&agent.id), view.mirrors_but(&agent.id));
    for neighbour in &others {
        if !connected.contains(&neighbour.key) {
            continue;
        }
        let result = if sits {
            compare(agent, &index, neighbour).await
        } else {
            hand_over(agent, &index, neighbour).await
        };
        if matches!(result, Ok(true)) && sits && !agent.mirror.has_caught_up() {
            let caught_up = catch_up::from_neighbour(agent, neighbour, others.len()).await;
            if let Err(error) = caught_up {
                debug!(%error, peer = ?neighbour.key, "cannot catch up");
                found = found.max(Found::Unclear);
            }
        }
        found = found.max(match result {
            Ok(true) => Found::Equal,
            Ok(false) => Found::Different,
            Err(error) => {
                debug!(%error, peer = ?neighbour.key, "cannot compare");
                Found::Unclear
            }
        });
    }
    if sits && connected.contains(&view.registry()) {
        let registry = Contact::new(view.registry(), &roster.registry_addresses);
        let versions = index.certified(&agent.id);
        match offer_unless_same(agent, &registry, versions).await {
            Ok(true) => catch_up::from_registry(agent).await,
            Ok(false) => found = found.max(Found::Different),
            Err(error) => {
                debug!(%error, "cannot compare with the registry");
                found = found.max(Found::Unclear);
            }
        }
    }
    if !agent.mirror.has_caught_up() {
        found = found.max(Found::Unclear);
    } else if found != Found::Unclear {
        // Whatever was different was offered: the epoch's new members have what they must hold.
        agent.mirror.settled_under(roster.epoch);
    }
    Ok(found)
}

async fn compare(
    agent: &Arc<Agent>,
    index: &Index,
    neighbour: &Contact,
) -> Result<bool, ExchangeError> {
    let summary = Request::Summary(index.summary(&agent.id, &neighbour.key));
    let Response::Differs(bits) = agent.net.ask(neighbour.clone(), summary, ASK).await? else {
        return Err(ExchangeError::Answer("something else to a summary"));
    };
    if bits == 0 {
        agent.mirror.found_equal(neighbour.key, index.changes);
        return Ok(true);
    }
    agent.mirror.found_different(neighbour.key);
    let versions = index.versions(&agent.id, &neighbour.key, bits);
    offer(&agent.net, &agent.disk, neighbour, &versions).await?;
    Ok(false)
}

/// A mirror that left the roster sends what others hold now.
async fn hand_over(
    agent: &Arc<Agent>,
    index: &Index,
    neighbour: &Contact,
) -> Result<bool, ExchangeError> {
    let versions = index.handover(&neighbour.key);
    let sent = offer(&agent.net, &agent.disk, neighbour, &versions).await?;
    Ok(sent == 0)
}

/// The registry holds more than we do, so it compares by the names that we send. Returns true if it
/// has the same.
async fn offer_unless_same(
    agent: &Arc<Agent>,
    registry: &Contact,
    versions: Vec<(Name, Version)>,
) -> Result<bool, ExchangeError> {
    let lines = versions.iter().map(|(name, version)| {
        index::place(&ledger::Line {
            name: name.clone(),
            version: *version,
        })
    });
    let summary = Request::Summary(index::summary(lines));
    match agent.net.ask(registry.clone(), summary, ASK).await? {
        Response::Differs(0) => Ok(true),
        Response::Differs(bits) => {
            let differing = |(name, version): &(Name, Version)| {
                let line = ledger::Line {
                    name: name.clone(),
                    version: *version,
                };
                bits >> index::place(&line).0 & 1 == 1
            };
            let versions: Vec<_> = versions.into_iter().filter(differing).collect();
            offer(&agent.net, &agent.disk, registry, &versions).await?;
            Ok(false)
        }
        _ => Err(ExchangeError::Answer("something else to a summary")),
    }
}
