//! Creating, renaming and removing. Names are durable at once, as on a journaling file system, so
//! without power each of these is refused: a success would be a promise.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, openat, readlinkat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};

use super::handles::Handle;
use super::{Entry, Volume};
use crate::pin::{Pin, key_of};

/// Who wants something, which becomes the owner of what is new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Volume {
    /// Creates a file and opens it.
    pub(crate) fn create(
        &mut self,
        caller: Caller,
        parent: u64,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> io::Result<(Entry, u64)> {
        let folder = self.new_name(parent)?;
        let writing = flags & libc::O_ACCMODE != libc::O_RDONLY;
        let access = if writing {
            OFlag::O_RDWR
        } else {
            OFlag::O_RDONLY
        };
        let exclusive = OFlag::from_bits_truncate(flags & libc::O_EXCL);
        let always = OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(
            &folder,
            name,
            access | exclusive | always,
            permissions(mode),
        )?;
        let pin = folder.child(name)?;
        own(&folder, &pin, caller)?;
        let entry = self.tell(parent, name, pin)?;
        let handle = Handle {
            file: Arc::new(file.into()),
            key: key_of(&entry.stat),
            is_sync: flags & libc::O_DSYNC != 0,
        };
        Ok((entry, self.handles.add(handle)))
    }

    /// A regular file, a named pipe, a socket, or a device if the folder underneath allows it.
    pub(crate) fn make_node(
        &mut self,
        caller: Caller,
        parent: u64,
        name: &OsStr,
        mode: u32,
        device: u32,
    ) -> io::Result<Entry> {
        let folder = self.new_name(parent)?;
        let kind = SFlag::from_bits_truncate(mode & libc::S_IFMT);
        mknodat(&folder, name, kind, permissions(mode), device.into())?;
        self.made(caller, parent, &folder, name)
    }

    pub(crate) fn make_folder(
        &mut self,
        caller: Caller,
        parent: u64,
        name: &OsStr,
        mode: u32,
    ) -> io::Result<Entry> {
        let folder = self.new_name(parent)?;
        mkdirat(&folder, name, permissions(mode))?;
        self.made(caller, parent, &folder, name)
    }

    pub(crate) fn make_symlink(
        &mut self,
        caller: Caller,
        parent: u64,
        name: &OsStr,
        target: &Path,
    ) -> io::Result<Entry> {
        let folder = self.new_name(parent)?;
        symlinkat(target, &folder, name)?;
        self.made(caller, parent, &folder, name)
    }

    pub(crate) fn make_link(
        &mut self,
        number: u64,
        parent: u64,
        name: &OsStr,
    ) -> io::Result<Entry> {
        let folder = self.new_name(parent)?;
        let linked = self.pin(number)?;
        linkat(
            AT_FDCWD,
            &linked.path(),
            &folder,
            name,
            AtFlags::AT_SYMLINK_FOLLOW,
        )?;
        self.tell(parent, name, folder.child(name)?)
    }

    pub(crate) fn read_link(&mut self, number: u64) -> io::Result<OsString> {
        Ok(readlinkat(&*self.pin(number)?, "")?)
    }

    pub(crate) fn remove_file(&mut self, parent: u64, name: &OsStr) -> io::Result<()> {
        self.lasting()?;
        let folder = self.inodes.pin(parent)?;
        let victim = folder.child(name)?;
        unlinkat(&*folder, name, UnlinkatFlags::NoRemoveDir)?;
        self.after_removal(&victim.stat()?);
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, parent: u64, name: &OsStr) -> io::Result<()> {
        self.lasting()?;
        let folder = self.inodes.pin(parent)?;
        Ok(unlinkat(&*folder, name, UnlinkatFlags::RemoveDir)?)
    }

    pub(crate) fn rename(
        &mut self,
        from: (u64, &OsStr),
        to: (u64, &OsStr),
        flags: u32,
    ) -> io::Result<()> {
        self.lasting()?;
        let (old, new) = (self.inodes.pin(from.0)?, self.inodes.pin(to.0)?);
        let victim = new.child(to.1).ok();
        let flags = RenameFlags::from_bits(flags);
        let flags = flags.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        renameat2(&*old, from.1, &*new, to.1, flags)?;
        if let Some(victim) = victim {
            self.after_removal(&victim.stat()?);
        }
        Ok(())
    }

    /// A file that has no name and is not open is gone: its room is free, and nothing of it can
    /// be lost any more.
    pub(super) fn after_removal(&mut self, stat: &FileStat) {
        let is_file = stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        if is_file && stat.st_nlink == 0 && self.handles.find(key_of(stat)).is_none() {
            self.undo.drop_file(key_of(stat));
            self.inodes.retire(key_of(stat));
            self.space.book(stat.st_size.cast_unsigned(), 0);
        }
    }

    /// The folder in which there may be a new name.
    fn new_name(&mut self, parent: u64) -> io::Result<Arc<Pin>> {
        self.lasting()?;
        if self.space.is_full() {
            return Err(self.full());
        }
        self.inodes.pin(parent)
    }

    fn made(
        &mut self,
        caller: Caller,
        parent: u64,
        folder: &Pin,
        name: &OsStr,
    ) -> io::Result<Entry> {
        let pin = folder.child(name)?;
        own(folder, &pin, caller)?;
        self.tell(parent, name, pin)
    }
}

fn permissions(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode & 0o7777)
}

/// Gives what is new to who asked for it, if we may. The group is that of the folder if the folder
/// says so.
fn own(folder: &Pin, new: &Pin, caller: Caller) -> io::Result<()> {
    let stat = new.stat()?;
    let keeps_group = folder.stat()?.st_mode & libc::S_ISGID != 0;
    let uid = (stat.st_uid != caller.uid).then(|| Uid::from_raw(caller.uid));
    let gid = (stat.st_gid != caller.gid && !keeps_group).then(|| Gid::from_raw(caller.gid));
    if Uid::effective().is_root() && (uid.is_some() || gid.is_some()) {
        fchownat(new, "", uid, gid, AtFlags::AT_EMPTY_PATH)?;
    }
    Ok(())
}
