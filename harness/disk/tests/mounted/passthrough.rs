//! A healthy disk is like any other.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, UNIX_EPOCH};

use crate::fixture::{Mounted, as_root, in_namespaces};

#[test]
fn files_are_written_read_renamed_and_removed() {
    in_namespaces(
        "passthrough::files_are_written_read_renamed_and_removed",
        || {
            let mounted = Mounted::new();
            let (a, b) = (mounted.path("a"), mounted.path("b"));
            fs::write(&a, "content").expect("written");
            assert_eq!(fs::read(&a).expect("read"), b"content");
            assert_eq!(fs::read(mounted.real("a")).expect("underneath"), b"content");
            fs::write(&b, "victim").expect("written");
            fs::rename(&a, &b).expect("renamed");
            assert_eq!(fs::read(&b).expect("read"), b"content");
            assert_eq!(
                fs::read(&a).expect_err("renamed").kind(),
                ErrorKind::NotFound
            );
            let mut appending = OpenOptions::new().append(true).open(&b).expect("opened");
            appending.write_all(b" and more").expect("appended");
            assert_eq!(fs::read(&b).expect("read"), b"content and more");
            fs::remove_file(&b).expect("removed");
            assert!(!mounted.real("b").exists());
            fs::create_dir_all(mounted.path("x/y/z")).expect("folders");
            fs::write(mounted.path("x/y/z/deep"), "down").expect("written");
            fs::rename(mounted.path("x/y"), mounted.path("w")).expect("renamed");
            assert_eq!(fs::read(mounted.path("w/z/deep")).expect("read"), b"down");
            fs::remove_dir(mounted.path("w")).expect_err("it is not empty");
            fs::remove_dir_all(mounted.path("w")).expect("removed");
            assert!(mounted.disk().counters().operations > 20);
        },
    );
}

#[test]
fn an_open_file_survives_its_removal_and_renaming() {
    in_namespaces(
        "passthrough::an_open_file_survives_its_removal_and_renaming",
        || {
            let mounted = Mounted::new();
            let open = |name: &str| {
                let mut options = OpenOptions::new();
                let options = options.read(true).write(true).create(true).truncate(true);
                options.open(mounted.path(name)).expect("opened")
            };
            for end in ["removed", "renamed over", "renamed"] {
                let mut file = open("a");
                file.write_all(b"before").expect("written");
                match end {
                    "removed" => fs::remove_file(mounted.path("a")).expect("removed"),
                    "renamed" => fs::rename(mounted.path("a"), mounted.path("c")).expect("renamed"),
                    _ => {
                        open("b").write_all(b"other").expect("written");
                        fs::rename(mounted.path("b"), mounted.path("a")).expect("renamed");
                    }
                }
                file.write_all(b" and after").expect("written");
                file.set_len(10).expect("cut");
                file.sync_all().expect("synced");
                let mut content = String::new();
                file.seek(SeekFrom::Start(0)).expect("at the start");
                file.read_to_string(&mut content).expect("read");
                assert_eq!(content, "before and", "{end}");
                assert_eq!(file.metadata().expect("its attributes").len(), 10);
            }
        },
    );
}

#[test]
fn a_large_file_arrives_whole() {
    const BYTES: usize = 24 << 20;
    in_namespaces("passthrough::a_large_file_arrives_whole", || {
        let mounted = Mounted::new();
        let content: Vec<u8> = (0..BYTES).map(|at| (at / 7 % 251) as u8).collect();
        fs::write(mounted.path("large"), &content).expect("written");
        assert!(fs::read(mounted.path("large")).expect("read") == content);
        assert!(fs::read(mounted.real("large")).expect("underneath") == content);
        let file = File::open(mounted.path("large")).expect("opened");
        let mut part = vec![0; 100_000];
        file.read_exact_at(&mut part, 7_654_321).expect("read");
        assert!(part == content[7_654_321..7_754_321]);
    });
}

#[test]
fn a_listing_has_every_name_and_no_descriptor_stays() {
    const FILES: usize = 1_000;
    in_namespaces(
        "passthrough::a_listing_has_every_name_and_no_descriptor_stays",
        || {
            let mounted = Mounted::new();
            let expected: BTreeSet<String> = (0..FILES).map(|at| format!("file-{at}")).collect();
            for name in &expected {
                fs::write(mounted.path(name), name).expect("written");
                File::open(mounted.path(name))
                    .expect("opened")
                    .sync_all()
                    .expect("synced");
            }
            let descriptors = || fs::read_dir("/proc/self/fd").expect("descriptors").count();
            for _ in 0..2 {
                let entries = fs::read_dir(mounted.path("")).expect("listed");
                let entries: Vec<_> = entries.map(|entry| entry.expect("an entry")).collect();
                assert_eq!(entries.len(), FILES);
                let found = entries.iter().map(|entry| {
                    let attributes = entry.metadata().expect("its attributes");
                    assert_eq!(attributes.len() as usize, entry.file_name().len());
                    entry.file_name().into_string().expect("a plain name")
                });
                assert_eq!(found.collect::<BTreeSet<_>>(), expected);
            }
            // However many files the kernel knows.
            assert!(descriptors() < 50, "{} descriptors", descriptors());
        },
    );
}

