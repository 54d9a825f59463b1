//! One host: its home, and the container that comes and goes.
//!
//! The container is made at the first start and started again after that, on the same home. Each
//! start gives it a new network namespace, which is plugged into the fabric before the program in
//! it begins. That it ended is heard from the engine (`news`), never assumed.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fabric::HostIndex;
use futures::StreamExt;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::ContainerState;
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptionsBuilder, LogsOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use testcontainers::runners::AsyncRunner;
use tokio::sync::Mutex;

use super::engine::{Engine, EngineError};
use super::image::Image;
use super::labels::RunId;
use super::network::Network;
use super::spec;
use crate::history::{EventSink, HostState};
use crate::plan::Limits;
use crate::runtime::body::Body;
use crate::runtime::home::Home;
use crate::runtime::served::Served;
use crate::runtime::{Observed, RuntimeError, until_ready};
use crate::system::Launch;

/// Seconds that a process may take to end when it is asked to.
const TERMINATE_SECONDS: i32 = 5;

/// How long the engine may take to say that a container has ended which it has ended.
const NEWS_PATIENCE: Duration = Duration::from_secs(10);

/// Lines of what a container itself said that are kept when it ended by itself.
const SAID_LINES: &str = "20";

/// What all hosts of a run have in common.
#[derive(Clone, Debug)]
pub struct Common {
    pub engine: Engine,
    pub image: Image,
    pub run: RunId,
    pub plan: String,
    pub limits: Limits,
    /// The user that processes are inside, `UID:GID`.
    pub user: String,
    pub network: Arc<Network>,
    pub sink: EventSink,
}

/// See the module.
#[derive(Debug)]
pub struct HostContainer {
    common: Common,
    index: HostIndex,
    address: Ipv4Addr,
    body: Body,
    launch: Launch,
    /// The engine's name for the container, once it was made.
    id: OnceLock<String>,
    /// The number of its main process on the engine's machine; 0 when there is none.
    pid: AtomicU32,
    /// True while the harness is ending it.
    exit_wanted: AtomicBool,
    /// Held by whoever starts or ends it.
    turn: Mutex<()>,
}

impl HostContainer {
    /// A host in its home; nothing is started.
    pub fn new(
        common: Common,
        index: HostIndex,
        address: Ipv4Addr,
        home: Home,
        served: Option<Served>,
        launch: Launch,
    ) -> HostContainer {
        HostContainer {
            body: Body::new(home, served, common.sink.clone()),
            common,
            index,
            address,
            launch,
            id: OnceLock::new(),
            pid: AtomicU32::new(0),
            exit_wanted: AtomicBool::new(false),
            turn: Mutex::new(()),
        }
    }

    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The number of the process that exists now, where it is this machine's.
    pub fn pid(&self) -> Option<u32> {
        let pid = self.pid.load(Ordering::Relaxed);
        let id = self.id.get()?;
        (pid > 0 && is_process_of(pid, id)).then_some(pid)
    }

    /// Starts the container and plugs it in; does nothing when it runs already.
    pub async fn start(self: &Arc<Self>) -> Result<(), RuntimeError> {
        let _turn = self.turn.lock().await;
        if self.body.observed.borrow().alive {
            return Ok(());
        }
        self.exit_wanted.store(false, Ordering::Relaxed);
        // Before the engine is asked: its news that the container has ended may come early.
        self.body
            .observed
            .send_modify(|observed| *observed = observed.started());
        match self.start_and_attach().await {
            Ok(pid) => {
                self.body.emit(HostState::Started { pid }).await;
                self.watch_readiness();
                Ok(())
            }
            Err(error) => {
                self.body
                    .observed
                    .send_modify(|observed| observed.alive = false);
                Err(error)
            }
        }
    }

    /// Returns the number of the main process.
    async fn start_and_attach(&self) -> Result<u32, RuntimeError> {
        let step = format!("start {}", self.body.home.id());
        match self.id.get() {
            Some(id) => {
                let docker = self.common.engine.docker();
                let started = docker.start_container(id, None::<StartContainerOptions>);
                self.common.engine.ask(step, started).await?;
            }
            None => {
                let container = self
                    .common
                    .engine
                    .ask(
                        step,
                        spec::request(&self.common, &self.body.home, self.address, &self.launch)
                            .start(),
                    )
                    .await?;
                let _ = self.id.set(container.id().to_owned());
                // Its destructor would wait for the engine, which may hang; the run removes all
                // that carries its label, and the reaper does so when the run cannot.
                std::mem::forget(container);
            }
        }
        let state = self.inspect().await?;
        let pid = state.pid.and_then(|pid| u32::try_from(pid).ok());
        // One that has ended already has no process: the engine's news of it are on their way.
        let Some(pid) = pid.filter(|pid| *pid > 0) else {
            return Ok(0);
        };
        self.pid.store(pid, Ordering::Relaxed);
        let here = is_process_of(pid, self.id.get().map_or("", String::as_str));
        if here {
            self.body.bent.started(pid)?;
        }
        self.serve_disk(pid, here)?;
        match self.common.network.attach(self.index, self.address, pid) {
            Ok(()) => Ok(pid),
            // It ended in between.
            Err(_) if self.inspect().await?.running == Some(false) => Ok(pid),
            Err(error) => Err(self
                .body
                .home
                .error("plug in", std::io::Error::other(error))),
        }
    }

