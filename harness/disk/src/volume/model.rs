//! Goal: after any history, names and contents are those of a simple model of a durable disk.
//! Method: random histories of a few files, on a volume over a temporary folder, without FUSE.
//! The model has, for each file, its content now and at its last sync, and which name means which
//! file. The memory for undoing is ample in one run and almost none in another, where only
//! less may be lost than the model says.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{Caller, Changes, Volume};
use crate::inodes::ROOT;
use crate::pin::Pin;
use crate::undo_log::{UNDO_BYTES_MAX, UNDO_FILES_MAX, UndoLog};

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Operation {
    Write {
        name: usize,
        at: u64,
        length: usize,
        byte: u8,
    },
    Cut {
        name: usize,
        length: u64,
    },
    Erase {
        name: usize,
        at: u64,
        length: u64,
    },
    Sync {
        name: usize,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Remove {
        name: usize,
    },
    KeepOpen {
        name: usize,
    },
    Close,
    PowerFailure {
        unserved: Vec<(usize, u64)>,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let name = 0..NAMES.len();
    let at = 0..20_000u64;
    prop_oneof![
        6 => (name.clone(), at.clone(), 1..9_000usize, any::<u8>())
            .prop_map(|(name, at, length, byte)| Operation::Write { name, at, length, byte }),
        3 => (name.clone(), at.clone()).prop_map(|(name, length)| Operation::Cut { name, length }),
        1 => (name.clone(), at.clone(), 1..9_000u64)
            .prop_map(|(name, at, length)| Operation::Erase { name, at, length }),
        3 => name.clone().prop_map(|name| Operation::Sync { name }),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Operation::Rename { from, to }),
        1 => name.clone().prop_map(|name| Operation::Remove { name }),
        1 => name.clone().prop_map(|name| Operation::KeepOpen { name }),
        1 => Just(Operation::Close),
        2 => prop::collection::vec((name, at), 0..3)
            .prop_map(|unserved| Operation::PowerFailure { unserved }),
    ]
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// Which file each name means, and the files' contents.
#[derive(Debug, Default)]
struct Model {
    names: BTreeMap<usize, usize>,
    files: Vec<Content>,
}

impl Model {
    /// The content of a file, which is created if it is not there.
    fn content(&mut self, name: usize) -> &mut Content {
        let new = self.files.len();
        let file = *self.names.entry(name).or_insert(new);
        if file == new {
            self.files.push(Content::default());
        }
        &mut self.files[file]
    }
}

/// A volume and the model that it must agree with.
struct Run {
    volume: Volume,
    model: Model,
    open: Vec<u64>,
    /// Numbers by name, as the kernel has them.
    numbers: HashMap<usize, u64>,
}

impl Run {
    fn new(folder: &Path, undo_bytes_max: u64) -> Run {
        let mut volume = Volume::new(Pin::folder(folder).expect("the folder")).expect("a volume");
        volume.undo = UndoLog::new(undo_bytes_max, UNDO_FILES_MAX);
        Run {
            volume,
            model: Model::default(),
            open: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Opens a file for writing, as open(2) with O_CREAT does.
    fn open(&mut self, name: usize) -> u64 {
        self.model.content(name);
        let text = OsStr::new(NAMES[name]);
        if let Ok(entry) = self.volume.lookup(ROOT, text) {
            self.numbers.insert(name, entry.number);
            return self
                .volume
                .open(entry.number, libc::O_RDWR)
                .expect("opened");
        }
        let (uid, gid) = (
            nix::unistd::geteuid().as_raw(),
            nix::unistd::getegid().as_raw(),
        );
        let caller = Caller { uid, gid };
        let created = self.volume.create(caller, ROOT, text, 0o644, libc::O_RDWR);
        let (entry, handle) = created.expect("created");
        self.numbers.insert(name, entry.number);
        handle
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Write {
                name,
                at,
                length,
                byte,
            } => {
                let content = vec![byte; length];
                self.with(name, |volume, handle| {
                    volume.write(handle, at, &content).map(drop)
                });
                let now = &mut self.model.content(name).now;
                let end = at as usize + length;
                now.resize(now.len().max(end), 0);
                now[at as usize..end].fill(byte);
            }
            Operation::Cut { name, length } => {
                let handle = self.open(name);
                let changes = Changes {
                    length: Some(length),
                    ..Changes::default()
                };
                let cut = self
                    .volume
                    .set_attributes(self.numbers[&name], None, changes);
                assert_eq!(cut.expect("cut").stat.st_size.cast_unsigned(), length);
                self.volume.release(handle).expect("closed");
                self.model.content(name).now.resize(length as usize, 0);
            }
            Operation::Erase { name, at, length } => {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                self.with(name, |volume, handle| {
                    volume.allocate(handle, at, length, mode)
                });
                let now = &mut self.model.content(name).now;
                let end = now.len().min((at + length) as usize);
                now[end.min(at as usize)..end].fill(0);
            }
            Operation::Sync { name } => {
                self.with(name, |volume, handle| volume.sync(handle, true));
                let content = self.model.content(name);
                content.durable = content.now.clone();
            }
            Operation::KeepOpen { name } => {
                let handle = self.open(name);
                self.open.push(handle);
            }
            Operation::Close => {
                if let Some(handle) = self.open.pop() {
                    self.volume.release(handle).expect("closed");
                }
            }
            Operation::Rename { from, to } => self.rename(from, to),
            Operation::Remove { name } => {
                let known = self.model.names.remove(&name).is_some();
                let removed = self.volume.remove_file(ROOT, OsStr::new(NAMES[name]));
                assert_eq!(removed.is_ok(), known);
            }
            Operation::PowerFailure { ref unserved } => self.fail_power(unserved),
        }
    }

    fn with(&mut self, name: usize, work: impl FnOnce(&mut Volume, u64) -> std::io::Result<()>) {
        let handle = self.open(name);
        work(&mut self.volume, handle).expect("done");
        self.volume.release(handle).expect("closed");
    }

    fn rename(&mut self, from: usize, to: usize) {
        let names = (OsStr::new(NAMES[from]), OsStr::new(NAMES[to]));
        let renamed = self.volume.rename((ROOT, names.0), (ROOT, names.1), 0);
        assert_eq!(renamed.is_ok(), self.model.names.contains_key(&from));
        if let Some(file) = self.model.names.remove(&from) {
            self.model.names.insert(to, file);
        }
    }

    /// What comes while the power is gone changes nothing.
    fn fail_power(&mut self, unserved: &[(usize, u64)]) {
        let opened: Vec<(u64, u64)> = unserved
            .iter()
            .map(|&(name, at)| (self.open(name), at))
            .collect();
        self.volume.cut_power();
        for &(handle, at) in &opened {
            assert_eq!(self.volume.write(handle, at, &[1; 99]).expect("taken"), 99);
            self.volume
                .sync(handle, false)
                .expect_err("it would be a promise");
        }
        for name in NAMES {
            let removed = self.volume.remove_file(ROOT, OsStr::new(name));
            removed.expect_err("it would be a promise");
        }
        let (_, restored) = self.volume.restore_power();
        restored.expect("restored");
        for (handle, _) in opened {
            self.volume.release(handle).expect("closed");
        }
        for content in &mut self.model.files {
            content.now = content.durable.clone();
        }
    }

    fn agrees(&self, folder: &Path) -> Result<(), TestCaseError> {
        let mut expected: Vec<&str> = self.model.names.keys().map(|&name| NAMES[name]).collect();
        expected.sort_unstable();
        let entries = fs::read_dir(folder).expect("listed");
        let mut found: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
        for (&name, &file) in &self.model.names {
            let content = fs::read(folder.join(NAMES[name])).expect("read");
            prop_assert!(content == self.model.files[file].now, "{}", NAMES[name]);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_history_ends_as_the_model_says(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut run = Run::new(folder.path(), UNDO_BYTES_MAX);
        for operation in &operations {
            run.apply(operation);
            run.agrees(folder.path())?;
        }
        prop_assert_eq!(run.volume.counters().synced_early, 0);
    }

    /// With memory for four blocks files become durable early. What that makes of them is not in
    /// the model; but a file that was just synced, and all that is not lost, is as always.
    #[test]
    fn little_memory_makes_files_durable_early_and_nothing_worse(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut run = Run::new(folder.path(), 4 * 4_096);
        for operation in &operations {
            // Without power failures nothing differs, however often memory ran out.
            if !matches!(operation, Operation::PowerFailure { .. }) {
                run.apply(operation);
                run.agrees(folder.path())?;
            }
        }
        for name in 0..NAMES.len() {
            run.apply(&Operation::Sync { name });
        }
        run.apply(&Operation::PowerFailure { unserved: Vec::new() });
        run.agrees(folder.path())?;
    }
}
