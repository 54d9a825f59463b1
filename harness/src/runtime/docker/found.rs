//! Containers of ours that an engine holds: found by their labels, and removed.

use std::collections::HashMap;

use futures::stream::{self, StreamExt};
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::ContainerSummary;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::engine::{Engine, EngineError};
use super::labels::{self, Owner, Part, RunId};

/// Containers that are removed at the same time.
const REMOVALS_AT_ONCE: usize = 8;

/// A container of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The engine's name for it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The run that it is of.
    pub run: RunId,
    /// The plan of the run.
    pub plan: String,
    /// What it is for, as its label says.
    pub part: String,
    /// The process that the run belongs to, when the label can be read.
    pub owner: Option<Owner>,
    /// Running, paused, exited…, as the engine says.
    pub state: String,
}

impl Found {
    /// True for the container that removes the others.
    #[must_use]
    pub fn is_reaper(&self) -> bool {
        self.part == Part::Reaper.word()
    }
}

/// All containers of ours, or of one run, whatever their state.
///
/// # Errors
/// When the engine does not say.
pub async fn containers(engine: &Engine, run: Option<&RunId>) -> Result<Vec<Found>, EngineError> {
    let label = match run {
        Some(run) => format!("{}={run}", labels::RUN),
        None => labels::RUN.to_owned(),
    };
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&HashMap::from([("label", vec![label])]))
        .build();
    let listed = engine.docker().list_containers(Some(options));
    let listed = engine.ask("list its containers", listed).await?;
    let mut found: Vec<Found> = listed.into_iter().filter_map(found).collect();
    found.sort_by(|one, other| (&one.run, &one.name).cmp(&(&other.run, &other.name)));
    Ok(found)
}

fn found(summary: ContainerSummary) -> Option<Found> {
    let labels = summary.labels.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    let names = summary.names.unwrap_or_default();
    let name = names.first().map(|name| name.trim_start_matches('/'));
    Some(Found {
        id: summary.id?,
        name: name.unwrap_or_default().to_owned(),
        run: RunId(label(labels::RUN)),
        plan: label(labels::PLAN),
        part: label(labels::PART),
        owner: label(labels::OWNER).parse().ok(),
        state: summary
            .state
            .map(|state| state.to_string())
            .unwrap_or_default(),
    })
}

/// Removes containers, running or not. One that is gone already, or that somebody else is
/// removing, is fine.
///
/// # Errors
/// The first refusal; the others have been removed then.
pub async fn remove(
    engine: &Engine,
    containers: impl IntoIterator<Item = Found>,
) -> Result<(), EngineError> {
    let removals = stream::iter(containers)
        .map(|container| remove_one(engine, container))
        .buffer_unordered(REMOVALS_AT_ONCE);
    let results: Vec<Result<(), EngineError>> = removals.collect().await;
    results.into_iter().collect()
}

async fn remove_one(engine: &Engine, container: Found) -> Result<(), EngineError> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let removed = async {
        let removed = engine
            .docker()
            .remove_container(&container.id, Some(options));
        match removed.await {
            Err(BollardError::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            other => other,
        }
    };
    engine
        .ask(format!("remove {}", container.name), removed)
        .await
}
