//! The owner's chores with the registry: settle what was claimed while it was away, deliver records
//! that it has not got, renew records before they expire.

use super::{
    Agent,
    owned::{self, Owned, State},
    register::next_record,
    update,
};
use crate::{
    backoff::{Backoff, around, jitter, now},
    bug::Bug,
    disk::DiskError,
};
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use wire::{
    Certificate, Grant, Signed, UnixMs,
    registry_call::{RESTORE, SETTLE, SettleAnswer, SettleCall, UPDATE, UpdateAnswer},
};

/// With nothing to do, look again after about so long, or sooner where records are short-lived:
/// renewals are due some time.
const IDLE: Duration = Duration::from_secs(60);
/// When the registry is back, everybody has something to settle: spread it.
const SPREAD: Duration = Duration::from_secs(1);
/// Ordinary deliveries are spread a little.
const SPREAD_CALM: Duration = Duration::from_millis(50);
/// The first and the longest bound of the wait before failed deliveries are tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// Deliveries at the same time.
const PARALLEL: usize = 4;
/// One call to the registry.
const CALL: Duration = Duration::from_secs(2);
/// How long a delivery waits for a user operation on the same name.
const TURN: Duration = Duration::from_secs(2);

/// Does the chores for ever.
pub async fn run(agent: Arc<Agent>) {
    let mut healthy = agent.registry.changes();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, &agent.bugs);
    let mut wait = jitter(SPREAD);
    loop {
        let mut spread = SPREAD_CALM;
        tokio::select! {
            () = sleep(wait) => {}
            () = agent.settle.notified() => {}
            _ = healthy.changed() => spread = SPREAD,
        }
        let idle = around(IDLE.min(agent.record_life / 8));
        sleep(jitter(spread)).await;
        wait = match deliver_all(&agent).await {
            Ok(true) => {
                backoff.reset();
                idle
            }
            Ok(false) => backoff.fail(),
            Err(error) => {
                warn!(%error, "cannot read what is to be delivered");
                backoff.fail()
            }
        };
    }
}

/// True if nothing is left that can be done now: without the registry, records are renewed at their
/// groups, or an outage of days would outlive them.
async fn deliver_all(agent: &Arc<Agent>) -> Result<bool, DiskError> {
    let renew_before = now().plus(agent.record_life / 2);
    let mut due = owned::due(&agent.disk, renew_before).await?;
    if !agent.registry.is_healthy() || agent.bugs.bites(Bug::SkipSettlement) {
        due.retain(|owned| owned.entry().is_some() && owned.expires_before(renew_before));
    }
    let done = stream::iter(due)
        .map(|owned| deliver(agent, owned, renew_before))
        .buffer_unordered(PARALLEL)
        .fold(true, |all, done| async move { all && done })
        .await;
    Ok(done)
}

async fn deliver(agent: &Arc<Agent>, owned: Owned, renew_before: UnixMs) -> bool {
    let expiring = owned.expires_before(renew_before);
    // It went away again: do not let every call find that out by a time-out.
    if !agent.registry.is_healthy() && !expiring {
        return false;
    }
    let result = match owned.state {
        State::Provisional | State::Certified if expiring => renew(agent, owned).await,
        State::Claiming | State::Provisional => settle(agent, owned).await,
        State::Certified if owned.registry_seq < owned.record.body.seq => {
            deliver_record(agent, owned).await
        }
        State::Certified | State::Rejected => Ok(true),
    };
    result.unwrap_or_else(|error| {
        warn!(%error, "cannot write down what the registry said");
        false
    })
}

async fn settle(agent: &Arc<Agent>, owned: Owned) -> Result<bool, DiskError> {
    let Ok(_turn) = agent.names.lock(owned.name(), Instant::now() + TURN).await else {
        return Ok(false);
    };
    // While waiting for the turn, a user operation may have changed it.
    let Some(mut owned) = owned::load(&agent.disk, owned.name().clone()).await? else {
        return Ok(true);
    };
    let commits = match &owned.grant {
        Some(Grant::Provisional(provisional)) => provisional.commits.clone(),
        _ => Vec::new(),
    };
    let record = Some(owned.record.clone());
    let call = SettleCall {
        claim: owned.claim.clone(),
        commits,
        record,
    };
    match agent.registry.try_call(SETTLE, &call, CALL).await {
        Ok(SettleAnswer::Certified(certificate)) if genuine(agent, &owned, &certificate) => {
            let grant = Grant::Certified(certificate);
            if grant.owner() != agent.id {
                return Ok(false);
            }
            owned.granted(grant);
            owned.registry_seq = owned.registry_seq.max(owned.record.body.seq);
            if let Some(entry) = owned.entry() {
                agent.cache.put(&entry);
            }
            owned::save(&agent.disk, owned).await?;
            Ok(true)
        }
        Ok(SettleAnswer::Rejected(certificate)) if genuine(agent, &owned, &certificate) => {
            reject(agent, owned, certificate).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

async fn deliver_record(agent: &Arc<Agent>, owned: Owned) -> Result<bool, DiskError> {
    let (name, seq) = (owned.name().clone(), owned.record.body.seq);
    match agent.registry.try_call(UPDATE, &owned.record, CALL).await {
        Ok(UpdateAnswer::Stored | UpdateAnswer::Newer(_)) => {
            owned::delivered(&agent.disk, name, seq).await?;
            Ok(true)
        }
        Ok(UpdateAnswer::NotOwner(entry)) => match entry.grant {
            Grant::Certified(certificate) if genuine(agent, &owned, &certificate) => {
                reject(agent, owned, certificate).await?;
                Ok(true)
            }
            _ => Ok(false),
        },
        // The registry has lost the name, and takes its own word for it.
        Ok(UpdateAnswer::Unknown) => restore(agent, owned).await,
        _ => Ok(false),
    }
}

async fn restore(agent: &Arc<Agent>, owned: Owned) -> Result<bool, DiskError> {
    let Some(entry) = owned.entry() else {
        return Ok(false);
    };
    match agent.registry.try_call(RESTORE, &entry, CALL).await {
        Ok(UpdateAnswer::Stored | UpdateAnswer::Newer(_)) => {
            owned::delivered(&agent.disk, owned.name().clone(), entry.seq()).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

async fn renew(agent: &Arc<Agent>, owned: Owned) -> Result<bool, DiskError> {
    let Ok(_turn) = agent.names.lock(owned.name(), Instant::now() + TURN).await else {
        return Ok(false);
    };
    let Some(mut owned) = owned::load(&agent.disk, owned.name().clone()).await? else {
        return Ok(true);
    };
    let value = owned.record.body.profile.clone();
    owned.record = next_record(agent, &owned.record.body, value);
    Ok(update::publish(agent, owned, Instant::now() + CALL)
        .await
        .is_ok())
}

async fn reject(
    agent: &Arc<Agent>,
    mut owned: Owned,
    certificate: Signed<Certificate>,
) -> Result<(), DiskError> {
    info!(name = %owned.name(), "the registry gave the name to another");
    agent.cache.remove(owned.name());
    owned.rejected(certificate);
    owned::save_rejected(&agent.disk, owned, now()).await
}

fn genuine(agent: &Agent, owned: &Owned, certificate: &Signed<Certificate>) -> bool {
    certificate.body.name == *owned.name()
        && certificate.signed_by(&agent.book.view().registry()).is_ok()
}
