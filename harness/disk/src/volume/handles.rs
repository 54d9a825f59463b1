//! Open files and folders, by the numbers that the kernel was given for them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::sync::Arc;

use super::Volume;
use crate::pin::{Pin, key_of};
use crate::undo_log::FileKey;

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) file: Arc<File>,
    pub(super) key: FileKey,
    /// Every write is synced (O_SYNC, O_DSYNC).
    pub(super) is_sync: bool,
}

/// A name in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) name: OsString,
    pub(crate) inode: u64,
    /// None for the folder itself and its parent.
    pub(crate) kind: Option<FileType>,
}

#[derive(Debug, Default)]
pub(super) struct Handles {
    files: HashMap<u64, Handle>,
    listings: HashMap<u64, Vec<Listed>>,
    last: u64,
}

impl Handles {
    pub(super) fn get(&self, handle: u64) -> io::Result<Handle> {
        let found = self.files.get(&handle).cloned();
        found.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    pub(super) fn add(&mut self, handle: Handle) -> u64 {
        self.last += 1;
        self.files.insert(self.last, handle);
        self.last
    }

    /// The file, if it is open.
    pub(super) fn find(&self, key: FileKey) -> Option<&File> {
        let mut open = self.files.values();
        open.find(|handle| handle.key == key)
            .map(|handle| &*handle.file)
    }
}

impl Volume {
    pub(crate) fn open(&mut self, number: u64, flags: i32) -> io::Result<u64> {
        let writing = flags & libc::O_ACCMODE != libc::O_RDONLY;
        if writing {
            // Without power, what is written is forgotten, so it may be opened.
            self.writable()?;
        }
        let pin = self.pin(number)?;
        let handle = Handle {
            file: Arc::new(pin.open(writing)?),
            key: key_of(&pin.stat()?),
            is_sync: flags & libc::O_DSYNC != 0,
        };
        Ok(self.handles.add(handle))
    }

    pub(crate) fn release(&mut self, handle: u64) -> io::Result<()> {
        let Some(closed) = self.handles.files.remove(&handle) else {
            return Ok(());
        };
        self.after_removal(&nix::sys::stat::fstat(&*closed.file)?);
        Ok(())
    }

    pub(crate) fn open_listing(&mut self) -> u64 {
        self.handles.last += 1;
        self.handles.listings.insert(self.handles.last, Vec::new());
        self.handles.last
    }

    /// The names in a folder from this position on. They are read anew at position 0, as
    /// rewinddir(3) asks for.
    pub(crate) fn list(&mut self, number: u64, handle: u64, from: u64) -> io::Result<&[Listed]> {
        let pin = self.inodes.pin(number)?;
        let listing = self.handles.listings.get_mut(&handle);
        let listing = listing.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        if from == 0 {
            *listing = read_names(&pin)?;
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(listing.get(from..).unwrap_or_default())
    }

    pub(crate) fn close_listing(&mut self, handle: u64) {
        self.handles.listings.remove(&handle);
    }
}

fn read_names(folder: &Pin) -> io::Result<Vec<Listed>> {
    let inode = folder.stat()?.st_ino;
    let dots = [".", ".."].map(|name| Listed {
        name: name.into(),
        inode,
        kind: None,
    });
    let mut names = Vec::from(dots);
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        names.push(Listed {
            name: entry.file_name(),
            inode: entry.ino(),
            kind: entry.file_type().ok(),
        });
    }
    Ok(names)
}
