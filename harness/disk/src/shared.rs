//! A volume between the thread that serves it and those who set its faults, and the waiting of a
//! slow disk.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::volume::Volume;

/// A volume, shared by the thread that serves it and by those who set its faults.
#[derive(Debug)]
pub(crate) struct Shared {
    volume: Mutex<Volume>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new(volume: Volume) -> Shared {
        Shared {
            volume: Mutex::new(volume),
            changed: Condvar::new(),
        }
    }

    /// A volume whose server has panicked can still be asked for its counters.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Volume> {
        self.volume.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what may be waited for, and ends waits that are too long by it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Volume) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits as long as the policy says, however often it changes.
    pub(crate) fn after_delay(&self) -> MutexGuard<'_, Volume> {
        let mut volume = self.lock();
        let start = Instant::now();
        if volume.delay().is_zero() {
            return volume;
        }
        volume.counters.delayed += 1;
        loop {
            let left = volume.delay().saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(volume, left);
            volume = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        volume.counters.delay_total += start.elapsed();
        volume
    }
}
