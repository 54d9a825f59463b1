//! The Docker engine: every question to it has a deadline, every refusal says what to do.
//!
//! The connection is that of `testcontainers`, so `DOCKER_HOST` means the same to both. An engine
//! that once did not answer in time is not waited for as long again: whatever still has to be
//! done then is tried, briefly.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testcontainers::TestcontainersError;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as BollardError;
use testcontainers::bollard::models::SystemInfo;
use testcontainers::core::client::{ClientError, docker_client_instance};
use testcontainers::core::error::WaitContainerError;
use thiserror::Error;

use crate::cause::innermost;

/// How long the engine may take over one step.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take once it has failed to answer in time.
const PATIENCE_AFTER_SILENCE: Duration = Duration::from_secs(2);

/// How long it may take to say that it is there.
const GREETING_PATIENCE: Duration = Duration::from_secs(10);

/// Where the engine listens when nothing else is said.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// The engine did not do its part.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Nobody answers.
    #[error(
        "no Docker engine answers at {host}: {said}; start it (`systemctl start docker`), or say \
         where it is with DOCKER_HOST"
    )]
    Absent {
        /// Where it was looked for.
        host: String,
        /// What happened there.
        said: String,
    },
    /// This user may not use it.
    #[error(
        "this user may not use the Docker engine at {host}: {said}; add yourself to its group \
         (`sudo usermod -aG docker $USER`, then log in again), or run as root"
    )]
    Forbidden {
        /// Where.
        host: String,
        /// What happened there.
        said: String,
    },
    /// It does not answer in time.
    #[error(
        "the Docker engine at {host} did not {step} within {patience:?}: it is overloaded or hangs; \
         see whether `docker ps` answers, restart it (`systemctl restart docker`), and remove what \
         may be left with `harness sweep`"
    )]
    Silent {
        /// Where.
        host: String,
        /// What it was to do.
        step: String,
        /// How long it had.
        patience: Duration,
    },
    /// The engine's disk is full.
    #[error(
        "the Docker engine could not {step}, its disk is full: {said}; see `docker system df`, and \
         make room, for example with `docker system prune`"
    )]
    DiskFull {
        /// What it was to do.
        step: String,
        /// What it said.
        said: String,
    },
    /// It refused.
    #[error("the Docker engine could not {step}: {said}")]
    Refused {
        /// What it was to do.
        step: String,
        /// What it said.
        said: String,
    },
    /// It is of a kind that cannot be used.
    #[error("this Docker engine cannot be used: {why}; {remedy}")]
    Unsuitable {
        /// Why not.
        why: String,
        /// What to do.
        remedy: String,
    },
}

/// A connection to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    host: Arc<str>,
    silent: Arc<AtomicBool>,
}

/// What the engine says of itself, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its version, for example `20.10.24`.
    pub version: String,
    /// The newest version of its interface, for example `1.41`.
    pub api: String,
    /// The system it runs on, for example `Debian GNU/Linux 12`.
    pub system: String,
    /// It runs without root.
    pub rootless: bool,
}

impl Engine {
    /// Connects to the engine that `DOCKER_HOST` names, or the usual one.
    ///
    /// # Errors
    /// When nobody answers there, or this user may not ask.
    pub async fn connect() -> Result<Engine, EngineError> {
        let host = host();
        let absent = |said: String| EngineError::Absent {
            host: host.clone(),
            said,
        };
        let docker = docker_client_instance()
            .await
            .map_err(|error| match error {
                ClientError::Init(error) => of_greeting(&host, &error),
                error => absent(error.to_string()),
            })?;
        let greeting = tokio::time::timeout(GREETING_PATIENCE, docker.negotiate_version()).await;
        let docker = match greeting {
            Ok(Ok(docker)) => docker,
            Ok(Err(error)) => return Err(of_greeting(&host, &error)),
            Err(_) => {
                return Err(EngineError::Silent {
                    host,
                    step: "say its version".into(),
                    patience: GREETING_PATIENCE,
                });
            }
        };
        Ok(Engine {
            docker,
            host: host.into(),
            silent: Arc::default(),
        })
    }

    /// The interface, for calls inside of [`Engine::ask`].
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Where the engine is.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path of the engine's socket on the engine's own machine, for a container that has to
    /// talk to it.
    #[must_use]
    pub fn socket(&self) -> &str {
        let default = DEFAULT_HOST.trim_start_matches("unix://");
        self.host.strip_prefix("unix://").unwrap_or(default)
    }

