//! What the timeline waits for that has no time of its own.
//!
//! What a host does is heard from the runtime. How available the system was just now is a number
//! that changes with every operation, so it is looked at again and again.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use fabric::HostIndex;

use crate::history::OperationKind;
use crate::host::HostId;
use crate::plan::{Compared, StateWhen, When};
use crate::runtime::{Observed, Runtime};
use crate::workload::Operator;

use super::Lab;

/// How often the availability is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// What has come to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The condition of this fault holds.
    Holds(usize),
    /// The host is ready for which the next beat of this fault waits.
    Ready(usize),
}

/// Everything that is waited for.
pub type Watches = FuturesUnordered<BoxFuture<'static, Watched>>;

/// Ends when the condition of a fault holds.
pub fn condition<R: Runtime>(
    lab: &Lab<R>,
    fault: usize,
    when: &When,
) -> BoxFuture<'static, Watched> {
    let host = when
        .host
        .as_ref()
        .and_then(|name| lab.inventory.find(&HostId(name.clone())));
    let observed = host.map(|host| lab.runtime.observe(host));
    let state = when.state;
    let kinds = [
        (OperationKind::Register, when.availability.register),
        (OperationKind::Resolve, when.availability.resolve),
        (OperationKind::Update, when.availability.update),
    ];
    let compared: Vec<(OperationKind, Compared)> = kinds
        .into_iter()
        .filter_map(|(kind, compared)| Some((kind, compared?)))
        .collect();
    let (operator, over) = (Arc::clone(&lab.operator), when.over.0);
    let since = Instant::now();
    Box::pin(async move {
        loop {
            if let (Some(mut observed), Some(state)) = (observed.clone(), state) {
                // The sender lives as long as the runtime, and longer than this.
                let _ = observed.wait_for(|seen| is_in(state, seen)).await;
            }
            // Availability means something once there was time for operations to end.
            let early = !compared.is_empty() && since.elapsed() < over;
            if !early && all_hold(&compared, &operator, over) {
                return Watched::Holds(fault);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    })
}

/// Ends when a host is ready, or has no process that could be.
pub fn ready<R: Runtime>(
    lab: &Lab<R>,
    fault: usize,
    host: HostIndex,
) -> BoxFuture<'static, Watched> {
    let mut observed = lab.runtime.observe(host);
    Box::pin(async move {
        let _ = observed.wait_for(|seen| seen.ready || !seen.alive).await;
        Watched::Ready(fault)
    })
}

fn all_hold(compared: &[(OperationKind, Compared)], operator: &Operator, over: Duration) -> bool {
    compared.iter().all(|(kind, compared)| {
        let share = operator.recent().availability(*kind, over);
        share.is_some_and(|share| compared.holds(share))
    })
}

fn is_in(state: StateWhen, seen: &Observed) -> bool {
    match state {
        StateWhen::Ready => seen.ready && !seen.stopped,
        StateWhen::Down => !seen.alive,
        StateWhen::Paused => seen.stopped,
    }
}
