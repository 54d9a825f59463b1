//! A runtime without processes: hosts, links and an ideal directory in memory.
//!
//! The whole pipeline, from plan to report, runs on it without root, in virtual time, and comes
//! out the same every time for the same seed. The directory it imitates is the ideal one: it
//! serves whatever a registry and a majority of mirrors could serve in the world of that moment,
//! and loses nothing. It proves nothing about a real system; it tests the harness.

mod model;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fabric::{HostIndex, LinkReport, PolicyTable};
use tokio::sync::watch;

use model::{Model, Reply};

use super::{Observed, Probe, Runtime, RuntimeError};
use crate::history::{
    ErrorKind, EventKind, EventSink, HostState, HostUsage, OperationKind, Outcome, Usage,
};
use crate::host::Inventory;
use crate::plan;
use crate::system::{BugsError, Client, Status, StatusError};
use crate::world::{ClockBend, Disk, HostWorld, Process, ProcessLimits};

/// How long an imitated process takes to get ready.
const START_TIME: Duration = Duration::from_millis(40);

/// How long an imitated process takes to end.
const END_TIME: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug)]
pub struct Fake {
    inventory: Inventory,
    clients: Vec<FakeClient>,
    observed: Vec<watch::Sender<Observed>>,
    model: Arc<Mutex<Model>>,
    sink: EventSink,
}

/// The client of an imitated host.
#[derive(Clone, Debug)]
pub struct FakeClient {
    host: HostIndex,
    model: Arc<Mutex<Model>>,
}

impl Fake {
    /// Hosts of which none runs yet.
    #[must_use]
    pub fn new(inventory: &Inventory, system: &plan::System, seed: u64, sink: &EventSink) -> Fake {
        let model = Arc::new(Mutex::new(Model::new(inventory, system, seed)));
        let client = |host| FakeClient {
            host,
            model: Arc::clone(&model),
        };
        Fake {
            clients: inventory.indexes().map(client).collect(),
            observed: inventory
                .indexes()
                .map(|_| watch::Sender::default())
                .collect(),
            inventory: inventory.clone(),
            model,
            sink: sink.clone(),
        }
    }

    /// The policies of all links, as they were set last.
    #[must_use]
    pub fn links(&self) -> PolicyTable {
        lock(&self.model).links.clone()
    }

    /// What is wrong with a host, as it was set last.
    #[must_use]
    pub fn bent(&self, host: HostIndex) -> HostWorld {
        lock(&self.model).bent_mut(host).clone()
    }

    fn seen(&self, host: HostIndex) -> &watch::Sender<Observed> {
        &self.observed[usize::from(host.0)]
    }

    async fn emit(&self, host: HostIndex, state: HostState) {
        let host = self.inventory.get(host).id.clone();
        self.sink.emit(EventKind::HostChanged { host, state }).await;
    }

    async fn end(&self, host: HostIndex, signal: i32) {
        if !self.seen(host).borrow().alive {
            return;
        }
        tokio::time::sleep(END_TIME).await;
        {
            let mut model = lock(&self.model);
            model.set_process(host, Process::Dead);
            // The next process has no bugs until it is told.
            model.bent_mut(host).bugs.clear();
        }
        self.emit(
            host,
            HostState::Exited {
                code: None,
                signal: Some(signal),
                wanted: true,
            },
        )
        .await;
        self.seen(host)
            .send_modify(|seen| *seen = seen.without_process());
    }
}

impl Runtime for Fake {
    type Client = FakeClient;

