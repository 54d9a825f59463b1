//! Where a disk can be mounted: over its own folder, and in the namespace of another process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use disk::{Backing, Device, DiskError, HostDisk};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::fixture::{in_namespaces, make_private};

#[test]
fn a_disk_can_cover_its_own_folder() {
    in_namespaces("places::a_disk_can_cover_its_own_folder", || {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("before"), "the mount").expect("written");
        let backing = Backing::open(folder.path()).expect("the folder");
        let device = Device::open().expect("a device");
        disk::mount(&device, folder.path()).expect("mounted");
        let disk = HostDisk::serve(backing, device).expect("served");
        assert_eq!(fs::read(path("before")).expect("read"), b"the mount");
        fs::write(path("after"), "it").expect("written");
        assert!(disk.counters().operations > 0);
        disk.cut_power();
        disk.restore_power().expect("restored");
        assert_eq!(fs::read(path("after")).expect("read"), b"");
        fs::write(path("after"), "it").expect("written");
        drop(disk);
        umount2(folder.path(), MntFlags::MNT_DETACH).expect("unmounted");
        assert_eq!(fs::read(path("after")).expect("read"), b"it");
    });
}

/// The disk is there for the process and for nobody else, and outlives it.
#[test]
fn a_disk_can_be_mounted_for_another_process() {
    in_namespaces("places::a_disk_can_be_mounted_for_another_process", || {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let mut command = Command::new("sh");
        // It says when it lives, and goes on when it is told to.
        let script = "echo alive; read go; echo content > $0; read line < $0; echo $line; read go";
        command.args(["-c", script]).arg(path("file"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let folder_path = folder.path().to_owned();
        // SAFETY: between fork and exec there are only system calls.
        unsafe {
            command.pre_exec(move || {
                unshare(CloneFlags::CLONE_NEWNS)?;
                make_private()?;
                Ok(())
            });
        }
        let mut process = command.spawn().expect("a shell");
        let mut input = process.stdin.take().expect("a pipe");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut next = move || lines.next().expect("a line").expect("the pipe");
        assert_eq!(next(), "alive");

        let device = Device::open().expect("a device");
        let pid = process.id();
        disk::mount_in(&device, pid, &folder_path).expect("mounted");
        // The folder is not covered here, so it can still be opened.
        let backing = Backing::open(&folder_path).expect("the folder");
        let disk = HostDisk::serve(backing, device).expect("served");
        let mounts = |of: &str| fs::read_to_string(format!("/proc/{of}/mounts")).expect("mounts");
        let is_mounted = |of: &str| mounts(of).contains(folder_path.to_str().expect("a path"));
        assert!(is_mounted(&pid.to_string()) && !is_mounted("self"));

        let before = disk.counters().operations;
        input.write_all(b"go\n").expect("told");
        assert_eq!(next(), "content");
        assert!(disk.counters().operations > before);
        disk.cut_power();
        process.kill().expect("killed");
        process.wait().expect("dead");
        let lost = disk.restore_power().expect("restored");
        assert_eq!((lost.files, lost.bytes), (1, 8));
        assert_eq!(fs::read(path("file")).expect("underneath"), b"");
    });
}

#[test]
fn errors_say_what_to_do() {
    in_namespaces("places::errors_say_what_to_do", || {
        let folder = tempfile::tempdir().expect("a folder");
        let nowhere = folder.path().join("nowhere");
        let device = Device::open().expect("a device");
        let error = disk::mount(&device, &nowhere).expect_err("there is no such folder");
        assert!(
            error.to_string().contains("must be a folder that exists"),
            "{error}"
        );
        let error = disk::mount_in(&device, u32::MAX, folder.path()).expect_err("no process");
        assert!(
            matches!(error, DiskError::Enter { pid: u32::MAX, .. }),
            "{error}"
        );
        let error = Backing::open(&nowhere).expect_err("there is no such folder");
        assert!(error.to_string().contains("it must exist"), "{error}");
        let backing = Backing::open(folder.path()).expect("the folder");
        let error = HostDisk::serve(backing, device).expect_err("it is not mounted");
        assert!(matches!(error, DiskError::NotMounted), "{error}");
    });
}
