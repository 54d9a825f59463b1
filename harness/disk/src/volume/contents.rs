//! Reading, writing, syncing, and the loss of power.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::fcntl::{FallocateFlags, fallocate};

use super::Volume;
use super::handles::Handle;
use crate::undo_log::{Change, FileKey, Kept, WentBack};

impl Volume {
    pub(crate) fn read(&mut self, handle: u64, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let file = self.handles.get(handle)?.file;
        let mut content = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match file.read_at(&mut content[filled..], offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        content.truncate(filled);
        Ok(content)
    }

    /// Writes what fits, and says how much that was.
    pub(crate) fn write(&mut self, handle: u64, offset: u64, content: &[u8]) -> io::Result<usize> {
        let Handle { file, key, is_sync } = self.handles.get(handle)?;
        if !self.has_power && is_sync {
            self.lasting()?;
        }
        if !self.takes_contents()? {
            return Ok(content.len());
        }
        let before = file.metadata()?.len();
        let end = self.fitting_end(before, offset.saturating_add(content.len() as u64));
        if end <= offset && !content.is_empty() {
            return Err(self.full());
        }
        let content = &content[..(end - offset) as usize];
        let change = Change {
            range: offset..end,
            bytes: content.len() as u64,
        };
        self.change(key, &file, &change, || file.write_all_at(content, offset))?;
        if is_sync {
            self.sync_file(key, &file, false)?;
        }
        Ok(content.len())
    }

    /// How far a write up to this end gets in a file of this length.
    fn fitting_end(&self, length: u64, end: u64) -> u64 {
        let growth = end.saturating_sub(length);
        let fitting = self.space.fitting(growth);
        if fitting < growth {
            length + fitting
        } else {
            end
        }
    }

    pub(super) fn set_length(
        &mut self,
        key: FileKey,
        file: &Arc<File>,
        length: u64,
    ) -> io::Result<()> {
        if !self.takes_contents()? {
            return Ok(());
        }
        let before = file.metadata()?.len();
        let growth = length.saturating_sub(before);
        if self.space.fitting(growth) < growth {
            return Err(self.full());
        }
        let change = Change {
            range: length..length.max(before),
            bytes: length.abs_diff(before),
        };
        self.change(key, file, &change, || file.set_len(length))
    }

    pub(crate) fn allocate(
        &mut self,
        handle: u64,
        offset: u64,
        length: u64,
        mode: i32,
    ) -> io::Result<()> {
        let known = FallocateFlags::FALLOC_FL_KEEP_SIZE
            | FallocateFlags::FALLOC_FL_PUNCH_HOLE
            | FallocateFlags::FALLOC_FL_ZERO_RANGE;
        let mode = FallocateFlags::from_bits(mode).filter(|mode| known.contains(*mode));
        let mode = mode.ok_or_else(|| io::Error::from_raw_os_error(libc::EOPNOTSUPP))?;
        let Handle { file, key, .. } = self.handles.get(handle)?;
        if !self.takes_contents()? {
            return Ok(());
        }
        let before = file.metadata()?.len();
        let end = offset.saturating_add(length);
        let keeps_length = mode.contains(FallocateFlags::FALLOC_FL_KEEP_SIZE);
        let growth = if keeps_length {
            0
        } else {
            end.saturating_sub(before)
        };
        if self.space.fitting(growth) < growth {
            return Err(self.full());
        }
        let erases = mode.intersects(known - FallocateFlags::FALLOC_FL_KEEP_SIZE);
        let range = if erases { offset..end } else { offset..offset };
        let bytes = growth.max(range.end.min(before).saturating_sub(range.start));
        let (offset, length) = (offset.cast_signed(), length.cast_signed());
        self.change(key, &file, &Change { range, bytes }, || {
            Ok(fallocate(&*file, mode, offset, length)?)
        })
    }

    /// Makes the contents durable.
    pub(crate) fn sync(&mut self, handle: u64, data_only: bool) -> io::Result<()> {
        let Handle { file, key, .. } = self.handles.get(handle)?;
        if !self.has_power || self.undo.is_dirty(key) {
            self.lasting()?;
        }
        self.sync_file(key, &file, data_only)
    }

    /// Names are durable at once: there is nothing to do but to answer.
    pub(crate) fn sync_folder(&mut self) -> io::Result<()> {
        if self.has_power {
            return Ok(());
        }
        self.lasting()
    }

    pub(crate) fn cut_power(&mut self) {
        self.has_power = false;
    }

    /// Takes every file back to its last sync. The first failure comes last.
    pub(crate) fn restore_power(&mut self) -> (Vec<WentBack>, io::Result<()>) {
        let (went_back, result) = self.undo.restore();
        for file in &went_back {
            self.space.book(file.from, file.to);
        }
        for file in went_back.iter().filter(|file| file.has_name) {
            self.counters.lost_files += 1;
            self.counters.lost_bytes += file.bytes;
        }
        self.has_power = true;
        (went_back, result)
    }

    /// The number by which the kernel knows a file.
    pub(crate) fn number(&self, key: FileKey) -> Option<u64> {
        self.inodes.number(key)
    }

    pub(crate) fn forget_contents(&mut self) {
        self.undo.clear();
    }

    /// Changes a file so that it can be undone, and books its new length.
    fn change(
        &mut self,
        key: FileKey,
        file: &Arc<File>,
        change: &Change,
        work: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let before = file.metadata()?.len();
        let kept = self.undo.before(key, file, change)?;
        let result = work();
        self.space.book(before, file.metadata()?.len());
        if kept == Kept::TooLarge {
            file.sync_data()?;
        }
        result
    }

    fn sync_file(&mut self, key: FileKey, file: &File, data_only: bool) -> io::Result<()> {
        if data_only {
            file.sync_data()?;
        } else {
            file.sync_all()?;
        }
        self.undo.drop_file(key);
        self.counters.synced += 1;
        Ok(())
    }
}
