//! The engine's news: which container has ended, and how.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fabric::HostIndex;
use futures::StreamExt;
use testcontainers::bollard::models::EventMessage;
use testcontainers::bollard::query_parameters::EventsOptionsBuilder;

use super::container::HostContainer;
use super::engine::Engine;
use super::labels::{self, RunId};
use crate::history::{EventKind, EventSink};
use crate::host::{HostId, Inventory};

/// How far back the engine's news are asked for: its clock may differ from ours.
const NEWS_SINCE: Duration = Duration::from_secs(600);

/// Listens to the engine and tells each host when its container has ended. That the engine stops
/// talking is trouble: what happens from then on is not seen.
pub async fn listen(
    engine: Engine,
    run: RunId,
    inventory: Inventory,
    hosts: Vec<Arc<HostContainer>>,
    sink: EventSink,
) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = now.unwrap_or_default().saturating_sub(NEWS_SINCE).as_secs();
    let of_run = format!("{}={run}", labels::RUN);
    let options = EventsOptionsBuilder::new()
        .since(&since.to_string())
        .filters(&HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("event", vec!["die".to_owned()]),
            ("label", vec![of_run]),
        ]))
        .build();
    let mut news = std::pin::pin!(engine.docker().events(Some(options)));
    while let Some(message) = news.next().await {
        match message {
            Ok(message) => {
                if let Some((host, status)) = end_of(&message, &inventory) {
                    hosts[usize::from(host.0)].ended(status).await;
                }
            }
            Err(error) => {
                let message = format!("the Docker engine's news ended: {error}");
                sink.emit(EventKind::Trouble { message }).await;
                return;
            }
        }
    }
    let message = "the Docker engine's news ended; did it stop?".into();
    sink.emit(EventKind::Trouble { message }).await;
}

/// Whose end is announced, and the status with which it ended.
fn end_of(message: &EventMessage, inventory: &Inventory) -> Option<(HostIndex, i32)> {
    let attributes = message.actor.as_ref()?.attributes.as_ref()?;
    let host = attributes.get(labels::HOST)?;
    let status = attributes.get("exitCode")?.parse().ok()?;
    Some((inventory.find(&HostId(host.clone()))?, status))
}