    /// Puts the disk that the harness serves where the container looks for it. Its program waits
    /// for the network meanwhile.
    fn serve_disk(&self, pid: u32, here: bool) -> Result<(), RuntimeError> {
        let Some(served) = &self.body.served else {
            return Ok(());
        };
        if !here || !nix::unistd::geteuid().is_root() {
            return Err(RuntimeError::Unsupported {
                what: format!("the disk of {} cannot be served", self.body.home.id()),
                remedy: "faults of disks need an engine on this machine and a harness that runs \
                         as root, or the local runtime"
                    .into(),
            });
        }
        served.serve(|device| disk::mount_in(device, pid, Path::new(spec::DISK_INSIDE)))
    }

    async fn inspect(&self) -> Result<ContainerState, EngineError> {
        let Some(id) = self.id.get() else {
            return Ok(ContainerState::default());
        };
        let engine = &self.common.engine;
        let inspected = engine
            .docker()
            .inspect_container(id, None::<InspectContainerOptions>);
        let step = format!("describe {}", self.body.home.id());
        let inspected = engine.ask(step, inspected).await?;
        Ok(inspected.state.unwrap_or_default())
    }

    /// Asks the host whether it is ready, as long as this start lasts.
    fn watch_readiness(self: &Arc<Self>) {
        let host = Arc::clone(self);
        let starts = self.body.observed.borrow().starts;
        tokio::spawn(async move {
            let mut observed = host.body.observe();
            tokio::select! {
                () = until_ready(host.body.home.client()) => {
                    host.body.emit(HostState::Ready).await;
                    host.body.observed.send_if_modified(|observed| {
                        let same = observed.alive && observed.starts == starts;
                        observed.ready |= same;
                        same
                    });
                }
                () = async {
                    let over = |now: &Observed| !now.alive || now.starts != starts;
                    // The sender lives as long as this host, so waiting cannot fail.
                    let _ = observed.wait_for(over).await;
                } => {}
            }
        });
    }

    /// The engine says that the container has ended, with this status.
    pub async fn ended(&self, status: i32) {
        if !self.body.observed.borrow().alive {
            return;
        }
        let wanted = self.exit_wanted.load(Ordering::Relaxed);
        if !wanted {
            self.keep_what_it_said().await;
        }
        self.pid.store(0, Ordering::Relaxed);
        self.body.bent.ended();
        // When the network is gone, whatever comes next says so.
        let _ = self.common.network.detach(self.index);
        let (code, signal) = code_and_signal(status);
        self.body
            .emit(HostState::Exited {
                code,
                signal,
                wanted,
            })
            .await;
        self.body
            .observed
            .send_modify(|observed| *observed = observed.without_process());
    }

    /// Appends to the host's log what the container said before the program had the log, and
    /// whether the kernel ended it for want of memory.
    async fn keep_what_it_said(&self) {
        let Some(id) = self.id.get() else { return };
        let engine = &self.common.engine;
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(SAID_LINES)
            .build();
        let said = async {
            let mut said = String::new();
            let mut lines = engine.docker().logs(id, Some(options));
            while let Some(line) = lines.next().await {
                said.push_str(&line?.to_string());
            }
            Ok::<String, BollardError>(said)
        };
        let said = engine.ask("show a log", said).await;
        let state = self.inspect().await;
        let mut text = said.unwrap_or_default();
        if state.is_ok_and(|state| state.oom_killed == Some(true)) {
            let limit = self.common.limits.memory.map(|limit| limit.to_string());
            let limit = limit.unwrap_or_else(|| "the machine".into());
            text.push_str(&format!("ended by the kernel: out of memory ({limit})\n"));
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.body.home.log_path());
        if let Ok(mut log) = log {
            // It helps a reader; the exit itself is in the history.
            let _ = std::io::Write::write_all(&mut log, text.as_bytes());
        }
    }

