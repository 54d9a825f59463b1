//! The Docker runtime: each host is a container, joined to the others by the same fabric.
//!
//! The image is the running executable (`image`); nothing is pulled. Containers have no network
//! but the fabric's (`network`), their home is a folder of the run (`container`), and their first
//! process waits for its network before it becomes the program (`inside`). Whatever happens to the
//! harness, the `reaper` removes them; `sweep` does so by hand.

mod engine;
mod image;
mod labels;

mod found;

mod reaper;

mod holder;
mod network;
mod remote;

mod container;
mod news;
mod spec;

mod inside;

mod sweep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::tap::Tap;
use fabric::{HostIndex, LinkReport, PolicyTable};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use container::{Common, HostContainer};
use network::Network;
use reaper::Reaper;

pub use engine::{About, Engine, EngineError};
pub use holder::LISTENS;
pub use image::ImageError;
pub use inside::become_host;
pub use labels::RunId;
pub use network::AttachError;
pub use reaper::reap;
pub use remote::{RemoteError, hold as hold_fabric};
pub use sweep::{Sweep, Swept, sweep};

use super::home::Home;
use super::served::Served;
use super::{Needs, Observed, Probe, Runtime, RuntimeError};
use crate::history::{EventSink, Usage};
use crate::host::Inventory;
use crate::plan::Limits;
use crate::system::{HttpClient, System};
use crate::world::{ClockBend, Disk, ProcessLimits};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The plan's name, for labels.
    pub plan: &'a str,
    /// All hosts.
    pub inventory: &'a Inventory,
    /// What each of them may use.
    pub limits: Limits,
    /// The folder that holds the hosts' homes; the fabric's socket is made beside it.
    pub hosts: &'a Path,
    /// The executable that becomes the image.
    pub program: &'a Path,
    /// The seed of the fabric.
    pub seed: u64,
    /// What the faults of the run need.
    pub needs: &'a Needs,
}

/// See the module.
#[derive(Debug)]
pub struct Docker {
    engine: Engine,
    run: RunId,
    inventory: Inventory,
    hosts: Vec<Arc<HostContainer>>,
    network: Arc<Network>,
    /// Where a container that holds the fabric has its socket.
    fabric_folder: PathBuf,
    /// Listens to the engine.
    news: JoinHandle<()>,
    reaper: tokio::sync::Mutex<Option<Reaper>>,
    started: Instant,
    cpu_at_start: Duration,
}

impl Docker {
    /// Sweeps what dead runs of this user have left, and makes everything but the hosts'
    /// containers, which are made when they are first started.
    ///
    /// # Errors
    /// When the engine does not do its part. What was made by then is removed by the reaper.
    pub async fn new(
        setup: Setup<'_>,
        system: &impl System,
        sink: &EventSink,
    ) -> Result<Docker, RuntimeError> {
        setup.needs.check()?;
        let engine = Engine::connect().await?;
        let about = engine.about().await?;
        if let Some(obstacle) = about.obstacle() {
            return Err(obstacle.into());
        }
        sweep(&engine, &Sweep::Dead, false).await?;
        let image = image::ensure(&engine, setup.program).await?;
        let run = RunId::draw();
        // Before anything else of the run.
        let reaper = Reaper::start(&engine, &image, &run, setup.plan).await?;
        let network = holder::network_of(&engine, &image, &run, &reaper, &setup).await?;
        let common = Common {
            user: user(&about),
            engine: engine.clone(),
            image,
            run: run.clone(),
            plan: setup.plan.to_owned(),
            limits: setup.limits,
            network: Arc::new(network),
            sink: sink.clone(),
        };
        let mut hosts = Vec::new();
        for (index, info) in setup.inventory.iter() {
            let home = Home::create(&info.id, setup.hosts.join(&info.id.0))?;
            let served = match setup.needs.disks.contains(&index) {
                true => Some(Served::of(&home)?),
                false => None,
            };
            let launch = system.launch(index);
            let (common, address) = (common.clone(), info.address);
            let host = HostContainer::new(common, index, address, home, served, launch);
            hosts.push(Arc::new(host));
        }
        let news = tokio::spawn(news::listen(
            engine.clone(),
            run.clone(),
            setup.inventory.clone(),
            hosts.clone(),
            sink.clone(),
        ));
        Ok(Docker {
            engine,
            run,
            inventory: setup.inventory.clone(),
            hosts,
            network: common.network,
            fabric_folder: holder::fabric_folder(setup.hosts),
            news,
            reaper: tokio::sync::Mutex::new(Some(reaper)),
            started: Instant::now(),
            cpu_at_start: super::own_cpu(),
        })
    }