    /// Waits for the engine's answer, up to the deadline of a step. `step` completes "the engine
    /// could not …".
    ///
    /// # Errors
    /// When the engine does not answer in time, or refuses.
    pub async fn ask<T, E: IntoEngineError>(
        &self,
        step: impl Into<String>,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, EngineError> {
        self.ask_longer(step, Duration::ZERO, answer).await
    }

    /// The same for a step that itself takes some time.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub async fn ask_longer<T, E: IntoEngineError>(
        &self,
        step: impl Into<String>,
        longer: Duration,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, EngineError> {
        let step = step.into();
        let patience = match self.silent.load(Ordering::Relaxed) {
            true => PATIENCE_AFTER_SILENCE,
            false => PATIENCE + longer,
        };
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.map_err(|error| error.into_engine_error(self, step)),
            Err(_) => Err(self.is_silent(step, patience)),
        }
    }

    /// Notes that the engine did not answer.
    pub fn is_silent(&self, step: String, patience: Duration) -> EngineError {
        self.silent.store(true, Ordering::Relaxed);
        EngineError::Silent {
            host: self.host.to_string(),
            step,
            patience,
        }
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn about(&self) -> Result<About, EngineError> {
        let version = self.ask("say its version", self.docker.version()).await?;
        let info: SystemInfo = self.ask("describe itself", self.docker.info()).await?;
        let options = info.security_options.unwrap_or_default();
        Ok(About {
            version: version.version.unwrap_or_default(),
            api: version.api_version.unwrap_or_default(),
            system: info.operating_system.unwrap_or_default(),
            rootless: options.iter().any(|option| option.contains("rootless")),
        })
    }
}

impl About {
    /// Why containers of this engine cannot be joined by the fabric, if so.
    #[must_use]
    pub fn obstacle(&self) -> Option<EngineError> {
        let desktop = self.system.contains("Docker Desktop");
        desktop.then(|| EngineError::Unsuitable {
            why: "Docker Desktop keeps its containers in a virtual machine, where the clients' \
                  sockets and the virtual network cannot be reached from here"
                .into(),
            remedy: "run the harness inside a Linux virtual machine with an engine of its own, or \
                     use `--runtime local` there"
                .into(),
        })
    }
}

/// Where the engine is looked for.
#[must_use]
pub fn host() -> String {
    let named = std::env::var("DOCKER_HOST").unwrap_or_default();
    if named.is_empty() {
        DEFAULT_HOST.to_owned()
    } else {
        named
    }
}

/// Errors of the libraries that talk to the engine.
pub trait IntoEngineError {
    /// What it means. `step` is what the engine was to do.
    fn into_engine_error(self, engine: &Engine, step: String) -> EngineError;
}

impl IntoEngineError for BollardError {
    fn into_engine_error(self, engine: &Engine, step: String) -> EngineError {
        match self {
            BollardError::RequestTimeoutError => engine.is_silent(step, PATIENCE),
            error => refused(step, innermost(&error)),
        }
    }
}

impl IntoEngineError for TestcontainersError {
    fn into_engine_error(self, engine: &Engine, step: String) -> EngineError {
        match self {
            TestcontainersError::WaitContainer(WaitContainerError::StartupTimeout) => {
                engine.is_silent(step, PATIENCE)
            }
            error => refused(step, innermost(&error)),
        }
    }
}

fn refused(step: String, said: String) -> EngineError {
    if said.contains("no space left on device") {
        EngineError::DiskFull { step, said }
    } else {
        EngineError::Refused { step, said }
    }
}

/// What a failed greeting means.
fn of_greeting(host: &str, error: &BollardError) -> EngineError {
    let said = innermost(error);
    let host = host.to_owned();
    if said.to_lowercase().contains("permission denied") {
        EngineError::Forbidden { host, said }
    } else {
        EngineError::Absent { host, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_refusals() {
        let full = refused(
            "start node-1".into(),
            "write /x: no space left on device".into(),
        );
        assert!(full.to_string().contains("make room"), "{full}");
        let other = refused("start node-1".into(), "exec format error".into());
        let said = other.to_string();
        assert_eq!(
            said,
            "the Docker engine could not start node-1: exec format error"
        );
    }

    #[test]
    fn a_missing_engine_and_a_missing_right_are_different_mistakes() {
        let error = |kind: std::io::ErrorKind, text: &str| BollardError::IOError {
            err: std::io::Error::new(kind, text.to_owned()),
        };
        let absent = error(std::io::ErrorKind::NotFound, "No such file or directory");
        let said = of_greeting("unix:///x", &absent).to_string();
        assert!(said.contains("systemctl start docker"), "{said}");
        let denied = error(std::io::ErrorKind::PermissionDenied, "Permission denied");
        let said = of_greeting("unix:///x", &denied).to_string();
        assert!(said.contains("usermod -aG docker"), "{said}");
    }

    #[test]
    fn docker_desktop_is_refused_with_what_to_do_instead() {
        let desktop = About {
            system: "Docker Desktop".into(),
            ..About::default()
        };
        let said = desktop.obstacle().map(|error| error.to_string());
        assert!(said.is_some_and(|text| text.contains("virtual machine")));
        assert!(About::default().obstacle().is_none());
    }
}
