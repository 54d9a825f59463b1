//! How one file goes back to its last sync.
//!
//! Changes go to the file at once; before the first one touches a block of the file as it was at
//! its last sync, its *durable* content, the bytes of that block are kept. The rule that makes
//! this right: every block within the durable length is either kept, or still has its durable
//! content in the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The unit in which old content is kept, that of a page.
pub(crate) const BLOCK_BYTES: u64 = 4_096;

/// What a file has to get back to be as at its last sync.
#[derive(Debug)]
pub(crate) struct Undo {
    length: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
    bytes: u64,
    /// Bytes written or cut off since.
    pub(crate) changed: u64,
}

impl Undo {
    /// Of a file that has not changed since its last sync.
    pub(crate) fn of(file: &File) -> io::Result<Undo> {
        Ok(Undo {
            length: file.metadata()?.len(),
            blocks: BTreeMap::new(),
            bytes: 0,
            changed: 0,
        })
    }

    /// The memory that the kept content takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What a change of this range would add to [`Undo::bytes`].
    pub(crate) fn missing_bytes(&self, range: &Range<u64>) -> u64 {
        let blocks = self.missing(range);
        blocks.map(|block| bytes_of(&self.extent(block))).sum()
    }

    /// Keeps the durable content of this range, before it changes.
    pub(crate) fn keep(&mut self, file: &File, range: &Range<u64>) -> io::Result<()> {
        let missing: Vec<u64> = self.missing(range).collect();
        for block in missing {
            let extent = self.extent(block);
            let mut content = vec![0; (extent.end - extent.start) as usize];
            file.read_exact_at(&mut content, extent.start)?;
            self.bytes += content.len() as u64;
            self.blocks.insert(block, content);
        }
        Ok(())
    }

    /// Makes the file what it was.
    pub(crate) fn restore(&self, file: &File) -> io::Result<()> {
        file.set_len(self.length)?;
        for (block, content) in &self.blocks {
            file.write_all_at(content, block * BLOCK_BYTES)?;
        }
        Ok(())
    }

    /// The blocks of durable content in this range that are not kept yet.
    fn missing(&self, range: &Range<u64>) -> impl Iterator<Item = u64> {
        let end = range.end.min(self.length).div_ceil(BLOCK_BYTES);
        let blocks = range.start / BLOCK_BYTES..end;
        blocks.filter(|block| range.start < range.end && !self.blocks.contains_key(block))
    }

    /// The durable bytes of a block.
    fn extent(&self, block: u64) -> Range<u64> {
        let start = block * BLOCK_BYTES;
        start..(start + BLOCK_BYTES).min(self.length)
    }
}

fn bytes_of(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn file(content: &[u8]) -> File {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(content, 0).expect("written");
        file
    }

    fn content(file: &File) -> Vec<u8> {
        let mut content = Vec::new();
        let mut at_start = io::BufReader::new(ReadFrom(file, 0));
        at_start.read_to_end(&mut content).expect("read");
        content
    }

    /// Reads a file from its start without moving its position.
    struct ReadFrom<'a>(&'a File, u64);

    impl Read for ReadFrom<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read_at(buffer, self.1)?;
            self.1 += read as u64;
            Ok(read)
        }
    }

    #[test]
    fn a_file_that_was_cut_and_written_again_goes_back() {
        let old: Vec<u8> = (0..10_000u32).map(|at| (at % 251) as u8).collect();
        let file = file(&old);
        let mut undo = Undo::of(&file).expect("its length");
        undo.keep(&file, &(5_000..u64::MAX)).expect("kept");
        file.set_len(5_000).expect("cut");
        undo.keep(&file, &(0..10)).expect("kept");
        file.write_all_at(&[7; 10], 0).expect("written");
        undo.keep(&file, &(9_000..20_000)).expect("kept");
        file.write_all_at(&[9; 11_000], 9_000).expect("written");
        assert_eq!(undo.bytes(), 10_000);
        undo.restore(&file).expect("restored");
        assert_eq!(content(&file), old);
    }

    #[test]
    fn only_durable_content_is_kept_and_only_once() {
        let file = file(&[1; 5_000]);
        let mut undo = Undo::of(&file).expect("its length");
        assert_eq!(undo.missing_bytes(&(4_999..1 << 40)), 904);
        assert_eq!(undo.missing_bytes(&(5_000..5_000)), 0);
        assert_eq!(undo.missing_bytes(&(1 << 40..1 << 41)), 0);
        undo.keep(&file, &(0..1)).expect("kept");
        undo.keep(&file, &(100..200)).expect("kept");
        assert_eq!(undo.bytes(), 4_096);
        assert_eq!(undo.missing_bytes(&(0..u64::MAX)), 904);
    }
}