#[test]
fn attributes_links_sockets_and_pipes_are_those_of_a_real_folder() {
    in_namespaces(
        "passthrough::attributes_links_sockets_and_pipes_are_those_of_a_real_folder",
        attributes_links_sockets_and_pipes,
    );
}

fn attributes_links_sockets_and_pipes() {
    let mounted = Mounted::new();
    let (a, b) = (mounted.path("a"), mounted.path("b"));
    fs::write(&a, "content").expect("written");
    fs::set_permissions(&a, fs::Permissions::from_mode(0o640)).expect("a mode");
    let time = UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    let early = UNIX_EPOCH - Duration::from_secs(1_000);
    let file = File::options().write(true).open(&a).expect("opened");
    file.set_times(fs::FileTimes::new().set_modified(time).set_accessed(early))
        .expect("times");
    let attributes = fs::metadata(&a).expect("its attributes");
    assert_eq!(attributes.mode() & 0o7777, 0o640);
    assert_eq!(attributes.modified().expect("a time"), time);
    assert_eq!(attributes.accessed().expect("a time"), early);

    fs::hard_link(&a, &b).expect("linked");
    assert_eq!(fs::metadata(&b).expect("its attributes").nlink(), 2);
    assert_eq!(
        fs::metadata(&a).expect("a").ino(),
        fs::metadata(&b).expect("b").ino()
    );
    fs::remove_file(&a).expect("removed");
    assert_eq!(fs::read(&b).expect("read"), b"content");
    symlink("b", mounted.path("s")).expect("linked");
    assert_eq!(
        fs::read_link(mounted.path("s")).expect("read").to_str(),
        Some("b")
    );
    assert_eq!(fs::read(mounted.path("s")).expect("read"), b"content");

    let listener = UnixListener::bind(mounted.path("socket")).expect("a socket");
    let mut near = UnixStream::connect(mounted.path("socket")).expect("connected");
    near.write_all(b"!").expect("sent");
    let (mut far, _) = listener.accept().expect("accepted");
    far.read_exact(&mut [0]).expect("received");
    nix::unistd::mkfifo(&mounted.path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let mut pipe = File::options()
        .read(true)
        .write(true)
        .open(mounted.path("pipe"));
    let pipe = pipe.as_mut().expect("opened");
    pipe.write_all(b"?").expect("written");
    pipe.read_exact(&mut [0]).expect("read");

    let room = nix::sys::statvfs::statvfs(&mounted.path("")).expect("the room");
    assert!(room.blocks_available() > 0 && room.name_max() == 255);
    let flags = nix::fcntl::RenameFlags::RENAME_NOREPLACE;
    let here = nix::fcntl::AT_FDCWD;
    let refused = nix::fcntl::renameat2(here, &b, here, &mounted.path("s"), flags);
    assert_eq!(refused, Err(nix::errno::Errno::EEXIST));
    let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
    nix::fcntl::renameat2(here, &b, here, &mounted.path("s"), flags).expect("exchanged");
    assert_eq!(fs::read_link(&b).expect("read").to_str(), Some("b"));
}

/// The mode asked for, less the umask of who asks, whatever ours is; the owner and group of who
/// asks; and no access for who has no right to it.
#[test]
fn new_files_belong_to_who_made_them() {
    as_root("passthrough::new_files_belong_to_who_made_them", || {
        let mounted = Mounted::new();
        fs::set_permissions(mounted.folder.path(), fs::Permissions::from_mode(0o755))
            .expect("open");
        fs::set_permissions(mounted.path(""), fs::Permissions::from_mode(0o777)).expect("open");
        fs::write(mounted.path("secret"), "root's").expect("written");
        fs::set_permissions(mounted.path("secret"), fs::Permissions::from_mode(0o600)).expect("");
        let script = "umask 027; mkdir folder; echo x > folder/file; mkfifo -m 666 pipe; \
                      test -w secret && exit 3; cat secret 2>/dev/null && exit 4; exit 0";
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).current_dir(mounted.path(""));
        std::os::unix::process::CommandExt::uid(&mut command, 1_234);
        std::os::unix::process::CommandExt::gid(&mut command, 2_345);
        assert!(command.status().expect("a shell").success());
        for (name, mode) in [("folder", 0o750), ("folder/file", 0o640), ("pipe", 0o666)] {
            for path in [mounted.path(name), mounted.real(name)] {
                let attributes = fs::metadata(path).expect("its attributes");
                assert_eq!(attributes.mode() & 0o7777, mode, "{name}");
                assert_eq!(
                    (attributes.uid(), attributes.gid()),
                    (1_234, 2_345),
                    "{name}"
                );
            }
        }
    });
}
