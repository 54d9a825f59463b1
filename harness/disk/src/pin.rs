//! A file or folder underneath, held without being open.
//!
//! A pin is an O_PATH descriptor. It stays with its file through renames and removal, and reaches
//! what lies under a mount that came later. What O_PATH does not allow goes through
//! `/proc/self/fd`.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};

use crate::undo_log::FileKey;

#[derive(Debug)]
pub(crate) struct Pin(OwnedFd);

impl Pin {
    /// A folder by its path.
    pub(crate) fn folder(path: &Path) -> io::Result<Pin> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Pin(openat(AT_FDCWD, path, flags, Mode::empty())?))
    }

    /// What has this name in this folder, be it a symbolic link.
    pub(crate) fn child(&self, name: &OsStr) -> io::Result<Pin> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(Pin(openat(&self.0, name, flags, Mode::empty())?))
    }

    /// An open file.
    pub(crate) fn of(file: &File) -> io::Result<Pin> {
        Ok(Pin(file.try_clone()?.into()))
    }

    pub(crate) fn stat(&self) -> io::Result<FileStat> {
        Ok(fstat(&self.0)?)
    }

    /// A path that leads here, wherever the file is.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    /// Opens the file, for writing always together with reading: old content has to be kept.
    pub(crate) fn open(&self, writing: bool) -> io::Result<File> {
        // A named pipe that got here behind our back must not hold up the whole disk.
        OpenOptions::new()
            .read(true)
            .write(writing)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(self.path())
    }
}

impl AsFd for Pin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Pin> for OwnedFd {
    fn from(pin: Pin) -> OwnedFd {
        pin.0
    }
}

/// Which file this is.
pub(crate) fn key_of(stat: &FileStat) -> FileKey {
    FileKey {
        device: stat.st_dev,
        inode: stat.st_ino,
    }
}
