//! The fabric of a run on containers, wherever it is held.
//!
//! To make a device in a container's network namespace takes root on the engine's kernel. Where
//! the harness has that, it holds the fabric itself. Elsewhere one privileged container holds it
//! (`remote`), and is told what to do over a Unix socket in the run folder. Which of the two it
//! is makes no difference to anything else.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fabric::tap::Tap;
use fabric::{Fabric, HostIndex, HostNet, LinkReport, PolicyTable};
use thiserror::Error;

use super::remote::{Remote, RemoteError};
use crate::runtime::{MTU, PREFIX, RuntimeError};

/// A container cannot be joined to the network.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Its namespace is not there.
    #[error("could not open the network namespace {path}: {source}; has the container ended?")]
    Namespace {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The device cannot be made.
    #[error(transparent)]
    HostNet(#[from] fabric::HostNetError),
    /// The fabric does not take it.
    #[error(transparent)]
    Fabric(#[from] fabric::FabricError),
    /// The container that holds the fabric did not do its part.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// The fabric of a run.
#[derive(Debug)]
pub enum Network {
    /// Held by the harness.
    Own(Fabric),
    /// Held by a privileged container.
    Remote(Remote),
}

impl Network {
    /// Plugs in the container whose main process has this number on the engine's machine.
    pub fn attach(&self, host: HostIndex, address: Ipv4Addr, pid: u32) -> Result<(), AttachError> {
        match self {
            Network::Own(fabric) => attach(fabric, host, address, pid),
            Network::Remote(remote) => Ok(remote.attach(host, address, pid)?),
        }
    }

    /// Unplugs a container, which lets go of its namespace.
    pub fn detach(&self, host: HostIndex) -> Result<(), RuntimeError> {
        match self {
            Network::Own(fabric) => Ok(fabric.detach(host)?),
            Network::Remote(remote) => Ok(remote.detach(host)?),
        }
    }

    /// Gives every link its policy; returns when that took effect, at the latest.
    pub fn set_policies(&self, policies: PolicyTable) -> Result<Instant, RuntimeError> {
        match self {
            Network::Own(fabric) => Ok(fabric.set_policies(policies)?),
            Network::Remote(remote) => {
                remote.set_policies(policies)?;
                Ok(Instant::now())
            }
        }
    }

    /// What every link has carried and dropped so far.
    pub fn counters(&self) -> Result<Vec<LinkReport>, RuntimeError> {
        match self {
            Network::Own(fabric) => Ok(fabric.counters()?),
            Network::Remote(remote) => Ok(remote.counters()?),
        }
    }

    /// The processor time that the fabric has used.
    pub fn cpu_time(&self) -> Duration {
        match self {
            Network::Own(fabric) => fabric.cpu_time(),
            // What it does not say is not counted.
            Network::Remote(remote) => remote.cpu_time().unwrap_or_default(),
        }
    }

    /// Lets somebody look at every packet.
    pub fn set_tap(&self, tap: Option<Tap>) -> Result<(), RuntimeError> {
        match (self, tap) {
            (Network::Own(fabric), tap) => Ok(fabric.set_tap(tap)?),
            (Network::Remote(_), None) => Ok(()),
            (Network::Remote(_), Some(_)) => Err(RuntimeError::Unsupported {
                what: "packets can be captured only where the harness itself holds the network"
                    .into(),
                remedy: "run as root on the engine's machine, or leave out --pcap".into(),
            }),
        }
    }
}

/// Makes a device in the network namespace of a process and plugs it in.
pub fn attach(
    fabric: &Fabric,
    host: HostIndex,
    address: Ipv4Addr,
    pid: u32,
) -> Result<(), AttachError> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let netns = File::open(&path).map_err(|source| AttachError::Namespace { path, source })?;
    let device = HostNet::attach_to(netns.as_fd(), address, PREFIX, MTU)?;
    Ok(fabric.attach(host, address, device)?)
}
