//! Where the functions are in the image of a vDSO, and what is to be written there.
//!
//! Of `clock_gettime`, the first bytes become a jump and the rest makes room for the block of
//! [`crate::code`]; of `gettimeofday` and `time`, only the first bytes change. Nothing is written
//! outside of these functions. While they are *barred*, each starts with a jump to itself, so that
//! whoever calls it waits there.
//!
//! All is counted in bytes from the start of the image.

use std::ops::Range;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, PT_LOAD};
use elf::endian::AnyEndian;
use elf::file::Class;

use crate::code::{self, DATA_BYTES, MAGIC};
use crate::{ClockError, Skew};

/// Some bytes and where they go.
pub(crate) type Write = (usize, Vec<u8>);

/// Of a jump: an opcode and the distance from its end.
const JUMP_BYTES: usize = 5;

/// A jump of two bytes to itself.
const BAR: [u8; 2] = [0xeb, 0xfe];

const OTHER_KERNEL: &str = "run the process on another kernel";

/// The functions of a vDSO that tell the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Functions {
    clock_gettime: Range<usize>,
    gettimeofday: Range<usize>,
    time: Range<usize>,
}

/// What an image holds at present.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The functions of the kernel, or, if somebody was interrupted, only some of ours.
    Unpatched,
    /// All of ours.
    Patched,
}

impl Functions {
    /// Finds them in an image.
    ///
    /// # Errors
    /// When it is of another kind or they are too small.
    pub(crate) fn find(image: &[u8]) -> Result<Functions, ClockError> {
        let broken = |error: elf::ParseError| unsupported(format!("its vDSO is odd: {error}"));
        let file = ElfBytes::<AnyEndian>::minimal_parse(image).map_err(broken)?;
        if file.ehdr.class != Class::ELF64 || file.ehdr.e_machine != EM_X86_64 {
            return Err(ClockError::Unsupported {
                what: "it is no 64-bit program of x86-64".to_owned(),
                remedy: "use a 64-bit build of it",
            });
        }
        let mut segments = file.segments().into_iter().flatten();
        let is_plain = |base: elf::segment::ProgramHeader| (base.p_vaddr, base.p_offset) == (0, 0);
        if !segments
            .find(|one| one.p_type == PT_LOAD)
            .is_some_and(is_plain)
        {
            return Err(unsupported("its vDSO is not laid out from 0".to_owned()));
        }
        let Some((symbols, names)) = file.dynamic_symbol_table().map_err(broken)? else {
            return Err(unsupported("its vDSO names no functions".to_owned()));
        };
        let find = |name: &str, bytes_min: usize| {
            let is_named = |at: u32| names.get(at as usize).is_ok_and(|found| found == name);
            let symbol = symbols.iter().find(|one| is_named(one.st_name));
            let symbol = symbol.ok_or_else(|| unsupported(format!("its vDSO has no {name}")))?;
            let range = symbol.st_value..symbol.st_value.saturating_add(symbol.st_size);
            let range = range.start as usize..range.end as usize;
            if range.end > image.len() || range.len() < bytes_min {
                let bytes = range.len();
                let need = format!("{name} of its vDSO has {bytes} bytes, not {bytes_min}");
                return Err(unsupported(need));
            }
            Ok(range)
        };
        Ok(Functions {
            // Alignment takes up to fifteen bytes.
            clock_gettime: find(
                "__vdso_clock_gettime",
                JUMP_BYTES + 15 + code::block().len(),
            )?,
            gettimeofday: find("__vdso_gettimeofday", JUMP_BYTES)?,
            time: find("__vdso_time", JUMP_BYTES)?,
        })
    }

    /// Where the data of the block is, aligned to 16 bytes.
    pub(crate) fn data(&self) -> Range<usize> {
        let start = self.block_at();
        start..start + DATA_BYTES
    }

    /// Whether an address in the vDSO is where a function starts. A thread there has not begun yet
    /// and does not mind when the function is replaced.
    pub(crate) fn is_entry(&self, at: usize) -> bool {
        self.entries().contains(&at)
    }

    /// Whether a thread at this address would be confused by the bar.
    pub(crate) fn is_under_bar(&self, at: usize) -> bool {
        self.entries().into_iter().any(|entry| at == entry + 1)
    }

    /// Whether the image is patched.
    ///
    /// # Errors
    /// When it is, with another version of the code, whose data may mean something else.
    pub(crate) fn content(&self, image: &[u8]) -> Result<Content, ClockError> {
        let [(at, block), jumps @ ..] = self.patch(&Skew::default());
        let found = &image[at..at + block.len()];
        if found[..MAGIC.len() - 1] == MAGIC[..MAGIC.len() - 1]
            && (found[MAGIC.len() - 1] != MAGIC[MAGIC.len() - 1]
                || found[DATA_BYTES..] != block[DATA_BYTES..])
        {
            return Err(ClockError::Unsupported {
                what: "another version of this crate has patched it".to_owned(),
                remedy: "start the process anew",
            });
        }
        let is_there = |(at, bytes): &Write| image[*at..].starts_with(bytes);
        let is_patched = found.starts_with(MAGIC) && jumps.iter().all(is_there);
        Ok(if is_patched {
            Content::Patched
        } else {
            Content::Unpatched
        })
    }

