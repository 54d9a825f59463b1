//! A mirror's share in settling: when the registry is back, it submits the provisional grants it
//! holds and the commits it gave, because their owners may be gone. The owners go first.

use super::shelf;
use crate::{
    agent::Agent,
    backoff::{Backoff, around, jitter, now},
    bug::Bug,
    disk::DiskError,
    ledger,
};
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tracing::warn;
use wire::{
    Certificate, Entry, Grant, Record, Signed,
    registry_call::{SETTLE, SettleAnswer, SettleCall},
};

/// With nothing to settle, look again after about so long.
const IDLE: Duration = Duration::from_secs(60);
/// The owner's head start.
const HEAD_START: Duration = Duration::from_secs(1);
/// Mirrors spread over this.
const SPREAD: Duration = Duration::from_secs(2);
/// The first and the longest bound of the wait before trying again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));
/// Calls at the same time.
const PARALLEL: usize = 4;
/// One call to the registry.
const CALL: Duration = Duration::from_secs(3);

/// Settles for ever.
pub async fn run(agent: Arc<Agent>) {
    let mut healthy = agent.registry.changes();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, &agent.bugs);
    let mut wait = HEAD_START + jitter(SPREAD);
    loop {
        let mut head_start = Duration::ZERO;
        tokio::select! {
            () = sleep(wait) => {}
            () = agent.mirror.settle.notified() => head_start = HEAD_START + jitter(SPREAD),
            _ = healthy.changed() => head_start = HEAD_START + jitter(SPREAD),
        }
        sleep(head_start).await;
        if !agent.registry.is_healthy() || agent.bugs.bites(Bug::SkipSettlement) {
            wait = around(IDLE);
            continue;
        }
        wait = match settle_all(&agent).await {
            Ok(true) => {
                backoff.reset();
                around(IDLE)
            }
            Ok(false) => backoff.fail(),
            Err(error) => {
                warn!(%error, "cannot read what is to be settled");
                backoff.fail()
            }
        };
    }
}

/// True if nothing is left.
async fn settle_all(agent: &Arc<Agent>) -> Result<bool, DiskError> {
    let (entries, orphans) = agent
        .disk
        .read(|connection| {
            Ok((
                ledger::provisional(connection)?,
                shelf::orphans(connection, None, usize::MAX)?,
            ))
        })
        .await?;
    let of_entry = |entry: Entry| match entry.grant {
        Grant::Provisional(grant) => Some(SettleCall {
            claim: grant.claim,
            commits: grant.commits,
            record: entry.record,
        }),
        Grant::Certified(_) => None,
    };
    let of_orphan = |held: wire::Commitment| SettleCall {
        claim: held.claim,
        commits: vec![held.commit],
        record: Some(held.record),
    };
    let calls: Vec<_> = entries
        .into_iter()
        .filter_map(of_entry)
        .chain(orphans.into_iter().map(of_orphan))
        .collect();
    let done = stream::iter(calls)
        .map(|call| settle(agent, call))
        .buffer_unordered(PARALLEL)
        .fold(true, |all, done| async move { all && done })
        .await;
    Ok(done)
}

async fn settle(agent: &Arc<Agent>, call: SettleCall) -> bool {
    // It went away again: do not let every call find that out by a time-out.
    if !agent.registry.is_healthy() {
        return false;
    }
    let answer = agent.registry.try_call(SETTLE, &call, CALL).await;
    let (certificate, record) = match answer {
        Ok(SettleAnswer::Certified(certificate)) => (certificate, call.record),
        Ok(SettleAnswer::Rejected(certificate)) => (certificate, None),
        _ => return false,
    };
    let genuine = certificate.body.name == call.claim.body.name
        && certificate.signed_by(&agent.book.view().registry()).is_ok();
    genuine && adopt(agent, certificate, record).await
}

async fn adopt(
    agent: &Arc<Agent>,
    certificate: Signed<Certificate>,
    record: Option<Signed<Record>>,
) -> bool {
    let owner = certificate.body.owner;
    let record = record.filter(|record| record.body.owner == owner);
    let entry = Entry {
        grant: Grant::Certified(certificate),
        record,
    };
    let (at, bugs) = (now(), agent.bugs.clone());
    let stored = agent
        .disk
        .write(move |connection| shelf::store(connection, entry, &bugs, at))
        .await;
    if stored.as_ref().is_ok_and(|merged| merged.changed) {
        agent.mirror.changed();
    }
    stored.is_ok()
}
