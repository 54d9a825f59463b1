//! A host's disk as the harness serves it, for faults of disks; see the crate `disk`.
//!
//! Only the hosts that such a fault may hit get one: for all others the folder is the disk.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use disk::{Backing, Device, DiskCounters, DiskPolicy, HostDisk, Lost};

use super::home::Home;
use super::{DiskProbe, RuntimeError};
use crate::world::Disk;

/// See the module.
#[derive(Debug)]
pub struct Served {
    /// Keeps the folder reachable when something is mounted over it.
    folder: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wanted: Disk,
    disk: Option<HostDisk>,
    /// What earlier disks of the host have counted.
    before: DiskProbe,
}

impl Served {
    /// The disk of a host; nothing is served yet.
    pub fn of(home: &Home) -> Result<Served, RuntimeError> {
        let folder = File::open(home.disk_path());
        Ok(Served {
            folder: folder.map_err(|source| home.error("open the disk of", source))?,
            state: Mutex::default(),
        })
    }

    /// Serves the folder on a device from now on, instead of what was served before. `mount` puts
    /// the device where the process looks for its disk.
    pub fn serve(
        &self,
        mount: impl FnOnce(&Device) -> Result<(), disk::DiskError>,
    ) -> Result<(), RuntimeError> {
        let mut state = self.lock();
        let backing = Backing::open(&self.folder())?;
        let device = Device::open()?;
        mount(&device)?;
        let disk = HostDisk::serve(backing, device)?;
        disk.set_policy(policy(&state.wanted));
        if let Some(old) = state.disk.replace(disk) {
            let counted = old.counters();
            state.before = sum(state.before, counted);
        }
        Ok(())
    }

    /// The folder behind the disk, whatever is mounted over it.
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()))
    }

    /// From now on the disk is this bad.
    pub fn set(&self, wanted: &Disk) {
        let mut state = self.lock();
        state.wanted = *wanted;
        if let Some(disk) = &state.disk {
            disk.set_policy(policy(wanted));
        }
    }

    /// From now on nothing is kept that is written.
    pub fn cut_power(&self) {
        if let Some(disk) = &self.lock().disk {
            disk.cut_power();
        }
    }

    /// Nobody uses the disk now: it goes back to what was synced.
    pub fn restore_power(&self) -> Result<Lost, RuntimeError> {
        match &self.lock().disk {
            Some(disk) => Ok(disk.restore_power()?),
            None => Ok(Lost::default()),
        }
    }

    /// The folder was emptied.
    pub fn forget(&self) {
        if let Some(disk) = &self.lock().disk {
            disk.forget();
        }
    }

    /// What the disk did so far.
    pub fn probe(&self) -> DiskProbe {
        let state = self.lock();
        match &state.disk {
            Some(disk) => sum(state.before, disk.counters()),
            None => state.before,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn policy(wanted: &Disk) -> DiskPolicy {
    DiskPolicy {
        free_bytes: wanted.free_bytes,
        slow: Duration::from_micros(wanted.slow_us),
        read_only: wanted.read_only,
    }
}

fn sum(before: DiskProbe, counted: DiskCounters) -> DiskProbe {
    DiskProbe {
        refused_full: before.refused_full + counted.refused_full,
        refused_read_only: before.refused_read_only + counted.refused_read_only,
        delayed: before.delayed + counted.delayed,
        delay_total: before.delay_total + counted.delay_total,
        lost_bytes: before.lost_bytes + counted.lost_bytes,
    }
}
