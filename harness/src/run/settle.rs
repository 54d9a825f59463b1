//! Heal and settle: every host ready again, and nothing pending.

use std::time::Duration;

use tokio::time::Instant;

use fabric::HostIndex;

use super::Lab;
use crate::history::EventKind;
use crate::host::HostId;
use crate::runtime::Runtime;

/// How often the hosts are asked what is pending. The interface to the system is a question, so
/// there is no event to wait for.
const INTERVAL: Duration = Duration::from_millis(200);

/// How often in a row nothing must be pending: work may be on its way between two hosts.
const QUIET_ROUNDS: u32 = 3;

/// Waits until all hosts are ready or the deadline has passed. Who is not is seen in the history.
pub async fn await_all_ready<R: Runtime>(lab: &Lab<R>, patience: Duration) {
    let deadline = Instant::now() + patience;
    let hosts: Vec<HostIndex> = lab.joined().collect();
    // A host that ended by itself stays down: that is a finding, not a reason to stop here.
    let waits = hosts.into_iter().map(|host| {
        let mut observed = lab.runtime.observe(host);
        async move {
            let _ = observed.wait_for(|seen| seen.ready || !seen.alive).await;
        }
    });
    let all = futures::future::join_all(waits);
    let _ = tokio::time::timeout_at(deadline, all).await;
}

/// Waits until no host has anything pending, and records how that ended.
pub async fn settle<R: Runtime>(lab: &Lab<R>, patience: Duration) {
    let deadline = Instant::now() + patience;
    let mut quiet = 0;
    loop {
        let pending = pending(lab).await;
        quiet = if pending.is_empty() { quiet + 1 } else { 0 };
        if quiet >= QUIET_ROUNDS || Instant::now() >= deadline {
            let settled = pending.is_empty();
            lab.sink.emit(EventKind::Settled { settled, pending }).await;
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Hosts that have something pending or do not say.
async fn pending<R: Runtime>(lab: &Lab<R>) -> Vec<(HostId, u64)> {
    let statuses = lab.statuses().await;
    statuses
        .into_iter()
        .map(|(host, status)| (host, status.map_or(u64::MAX, |status| status.pending)))
        .filter(|(_, pending)| *pending > 0)
        .map(|(host, pending)| (lab.inventory.get(host).id.clone(), pending))
        .collect()
}
