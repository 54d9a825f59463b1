//! The local runtime: each host is a child process in a network namespace of its own.
//!
//! Needs only Linux. The harness re-executes itself inside new user, mount, pid and network
//! namespaces (`enclosure`), so that the kernel takes everything down when the harness dies, by
//! whatever cause. Each host then gets a network namespace with one TUN device (`fabric`), a
//! folder and a process (`process`).

pub mod enclosure;

mod process;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fabric::tap::Tap;
use fabric::{Fabric, HostIndex, HostNet, LinkReport, PolicyTable};
use tokio::sync::watch;

use process::HostProcess;

use super::home::Home;
use super::served::Served;
use super::{MTU, Needs, Observed, PREFIX, Probe, Runtime, RuntimeError};
use crate::history::{EventSink, Usage};
use crate::host::Inventory;
use crate::system::{HttpClient, System};
use crate::world::{ClockBend, Disk, ProcessLimits};

/// See the module.
#[derive(Debug)]
pub struct Local {
    inventory: Inventory,
    hosts: Vec<HostProcess>,
    fabric: Fabric,
    started: Instant,
    cpu_at_start: Duration,
}

impl Local {
    /// Makes the network and the folders of all hosts below `folder`; starts no process yet.
    ///
    /// # Errors
    /// When the machine does not allow it; the message says what to do.
    pub fn new(
        inventory: &Inventory,
        system: &impl System,
        folder: &Path,
        seed: u64,
        needs: &Needs,
        sink: &EventSink,
    ) -> Result<Local, RuntimeError> {
        needs.check()?;
        let fabric = Fabric::start(seed, inventory.len())?;
        let mut hosts = Vec::with_capacity(usize::from(inventory.len()));
        for (index, info) in inventory.iter() {
            let mut net = HostNet::create(info.address, PREFIX, MTU)?;
            let tun = net.take_tun().expect("a new host network has its device");
            fabric.attach(index, info.address, tun)?;
            let home = Home::create(&info.id, folder.join(&info.id.0))?;
            let served = match needs.disks.contains(&index) {
                true => Some(serve_disk(&home)?),
                false => None,
            };
            let launch = system.launch(index);
            hosts.push(HostProcess::new(home, served, launch, net, sink.clone()));
        }
        Ok(Local {
            inventory: inventory.clone(),
            hosts,
            fabric,
            started: Instant::now(),
            cpu_at_start: super::own_cpu(),
        })
    }

    fn host(&self, host: HostIndex) -> &HostProcess {
        &self.hosts[usize::from(host.0)]
    }

    /// Lets somebody look at every packet; none ends that.
    ///
    /// # Errors
    /// When the network has stopped.
    pub fn set_tap(&self, tap: Option<Tap>) -> Result<(), RuntimeError> {
        Ok(self.fabric.set_tap(tap)?)
    }

    /// The folder of a host.
    #[must_use]
    pub fn home(&self, host: HostIndex) -> PathBuf {
        self.host(host).body().home.path().to_owned()
    }
}

/// Puts a disk that the harness serves over a host's folder, in the enclosure's own mounts.
fn serve_disk(home: &Home) -> Result<Served, RuntimeError> {
    let served = Served::of(home)?;
    served.serve(|device| disk::mount(device, &home.disk_path()))?;
    Ok(served)
}

impl Runtime for Local {
    type Client = HttpClient;

    fn name(&self) -> &'static str {
        "local"
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
        // The kernel takes everything down with the enclosure.
        Ok(())
    }

    fn set_links(&self, policies: PolicyTable) -> Result<Instant, RuntimeError> {
        Ok(self.fabric.set_policies(policies)?)
    }

    fn link_counters(&self) -> Result<Vec<LinkReport>, RuntimeError> {
        Ok(self.fabric.counters()?)
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
        let processes = self.hosts.iter().map(HostProcess::pid);
        let hosts = super::host_usage(&self.inventory, processes);
        let fabric_cpu = self.fabric.cpu_time();
        let harness_cpu = super::own_cpu().saturating_sub(self.cpu_at_start);
        Usage {
            hosts,
            harness_cpu_us: super::micros(harness_cpu.saturating_sub(fabric_cpu)),
            fabric_cpu_us: super::micros(fabric_cpu),
            wall_us: super::micros(self.started.elapsed()),
        }
    }
}
