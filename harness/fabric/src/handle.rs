//! The handle of a running fabric.
//!
//! A [`Fabric`] owns the router thread and talks to it over a bounded channel: each call puts a
//! command in, wakes the router, and waits for the answer, which comes between two packets, so
//! within a millisecond. Any thread may call. Dropping the handle stops and joins the router, and
//! closes every device.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::counters::LinkReport;
use crate::router::{Command, Router};
use crate::switch::Switch;
use crate::table::{HostIndex, PolicyTable};
use crate::tap::Tap;

/// How many hosts a fabric can join: its tables then take half a gigabyte.
pub const HOSTS_MAX: u16 = 8_192;

/// How many calls may wait for the router before the next one waits to be put in.
const COMMANDS_MAX: usize = 16;

/// Why the fabric could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// More hosts than [`HOSTS_MAX`].
    #[error("a fabric joins at most {HOSTS_MAX} hosts, not {hosts}")]
    TooManyHosts {
        /// How many were asked for.
        hosts: u16,
    },
    /// The router did not start.
    #[error("could not start the router: {source}; check the limits of open files and threads")]
    Start {
        /// What the operating system said.
        source: io::Error,
    },
    /// The router thread is gone. This is a bug, or the kernel took its descriptors away.
    #[error("the router has stopped; start a new fabric")]
    Stopped,
    /// No such host.
    #[error("host {host} is not one of the {hosts} hosts of this fabric")]
    UnknownHost {
        /// The index given.
        host: u16,
        /// The number of hosts.
        hosts: u16,
    },
    /// The table is for another number of hosts.
    #[error("a table for {given} hosts does not fit a fabric of {hosts} hosts")]
    TableSize {
        /// The hosts of the table.
        given: u16,
        /// The hosts of the fabric.
        hosts: u16,
    },
    /// Two hosts cannot have the same address.
    #[error("{address} belongs to host {owner}; give this host another address")]
    AddressTaken {
        /// The address.
        address: Ipv4Addr,
        /// Who has it.
        owner: u16,
    },
    /// The device cannot be waited for.
    #[error("could not attach the device: {source}; it must be a TUN device, open for both ways")]
    Device {
        /// What the operating system said.
        source: Errno,
    },
}

/// A running virtual network. Dropping it stops the network.
#[derive(Debug)]
pub struct Fabric {
    hosts: u16,
    commands: SyncSender<Command>,
    wake: Arc<EventFd>,
    router: Option<JoinHandle<()>>,
}

impl Fabric {
    /// Starts a fabric for this many hosts, none of which is attached yet, with all links healthy.
    /// The seed decides every random choice on every link.
    ///
    /// # Errors
    /// When there are too many hosts, or the operating system does not give a thread or the few
    /// descriptors needed.
    pub fn start(seed: u64, hosts: u16) -> Result<Fabric, FabricError> {
        if hosts > HOSTS_MAX {
            return Err(FabricError::TooManyHosts { hosts });
        }
        let start = |source: Errno| FabricError::Start {
            source: source.into(),
        };
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_flags(flags).map_err(start)?);
        let (commands, receiver) = sync_channel(COMMANDS_MAX);
        let router = Router::new(Switch::new(seed, hosts), receiver, Arc::clone(&wake));
        let router = router.map_err(start)?;
        let thread = thread::Builder::new()
            .name("fabric-router".to_owned())
            // When it ends early, its channel closes, and every call says so.
            .spawn(move || {
                router
                    .run()
                    .expect("the router waits only for descriptors of its own");
            })
            .map_err(|source| FabricError::Start { source })?;
        Ok(Fabric {
            hosts,
            commands,
            wake,
            router: Some(thread),
        })
    }

    /// Plugs a host's device in. A host that was attached before changes over to the new device;
    /// packets in flight to it arrive there.
    ///
    /// # Errors
    /// When the host is unknown, the address belongs to another host, or the device is no device.
    pub fn attach(
        &self,
        host: HostIndex,
        address: Ipv4Addr,
        tun: OwnedFd,
    ) -> Result<(), FabricError> {
        self.check(host)?;
        self.ask(|reply| Command::Attach {
            host,
            address,
            device: tun,
            reply,
        })?
    }

    /// Unplugs a host and closes its device. Packets to it are dropped, and counted so. Nothing
    /// happens when it is not attached.
    ///
    /// # Errors
    /// When the host is unknown.
    pub fn detach(&self, host: HostIndex) -> Result<(), FabricError> {
        self.check(host)?;
        self.ask(|reply| Command::Detach { host, reply })
    }

    /// Swaps the policies of all links between two packets. Returns the moment from which on
    /// every packet meets the new policies.
    ///
    /// # Errors
    /// When the table is for another number of hosts.
    pub fn set_policies(&self, table: PolicyTable) -> Result<Instant, FabricError> {
        if table.hosts() != self.hosts {
            return Err(FabricError::TableSize {
                given: table.hosts(),
                hosts: self.hosts,
            });
        }
        let (since, _old) = self.ask(|reply| Command::SetPolicies { table, reply })?;
        Ok(since)
    }

    /// The counters of all links that saw a packet, in the order of their first packets.
    ///
    /// # Errors
    /// When the router has stopped.
    pub fn counters(&self) -> Result<Vec<LinkReport>, FabricError> {
        self.ask(|reply| Command::Counters { reply })
    }

    /// Lets a tap look at every packet from now on; none takes the tap away.
    ///
    /// # Errors
    /// When the router has stopped.
    pub fn set_tap(&self, tap: Option<Tap>) -> Result<(), FabricError> {
        self.ask(|reply| Command::SetTap { tap, reply })
    }

    /// The processor time that the router thread has used; zero when it has stopped.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        self.ask(|reply| Command::CpuTime { reply })
            .unwrap_or_default()
    }

    fn check(&self, host: HostIndex) -> Result<(), FabricError> {
        if host.0 < self.hosts {
            Ok(())
        } else {
            Err(FabricError::UnknownHost {
                host: host.0,
                hosts: self.hosts,
            })
        }
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Result<T, FabricError> {
        let (reply, answer) = sync_channel(1);
        self.commands
            .send(command(reply))
            .map_err(|_| FabricError::Stopped)?;
        self.wake_router();
        answer.recv().map_err(|_| FabricError::Stopped)
    }

    fn wake_router(&self) {
        // It fails only when the counter is full, and then the router is awake already.
        let _ = self.wake.write(1);
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        // It fails only when the router has stopped already.
        let _ = self.commands.send(Command::Stop);
        self.wake_router();
        if let Some(router) = self.router.take() {
            // A panic of the router has been printed; there is nothing to add while dropping.
            let _ = router.join();
        }
    }
}
