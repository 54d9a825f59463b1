//! All files that have changed since their last sync, and how they go back.
//!
//! The memory for it is bounded. A change that would go beyond the bound first makes the files
//! that have been waiting longest durable, as a kernel writes back when it has too many dirty
//! pages.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use crate::undo::Undo;

/// How much old content is kept in memory for one disk.
pub const UNDO_BYTES_MAX: u64 = 64 << 20;

/// How many files of one disk can have changes that are not synced; each takes a descriptor.
pub const UNDO_FILES_MAX: usize = 256;

/// Which file: its device and inode number underneath. Both stay taken while the file is open
/// somewhere, and a dirty file is open in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// A change that is about to happen.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The bytes that may be others afterwards.
    pub(crate) range: Range<u64>,
    /// How many bytes are written or cut off, for the statistics.
    pub(crate) bytes: u64,
}

/// Whether a change can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Kept {
    /// The old content is kept.
    Whole,
    /// It is larger than all memory for it. The file has to be synced after the change.
    TooLarge,
}

/// A file that went back to its last sync.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WentBack {
    pub(crate) key: FileKey,
    /// Its length before.
    pub(crate) from: u64,
    /// Its length now.
    pub(crate) to: u64,
    /// Bytes that had been changed.
    pub(crate) bytes: u64,
    /// False when it was removed but is still open, so that nobody can miss anything.
    pub(crate) has_name: bool,
}

#[derive(Debug)]
struct Dirty {
    file: Arc<File>,
    undo: Undo,
    since: u64,
}

/// The dirty files of one disk.
#[derive(Debug)]
pub(crate) struct UndoLog {
    files: HashMap<FileKey, Dirty>,
    bytes: u64,
    bytes_max: u64,
    files_max: usize,
    changes: u64,
    settled: u64,
}

impl UndoLog {
    pub(crate) fn new(bytes_max: u64, files_max: usize) -> UndoLog {
        UndoLog {
            files: HashMap::new(),
            bytes: 0,
            bytes_max,
            files_max,
            changes: 0,
            settled: 0,
        }
    }

    /// Keeps what a change will overwrite. The file must be open for reading and writing.
    pub(crate) fn before(
        &mut self,
        key: FileKey,
        file: &Arc<File>,
        change: &Change,
    ) -> io::Result<Kept> {
        let clean = Undo::of(file)?.missing_bytes(&change.range);
        if self.missing(key, change).unwrap_or(clean) > self.bytes_max {
            self.settle(key)?;
            self.settled += 1;
            return Ok(Kept::TooLarge);
        }
        while self.is_too_much(key, self.missing(key, change).unwrap_or(clean)) {
            let oldest = self.files.iter().min_by_key(|(_, dirty)| dirty.since);
            let Some((&oldest, _)) = oldest else { break };
            self.settle(oldest)?;
            self.settled += 1;
        }
        self.changes += 1;
        if !self.files.contains_key(&key) {
            let dirty = Dirty {
                file: Arc::clone(file),
                undo: Undo::of(file)?,
                since: self.changes,
            };
            self.files.insert(key, dirty);
        }
        let dirty = self.files.get_mut(&key).expect("it was put in just now");
        let before = dirty.undo.bytes();
        let kept = dirty.undo.keep(file, &change.range);
        self.bytes += dirty.undo.bytes() - before;
        dirty.undo.changed += change.bytes;
        kept.map(|()| Kept::Whole)
    }

    /// The file is durable as it is now, or gone.
    pub(crate) fn drop_file(&mut self, key: FileKey) {
        if let Some(dirty) = self.files.remove(&key) {
            self.bytes -= dirty.undo.bytes();
        }
    }

    pub(crate) fn is_dirty(&self, key: FileKey) -> bool {
        self.files.contains_key(&key)
    }

    /// How many times a file was made durable because there was no more memory.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// Forgets all files.
    pub(crate) fn clear(&mut self) {
        self.files.clear();
        self.bytes = 0;
    }

    /// Takes every file back to its last sync, those that fail too being forgotten. The first
    /// failure comes last.
    pub(crate) fn restore(&mut self) -> (Vec<WentBack>, io::Result<()>) {
        let mut went_back = Vec::new();
        let mut failure = Ok(());
        for (key, dirty) in self.files.drain() {
            match restore(key, &dirty) {
                Ok(file) => went_back.push(file),
                Err(error) => failure = failure.and(Err(error)),
            }
        }
        self.bytes = 0;
        (went_back, failure)
    }

