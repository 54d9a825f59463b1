//! The network of one host: a network namespace with a TUN device in it.
//!
//! A thread has to be inside a namespace to make devices there, and a thread that has gone in
//! can be hard to get out again, so each step into a namespace happens on a helper thread that
//! ends with it. The caller's own namespace never changes.
//!
//! The descriptor of a TUN device keeps its network namespace alive. Whoever stops a host must
//! therefore also let go of its device: [`crate::Fabric::detach`].
//!
//! Left out on purpose: who lives in the namespace, and which address a host gets.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use crate::tun;

/// Why a host's network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HostNetError {
    /// The helper thread did not start.
    #[error("could not start a helper thread; raise the limit of threads (ulimit -u): {source}")]
    Thread {
        /// What the operating system said.
        source: io::Error,
    },
    /// No new network namespace.
    #[error(
        "could not make a network namespace: {source}; run as root, or as uid 0 of a user \
         namespace, and check /proc/sys/user/max_net_namespaces"
    )]
    Namespace {
        /// What the operating system said.
        source: Errno,
    },
    /// The given network namespace cannot be entered.
    #[error(
        "could not enter the network namespace: {source}; it takes CAP_SYS_ADMIN in the user \
         namespace that owns it"
    )]
    Enter {
        /// What the operating system said.
        source: Errno,
    },
    /// There is no TUN driver, or it may not be used.
    #[error("could not open /dev/net/tun: {source}; {}", open_advice(source))]
    OpenTun {
        /// What the operating system said.
        source: io::Error,
    },
    /// The driver did not make the device.
    #[error(
        "could not make the TUN device fab0: {source}; {}",
        create_advice(source)
    )]
    CreateTun {
        /// What the operating system said.
        source: io::Error,
    },
    /// The device is there but could not be set up.
    #[error("could not {step} of the host's network: {source}")]
    Configure {
        /// What was tried.
        step: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Not a prefix length.
    #[error("a prefix length is at most 32, not {prefix}")]
    Prefix {
        /// The length given.
        prefix: u8,
    },
}

/// A network namespace with the TUN device `fab0` in it, as its owner sees it. The namespace lives
/// as long as this value, the device, or a process inside.
#[derive(Debug)]
pub struct HostNet {
    netns: OwnedFd,
    tun: Option<OwnedFd>,
}

impl HostNet {
    /// Makes a new network namespace and, in it, the TUN device `fab0` with this address, and a
    /// route to the network of all hosts, 198.18.0.0/15. `lo` is up, IPv6 is off on the device,
    /// and there is no route to anywhere else.
    ///
    /// # Errors
    /// When the kernel or the privileges do not allow it; the message says what to do.
    pub fn create(address: Ipv4Addr, prefix: u8, mtu: u16) -> Result<HostNet, HostNetError> {
        on_helper_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|source| HostNetError::Namespace { source })?;
            let tun = tun::open_interface(address, prefix, mtu)?;
            Ok(HostNet {
                netns: tun::current_netns()?,
                tun: Some(tun),
            })
        })
    }

    /// Makes the device in a network namespace that exists, for example a container's, opened
    /// from `/proc/PID/ns/net`. Returns the device.
    ///
    /// # Errors
    /// When the namespace cannot be entered, has a `fab0` already, or the kernel refuses; the
    /// message says what to do.
    pub fn attach_to(
        netns: BorrowedFd<'_>,
        address: Ipv4Addr,
        prefix: u8,
        mtu: u16,
    ) -> Result<OwnedFd, HostNetError> {
        on_helper_thread(|| {
            setns(netns, CloneFlags::CLONE_NEWNET)
                .map_err(|source| HostNetError::Enter { source })?;
            tun::open_interface(address, prefix, mtu)
        })
    }

    /// The network namespace, to be entered by whoever lives in it.
    #[must_use]
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }

    /// The device, to be given to [`crate::Fabric::attach`]. None the second time.
    pub fn take_tun(&mut self) -> Option<OwnedFd> {
        self.tun.take()
    }
}

fn on_helper_thread<T: Send>(
    work: impl FnOnce() -> Result<T, HostNetError> + Send,
) -> Result<T, HostNetError> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("fabric-netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|source| HostNetError::Thread { source })?
            .join()
            .expect("the helper thread returns its errors")
    })
}

fn open_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            "load the driver (modprobe tun) or make the node (mkdir -p /dev/net && mknod \
             /dev/net/tun c 10 200)"
        }
        io::ErrorKind::PermissionDenied => {
            "make it usable (chmod 0666 /dev/net/tun), or in a container allow the device \
             (--device /dev/net/tun)"
        }
        _ => "the kernel needs CONFIG_TUN (modprobe tun)",
    }
}

fn create_advice(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EBUSY) => "the namespace has such a device already: detach it first",
        Some(libc::EPERM) => "it takes CAP_NET_ADMIN in the namespace: run as root",
        _ => "the kernel needs CONFIG_TUN with virtio headers",
    }
}
