//! Modes, owners, times, and the room that is left. Attributes other than the length are durable
//! at once.

use std::io;
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, fstat, utimensat};
use nix::sys::statvfs::{Statvfs, fstatvfs};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};

use super::{Entry, Volume};
use crate::inodes::ROOT;
use crate::pin::{Pin, key_of};

/// What is to become of a file's attributes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) length: Option<u64>,
    pub(crate) accessed: Option<TimeSpec>,
    pub(crate) modified: Option<TimeSpec>,
}

/// What statfs(2) says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) underneath: Statvfs,
    pub(crate) free_blocks: u64,
    pub(crate) available_blocks: u64,
}

impl Volume {
    pub(crate) fn attributes(&mut self, number: u64, handle: Option<u64>) -> io::Result<Entry> {
        let stat = match handle.and_then(|handle| self.handles.get(handle).ok()) {
            Some(handle) => fstat(&*handle.file)?,
            None => self.pin(number)?.stat()?,
        };
        Ok(Entry { number, stat })
    }

    pub(crate) fn set_attributes(
        &mut self,
        number: u64,
        handle: Option<u64>,
        changes: Changes,
    ) -> io::Result<Entry> {
        let pin = self.pin(number)?;
        if self.takes_contents()? {
            set_owner_mode(&pin, changes)?;
            if let Some(length) = changes.length {
                let handle = handle.and_then(|handle| self.handles.get(handle).ok());
                let file = match handle {
                    Some(handle) => handle.file,
                    None => Arc::new(pin.open(true)?),
                };
                self.set_length(key_of(&pin.stat()?), &file, length)?;
            }
            set_times(&pin, changes)?;
        }
        self.attributes(number, handle)
    }

    pub(crate) fn room(&mut self) -> io::Result<Room> {
        let underneath = fstatvfs(&*self.inodes.pin(ROOT)?)?;
        let left = self.space.left().unwrap_or(u64::MAX) / underneath.fragment_size().max(1);
        Ok(Room {
            underneath,
            free_blocks: underneath.blocks_free().min(left),
            available_blocks: underneath.blocks_available().min(left),
        })
    }
}

fn set_owner_mode(pin: &Pin, changes: Changes) -> io::Result<()> {
    // The owner first: a new owner takes the set-user-ID bits away.
    if changes.uid.is_some() || changes.gid.is_some() {
        let (uid, gid) = (
            changes.uid.map(Uid::from_raw),
            changes.gid.map(Gid::from_raw),
        );
        fchownat(pin, "", uid, gid, AtFlags::AT_EMPTY_PATH)?;
    }
    if let Some(mode) = changes.mode {
        let mode = Mode::from_bits_truncate(mode & 0o7777);
        fchmodat(AT_FDCWD, &pin.path(), mode, FchmodatFlags::FollowSymlink)?;
    }
    Ok(())
}

fn set_times(pin: &Pin, changes: Changes) -> io::Result<()> {
    if changes.accessed.is_none() && changes.modified.is_none() {
        return Ok(());
    }
    let accessed = changes.accessed.unwrap_or(TimeSpec::UTIME_OMIT);
    let modified = changes.modified.unwrap_or(TimeSpec::UTIME_OMIT);
    let follow = UtimensatFlags::FollowSymlink;
    Ok(utimensat(
        AT_FDCWD,
        &pin.path(),
        &accessed,
        &modified,
        follow,
    )?)
}
