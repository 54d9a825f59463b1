//! What is lost when the power fails, and what is not.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::ptr;

use disk::Lost;

use crate::fixture::{Mounted, in_namespaces};

/// The power fails and comes back.
fn failure(mounted: &Mounted) -> Lost {
    mounted.disk().cut_power();
    mounted.disk().restore_power().expect("restored")
}

fn open(mounted: &Mounted, name: &str) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(mounted.path(name)).expect("opened")
}

fn synced(mounted: &Mounted, name: &str, content: &[u8]) -> File {
    let file = open(mounted, name);
    file.write_all_at(content, 0).expect("written");
    file.sync_all().expect("synced");
    file
}

#[test]
fn what_was_synced_stays_and_the_rest_is_gone() {
    in_namespaces("power::what_was_synced_stays_and_the_rest_is_gone", || {
        let mounted = Mounted::new();
        let old = vec![1; 20_000];
        let kinds = [
            "append", "middle", "cut", "emptied", "grown", "kept", "renamed", "erased",
        ];
        let files = kinds.map(|name| synced(&mounted, name, &old));
        let [append, middle, cut, _, grown, kept, renamed, erased] = &files;
        append.write_all_at(&[2; 7_000], 20_000).expect("written");
        middle.write_all_at(&[2; 3], 9_999).expect("written");
        cut.set_len(5).expect("cut");
        fs::write(mounted.path("emptied"), "short").expect("written");
        grown.set_len(50_000).expect("grown");
        kept.write_all_at(&[3; 100], 100).expect("written");
        kept.sync_data().expect("synced");
        renamed.write_all_at(&[2; 100], 0).expect("written");
        fs::rename(mounted.path("renamed"), mounted.path("new name")).expect("renamed");
        let erase = nix::fcntl::FallocateFlags::FALLOC_FL_PUNCH_HOLE
            | nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
        nix::fcntl::fallocate(erased, erase, 4_000, 9_000).expect("erased");
        open(&mounted, "never synced")
            .write_all(b"content")
            .expect("written");
        let lost = failure(&mounted);
        assert_eq!(
            lost.files, 8,
            "all but the one that was kept, and the new one: {lost:?}"
        );
        assert!(lost.bytes >= 7_000 + 3 + 19_995 + 20_000 + 5 + 30_000 + 100 + 9_000 + 7);
        let counters = mounted.disk().counters();
        assert_eq!(
            (counters.lost_files, counters.lost_bytes),
            (lost.files, lost.bytes)
        );

        // The same through files that were open all the time, by new ones, and underneath.
        for name in [
            "append", "middle", "cut", "emptied", "grown", "new name", "erased",
        ] {
            assert!(fs::read(mounted.path(name)).expect("read") == old, "{name}");
            assert!(
                fs::read(mounted.real(name)).expect("underneath") == old,
                "{name}"
            );
        }
        for file in [append, middle, cut, grown, renamed] {
            assert_eq!(file.metadata().expect("its attributes").len(), 20_000);
            let mut content = vec![0; 20_000];
            file.read_exact_at(&mut content, 0).expect("read");
            assert!(content == old);
        }
        let mut expected = old;
        expected[100..200].fill(3);
        assert!(fs::read(mounted.path("kept")).expect("read") == expected);
        assert_eq!(
            fs::read(mounted.path("never synced")).expect("its name is durable"),
            b""
        );

        // And the disk goes on.
        append.write_all_at(b"again", 0).expect("written");
        append.sync_all().expect("synced");
        assert_eq!(failure(&mounted), Lost::default());
        assert_eq!(
            &fs::read(mounted.path("append")).expect("read")[..5],
            b"again"
        );
    });
}

