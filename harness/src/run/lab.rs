//! The laboratory: a booted system whose world can be set.
//!
//! Holds the runtime, the world as it was last applied, and the operator that records what
//! clients do. Everything that a run does to the system goes through here, and tests use it
//! directly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use fabric::HostIndex;
use futures::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use thiserror::Error;

use crate::history::{EventKind, EventSink, Outcome};
use crate::host::{HostId, Inventory};
use crate::runtime::{Runtime, RuntimeError};
use crate::system::{BugsError, Client, Status};
use crate::workload::{LoadNews, Operator, Request, WantedLoad, wanted_load};
use crate::world::{Action, World, reached, reconcile};

/// Hosts of a wave that are being started at the same time.
const STARTS_AT_ONCE: usize = 8;

/// How long a host that was just started may take to be told of its bugs.
const BUGS_PATIENCE: Duration = Duration::from_secs(10);

/// How often that is tried.
const BUGS_INTERVAL: Duration = Duration::from_millis(20);

/// The system did not come to where it was waited for.
#[derive(Debug, Error)]
pub enum LabError {
    /// The runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A host ended while it was waited for.
    #[error("{host} ended before it was ready; the end of its log:\n{log}")]
    Ended {
        /// Which host.
        host: HostId,
        /// The last lines of its log.
        log: String,
    },
    /// Hosts did not get ready in time.
    #[error("not ready within {patience:?}: {hosts}; the end of the first one's log:\n{log}")]
    NotReady {
        /// How long they had.
        patience: Duration,
        /// Which hosts.
        hosts: String,
        /// The last lines of the first one's log.
        log: String,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Lab<R> {
    /// What runs the hosts.
    pub runtime: R,
    /// Who they are.
    pub inventory: Inventory,
    /// Where events go.
    pub sink: EventSink,
    /// Does and records operations.
    pub operator: Arc<Operator>,
    /// Says what load is wanted.
    pub load: WantedLoad,
    /// Where the workload hears it, until it runs.
    pub load_news: Option<LoadNews>,
    world: World,
}

impl<R: Runtime> Lab<R> {
    /// A laboratory in which nothing runs yet; `healthy` is the world to boot into.
    ///
    /// # Errors
    /// When the links cannot be set.
    pub fn new(
        runtime: R,
        inventory: Inventory,
        healthy: World,
        sink: EventSink,
    ) -> Result<Lab<R>, LabError> {
        runtime.set_links(healthy.policies())?;
        let operator = Arc::new(Operator::new(sink.clone()));
        let (load, load_news) = wanted_load();
        Ok(Lab {
            load,
            load_news: Some(load_news),
            runtime,
            inventory,
            sink,
            operator,
            world: healthy,
        })
    }

    /// Starts all hosts, wave by wave, and waits until every one is ready.
    ///
    /// # Errors
    /// When a host cannot be started, ends, or is not ready in time.
    pub async fn boot(
        &self,
        waves: Vec<Vec<HostIndex>>,
        patience: Duration,
    ) -> Result<(), LabError> {
        let deadline = Instant::now() + patience;
        for wave in waves {
            let joined = wave
                .into_iter()
                .filter(|host| !self.world.host(*host).absent);
            stream::iter(joined)
                .map(|host| self.runtime.start(host))
                .buffer_unordered(STARTS_AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        self.await_ready(self.joined(), deadline, patience).await
    }

    /// The hosts that have joined.
    pub fn joined(&self) -> impl Iterator<Item = HostIndex> + '_ {
        self.inventory
            .indexes()
            .filter(|host| !self.world.host(*host).absent)
    }

    /// Waits until all of these hosts are ready.
    ///
    /// # Errors
    /// When one ends, or is not ready at the deadline.
    pub async fn await_ready(
        &self,
        hosts: impl Iterator<Item = HostIndex>,
        deadline: Instant,
        patience: Duration,
    ) -> Result<(), LabError> {
        let mut waits: FuturesUnordered<_> = hosts.map(|host| self.ready_or_ended(host)).collect();
        let all = async {
            while let Some((host, ready)) = waits.next().await {
                if !ready {
                    let log = self.runtime.log_tail(host);
                    let host = self.inventory.get(host).id.clone();
                    return Err(LabError::Ended { host, log });
                }
            }
            Ok(())
        };
        match tokio::time::timeout_at(deadline, all).await {
            Ok(result) => result,
            Err(_) => Err(self.not_ready(patience)),
        }
    }

    async fn ready_or_ended(&self, host: HostIndex) -> (HostIndex, bool) {
        let mut observed = self.runtime.observe(host);
        let seen = observed
            .wait_for(|seen| seen.ready || (!seen.alive && seen.starts > 0))
            .await;
        (host, seen.is_ok_and(|seen| seen.ready))
    }

    /// The hosts that are not ready right now.
    #[must_use]
    pub fn unready(&self) -> Vec<HostIndex> {
        let ready = |host: HostIndex| self.runtime.observe(host).borrow().ready;
        self.joined().filter(|host| !ready(*host)).collect()
    }

    fn not_ready(&self, patience: Duration) -> LabError {
        let unready = self.unready();
        let log = unready
            .first()
            .map(|host| self.runtime.log_tail(*host))
            .unwrap_or_default();
        let names: Vec<&str> = unready
            .iter()
            .map(|host| self.inventory.get(*host).id.0.as_str())
            .collect();
        LabError::NotReady {
            patience,
            hosts: names.join(", "),
            log,
        }
    }

    /// The world as it was last applied.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Brings the system from the world applied last to this one: links first, all at once, then
    /// the processes, all at the same time. Returns when every step was seen to be done.
    ///
    /// # Errors
    /// When a step could not be done.
    pub async fn apply(&mut self, wanted: World) -> Result<(), LabError> {
        let begun = Instant::now();
        let actions = reconcile(&self.world, &wanted);
        let mut links_us = None;
        if actions.contains(&Action::SetLinks) {
            let applied = self.runtime.set_links(wanted.policies())?;
            links_us = Some(micros(
                Instant::from_std(applied).saturating_duration_since(begun),
            ));
        }
        let mut by_host: BTreeMap<HostIndex, Vec<Action>> = BTreeMap::new();
        for action in actions {
            match (action.host(), action) {
                (Some(host), action) => by_host.entry(host).or_default().push(action),
                (None, Action::SetLoad) => self.load.set(wanted.load().clone()),
                (None, Action::Gather(crowd)) => self.load.gather(crowd).await,
                (None, _) => {}
            }
        }
        let mut steps: FuturesUnordered<_> = by_host
            .into_values()
            .map(|actions| self.act(actions, &wanted))
            .collect();
        while let Some(done) = steps.next().await {
            done?;
        }
        drop(steps);
        self.world = reached(&self.world, &wanted);
        let processes_us = micros(begun.elapsed());
        self.sink
            .emit(EventKind::WorldApplied {
                links_us,
                processes_us,
            })
            .await;
        Ok(())
    }

    /// The steps for one host, in order.
    async fn act(&self, actions: Vec<Action>, wanted: &World) -> Result<(), RuntimeError> {
        let runtime = &self.runtime;
        for action in actions {
            match action {
                Action::SetLinks | Action::SetLoad | Action::Gather(_) => {}
                Action::SetDisk(host) => runtime.set_disk(host, &wanted.host(host).disk)?,
                Action::SetLimits(host) => runtime.set_limits(host, &wanted.host(host).limits)?,
                Action::SetClock(host) => runtime.set_clock(host, &wanted.host(host).clock)?,
                Action::SetBugs(host) => self.set_bugs(host, &wanted.host(host).bugs).await,
                Action::Start(host) => runtime.start(host).await?,
                Action::Kill(host) => runtime.kill(host).await?,
                Action::Terminate(host) => runtime.terminate(host).await?,
                Action::Pause(host) => runtime.pause(host).await?,
                Action::Resume(host) => runtime.resume(host).await?,
                Action::Wipe(host) => runtime.wipe(host).await?,
                Action::LosePower(host) => runtime.lose_power(host).await?,
                Action::Restart(host) => {
                    runtime.terminate(host).await?;
                    runtime.start(host).await?;
                }
            }
        }
        Ok(())
    }

    /// Tells a host of its bugs, as soon as it answers. One that ends meanwhile has none.
    async fn set_bugs(&self, host: HostIndex, bugs: &BTreeMap<String, u32>) {
        let chances = bugs
            .iter()
            .map(|(name, ppm)| (name.clone(), f64::from(*ppm) / 1e6))
            .collect();
        let client = self.runtime.client(host);
        let deadline = Instant::now() + BUGS_PATIENCE;
        let refused = loop {
            match client.set_bugs(&chances).await {
                Ok(()) => return,
                Err(BugsError::Refused(why)) => break why,
                Err(BugsError::Silent(_)) if !self.runtime.observe(host).borrow().alive => return,
                Err(BugsError::Silent(why)) if Instant::now() >= deadline => break why,
                // It has just been started and does not listen yet.
                Err(BugsError::Silent(_)) => tokio::time::sleep(BUGS_INTERVAL).await,
            }
        };
        let host = &self.inventory.get(host).id;
        let message = format!("{host} does not take its bugs: {refused}");
        self.sink.emit(EventKind::Trouble { message }).await;
    }

    /// Does one operation at a host, and records it.
    pub async fn operate(&self, request: Request, host: HostIndex) -> Outcome {
        let client = self.runtime.client(host);
        self.operator
            .operate(request, &self.inventory.get(host).id, client)
            .await
    }

    /// What every host says of itself, all asked at the same time; nothing for those that do not
    /// answer.
    pub async fn statuses(&self) -> Vec<(HostIndex, Option<Status>)> {
        let ask = |host| async move { (host, self.runtime.client(host).status().await.ok()) };
        let asked: FuturesUnordered<_> = self.joined().map(ask).collect();
        let mut all: Vec<_> = asked.collect().await;
        all.sort_unstable_by_key(|(host, _)| *host);
        all
    }

    /// Ends all processes.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub async fn stop(&self) -> Result<(), LabError> {
        let mut stops: FuturesUnordered<_> = self
            .inventory
            .indexes()
            .map(|host| async move {
                self.runtime.resume(host).await?;
                self.runtime.terminate(host).await
            })
            .collect();
        while let Some(stopped) = stops.next().await {
            stopped?;
        }
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
