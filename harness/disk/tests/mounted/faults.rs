//! Full, read-only, slow and gone disks, as programs see them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::thread;
use std::time::{Duration, Instant};

use disk::DiskPolicy;

use crate::fixture::{Mounted, in_namespaces, until};

fn room(free_bytes: u64) -> DiskPolicy {
    DiskPolicy {
        free_bytes: Some(free_bytes),
        ..DiskPolicy::default()
    }
}

fn slow(slow: Duration) -> DiskPolicy {
    DiskPolicy {
        slow,
        ..DiskPolicy::default()
    }
}

fn is_full<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::StorageFull)
}

#[test]
fn a_full_disk_takes_what_fits_to_the_byte_and_nothing_more() {
    in_namespaces(
        "faults::a_full_disk_takes_what_fits_to_the_byte_and_nothing_more",
        || {
            let mounted = Mounted::new();
            fs::write(mounted.path("old"), [1; 10_000]).expect("written");
            mounted.disk().set_policy(room(100_000));
            let mut file = File::create(mounted.path("new")).expect("created");
            file.write_all(&[2; 60_000]).expect("it fits");
            assert!(is_full(file.write_all(&[3; 60_000])), "it does not");
            assert_eq!(
                fs::metadata(mounted.real("new")).expect("underneath").len(),
                100_000
            );
            assert!(is_full(file.write(b"x")));
            let left = nix::sys::statvfs::statvfs(&mounted.path("")).expect("the room");
            assert_eq!(left.blocks_available(), 0);

            // What is there can be overwritten, read, renamed and removed, but nothing can be new.
            file.write_all_at(&[4; 10_000], 0).expect("overwritten");
            file.sync_all().expect("synced");
            fs::rename(mounted.path("old"), mounted.path("renamed")).expect("renamed");
            assert!(is_full(File::create(mounted.path("another"))));
            assert!(is_full(fs::create_dir(mounted.path("folder"))));
            assert!(is_full(symlink("a", mounted.path("symlink"))));
            assert!(is_full(fs::hard_link(
                mounted.path("new"),
                mounted.path("link")
            )));
            assert!(is_full(file.set_len(100_001)));
            let end = nix::fcntl::FallocateFlags::empty();
            let allocated = nix::fcntl::fallocate(&file, end, 0, 200_000);
            assert_eq!(allocated, Err(nix::errno::Errno::ENOSPC));
            assert!(mounted.disk().counters().refused_full >= 8);

            // Room comes from files that shrink or go, once they are closed, and from healing.
            file.set_len(90_000).expect("cut");
            fs::write(mounted.path("small"), [5; 4_000]).expect("it fits");
            fs::remove_file(mounted.path("renamed")).expect("removed");
            file.write_all_at(&[6; 16_000], 90_000).expect("it fits");
            assert!(is_full(file.write_all_at(&[6; 1], 106_000)));
            fs::remove_file(mounted.path("new")).expect("removed");
            drop(file);
            // The kernel says that a file is closed when it has told the program.
            let closed = || fs::write(mounted.path("small"), [5; 100_000]).is_ok();
            until("the room comes back", closed);
            mounted.disk().set_policy(DiskPolicy::default());
            fs::write(mounted.path("large"), vec![7; 1 << 20]).expect("healed");
        },
    );
}

#[test]
fn the_same_bound_again_does_not_start_the_count_anew() {
    in_namespaces(
        "faults::the_same_bound_again_does_not_start_the_count_anew",
        || {
            let mounted = Mounted::new();
            mounted.disk().set_policy(room(10));
            fs::write(mounted.path("a"), [1; 10]).expect("it fits");
            let both = DiskPolicy {
                slow: Duration::from_millis(1),
                ..room(10)
            };
            mounted.disk().set_policy(both);
            assert!(is_full(fs::write(mounted.path("b"), [1; 10])));
            mounted.disk().set_policy(room(11));
            fs::write(mounted.path("b"), [1; 10]).expect("another bound");
        },
    );
}

