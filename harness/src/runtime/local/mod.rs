//! The local runtime: each host is a child process in a network namespace of its own.
//!
//! Needs only Linux. The harness re-executes itself inside new user, mount, pid and network
//! namespaces (`enclosure`), so that the kernel takes everything down when the harness dies, by
//! whatever cause. Each host then gets a network namespace with one TUN device (`fabric`), a
//! folder and a process (`process`).

pub mod enclosure;

mod alarms;
mod process;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fabric::tap::Tap;
use fabric::{Fabric, HostIndex, HostNet, LinkReport, PolicyTable};
use tokio::sync::watch;

use process::HostProcess;

use super::{Observed, Runtime, RuntimeError};
use crate::history::{EventSink, HostUsage, Usage};
use crate::host::Inventory;
use crate::system::{HttpClient, Launch, System};

/// Prefix length of the fabric's network, 198.18.0.0/15 (RFC 2544).
const PREFIX: u8 = 15;

/// Largest packet, bytes.
const MTU: u16 = 1500;

/// Bytes of a log's end that are shown in messages.
const LOG_TAIL_BYTES: usize = 1200;

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
        sink: &EventSink,
    ) -> Result<Local, RuntimeError> {
        let fabric = Fabric::start(seed, inventory.len())?;
        let mut hosts = Vec::with_capacity(usize::from(inventory.len()));
        for (index, info) in inventory.iter() {
            let mut net = HostNet::create(info.address, PREFIX, MTU)?;
            let tun = net.take_tun().expect("a new host network has its device");
            fabric.attach(index, info.address, tun)?;
            let launch: Launch = system.launch(index);
            let home = folder.join(&info.id.0);
            hosts.push(HostProcess::new(
                info.id.clone(),
                home,
                launch,
                net,
                sink.clone(),
            )?);
        }
        Ok(Local {
            inventory: inventory.clone(),
            hosts,
            fabric,
            started: Instant::now(),
            cpu_at_start: own_cpu(),
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
        self.host(host).home().to_owned()
    }
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

    fn set_links(&self, policies: PolicyTable) -> Result<Instant, RuntimeError> {
        Ok(self.fabric.set_policies(policies)?)
    }

    fn link_counters(&self) -> Result<Vec<LinkReport>, RuntimeError> {
        Ok(self.fabric.counters()?)
    }

    fn observe(&self, host: HostIndex) -> watch::Receiver<Observed> {
        self.host(host).observe()
    }

    fn client(&self, host: HostIndex) -> &HttpClient {
        self.host(host).client()
    }

    fn log_tail(&self, host: HostIndex) -> String {
        let text = std::fs::read(self.host(host).log_path()).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(LOG_TAIL_BYTES)..];
        String::from_utf8_lossy(tail).into_owned()
    }

    fn log_alarms(&self, host: HostIndex) -> Vec<String> {
        alarms::of_file(&self.host(host).log_path())
    }

    fn usage(&self) -> Usage {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let fabric_cpu = self.fabric.cpu_time();
        let hosts = self
            .inventory
            .iter()
            .zip(&self.hosts)
            .filter_map(|((_, info), process)| {
                let pid = process.pid()?;
                Some(HostUsage {
                    host: info.id.clone(),
                    address: info.address,
                    pss_bytes: super::process_pss(pid)?,
                    cpu_us: micros(super::process_cpu(pid)?),
                })
            })
            .collect();
        let harness_cpu = own_cpu().saturating_sub(self.cpu_at_start);
        Usage {
            hosts,
            harness_cpu_us: micros(harness_cpu.saturating_sub(fabric_cpu)),
            fabric_cpu_us: micros(fabric_cpu),
            wall_us: micros(self.started.elapsed()),
        }
    }
}

/// Processor time of this process so far, all threads.
fn own_cpu() -> Duration {
    super::process_cpu(std::process::id()).unwrap_or_default()
}
