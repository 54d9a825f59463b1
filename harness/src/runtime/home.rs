//! A host's home: its folder in the run folder, with the log, the disk and the client socket.
//!
//! The same on every runtime. What is on the disk before the host first starts is its
//! *provision*, for example a key that the system's set-up put there; a wipe brings the disk back
//! to exactly that.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::RuntimeError;
use super::alarms;
use crate::host::HostId;
use crate::system::{DISK, HttpClient, SOCKET};

/// The name of the log in a host's folder.
pub const LOG: &str = "log";

/// Bytes of a log's end that are shown in messages.
const LOG_TAIL_BYTES: usize = 1200;

/// The most that a provision may hold, bytes: it is kept in memory.
const PROVISION_BYTES_MAX: u64 = 1 << 20;

/// Files with their paths on the disk.
type Provision = Vec<(PathBuf, Vec<u8>)>;

/// See the module.
#[derive(Debug)]
pub struct Home {
    id: HostId,
    path: PathBuf,
    /// Keeps `/proc/self/fd/N` valid: socket paths through it stay below 108 bytes.
    _folder: File,
    client: HttpClient,
    provision: Provision,
}

impl Home {
    /// Makes the folder of a host, or takes over the one that the system's set-up has made.
    pub fn create(id: &HostId, path: PathBuf) -> Result<Home, RuntimeError> {
        let open = || -> io::Result<(File, Provision)> {
            let disk = path.join(DISK);
            fs::create_dir_all(&disk)?;
            let mut provision = Vec::new();
            read_provision(&disk, Path::new(""), &mut provision)?;
            Ok((File::open(&path)?, provision))
        };
        let (folder, provision) = open().map_err(|source| RuntimeError::Folder {
            path: path.display().to_string(),
            source,
        })?;
        let socket = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
        Ok(Home {
            client: HttpClient::new(Path::new(&socket)),
            _folder: folder,
            id: id.clone(),
            path,
            provision,
        })
    }

    /// Whose it is.
    pub fn id(&self) -> &HostId {
        &self.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn client(&self) -> &HttpClient {
        &self.client
    }

    pub fn disk_path(&self) -> PathBuf {
        self.path.join(DISK)
    }

    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The last lines of the log, for messages.
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.log_path()).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(LOG_TAIL_BYTES)..];
        String::from_utf8_lossy(tail).into_owned()
    }

    /// The lines of the log that must not be there.
    pub fn log_alarms(&self) -> Vec<String> {
        alarms::of_file(&self.log_path())
    }

    /// Empties the disk, except for what was there before the first start, and returns how many
    /// files are gone. The host must not run. `folder` is where the disk really is, if something
    /// is mounted over it.
    ///
    /// # Errors
    /// When a file cannot be removed, or the provision not be written again.
    pub fn wipe(&self, folder: Option<PathBuf>) -> io::Result<u64> {
        let disk = folder.unwrap_or_else(|| self.disk_path());
        let files = count_files(&disk)?;
        for entry in fs::read_dir(&disk)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        for (path, bytes) in &self.provision {
            let path = disk.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, bytes)?;
        }
        Ok(files.saturating_sub(self.provision.len() as u64))
    }

    /// An error of a step on this host.
    pub fn error(&self, step: &'static str, source: io::Error) -> RuntimeError {
        RuntimeError::Host {
            step,
            host: self.id.0.clone(),
            source,
        }
    }
}

/// Reads every file below `disk`, with paths relative to it.
fn read_provision(disk: &Path, below: &Path, provision: &mut Provision) -> io::Result<()> {
    for entry in fs::read_dir(disk.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read_provision(disk, &path, provision)?;
            continue;
        }
        if entry.metadata()?.len() > PROVISION_BYTES_MAX {
            let path = path.display();
            let large = format!("{path} is larger than the {PROVISION_BYTES_MAX} bytes allowed");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, large));
        }
        provision.push((path, fs::read(entry.path())?));
    }
    Ok(())
}

fn count_files(folder: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() {
            count_files(&entry.path())?
        } else {
            1
        };
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wipe_leaves_what_was_there_before_the_first_start() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("node-1");
        fs::create_dir_all(path.join(DISK).join("keys")).expect("writable");
        fs::write(path.join(DISK).join("keys/own"), "key").expect("writable");
        let home = Home::create(&HostId("node-1".into()), path.clone()).expect("a home");
        fs::write(path.join(DISK).join("store"), "data").expect("writable");
        fs::write(path.join(DISK).join("keys/own"), "spoilt").expect("writable");
        fs::create_dir_all(path.join(DISK).join("deep/deeper")).expect("writable");
        fs::write(path.join(DISK).join("deep/deeper/file"), "data").expect("writable");

        assert_eq!(home.wipe(None).expect("it can be wiped"), 2);
        let key = fs::read_to_string(path.join(DISK).join("keys/own")).expect("kept");
        assert_eq!(key, "key");
        assert!(!path.join(DISK).join("store").exists());
        assert!(!path.join(DISK).join("deep").exists());
        assert_eq!(home.wipe(None).expect("it can be wiped again"), 0);
    }
}