    /// What a change of a dirty file would add; none when the file is clean.
    fn missing(&self, key: FileKey, change: &Change) -> Option<u64> {
        let dirty = self.files.get(&key)?;
        Some(dirty.undo.missing_bytes(&change.range))
    }

    fn is_too_much(&self, key: FileKey, bytes: u64) -> bool {
        let is_new = !self.is_dirty(key);
        self.bytes + bytes > self.bytes_max || (is_new && self.files.len() >= self.files_max)
    }

    fn settle(&mut self, key: FileKey) -> io::Result<()> {
        if let Some(dirty) = self.files.get(&key) {
            dirty.file.sync_data()?;
        }
        self.drop_file(key);
        Ok(())
    }
}

fn restore(key: FileKey, dirty: &Dirty) -> io::Result<WentBack> {
    let before = dirty.file.metadata()?;
    dirty.undo.restore(&dirty.file)?;
    Ok(WentBack {
        key,
        from: before.len(),
        to: dirty.file.metadata()?.len(),
        bytes: dirty.undo.changed,
        has_name: before.nlink() > 0,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const BLOCK: u64 = crate::undo::BLOCK_BYTES;

    fn file(blocks: u64) -> Arc<File> {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(blocks * BLOCK).expect("a length");
        Arc::new(file)
    }

    fn key(inode: u64) -> FileKey {
        FileKey { device: 1, inode }
    }

    fn write(log: &mut UndoLog, inode: u64, file: &Arc<File>, blocks: Range<u64>) -> Kept {
        let range = blocks.start * BLOCK..blocks.end * BLOCK;
        let bytes = range.end - range.start;
        let start = range.start;
        let kept = log.before(key(inode), file, &Change { range, bytes });
        file.write_all_at(&vec![1; bytes as usize], start)
            .expect("written");
        kept.expect("kept")
    }

    fn first_byte(file: &File) -> u8 {
        let mut byte = [0];
        file.read_exact_at(&mut byte, 0).expect("read");
        byte[0]
    }

    #[test]
    fn beyond_the_bound_the_oldest_file_becomes_durable() {
        let mut log = UndoLog::new(3 * BLOCK, 10);
        let (a, b) = (file(2), file(2));
        assert_eq!(write(&mut log, 1, &a, 0..2), Kept::Whole);
        assert_eq!(write(&mut log, 2, &b, 0..1), Kept::Whole);
        assert_eq!(log.settled(), 0);
        assert_eq!(write(&mut log, 2, &b, 1..2), Kept::Whole);
        assert_eq!(log.settled(), 1);
        assert!(!log.is_dirty(key(1)));
        let (went_back, result) = log.restore();
        result.expect("restored");
        assert_eq!(went_back.len(), 1);
        assert_eq!(went_back[0].bytes, 2 * BLOCK);
        assert_eq!((first_byte(&a), first_byte(&b)), (1, 0));
    }

    #[test]
    fn a_file_that_fills_the_memory_alone_becomes_durable_too() {
        let mut log = UndoLog::new(3 * BLOCK, 10);
        let a = file(8);
        assert_eq!(write(&mut log, 1, &a, 0..3), Kept::Whole);
        assert_eq!(write(&mut log, 1, &a, 3..5), Kept::Whole);
        assert_eq!(log.settled(), 1);
        assert_eq!(write(&mut log, 1, &a, 0..8), Kept::TooLarge);
        assert!(!log.is_dirty(key(1)));
        assert_eq!(log.bytes, 0);
    }

    #[test]
    fn the_number_of_dirty_files_is_bounded() {
        let mut log = UndoLog::new(100 * BLOCK, 2);
        let files = [file(1), file(1), file(1)];
        for (inode, file) in (1..).zip(&files) {
            assert_eq!(write(&mut log, inode, file, 0..1), Kept::Whole);
        }
        assert!(!log.is_dirty(key(1)) && log.is_dirty(key(2)) && log.is_dirty(key(3)));
        log.drop_file(key(2));
        log.clear();
        assert_eq!(log.bytes, 0);
    }
}
