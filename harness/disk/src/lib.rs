//! A disk with faults: a file system that stands between a host's process and its real folder.
//!
//! The kernel sends each operation on the disk to this process, over FUSE; it is carried out in
//! the folder underneath, unless a fault is in the way. So the faults are real to any program: no
//! space left (ENOSPC), read-only (EROFS), slow operations, and the loss of what was not synced
//! when the power failed. It needs no library and no helper program, works in an unprivileged user
//! and mount namespace, and when its process or namespace dies nothing is left behind but the
//! folder with ordinary files.
//!
//! # What a power failure loses
//!
//! The model is that of a journaling file system, as LazyFS has it: *names* (create, rename,
//! remove, link) are durable at once; the *content and length* of a file are durable when fsync or
//! fdatasync on it has returned, or a write with O_SYNC or O_DSYNC. When the power comes back,
//! every file is as it was at its last sync; a new file that was never synced is there and empty.
//! Writes go through to the folder at once, and what they overwrite is kept in memory (at most
//! [`UNDO_BYTES_MAX`]; beyond it the file that waits longest becomes durable, as when the kernel
//! writes back early). A sync is passed on to the folder, so that it costs what it costs.
//!
//! # The tour
//!
//! - [`policy`], [`counters`]: what a disk does, and what it did;
//! - `space`, `undo`, `undo_log`: how much fits, and how files go back;
//! - `pin`, `inodes`: files underneath, and the numbers by which the kernel knows them;
//! - `volume`: each operation, with the faults;
//! - `shared`, `served`, `answer`, `line`: between the volume and the kernel;
//! - [`device`], [`host_disk`]: what a caller holds.
//!
//! ```no_run
//! use std::path::Path;
//! use std::time::Duration;
//! use disk::{Backing, Device, DiskPolicy, HostDisk};
//!
//! let folder = Path::new("/srv/host-1");
//! let backing = Backing::open(folder)?;
//! let device = Device::open()?;
//! disk::mount(&device, folder)?;
//! let disk = HostDisk::serve(backing, device)?;
//! disk.set_policy(DiskPolicy {
//!     free_bytes: Some(1 << 20),
//!     slow: Duration::from_millis(20),
//!     ..DiskPolicy::default()
//! });
//! disk.cut_power();
//! // Kill the process, and wait until it is dead.
//! let lost = disk.restore_power()?;
//! println!("{} bytes in {} files are lost", lost.bytes, lost.files);
//! # Ok::<(), disk::DiskError>(())
//! ```
//!
//! Each open file, folder in use and dirty file takes a descriptor of this process; who serves
//! many disks raises the limit (RLIMIT_NOFILE).
//!
//! It knows nothing of plans, and of when which fault is due.

mod answer;
pub mod counters;
pub mod device;
pub mod host_disk;
mod inodes;
mod line;
mod pin;
pub mod policy;
mod served;
mod shared;
mod space;
mod undo;
mod undo_log;
mod volume;

pub use counters::DiskCounters;
pub use device::{Device, DiskError, mount, mount_in};
pub use host_disk::{Backing, HostDisk, Lost};
pub use policy::DiskPolicy;
pub use undo_log::{UNDO_BYTES_MAX, UNDO_FILES_MAX};
