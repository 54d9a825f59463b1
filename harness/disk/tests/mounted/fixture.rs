//! A disk that is mounted in namespaces of its own.
//!
//! A test runs twice: `in_namespaces` starts this executable again, for that test alone, in a new
//! user and mount namespace, and there it runs the body. So a disk dies with its test.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use disk::{Backing, Device, DiskError, HostDisk};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
use tempfile::TempDir;

/// How long anything may take that is not meant to wait.
const DEADLINE: Duration = Duration::from_secs(60);

const INSIDE: &str = "DISK_TEST_INSIDE";
/// The exit status of a test that this machine does not allow.
const SKIPPED: i32 = 77;

/// Runs the body as uid 0 of a new user and mount namespace.
pub fn in_namespaces(test: &str, body: impl FnOnce()) {
    again(
        test,
        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS,
        body,
    );
}

/// Runs the body in a new mount namespace only, which takes root, with all its users and groups.
pub fn as_root(test: &str, body: impl FnOnce()) {
    if Uid::effective().is_root() || is_inside() {
        again(test, CloneFlags::CLONE_NEWNS, body);
    } else {
        skip(test, "it takes root");
    }
}

fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

fn again(test: &str, namespaces: CloneFlags, body: impl FnOnce()) {
    if !is_inside() {
        match start_again(test, namespaces) {
            Ok(status) if status.code() == Some(SKIPPED) => skip(test, "no disk can be mounted"),
            Ok(status) => assert!(status.success(), "{test}: {status}"),
            Err(error) => skip(test, &format!("no new namespaces: {error}")),
        }
    } else if let Err(error) = probe() {
        eprintln!("{error}");
        std::process::exit(SKIPPED);
    } else {
        body();
    }
}

fn skip(test: &str, reason: &str) {
    if env::var_os("HARNESS_REQUIRE_LOCAL").is_some_and(|value| value == "1") {
        panic!("HARNESS_REQUIRE_LOCAL=1, but: {reason}");
    }
    // Written past the capture of test output, so that it is seen.
    let line = format!("SKIPPED: {test}: {reason}\n");
    io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error");
}

fn start_again(test: &str, namespaces: CloneFlags) -> io::Result<ExitStatus> {
    let uids = format!("0 {} 1", Uid::effective());
    let gids = format!("0 {} 1", Gid::effective());
    let mut command = this_test(test);
    command.env(INSIDE, "1");
    // SAFETY: between fork and exec there are only system calls; the short paths of std::fs are
    // put on the stack, and the texts were made before.
    unsafe {
        command.pre_exec(move || {
            unshare(namespaces)?;
            if namespaces.contains(CloneFlags::CLONE_NEWUSER) {
                fs::write("/proc/self/setgroups", "deny")?;
                fs::write("/proc/self/uid_map", &uids)?;
                fs::write("/proc/self/gid_map", &gids)?;
            }
            make_private()?;
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::SIGKILL)?;
            Ok(())
        });
    }
    command.status()
}

/// This executable, for one test, with nothing captured.
pub fn this_test(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this executable"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command
}

/// Waits until something is so that nobody tells us.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        thread::yield_now();
    }
}

/// Mounts made here are not seen elsewhere.
pub fn make_private() -> nix::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
}

/// Whether this machine lets a disk be mounted.
fn probe() -> Result<(), DiskError> {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::open()?;
    disk::mount(&device, folder.path())?;
    umount2(folder.path(), MntFlags::MNT_DETACH).expect("unmounted");
    Ok(())
}

/// A served disk, its folder underneath, and where it is mounted.
pub struct Mounted {
    pub disk: Option<HostDisk>,
    pub folder: TempDir,
}

impl Mounted {
    pub fn new() -> Mounted {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["real", "disk"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let backing = Backing::open(&folder.path().join("real")).expect("the folder");
        let device = Device::open().expect("a device");
        disk::mount(&device, &folder.path().join("disk")).expect("mounted");
        let disk = HostDisk::serve(backing, device).expect("served");
        Mounted {
            disk: Some(disk),
            folder,
        }
    }

    pub fn disk(&self) -> &HostDisk {
        self.disk.as_ref().expect("it is served")
    }

    /// A path on the disk.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("disk").join(name)
    }

    /// The same in the folder underneath.
    pub fn real(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("real").join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The disk first: its end must not need the mount's.
        self.disk.take();
        let _ = umount2(&self.folder.path().join("disk"), MntFlags::MNT_DETACH);
    }
}
