//! What a network costs: a TCP flow and a UDP ping-pong between two network namespaces.
//!
//! The *near* and the *far* host are joined by a fabric, or, to compare, by a pair of kernel
//! interfaces (veth), which is made by the program `ip`. Shared by the command that measures, the
//! one that tries whether anything works, and the example.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use crate::handle::{Fabric, FabricError};
use crate::host_net::{HostNet, HostNetError};
use crate::policy::LinkPolicy;
use crate::table::{HostIndex, PolicyTable};
use crate::tun::NETWORK;

/// How long an answer may take before it counts as lost.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// The port that both hosts use.
const PORT: u16 = 4_000;

/// Bytes of a full Ethernet packet.
const MTU: u16 = 1_500;

/// Bytes of a ping.
const PING_BYTES: usize = 64;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A host's network could not be made.
    #[error(transparent)]
    HostNet(#[from] HostNetError),
    /// The fabric could not be made.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The hosts could not talk.
    #[error("could not measure: {0}")]
    Io(#[from] io::Error),
    /// No packet got through.
    #[error("no packet got through between {hosts}; this is a bug of the fabric")]
    NothingArrived {
        /// Which.
        hosts: String,
    },
    /// `ip` did not do its part.
    #[error("`ip {line}` failed: {said}")]
    Ip {
        /// Its arguments.
        line: String,
        /// What it said.
        said: String,
    },
}

/// Two hosts with a network between them.
#[derive(Debug)]
pub struct Pair {
    near: OwnedFd,
    far: OwnedFd,
    fabric: Option<Fabric>,
}

impl Pair {
    /// The address of the near host.
    pub const NEAR: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
    /// The address of the far host.
    pub const FAR: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

    /// Two hosts on a fabric, with this policy both ways.
    ///
    /// # Errors
    /// When the machine does not allow it.
    pub fn on_fabric(policy: &LinkPolicy) -> Result<Pair, MeasureError> {
        let fabric = Fabric::start(1, 2)?;
        let netns = |index, address| -> Result<OwnedFd, MeasureError> {
            let mut host = HostNet::create(address, NETWORK.1, MTU)?;
            let tun = host.take_tun().expect("a new host has its device");
            fabric.attach(HostIndex(index), address, tun)?;
            Ok(host.netns().try_clone_to_owned()?)
        };
        let (near, far) = (netns(0, Pair::NEAR)?, netns(1, Pair::FAR)?);
        fabric.set_policies(PolicyTable::uniform(2, policy.clone()))?;
        Ok(Pair {
            near,
            far,
            fabric: Some(fabric),
        })
    }

    /// Two hosts joined by the kernel.
    ///
    /// # Errors
    /// When there is no program `ip`, or the kernel does not make the interfaces.
    pub fn on_veth() -> Result<Pair, MeasureError> {
        // Without its device, only the loopback interface is left in a host's namespace.
        let empty = || -> Result<OwnedFd, MeasureError> {
            let host = HostNet::create(Ipv4Addr::new(198, 18, 255, 1), 32, MTU)?;
            Ok(host.netns().try_clone_to_owned()?)
        };
        let (near, far) = (empty()?, empty()?);
        let peer = format!("/proc/{}/fd/{}", std::process::id(), far.as_raw_fd());
        let line = format!("link add va type veth peer name vb netns {peer}");
        ip(&near, &line)?;
        for (netns, name, address) in [(&near, "va", Pair::NEAR), (&far, "vb", Pair::FAR)] {
            ip(netns, &format!("addr add {address}/15 dev {name}"))?;
            ip(netns, &format!("link set {name} up"))?;
        }
        Ok(Pair {
            near,
            far,
            fabric: None,
        })
    }

    /// The fabric; none between hosts that the kernel joins.
    #[must_use]
    pub fn fabric(&self) -> Option<&Fabric> {
        self.fabric.as_ref()
    }

    /// The rate at which one TCP flow arrives, in bits a second.
    ///
    /// # Errors
    /// When the hosts cannot talk.
    pub fn tcp_bits_per_second(&self, length: Duration) -> Result<f64, MeasureError> {
        let listener = inside(self.far.as_fd(), || TcpListener::bind((Pair::FAR, PORT)))?;
        let mut sender = inside(self.near.as_fd(), || TcpStream::connect((Pair::FAR, PORT)))?;
        let (mut receiver, _) = listener.accept()?;
        thread::scope(|scope| {
            let sending = scope.spawn(move || -> io::Result<()> {
                let block = vec![7; 128 << 10];
                let start = Instant::now();
                while start.elapsed() < length {
                    sender.write_all(&block)?;
                }
                Ok(())
            });
            let mut block = vec![0; 256 << 10];
            let (start, mut bytes) = (Instant::now(), 0);
            while start.elapsed() < length {
                match receiver.read(&mut block)? {
                    0 => break,
                    count => bytes += count,
                }
            }
            let rate = bytes as f64 * 8.0 / start.elapsed().as_secs_f64();
            drop(receiver);
            // The sender may find the connection reset, now that nobody reads it.
            let _ = sending.join();
            Ok(rate)
        })
    }

    /// The times of a ping-pong, sorted: at most so many, and for at most so long. Lost ones are
    /// left out.
    ///
    /// # Errors
    /// When the hosts cannot talk.
    pub fn udp_round_trips(
        &self,
        count: usize,
        length: Duration,
    ) -> Result<Vec<Duration>, MeasureError> {
        let near = inside(self.near.as_fd(), || UdpSocket::bind((Pair::NEAR, PORT)))?;
        let far = inside(self.far.as_fd(), || UdpSocket::bind((Pair::FAR, PORT)))?;
        near.connect((Pair::FAR, PORT))?;
        far.connect((Pair::NEAR, PORT))?;
        near.set_read_timeout(Some(PATIENCE))?;
        far.set_read_timeout(Some(PATIENCE))?;
        let echo = thread::spawn(move || {
            let mut buffer = [0; PING_BYTES];
            // An empty datagram ends it; so does silence.
            while let Ok(bytes @ 1..) = far.recv(&mut buffer) {
                if far.send(&buffer[..bytes]).is_err() {
                    return;
                }
            }
        });
        let mut times = Vec::with_capacity(count);
        let mut buffer = [0; PING_BYTES];
        let start = Instant::now();
        while times.len() < count && start.elapsed() < length {
            let sent = Instant::now();
            near.send(&buffer)?;
            if near.recv(&mut buffer).is_ok() {
                times.push(sent.elapsed());
            }
        }
        near.send(&[])?;
        // It has ended by itself; it holds nothing that could be lost.
        let _ = echo.join();
        times.sort_unstable();
        Ok(times)
    }
}

/// Runs `ip` in a network namespace.
fn ip(netns: &OwnedFd, line: &str) -> Result<(), MeasureError> {
    let failed = |said: String| MeasureError::Ip {
        line: line.to_owned(),
        said,
    };
    let output = inside(netns.as_fd(), || {
        Command::new("ip").args(line.split(' ')).output()
    })
    .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim().to_owned()))
}

/// Does something on a thread that has entered a network namespace.
fn inside<T: Send>(
    netns: BorrowedFd<'_>,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    thread::scope(|scope| {
        let enter = || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            work()
        };
        scope.spawn(enter).join().expect("the work does not panic")
    })
}