    fn host(&self, host: HostIndex) -> &Arc<HostContainer> {
        &self.hosts[usize::from(host.0)]
    }

    /// Lets somebody look at every packet; none ends that.
    ///
    /// # Errors
    /// When another process holds the network.
    pub fn set_tap(&self, tap: Option<Tap>) -> Result<(), RuntimeError> {
        self.network.set_tap(tap)
    }
}

/// The user inside: whoever may write the run folder.
fn user(about: &About) -> String {
    if about.rootless {
        // Root of such an engine is the user who runs it.
        return "0:0".to_owned();
    }
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    format!("{user}:{group}")
}

impl Runtime for Docker {
    type Client = HttpClient;

    fn name(&self) -> &'static str {
        "docker"
    }

    async fn start(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.host(host).start().await
    }

    async fn kill(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.host(host).kill().await
    }

    async fn terminate(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.host(host).terminate().await
    }

    async fn pause(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.host(host).pause().await
    }

    async fn resume(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.host(host).resume().await
    }

    async fn wipe(&self, host: HostIndex) -> Result<(), RuntimeError> {
        self.host(host).body().wipe().await
    }

    async fn lose_power(&self, host: HostIndex) -> Result<(), RuntimeError> {
        let host = self.host(host);
        host.body().lose_power(host.kill()).await
    }

    fn set_disk(&self, host: HostIndex, disk: &Disk) -> Result<(), RuntimeError> {
        self.host(host).body().set_disk(disk);
        Ok(())
    }

    fn set_limits(&self, host: HostIndex, limits: &ProcessLimits) -> Result<(), RuntimeError> {
        self.host(host).body().set_limits(limits)
    }

    fn set_clock(&self, host: HostIndex, bends: &[ClockBend]) -> Result<(), RuntimeError> {
        self.host(host).body().set_clock(bends)
    }

    fn probe(&self, host: HostIndex) -> Probe {
        self.host(host).body().probe()
    }

    async fn close(&self) -> Result<(), RuntimeError> {
        self.news.abort();
        let left = found::containers(&self.engine, Some(&self.run)).await?;
        let others = left.into_iter().filter(|one| !one.is_reaper());
        found::remove(&self.engine, others).await?;
        // It is there only when a container held the fabric, and holds nothing but its socket.
        let _ = std::fs::remove_dir_all(&self.fabric_folder);
        if let Some(reaper) = self.reaper.lock().await.take() {
            reaper.dismiss(&self.engine).await?;
        }
        Ok(())
    }

    fn set_links(&self, policies: PolicyTable) -> Result<Instant, RuntimeError> {
        self.network.set_policies(policies)
    }

    fn link_counters(&self) -> Result<Vec<LinkReport>, RuntimeError> {
        self.network.counters()
    }

    fn observe(&self, host: HostIndex) -> watch::Receiver<Observed> {
        self.host(host).body().observe()
    }

    fn client(&self, host: HostIndex) -> &HttpClient {
        self.host(host).body().home.client()
    }

    fn log_tail(&self, host: HostIndex) -> String {
        self.host(host).body().home.log_tail()
    }

    fn log_alarms(&self, host: HostIndex) -> Vec<String> {
        self.host(host).body().home.log_alarms()
    }

    fn usage(&self) -> Usage {
        let processes = self.hosts.iter().map(|host| host.pid());
        let hosts = super::host_usage(&self.inventory, processes);
        let fabric_cpu = self.network.cpu_time();
        let mut harness_cpu = super::own_cpu().saturating_sub(self.cpu_at_start);
        if matches!(*self.network, Network::Own(_)) {
            harness_cpu = harness_cpu.saturating_sub(fabric_cpu);
        }
        Usage {
            hosts,
            harness_cpu_us: super::micros(harness_cpu),
            fabric_cpu_us: super::micros(fabric_cpu),
            wall_us: super::micros(self.started.elapsed()),
        }
    }
}