    /// Ends the container by SIGKILL and waits until it is gone.
    pub async fn kill(&self) -> Result<(), RuntimeError> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let killed = |id: String| {
            let docker = self.common.engine.docker().clone();
            async move { docker.kill_container(&id, Some(options)).await }
        };
        self.end(killed).await
    }

    /// Asks the container to end and waits; SIGKILL when it takes too long.
    pub async fn terminate(&self) -> Result<(), RuntimeError> {
        let options = StopContainerOptionsBuilder::new()
            .t(TERMINATE_SECONDS)
            .build();
        let stopped = |id: String| {
            let docker = self.common.engine.docker().clone();
            async move { docker.stop_container(&id, Some(options)).await }
        };
        self.end(stopped).await
    }

    async fn end<F>(&self, by: impl FnOnce(String) -> F) -> Result<(), RuntimeError>
    where
        F: Future<Output = Result<(), BollardError>>,
    {
        let _turn = self.turn.lock().await;
        let mut observed = self.body.observe();
        let Some(id) = self.id.get().filter(|_| observed.borrow().alive) else {
            return Ok(());
        };
        self.exit_wanted.store(true, Ordering::Relaxed);
        let ending = async {
            match by(id.clone()).await {
                // It has just ended by itself.
                Err(BollardError::DockerResponseServerError {
                    status_code: 304 | 404 | 409,
                    ..
                }) => Ok(()),
                other => other,
            }
        };
        let engine = &self.common.engine;
        let step = format!("end {}", self.body.home.id());
        let longer = Duration::from_secs(TERMINATE_SECONDS.unsigned_abs().into());
        engine.ask_longer(step.clone(), longer, ending).await?;
        let gone = async {
            // The sender lives as long as this host, so waiting cannot fail.
            let _ = observed.wait_for(|observed| !observed.alive).await;
            Ok::<(), BollardError>(())
        };
        let heard = tokio::time::timeout(NEWS_PATIENCE, gone);
        if heard.await.is_err() {
            return Err(engine
                .is_silent(format!("say that it could {step}"), NEWS_PATIENCE)
                .into());
        }
        Ok(())
    }

    /// Freezes every process of the container.
    pub async fn pause(&self) -> Result<(), RuntimeError> {
        let _turn = self.turn.lock().await;
        let alive = self.body.observed.borrow().alive;
        let Some(id) = self.id.get().filter(|_| alive) else {
            return Ok(());
        };
        let engine = &self.common.engine;
        let paused = engine.docker().pause_container(id);
        engine
            .ask(format!("pause {}", self.body.home.id()), paused)
            .await?;
        if self.inspect().await?.paused != Some(true) {
            let slow = std::io::Error::other("the engine does not say that it is paused");
            return Err(self.body.home.error("pause", slow));
        }
        self.body
            .observed
            .send_modify(|observed| observed.stopped = true);
        self.body.emit(HostState::Paused).await;
        Ok(())
    }

    /// Lets a frozen container go on.
    pub async fn resume(&self) -> Result<(), RuntimeError> {
        let _turn = self.turn.lock().await;
        let stopped = self.body.observed.borrow().stopped;
        let Some(id) = self.id.get().filter(|_| stopped) else {
            return Ok(());
        };
        let engine = &self.common.engine;
        let resumed = engine.docker().unpause_container(id);
        engine
            .ask(format!("resume {}", self.body.home.id()), resumed)
            .await?;
        self.body
            .observed
            .send_modify(|observed| observed.stopped = false);
        self.body.emit(HostState::Resumed).await;
        Ok(())
    }
}

/// True when this process of this machine is in the container, as its control groups say: the
/// number may be another machine's.
pub fn is_process_of(pid: u32, container: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .is_ok_and(|groups| groups.contains(container))
}

/// The engine, like a shell, adds 128 to the number of a signal.
fn code_and_signal(status: i32) -> (Option<i32>, Option<i32>) {
    match status {
        129..=192 => (None, Some(status - 128)),
        code => (Some(code), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        assert_eq!(code_and_signal(0), (Some(0), None));
        assert_eq!(code_and_signal(101), (Some(101), None));
        assert_eq!(code_and_signal(137), (None, Some(libc::SIGKILL)));
        assert_eq!(code_and_signal(255), (Some(255), None));
    }

    #[test]
    fn this_process_is_in_no_container_that_there_is_not() {
        assert!(!is_process_of(std::process::id(), &"0".repeat(64)));
        assert!(!is_process_of(u32::MAX, ""));
    }
}