#[test]
fn without_power_nothing_is_kept_and_nothing_is_promised() {
    in_namespaces(
        "power::without_power_nothing_is_kept_and_nothing_is_promised",
        || {
            let mounted = Mounted::new();
            let file = synced(&mounted, "a", b"content");
            let mut each = OpenOptions::new();
            let each = each
                .write(true)
                .custom_flags(libc::O_SYNC)
                .open(mounted.path("a"));
            let each = each.expect("opened");
            mounted.disk().cut_power();
            file.write_all_at(b"CONTENT and more", 0).expect("taken");
            file.set_len(3).expect("taken");
            let dead = libc::EIO;
            let number =
                |result: std::io::Result<()>| result.expect_err("no promise").raw_os_error();
            assert_eq!(number(file.sync_all()), Some(dead));
            assert_eq!(number(each.write_all_at(b"!", 0)), Some(dead));
            assert_eq!(
                number(File::create(mounted.path("b")).map(drop)),
                Some(dead)
            );
            assert_eq!(
                number(fs::rename(mounted.path("a"), mounted.path("b"))),
                Some(dead)
            );
            assert_eq!(number(fs::remove_file(mounted.path("a"))), Some(dead));
            assert_eq!(
                number(File::open(mounted.path("")).expect("open").sync_all()),
                Some(dead)
            );
            fs::read(mounted.path("a")).expect("reads go on");
            assert_eq!(fs::read(mounted.real("a")).expect("underneath"), b"content");
            let counters = mounted.disk().counters();
            assert!(
                counters.forgotten >= 2 && counters.refused_powerless == 6,
                "{counters:?}"
            );
            assert_eq!(
                mounted.disk().restore_power().expect("restored"),
                Lost::default()
            );
            assert_eq!(fs::read(mounted.path("a")).expect("read"), b"content");
            each.write_all_at(b"C", 0).expect("written");
            assert_eq!(
                failure(&mounted),
                Lost::default(),
                "O_SYNC syncs each write"
            );
            assert_eq!(fs::read(mounted.path("a")).expect("read"), b"Content");
        },
    );
}

#[test]
fn files_that_are_removed_or_forgotten_lose_nothing() {
    in_namespaces(
        "power::files_that_are_removed_or_forgotten_lose_nothing",
        || {
            let mounted = Mounted::new();
            for name in ["removed", "victim", "winner", "open"] {
                open(&mounted, name).write_all(b"content").expect("written");
            }
            let held = open(&mounted, "open");
            fs::remove_file(mounted.path("open")).expect("removed");
            held.write_all_at(b"more", 100).expect("written");
            fs::remove_file(mounted.path("removed")).expect("removed");
            fs::rename(mounted.path("winner"), mounted.path("victim")).expect("renamed");
            let lost = failure(&mounted);
            assert_eq!(lost, Lost { files: 1, bytes: 7 }, "only the winner");
            assert_eq!(fs::read(mounted.path("victim")).expect("read"), b"");

            fs::remove_file(mounted.path("victim")).expect("removed");
            open(&mounted, "a").write_all(b"unsynced").expect("written");
            fs::write(mounted.real("b"), "behind its back").expect("written");
            mounted.disk().forget();
            assert_eq!(failure(&mounted), Lost::default());
            assert_eq!(fs::read(mounted.path("a")).expect("read"), b"unsynced");
            assert_eq!(
                fs::read(mounted.path("b")).expect("read"),
                b"behind its back"
            );
            assert_eq!(
                fs::read(mounted.path("removed"))
                    .expect_err("removed")
                    .kind(),
                ErrorKind::NotFound
            );
        },
    );
}

/// A shared mapping of a whole file.
struct Mapping(*mut u8, usize);

impl Mapping {
    fn new(file: &File, length: usize) -> Mapping {
        let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping somewhere, of a file that is open for both.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), length, access, shared, file.as_raw_fd(), 0) };
        assert_ne!(
            start,
            libc::MAP_FAILED,
            "{}",
            std::io::Error::last_os_error()
        );
        Mapping(start.cast(), length)
    }

    fn write(&self, at: usize, byte: u8) {
        assert!(at < self.1);
        // SAFETY: within the mapping, which nobody else writes to.
        unsafe { self.0.add(at).write_volatile(byte) }
    }

    fn read(&self, at: usize) -> u8 {
        assert!(at < self.1);
        // SAFETY: within the mapping.
        unsafe { self.0.add(at).read_volatile() }
    }

    fn sync(&self) {
        // SAFETY: the whole mapping, which exists.
        let synced = unsafe { libc::msync(self.0.cast(), self.1, libc::MS_SYNC) };
        assert_eq!(synced, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping; nothing borrows from it.
        unsafe { libc::munmap(self.0.cast(), self.1) };
    }
}

#[test]
fn a_shared_mapping_is_shared_and_msync_syncs_it() {
    in_namespaces(
        "power::a_shared_mapping_is_shared_and_msync_syncs_it",
        || {
            let mounted = Mounted::new();
            let file = synced(&mounted, "a", &[1; 10_000]);
            let (one, other) = (Mapping::new(&file, 10_000), Mapping::new(&file, 10_000));
            one.write(5_000, 2);
            assert_eq!(other.read(5_000), 2);
            one.sync();
            assert_eq!(fs::read(mounted.real("a")).expect("underneath")[5_000], 2);
            other.write(9_000, 3);
            mounted.disk().cut_power();
            // The process dies: what it has mapped is written back, and comes too late.
            drop((one, other, file));
            mounted.disk().restore_power().expect("restored");
            let content = fs::read(mounted.path("a")).expect("read");
            assert_eq!((content[5_000], content[9_000]), (2, 1));
        },
    );
}
