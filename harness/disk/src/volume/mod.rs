//! The disk itself: what each operation does to the folder underneath, and what the faults make
//! of it. It knows nothing of FUSE's messages and threads.
//!
//! - `handles`: open files and listings;
//! - `names`: creating, renaming and removing;
//! - `contents`: reading, writing, syncing, and the loss of power;
//! - `attributes`: modes, owners, times, the room that is left.

mod attributes;
mod contents;
mod handles;
#[cfg(test)]
mod model;
mod names;

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::FileStat;

pub(crate) use attributes::Changes;
pub(crate) use names::Caller;

use crate::counters::DiskCounters;
use crate::inodes::Inodes;
use crate::pin::Pin;
use crate::policy::DiskPolicy;
use crate::space::Space;
use crate::undo_log::{UNDO_BYTES_MAX, UNDO_FILES_MAX, UndoLog};
use handles::Handles;

/// A file as the kernel is told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) stat: FileStat,
}

#[derive(Debug)]
pub(crate) struct Volume {
    inodes: Inodes,
    handles: Handles,
    undo: UndoLog,
    space: Space,
    policy: DiskPolicy,
    has_power: bool,
    pub(crate) counters: DiskCounters,
}

impl Volume {
    pub(crate) fn new(root: Pin) -> io::Result<Volume> {
        Ok(Volume {
            inodes: Inodes::new(root)?,
            handles: Handles::default(),
            undo: UndoLog::new(UNDO_BYTES_MAX, UNDO_FILES_MAX),
            space: Space::default(),
            policy: DiskPolicy::default(),
            has_power: true,
            counters: DiskCounters::default(),
        })
    }

    pub(crate) fn set_policy(&mut self, policy: DiskPolicy) {
        if policy.free_bytes != self.policy.free_bytes {
            self.space.set(policy.free_bytes);
        }
        self.policy = policy;
    }

    /// What each slow operation takes now. Without power nothing is worth waiting for.
    pub(crate) fn delay(&self) -> Duration {
        if self.has_power {
            self.policy.slow
        } else {
            Duration::ZERO
        }
    }

    pub(crate) fn counters(&self) -> DiskCounters {
        DiskCounters {
            synced_early: self.undo.settled(),
            ..self.counters
        }
    }

    pub(crate) fn lookup(&mut self, parent: u64, name: &OsStr) -> io::Result<Entry> {
        let pin = self.inodes.pin(parent)?.child(name)?;
        self.tell(parent, name, pin)
    }

    pub(crate) fn forget(&mut self, number: u64, lookups: u64) {
        self.inodes.forget(number, lookups);
    }

    fn tell(&mut self, parent: u64, name: &OsStr, pin: Pin) -> io::Result<Entry> {
        let stat = pin.stat()?;
        let number = self.inodes.tell(parent, name, pin, &stat);
        Ok(Entry { number, stat })
    }

    /// A file or folder by its number: where it was last, or among the open files.
    fn pin(&self, number: u64) -> io::Result<Arc<Pin>> {
        self.inodes.pin(number).or_else(|error| {
            let open = self.handles.find(self.inodes.key(number)?);
            let file = open.ok_or(error)?;
            Ok(Arc::new(Pin::of(file)?))
        })
    }

    /// Refuses what promises to last when it cannot: without power, and when read-only.
    fn lasting(&mut self) -> io::Result<()> {
        if !self.has_power {
            self.counters.refused_powerless += 1;
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.writable()
    }

    fn writable(&mut self) -> io::Result<()> {
        if self.policy.read_only {
            self.counters.refused_read_only += 1;
            return Err(io::Error::from_raw_os_error(libc::EROFS));
        }
        Ok(())
    }

    /// Whether a change of contents happens: not without power, and an error when read-only.
    fn takes_contents(&mut self) -> io::Result<bool> {
        if !self.has_power {
            self.counters.forgotten += 1;
            return Ok(false);
        }
        self.writable().map(|()| true)
    }

    fn full(&mut self) -> io::Error {
        self.counters.refused_full += 1;
        io::Error::from_raw_os_error(libc::ENOSPC)
    }
}
