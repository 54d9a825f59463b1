//! The reaper: a container that removes all others of a run when the harness is gone.
//!
//! It is started before anything else of the run. The harness holds the container's standard
//! input, through the engine: when the harness dies, by whatever cause, the engine closes it. The
//! reaper then removes every container that carries the run's label, until there has been none for
//! a while, because the engine may still be making one that the harness had asked for. In the end
//! it is gone itself.

use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use testcontainers::bollard::container::{AttachContainerResults, LogOutput};
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use testcontainers::bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptionsBuilder,
};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::engine::{Engine, EngineError};
use super::found::{containers, remove};
use super::image::{Image, PROGRAM};
use super::labels::{self, Part, RunId};

/// Where the engine's socket is inside.
const SOCKET: &str = "/run/docker.sock";

/// What the reaper says when it can do its work.
const READY: &str = "ready";

/// What it is told when there is nothing left to remove.
const DISMISSED: &str = "dismissed";

/// How long there must have been nothing to remove.
const QUIET: Duration = Duration::from_secs(3);

/// How often the reaper looks. A container that is still being made announces itself by nothing
/// that could be waited for.
const INTERVAL: Duration = Duration::from_millis(250);

/// After this the reaper gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The harness's hold on a reaper. Dropping it lets the reaper do its work.
pub struct Reaper {
    id: String,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl std::fmt::Debug for Reaper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reaper")
            .field("id", &self.id)
            .finish()
    }
}

impl Reaper {
    /// Starts the reaper of a run and waits until it says that it can do its work.
    ///
    /// # Errors
    /// When the engine does not start it, or it cannot reach the engine.
    pub async fn start(
        engine: &Engine,
        image: &Image,
        run: &RunId,
        plan: &str,
    ) -> Result<Reaper, EngineError> {
        let options = CreateContainerOptionsBuilder::new()
            .name(&format!("harness-{}-reaper", run.short()))
            .build();
        let created = engine
            .docker()
            .create_container(Some(options), body(engine, image, run, plan));
        let id = engine.ask("make the reaper", created).await?.id;
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = engine.docker().attach_container(&id, Some(options));
        let attached = engine.ask("hold the reaper", attached).await?;
        let started = engine
            .docker()
            .start_container(&id, None::<StartContainerOptions>);
        engine.ask("start the reaper", started).await?;
        let AttachContainerResults { output, input } = attached;
        engine.ask("start the reaper", until_ready(output)).await?;
        Ok(Reaper { id, input })
    }

    /// The engine's name for its container.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends the reaper, after everything else has been removed, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn dismiss(mut self, engine: &Engine) -> Result<(), EngineError> {
        let options = WaitContainerOptionsBuilder::new()
            .condition("removed")
            .build();
        let mut gone = engine.docker().wait_container(&self.id, Some(options));
        let dismissed = async {
            // When it does not listen any more it is going already.
            let _ = self
                .input
                .write_all(format!("{DISMISSED}\n").as_bytes())
                .await;
            let _ = self.input.flush().await;
            // It says so once, also when the container is gone already.
            let _ = gone.next().await;
            Ok::<(), BollardError>(())
        };
        engine.ask("end the reaper", dismissed).await
    }
}

fn body(engine: &Engine, image: &Image, run: &RunId, plan: &str) -> ContainerCreateBody {
    let words = [PROGRAM, "inside", "reaper", "--run", run.0.as_str()];
    let socket = Mount {
        typ: Some(MountType::BIND),
        source: Some(engine.socket().to_owned()),
        target: Some(SOCKET.to_owned()),
        ..Mount::default()
    };
    ContainerCreateBody {
        image: Some(image.reference()),
        cmd: Some(words.map(str::to_owned).to_vec()),
        env: Some(vec![format!("DOCKER_HOST=unix://{SOCKET}")]),
        user: Some("0:0".to_owned()),
        labels: Some(labels::of(run, Part::Reaper, plan)),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // Its input ends when the first that held it lets go.
        stdin_once: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            auto_remove: Some(true),
            userns_mode: Some("host".to_owned()),
            mounts: Some(vec![socket]),
            security_opt: Some(vec!["label=disable".to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Reads what the reaper says until it is ready; anything else is its complaint.
async fn until_ready(
    mut output: impl Stream<Item = Result<LogOutput, BollardError>> + Unpin,
) -> Result<(), BollardError> {
    let mut said = String::new();
    while let Some(line) = output.next().await {
        said.push_str(&line?.to_string());
        if said.lines().any(|line| line == READY) {
            return Ok(());
        }
    }
    Err(BollardError::DockerStreamError {
        error: match said.trim() {
            "" => "it ended without a word".to_owned(),
            said => said.to_owned(),
        },
    })
}

/// What the reaper does, inside its container.
///
/// # Errors
/// When the engine cannot be reached, or does not remove something.
pub async fn reap(run: &RunId) -> Result<(), EngineError> {
    let engine = Engine::connect().await?;
    containers(&engine, Some(run)).await?;
    println!("{READY}");
    // Nobody may be there to read it.
    let _ = io::stdout().flush();
    let dismissed = tokio::task::spawn_blocking(wait_for_the_end).await;
    let dismissed = dismissed.unwrap_or(false);
    let deadline = Instant::now() + PATIENCE;
    let mut quiet_since = Instant::now();
    loop {
        let all = containers(&engine, Some(run)).await?;
        let left: Vec<_> = all.into_iter().filter(|one| !one.is_reaper()).collect();
        if left.is_empty() {
            if dismissed || quiet_since.elapsed() >= QUIET {
                return Ok(());
            }
        } else {
            // One that could not be removed is tried again.
            let removed = remove(&engine, left).await;
            quiet_since = Instant::now();
            if Instant::now() >= deadline {
                return removed;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Reads until the harness is gone or says that nothing is left. Returns whether it said so.
fn wait_for_the_end() -> bool {
    let mut lines = io::stdin().lock().lines();
    lines.any(|line| line.is_ok_and(|line| line == DISMISSED))
}