    /// What is to be written to replace the functions: the block, then the jumps into it.
    pub(crate) fn patch(&self, skew: &Skew) -> [Write; 4] {
        let mut block = code::block().to_vec();
        let (sequence, _) = code::read(block[..DATA_BYTES].try_into().expect("so many bytes"));
        for (at, bytes) in code::update(sequence, skew) {
            block[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        let [clock_gettime, gettimeofday, time] = self.entries();
        let jump = |entry: usize, to: usize| {
            let distance = (self.block_at() + to) as i64 - (entry + JUMP_BYTES) as i64;
            let distance = i32::try_from(distance).expect("an image is below two gibibytes");
            let mut bytes = vec![0xe9];
            bytes.extend(distance.to_le_bytes());
            (entry, bytes)
        };
        [
            (self.block_at(), block),
            jump(clock_gettime, code::clock_gettime_at()),
            jump(gettimeofday, code::gettimeofday_at()),
            jump(time, code::time_at()),
        ]
    }

    /// What is to be written to bar the functions.
    pub(crate) fn bar(&self) -> [Write; 3] {
        self.entries().map(|entry| (entry, BAR.to_vec()))
    }

    fn entries(&self) -> [usize; 3] {
        [&self.clock_gettime, &self.gettimeofday, &self.time].map(|function| function.start)
    }

    fn block_at(&self) -> usize {
        (self.clock_gettime.start + JUMP_BYTES).next_multiple_of(16)
    }
}

fn unsupported(what: String) -> ClockError {
    ClockError::Unsupported {
        what,
        remedy: OTHER_KERNEL,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::process::Process;

    fn own_image() -> Vec<u8> {
        let own = Process::open(std::process::id()).expect("this process");
        own.image().expect("its vDSO")
    }

    fn apply(image: &mut [u8], writes: &[Write]) {
        for (at, bytes) in writes {
            image[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// Where a symbol tells the size of a function, which follows its place.
    fn size_at(image: &[u8], function: &Range<usize>) -> Option<usize> {
        let place_and_size = [function.start, function.len()].map(|number| number as u64);
        let bytes = place_and_size.map(u64::to_le_bytes).concat();
        let found = image.windows(16).position(|window| window == bytes);
        found.map(|at| at + 8)
    }

    #[test]
    fn nothing_is_written_outside_of_the_functions() {
        let image = own_image();
        let functions = Functions::find(&image).expect("supported");
        let inside = |at: usize| {
            let all = [
                &functions.clock_gettime,
                &functions.gettimeofday,
                &functions.time,
            ];
            all.into_iter().any(|function| function.contains(&at))
        };
        let mut patched = image.clone();
        let all = [&functions.patch(&Skew::default())[..], &functions.bar()[..]];
        for writes in all {
            apply(&mut patched, writes);
        }
        let changed = (0..image.len()).filter(|at| patched[*at] != image[*at]);
        assert!(changed.clone().count() > DATA_BYTES);
        assert!(changed.clone().all(inside));
        assert_eq!(functions.data().start % 16, 0);
    }

    #[test]
    fn a_patched_image_is_known_and_half_a_patch_is_none() {
        let mut image = own_image();
        let functions = Functions::find(&image).expect("supported");
        let content = |image: &[u8]| functions.content(image).expect("this version");
        assert_eq!(content(&image), Content::Unpatched);
        let patch = functions.patch(&Skew::default());
        for (count, write) in patch.iter().enumerate() {
            assert_eq!(content(&image), Content::Unpatched, "{count} writes");
            apply(&mut image, std::slice::from_ref(write));
        }
        assert_eq!(content(&image), Content::Patched);
        // The patched image still tells where its functions are.
        assert_eq!(Functions::find(&image).expect("supported"), functions);
        apply(&mut image, &functions.bar());
        assert_eq!(content(&image), Content::Unpatched);
    }

    #[test]
    fn another_version_is_left_alone() {
        let mut image = own_image();
        let functions = Functions::find(&image).expect("supported");
        apply(&mut image, &functions.patch(&Skew::default()));
        for at in [functions.data().start + 15, functions.data().end] {
            let mut other = image.clone();
            other[at] ^= 1;
            let error = functions.content(&other).expect_err("another version");
            assert!(error.to_string().contains("another version"), "{error}");
        }
    }

    #[test]
    fn a_thread_may_be_at_the_entry_but_no_further() {
        let functions = Functions::find(&own_image()).expect("supported");
        let entry = functions.time.start;
        assert!(functions.is_entry(entry) && !functions.is_entry(entry + 1));
        assert!(functions.is_under_bar(entry + 1) && !functions.is_under_bar(entry));
    }

    #[test]
    fn too_small_a_function_is_refused() {
        let mut image = own_image();
        let functions = Functions::find(&image).expect("supported");
        // The function has several names, of which each tells the size.
        while let Some(at) = size_at(&image, &functions.clock_gettime) {
            image[at..at + 8].copy_from_slice(&5u64.to_le_bytes());
        }
        let error = Functions::find(&image).expect_err("too small");
        let message = error.to_string();
        assert!(message.contains("has 5 bytes, not"), "{message}");
    }

    #[test]
    fn a_32_bit_image_is_refused() {
        let mut image = own_image();
        image[18..20].copy_from_slice(&elf::abi::EM_386.to_le_bytes());
        let error = Functions::find(&image).expect_err("another machine");
        assert!(error.to_string().contains("64-bit"), "{error}");
    }

    proptest! {
        #[test]
        fn a_damaged_image_is_no_reason_to_panic(
            damage: Vec<(prop::sample::Index, u8)>, bytes: prop::sample::Index,
        ) {
            let mut image = own_image();
            for (at, byte) in damage {
                // The headers, the symbols and their names are in the first kibibyte.
                image[at.index(1 << 10)] = byte;
            }
            for image in [&image[..], &image[..bytes.index(image.len())]] {
                if let Ok(functions) = Functions::find(image) {
                    let _ = functions.content(image);
                }
            }
        }
    }
}
