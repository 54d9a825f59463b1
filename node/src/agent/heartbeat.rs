//! Heartbeats: how the registry knows this node, how this node gets the roster, and how it finds a
//! suspect registry back.

use super::{Agent, CallError, owned};
use crate::backoff::{Backoff, around, jitter, now};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tracing::{info, warn};
use wire::{
    Heartbeat, Signed,
    registry_call::{HEARTBEAT, HeartbeatAnswer},
};

/// Until the registry tells its own interval.
const INTERVAL: Duration = Duration::from_secs(1);
/// A heartbeat that takes longer is lost: two round trips of a slow link fit in, connecting
/// included.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Retries are at most so far apart, so that a registry that came back is found soon.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));
/// So many heartbeats lost in a row make the registry suspect; one refused connection does, too.
const LOST_MAX: u32 = 2;

/// Sends heartbeats for ever. The first one is spread over an interval: a thousand nodes may have
/// been started by the same hand.
pub async fn run(agent: Arc<Agent>) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, &agent.bugs);
    let mut interval = INTERVAL;
    let (mut counter, mut store) = (0, None);
    sleep(jitter(interval)).await;
    loop {
        counter += 1;
        let wait = match beat(&agent, counter, &mut store).await {
            Ok(wanted) => {
                interval = wanted;
                backoff.reset();
                if !agent.registry.is_healthy() {
                    info!("the registry is back");
                    agent.registry.set_healthy(true);
                }
                around(interval)
                    .min(interval.mul_f64(1.2))
                    .max(interval.mul_f64(0.8))
            }
            Err(error) => {
                let wait = backoff.fail();
                let lost = backoff.failures() >= LOST_MAX || error == CallError::Unreachable;
                if lost && agent.registry.is_healthy() {
                    warn!(%error, "the registry is suspect");
                    agent.registry.set_healthy(false);
                }
                wait
            }
        };
        sleep(wait).await;
    }
}

async fn beat(agent: &Agent, counter: u64, store: &mut Option<u64>) -> Result<Duration, CallError> {
    let heartbeat = Heartbeat {
        node: agent.id,
        session: agent.session,
        counter,
        sent_at: now(),
        epoch: agent.book.view().epoch(),
        settled: agent.mirror.settled(),
        addresses: agent.addresses.clone(),
        labels: agent.labels.clone(),
    };
    let heartbeat = Signed::new(heartbeat, &agent.key);
    let answer: HeartbeatAnswer = agent
        .registry
        .try_call(HEARTBEAT, &heartbeat, TIMEOUT)
        .await?;
    if let Some(roster) = answer.roster
        && let Err(error) = agent.book.adopt(roster).await
    {
        warn!(%error, "cannot write the roster down");
    }
    if *store != Some(answer.store) {
        match owned::registry_has_store(&agent.disk, answer.store).await {
            Ok(lost) => {
                *store = Some(answer.store);
                if lost {
                    warn!("the registry has lost its store: bringing back what is ours");
                    agent.settle_soon();
                }
            }
            Err(error) => warn!(%error, "cannot write down which store the registry has"),
        }
    }
    Ok(Duration::from_millis(answer.interval_ms.max(50).into()))
}