    fn name(&self) -> &'static str {
        "fake"
    }

    async fn start(&self, host: HostIndex) -> Result<(), RuntimeError> {
        if self.seen(host).borrow().alive {
            return Ok(());
        }
        self.seen(host).send_modify(|seen| *seen = seen.started());
        let pid = 100 + u32::from(host.0);
        self.emit(host, HostState::Started { pid }).await;
        tokio::time::sleep(START_TIME).await;
        lock(&self.model).set_process(host, Process::Running);
        self.emit(host, HostState::Ready).await;
        self.seen(host).send_modify(|seen| seen.ready = true);
        Ok(())
    }

    async fn kill(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.end(host, libc::SIGKILL).await;
        Ok(())
    }

    async fn terminate(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.end(host, libc::SIGTERM).await;
        Ok(())
    }

    async fn pause(&self, host: HostIndex) -> Result<(), RuntimeError> {
        if self.seen(host).borrow().alive {
            lock(&self.model).set_process(host, Process::Paused);
            self.emit(host, HostState::Paused).await;
            self.seen(host).send_modify(|seen| seen.stopped = true);
        }
        Ok(())
    }

    async fn resume(&self, host: HostIndex) -> Result<(), RuntimeError> {
        if self.seen(host).borrow().stopped {
            lock(&self.model).set_process(host, Process::Running);
            self.emit(host, HostState::Resumed).await;
            self.seen(host).send_modify(|seen| seen.stopped = false);
        }
        Ok(())
    }

    async fn wipe(&self, host: HostIndex) -> Result<(), RuntimeError> {
        // What is held is the model's, not any host's: an ideal system loses nothing.
        self.seen(host).send_modify(|seen| seen.wipes += 1);
        self.emit(host, HostState::Wiped { files: 0 }).await;
        Ok(())
    }

    async fn lose_power(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.end(host, libc::SIGKILL).await;
        self.seen(host).send_modify(|seen| seen.power_losses += 1);
        let state = HostState::PowerLost { files: 0, bytes: 0 };
        self.emit(host, state).await;
        Ok(())
    }

    fn set_disk(&self, host: HostIndex, disk: &Disk) -> Result<(), RuntimeError> {
        lock(&self.model).bent_mut(host).disk = *disk;
        Ok(())
    }

    fn set_limits(&self, host: HostIndex, limits: &ProcessLimits) -> Result<(), RuntimeError> {
        lock(&self.model).bent_mut(host).limits = *limits;
        Ok(())
    }

    fn set_clock(&self, host: HostIndex, bends: &[ClockBend]) -> Result<(), RuntimeError> {
        lock(&self.model).bent_mut(host).clock = bends.to_vec();
        Ok(())
    }

    fn probe(&self, host: HostIndex) -> Probe {
        lock(&self.model).probe(host, self.sink.now_us())
    }

    async fn close(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn set_links(&self, policies: PolicyTable) -> Result<std::time::Instant, RuntimeError> {
        lock(&self.model).links = policies;
        Ok(tokio::time::Instant::now().into_std())
    }

    fn link_counters(&self) -> Result<Vec<LinkReport>, RuntimeError> {
        Ok(lock(&self.model).counters())
    }

    fn observe(&self, host: HostIndex) -> watch::Receiver<Observed> {
        self.seen(host).subscribe()
    }

    fn client(&self, host: HostIndex) -> &FakeClient {
        &self.clients[usize::from(host.0)]
    }

    fn log_tail(&self, _host: HostIndex) -> String {
        "(an imitated host has no log)".into()
    }

    fn log_alarms(&self, _host: HostIndex) -> Vec<String> {
        Vec::new()
    }

    fn usage(&self) -> Usage {
        let host = |(_, info): (HostIndex, &crate::host::HostInfo)| HostUsage {
            host: info.id.clone(),
            address: info.address,
            pss_bytes: 0,
            cpu_us: 0,
        };
        Usage {
            hosts: self.inventory.iter().map(host).collect(),
            ..Usage::default()
        }
    }
}

impl Client for FakeClient {
    async fn operate(
        &self,
        kind: OperationKind,
        name: &str,
        value: &str,
        patience: Duration,
    ) -> Outcome {
        let reply = lock(&self.model).operate(self.host, kind, name, value);
        match reply {
            Reply::Frozen => {
                tokio::time::sleep(patience).await;
                Outcome::Unknown {
                    detail: "no answer within the deadline".into(),
                }
            }
            Reply::Dead => {
                let detail = "nobody listens".into();
                Outcome::Fail {
                    error: ErrorKind::Refused,
                    detail,
                }
            }
            Reply::After(delay, outcome) => {
                tokio::time::sleep(delay.min(patience)).await;
                outcome
            }
        }
    }

    async fn status(&self) -> Result<Status, StatusError> {
        let status = lock(&self.model).status(self.host);
        status.ok_or_else(not_running)
    }

    async fn set_bugs(&self, bugs: &BTreeMap<String, f64>) -> Result<(), BugsError> {
        let ppm = bugs.iter().map(|(name, chance)| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a chance from 0 to 1"
            )]
            let ppm = (chance * 1e6).round() as u32;
            (name.clone(), ppm)
        });
        lock(&self.model).bent_mut(self.host).bugs = ppm.collect();
        Ok(())
    }

    async fn bug_bites(&self) -> Result<u64, StatusError> {
        // What an ideal system is told to do wrong it notes, and does right.
        Ok(lock(&self.model).bent_mut(self.host).bugs.len() as u64)
    }

    async fn replicas(&self, name: &str) -> Result<Option<Vec<Ipv4Addr>>, StatusError> {
        let replicas = lock(&self.model).replicas(self.host, name);
        replicas.map(Some).ok_or_else(not_running)
    }

    async fn digest(&self) -> Result<Option<BTreeMap<String, String>>, StatusError> {
        let digest = lock(&self.model).digest(self.host);
        digest.map(Some).ok_or_else(not_running)
    }
}

fn not_running() -> StatusError {
    StatusError("an imitated host that does not run".into())
}

fn lock(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}
