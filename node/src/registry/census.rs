//! The census: measures uptime each interval, issues rosters, keeps peers on disk.

use super::{
    Registry,
    election::{self, Rules},
    store,
};
use crate::backoff::now;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use wire::{Epoch, Mirror, Roster, Signed};

/// Scores are written about so often; a crash costs so much of the measurement.
const WRITE_INTERVAL: Duration = Duration::from_secs(10);

/// Runs for ever.
pub async fn run(registry: Arc<Registry>) {
    let mut ticks = interval(registry.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ticks_per_write =
        (WRITE_INTERVAL.as_millis() / registry.interval.as_millis().max(1)).max(1);
    let mut count: u128 = 0;
    loop {
        ticks.tick().await;
        count += 1;
        let elected = measure(&registry);
        if let Some(mirrors) = elected {
            issue(&registry, mirrors).await;
        }
        if count.is_multiple_of(ticks_per_write) {
            write(&registry).await;
        }
    }
}

fn measure(registry: &Registry) -> Option<Vec<Mirror>> {
    let now = now();
    let mut peers = registry
        .peers
        .lock()
        .expect("no one panics while holding the peers");
    peers.tick(now);
    let view = registry.book.view();
    let current = view.current();
    if registry.rebuild.holds_rosters_back(current.is_none()) {
        return None;
    }
    let rules = Rules {
        mirrors: registry.mirrors,
        replicas: registry.replicas,
        quiet: peers.quiet(now),
        since_change: current.map_or(Duration::MAX, |roster| now.since(roster.issued_at)),
    };
    let candidates = peers.candidates(now, registry.spread.as_deref());
    election::next(current, &candidates, rules)
}

async fn issue(registry: &Arc<Registry>, mirrors: Vec<Mirror>) {
    let view = registry.book.view();
    let previous = view
        .current()
        .map_or_else(Vec::new, |roster| roster.mirrors.clone());
    let roster = Roster {
        epoch: Epoch(view.epoch().0 + 1),
        issued_at: now(),
        mirrors,
        replicas: registry.replicas,
        previous_epoch: view.epoch(),
        previous,
        registry_addresses: registry.addresses.clone(),
    };
    info!(epoch = %roster.epoch, mirrors = roster.mirrors.len(), "new roster");
    if let Err(error) = registry
        .book
        .adopt(Signed::new(roster, &registry.key))
        .await
    {
        error!(%error, "cannot write the roster down");
    }
    write(registry).await;
}

async fn write(registry: &Registry) {
    let rows = registry
        .peers
        .lock()
        .expect("no one panics while holding the peers")
        .take_changed();
    if rows.is_empty() {
        return;
    }
    let written = registry
        .disk
        .write(move |connection| store::save_peers(connection, &rows))
        .await;
    if let Err(error) = written {
        warn!(%error, "cannot write the peers down");
    }
}
