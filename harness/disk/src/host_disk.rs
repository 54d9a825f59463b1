//! The handle of a served disk.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use fuser::{Config, INodeNo, Session, SessionACL};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};

use crate::counters::DiskCounters;
use crate::device::{Device, DiskError};
use crate::line::Line;
use crate::pin::Pin;
use crate::policy::DiskPolicy;
use crate::served::Served;
use crate::shared::Shared;
use crate::volume::Volume;

/// The real folder of a disk. It stays reachable when something is mounted over it later.
#[derive(Debug)]
pub struct Backing(Pin);

impl Backing {
    /// Opens the folder.
    ///
    /// # Errors
    /// When it is no folder.
    pub fn open(path: &Path) -> Result<Backing, DiskError> {
        let pin = Pin::folder(path).map_err(|source| DiskError::Backing {
            path: path.to_owned(),
            source,
        })?;
        Ok(Backing(pin))
    }
}

/// What was not synced when the power failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Files that went back to their last sync.
    pub files: u64,
    /// Bytes that had been written to those files, or cut off from them, since.
    pub bytes: u64,
}

/// A disk that is being served. Dropping it ends that: who still uses the disk gets ENOTCONN.
#[derive(Debug)]
pub struct HostDisk {
    shared: Arc<Shared>,
    line: Arc<Line>,
    server: Option<JoinHandle<()>>,
}

impl HostDisk {
    /// Serves a folder on a device that is mounted. Three steps, in this order, let a disk cover
    /// its own folder: [`Backing::open`], [`crate::mount`], and this.
    ///
    /// # Errors
    /// When the device is not mounted, or the operating system does not give a thread.
    pub fn serve(backing: Backing, device: Device) -> Result<HostDisk, DiskError> {
        let serve = |source| DiskError::Serve { source };
        let shared = Arc::new(Shared::new(Volume::new(backing.0).map_err(serve)?));
        let (descriptor, root) = device.into_parts();
        let root = root.ok_or(DiskError::NotMounted)?;
        let number = descriptor.as_raw_fd();
        let served = Served(Arc::clone(&shared));
        let session = Session::from_fd(served, descriptor, SessionACL::All, Config::default());
        let session = session.map_err(serve)?;
        let line = Arc::new(Line::new(session.notifier(), number, root).map_err(serve)?);
        let loose_end = Arc::clone(&line);
        let server = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || run(session, &loose_end))
            .map_err(|source| DiskError::Thread { source })?;
        Ok(HostDisk {
            shared,
            line,
            server: Some(server),
        })
    }

    /// From now on the disk behaves like this, also for what is waiting. A bound of room that is
    /// another than before starts its count anew.
    pub fn set_policy(&self, policy: DiskPolicy) {
        self.shared.change(|volume| volume.set_policy(policy));
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> DiskCounters {
        self.shared.lock().counters()
    }

    /// The power is gone. To be called *before* the process is killed, so that nothing that it or
    /// the kernel still writes is kept. Contents are taken and forgotten, without delay; syncs and
    /// changes of names, which would be promises, fail with EIO; reads go on.
    pub fn cut_power(&self) {
        self.shared.change(Volume::cut_power);
    }

    /// The power is back. To be called when the process is dead: every file goes back to what it
    /// was at its last sync, and the disk is as healthy as its policy.
    ///
    /// # Errors
    /// When a file could not go back.
    pub fn restore_power(&self) -> Result<Lost, DiskError> {
        let (went_back, numbers, result) = self.shared.change(|volume| {
            let (went_back, result) = volume.restore_power();
            let numbers: Vec<u64> = went_back
                .iter()
                .filter_map(|file| volume.number(file.key))
                .collect();
            (went_back, numbers, result)
        });
        for number in numbers {
            // It fails when the kernel has nothing cached, and then there is nothing to drop.
            let _ = self.line.notifier().inval_inode(INodeNo(number), 0, 0);
        }
        result.map_err(|source| DiskError::Restore { source })?;
        let named = went_back.iter().filter(|file| file.has_name);
        Ok(named.fold(Lost::default(), |lost, file| Lost {
            files: lost.files + 1,
            bytes: lost.bytes + file.bytes,
        }))
    }

    /// The folder was emptied or rewritten behind the disk's back while nobody used it: what is
    /// there now is durable.
    pub fn forget(&self) {
        self.shared.lock().forget_contents();
    }
}

impl Drop for HostDisk {
    fn drop(&mut self) {
        // Nothing may wait any longer for a slow disk.
        self.set_policy(DiskPolicy::default());
        let is_cut = self.line.cut().is_ok();
        if let Some(server) = self.server.take().filter(|_| is_cut) {
            // A panic of the server has been printed; there is nothing to add while dropping.
            let _ = server.join();
        }
    }
}

/// Serves until the mount is gone or the line is cut.
fn run(session: Session<Served>, line: &Line) {
    // Modes come as the kernel wants them; the umask of this process is none of its business. The
    // threads of the session inherit ours. Without a umask of our own, some modes are narrower.
    if unshare(CloneFlags::CLONE_FS).is_ok() {
        umask(Mode::empty());
    }
    // The only way to end that is no error is an unmount, and errors are ENOTCONN for the users.
    let _ = session.run();
    // Also after a panic: otherwise our share of the descriptor would let users wait for ever.
    let _ = line.cut();
}