#[test]
fn a_read_only_disk_refuses_every_change_also_by_open_files() {
    in_namespaces(
        "faults::a_read_only_disk_refuses_every_change_also_by_open_files",
        || {
            let mounted = Mounted::new();
            let (a, b) = (mounted.path("a"), mounted.path("b"));
            fs::write(&a, "content").expect("written");
            fs::create_dir(mounted.path("folder")).expect("a folder");
            let mut open = OpenOptions::new().append(true).open(&a).expect("opened");
            let clean = File::open(&a).expect("opened");
            clean.sync_all().expect("synced");
            mounted.disk().set_policy(DiskPolicy {
                read_only: true,
                ..DiskPolicy::default()
            });
            let refused = |result: io::Result<()>| {
                let error = result.expect_err("it is refused");
                assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
            };
            refused(open.write_all(b"more"));
            refused(open.set_len(0));
            refused(OpenOptions::new().write(true).open(&a).map(drop));
            refused(File::create(&b).map(drop));
            refused(fs::create_dir(&b));
            refused(fs::remove_dir(mounted.path("folder")));
            refused(symlink("a", &b));
            refused(fs::hard_link(&a, &b));
            refused(fs::rename(&a, &b));
            refused(fs::remove_file(&a));
            let mode = fs::metadata(&a).expect("its attributes").permissions();
            refused(fs::set_permissions(&a, mode));
            clean.sync_all().expect("there is nothing to sync");
            assert_eq!(fs::read(&a).expect("read"), b"content");
            assert_eq!(mounted.disk().counters().refused_read_only, 11);
            mounted.disk().set_policy(DiskPolicy::default());
            open.write_all(b" and more").expect("healed");
            assert_eq!(fs::read(&a).expect("read"), b"content and more");
        },
    );
}

#[test]
fn each_operation_of_a_slow_disk_takes_longer() {
    in_namespaces("faults::each_operation_of_a_slow_disk_takes_longer", || {
        const SLOW: Duration = Duration::from_millis(40);
        let mounted = Mounted::new();
        let a = mounted.path("a");
        mounted.disk().set_policy(slow(SLOW));
        let before = mounted.disk().counters();
        let taken = |work: &mut dyn FnMut()| {
            let start = Instant::now();
            work();
            let taken = start.elapsed();
            assert!(taken >= SLOW, "{taken:?}");
            taken
        };
        let mut file = None;
        let mut all = taken(&mut || file = Some(File::create_new(&a).expect("created")));
        let mut file = file.expect("created");
        all += taken(&mut || file.write_all(b"content").expect("written"));
        all += taken(&mut || file.sync_data().expect("synced"));
        all += taken(&mut || fs::rename(&a, mounted.path("b")).expect("renamed"));
        let mut reading = None;
        all += taken(&mut || reading = Some(File::open(mounted.path("b")).expect("opened")));
        let mut content = String::new();
        let mut reading = reading.expect("opened");
        all += taken(&mut || assert_eq!(reading.read_to_string(&mut content).expect("read"), 7));
        all += taken(&mut || fs::remove_file(mounted.path("b")).expect("removed"));
        let counters = mounted.disk().counters();
        let delayed = counters.delayed - before.delayed;
        assert!(delayed >= 7, "{counters:?}");
        assert!(
            counters.delay_total >= SLOW * delayed as u32,
            "{counters:?}"
        );
        assert!(all < Duration::from_secs(30), "far too slow: {all:?}");
    });
}

#[test]
fn healing_wakes_what_waits() {
    in_namespaces("faults::healing_wakes_what_waits", || {
        let mounted = Mounted::new();
        let file = File::create(mounted.path("a")).expect("created");
        for healing in ["policy", "power"] {
            mounted.disk().set_policy(slow(Duration::from_secs(3_600)));
            let before = mounted.disk().counters().delayed;
            thread::scope(|scope| {
                let writing = || file.write_all_at(b"content", 0).expect("written after all");
                scope.spawn(writing);
                let waits = || mounted.disk().counters().delayed > before;
                until("the write waits", waits);
                match healing {
                    "policy" => mounted.disk().set_policy(DiskPolicy::default()),
                    _ => mounted.disk().cut_power(),
                }
            });
        }
        mounted.disk().restore_power().expect("restored");
    });
}

/// Whoever uses a disk that is served no longer gets an error, also when in the middle of waiting.
#[test]
fn the_end_of_a_disk_is_an_error_and_no_wait() {
    in_namespaces("faults::the_end_of_a_disk_is_an_error_and_no_wait", || {
        let mut mounted = Mounted::new();
        let path = mounted.path("a");
        let file = File::create(&path).expect("created");
        mounted.disk().set_policy(slow(Duration::from_secs(3_600)));
        let disk = mounted.disk.take().expect("it is served");
        let before = disk.counters().delayed;
        thread::scope(|scope| {
            let writer = scope.spawn(|| file.write_all_at(b"content", 0));
            until("the write waits", || disk.counters().delayed > before);
            drop(disk);
            // It was either carried out just before the end, or not.
            let _ = writer.join().expect("no panic");
        });
        let gone = |error: io::Error| {
            let number = error.raw_os_error();
            assert!(
                matches!(number, Some(libc::ENOTCONN | libc::ECONNABORTED)),
                "{error}"
            );
        };
        gone(
            file.write_all_at(b"content", 0)
                .expect_err("nobody serves it"),
        );
        gone(fs::metadata(&path).expect_err("nobody serves it"));
        assert!(fs::metadata(mounted.real("a")).expect("underneath").size() <= 7);
    });
}
