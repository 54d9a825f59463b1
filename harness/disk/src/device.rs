//! The device over which the kernel asks, and the mount that makes it ask.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use nix::mount::MsFlags;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};

use crate::pin::Pin;

const DEVICE: &str = "/dev/fuse";

/// Why a disk could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// There is no FUSE driver, or it may not be used.
    #[error("could not open /dev/fuse: {source}; {}", open_advice(source))]
    OpenDevice {
        /// What the operating system said.
        source: io::Error,
    },
    /// The kernel did not mount the disk.
    #[error("could not mount the disk on {}: {source}; {}", target.display(), mount_advice(source))]
    Mount {
        /// Where.
        target: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The mount namespace of a process cannot be entered.
    #[error(
        "could not enter the mount namespace of process {pid}: {source}; it takes a living process \
         and CAP_SYS_ADMIN over its namespace"
    )]
    Enter {
        /// The process.
        pid: u32,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder underneath cannot be opened.
    #[error("could not open the folder {} of the disk: {source}; it must exist", path.display())]
    Backing {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The device was not mounted by [`mount`] or [`mount_in`].
    #[error("the device of the disk is not mounted; call mount or mount_in first")]
    NotMounted,
    /// The kernel does not talk to us.
    #[error("could not serve the disk: {source}; was it unmounted already?")]
    Serve {
        /// What the operating system said.
        source: io::Error,
    },
    /// A thread did not start.
    #[error("could not start a thread; raise the limit of threads (ulimit -u): {source}")]
    Thread {
        /// What the operating system said.
        source: io::Error,
    },
    /// Not every file could go back.
    #[error("could not take a file back to its last sync: {source}; the folder is of no use now")]
    Restore {
        /// What the operating system said of the first such file.
        source: io::Error,
    },
}

/// An open /dev/fuse, and the root of the disk once it is mounted. It has to be opened in the user
/// namespace in which it is mounted.
#[derive(Debug)]
pub struct Device {
    fuse: OwnedFd,
    /// A way to the disk's root, whichever namespace it is mounted in.
    root: OnceLock<Pin>,
}

impl Device {
    /// Opens the device.
    ///
    /// # Errors
    /// When there is none, or it may not be used; the message says what to do.
    pub fn open() -> Result<Device, DiskError> {
        let opened = OpenOptions::new().read(true).write(true).open(DEVICE);
        let file = opened.map_err(|source| DiskError::OpenDevice { source })?;
        Ok(Device {
            fuse: file.into(),
            root: OnceLock::new(),
        })
    }

    /// The descriptor, and the root if it is mounted.
    pub(crate) fn into_parts(self) -> (OwnedFd, Option<Pin>) {
        (self.fuse, self.root.into_inner())
    }
}

/// Mounts a disk on a folder in the caller's own mount namespace. From then on whoever enters the
/// folder waits until [`crate::HostDisk::serve`] is called, or the device closed.
///
/// The kernel checks modes and owners itself (`default_permissions`), as on any other disk.
///
/// # Errors
/// When the kernel refuses; the message says what to do.
pub fn mount(device: &Device, target: &Path) -> Result<(), DiskError> {
    let options = format!(
        "fd={},rootmode=40000,user_id={},group_id={},allow_other,default_permissions",
        device.fuse.as_raw_fd(),
        Uid::effective(),
        Gid::effective()
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let (source, kind) = (Some("harness-disk"), Some("fuse"));
    nix::mount::mount(source, target, kind, flags, Some(options.as_str()))
        .map_err(io::Error::from)
        .and_then(|()| Pin::folder(target))
        .map(|root| {
            // The kernel mounts a device only once, so this is the first.
            let _ = device.root.set(root);
        })
        .map_err(|source| DiskError::Mount {
            target: target.to_owned(),
            source,
        })
}

/// The same inside the mount namespace of another process, where `target` is looked up. The user
/// namespace stays the caller's, so the device may have been opened before. It happens on a thread
/// that ends with it: the caller's own namespace never changes.
///
/// # Errors
/// When the namespace cannot be entered or the kernel refuses; the message says what to do.
pub fn mount_in(device: &Device, pid: u32, target: &Path) -> Result<(), DiskError> {
    let work = || {
        let enter = |source: io::Error| DiskError::Enter { pid, source };
        let namespace = File::open(format!("/proc/{pid}/ns/mnt")).map_err(enter)?;
        // A thread that shares its root and working folder with others may not change namespaces.
        unshare(CloneFlags::CLONE_FS).map_err(|source| enter(source.into()))?;
        let entered = setns(namespace, CloneFlags::CLONE_NEWNS);
        entered.map_err(|source| enter(source.into()))?;
        mount(device, target)
    };
    thread::scope(|scope| {
        thread::Builder::new()
            .name("disk-mount".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|source| DiskError::Thread { source })?
            .join()
            .expect("the helper thread returns its errors")
    })
}

fn open_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            "load the driver (modprobe fuse), or in a container allow the device (--device \
             /dev/fuse)"
        }
        io::ErrorKind::PermissionDenied => {
            "make it usable (chmod 0666 /dev/fuse), or in a container allow the device (--device \
             /dev/fuse)"
        }
        _ => "the kernel needs CONFIG_FUSE_FS (modprobe fuse)",
    }
}

fn mount_advice(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "it takes CAP_SYS_ADMIN: run as root, or as uid 0 of a user namespace with a mount \
             namespace of its own"
        }
        Some(libc::EINVAL) => {
            "the device must be new, and opened in the user namespace in which it is mounted"
        }
        Some(libc::ENOENT | libc::ENOTDIR) => "the target must be a folder that exists",
        Some(libc::ENODEV) => "the kernel needs CONFIG_FUSE_FS (modprobe fuse)",
        _ => "see mount(2)",
    }
}
