//! The files and folders that the kernel knows by number.
//!
//! The kernel counts how often it was told of a number, and says when it has forgotten it, which
//! can take until the unmount. So a file costs no descriptor for being known: it is found again by
//! the name under which the kernel asked last, which was just before, because names are valid for
//! no time, or else among the open files. Folders are held by a descriptor each: then a file needs
//! one step to be found, and a folder that was renamed stays where it is.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::Arc;

use nix::sys::stat::FileStat;

use crate::pin::{Pin, key_of};
use crate::undo_log::FileKey;

/// The number of the root, by the protocol.
pub(crate) const ROOT: u64 = 1;

/// Numbers from here on are given to files whose own number is taken: by a file that is gone but
/// not forgotten, or by one of another file system that lies underneath too.
const FOREIGN_MIN: u64 = 1 << 63;

#[derive(Debug)]
struct Inode {
    key: FileKey,
    place: Place,
    lookups: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Held(Arc<Pin>),
    Named { folder: u64, name: OsString },
}

#[derive(Debug)]
pub(crate) struct Inodes {
    by_number: HashMap<u64, Inode>,
    by_key: HashMap<FileKey, u64>,
    next_foreign: u64,
}

impl Inodes {
    pub(crate) fn new(root: Pin) -> io::Result<Inodes> {
        let key = key_of(&root.stat()?);
        let root = Inode {
            key,
            place: Place::Held(Arc::new(root)),
            lookups: 1,
        };
        Ok(Inodes {
            by_number: HashMap::from([(ROOT, root)]),
            by_key: HashMap::from([(key, ROOT)]),
            next_foreign: FOREIGN_MIN,
        })
    }

    /// The file or folder of a number, if it is still where it was.
    pub(crate) fn pin(&self, number: u64) -> io::Result<Arc<Pin>> {
        let inode = self.by_number.get(&number).ok_or_else(stale)?;
        let (folder, name) = match &inode.place {
            Place::Held(pin) => return Ok(Arc::clone(pin)),
            Place::Named { folder, name } => (folder, name),
        };
        match &self.by_number.get(folder).ok_or_else(stale)?.place {
            Place::Held(folder) => {
                let pin = folder.child(name)?;
                let is_same = key_of(&pin.stat()?) == inode.key;
                is_same.then(|| Arc::new(pin)).ok_or_else(stale)
            }
            Place::Named { .. } => Err(stale()),
        }
    }

    /// Which file a number stands for.
    pub(crate) fn key(&self, number: u64) -> io::Result<FileKey> {
        let inode = self.by_number.get(&number).ok_or_else(stale)?;
        Ok(inode.key)
    }

    /// The number of a file, if the kernel knows it.
    pub(crate) fn number(&self, key: FileKey) -> Option<u64> {
        self.by_key.get(&key).copied()
    }

    /// Counts that the kernel is told of what has this name, and returns the number to tell it:
    /// that of the file underneath, where no other file has it.
    pub(crate) fn tell(&mut self, folder: u64, name: &OsStr, pin: Pin, stat: &FileStat) -> u64 {
        let key = key_of(stat);
        let is_folder = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
        let named = || Place::Named {
            folder,
            name: name.to_owned(),
        };
        if let Some(&number) = self.by_key.get(&key) {
            let inode = self.by_number.get_mut(&number);
            let inode = inode.expect("a number is in both tables or in that of numbers only");
            inode.lookups += 1;
            if !is_folder {
                inode.place = named();
            }
            return number;
        }
        let number = self.free_number(key);
        let place = if is_folder {
            Place::Held(Arc::new(pin))
        } else {
            named()
        };
        let inode = Inode {
            key,
            place,
            lookups: 1,
        };
        self.by_number.insert(number, inode);
        self.by_key.insert(key, number);
        number
    }

    /// The kernel forgets so many times that it was told.
    pub(crate) fn forget(&mut self, number: u64, lookups: u64) {
        let Some(inode) = self.by_number.get_mut(&number) else {
            return;
        };
        inode.lookups = inode.lookups.saturating_sub(lookups);
        if inode.lookups == 0 && number != ROOT {
            let key = inode.key;
            self.by_number.remove(&number);
            if self.number(key) == Some(number) {
                self.by_key.remove(&key);
            }
        }
    }

    /// The file is gone, and another one may get its key before the kernel forgets this one.
    pub(crate) fn retire(&mut self, key: FileKey) {
        self.by_key.remove(&key);
    }

    fn free_number(&mut self, key: FileKey) -> u64 {
        let own = key.inode;
        let is_taken = own <= ROOT || own >= FOREIGN_MIN || self.by_number.contains_key(&own);
        if !is_taken {
            return own;
        }
        self.next_foreign += 1;
        self.next_foreign - 1
    }
}

/// The kernel looks the name up again when it reads this.
fn stale() -> io::Error {
    io::Error::from_raw_os_error(libc::ESTALE)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tell(inodes: &mut Inodes, name: &str) -> u64 {
        let name = OsStr::new(name);
        let pin = inodes
            .pin(ROOT)
            .expect("the root")
            .child(name)
            .expect("the file");
        let stat = pin.stat().expect("its attributes");
        inodes.tell(ROOT, name, pin, &stat)
    }

    #[test]
    fn a_file_is_known_until_it_is_forgotten_as_often_as_it_was_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "").expect("written");
        let mut inodes = Inodes::new(Pin::folder(folder.path()).expect("it")).expect("a table");
        let number = tell(&mut inodes, "a");
        let key = inodes.key(number).expect("known");
        assert_eq!(number, key.inode);
        assert_eq!(tell(&mut inodes, "a"), number);
        inodes.forget(number, 1);
        assert_eq!(inodes.number(key), Some(number));
        inodes.forget(number, 1);
        assert_eq!(inodes.number(key), None);
        inodes.pin(number).expect_err("it is forgotten");
        inodes.forget(ROOT, 5);
        inodes.pin(ROOT).expect("the root stays");
    }

    #[test]
    fn a_name_that_means_another_file_now_is_not_that_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            fs::write(path(name), "").expect("written");
        }
        fs::create_dir(path("folder")).expect("a folder");
        let mut inodes = Inodes::new(Pin::folder(folder.path()).expect("it")).expect("a table");
        let (a, held) = (tell(&mut inodes, "a"), tell(&mut inodes, "folder"));
        fs::rename(path("b"), path("a")).expect("renamed");
        fs::rename(path("folder"), path("elsewhere")).expect("renamed");
        inodes.pin(a).expect_err("another file has its name");
        inodes.pin(held).expect("a folder is held");

        // A new file with the inode number of one that is gone is not taken for it.
        let key = inodes.key(a).expect("known");
        inodes.retire(key);
        let pin = inodes.pin(ROOT).expect("the root");
        let mut reused = pin.stat().expect("its attributes");
        reused.st_ino = key.inode;
        let pin = Pin::folder(folder.path()).expect("any folder");
        assert!(inodes.tell(ROOT, OsStr::new("c"), pin, &reused) >= FOREIGN_MIN);
    }
}
