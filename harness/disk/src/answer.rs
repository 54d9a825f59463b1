//! Between FUSE's words and ours: answers, attributes, times.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileType, Generation, INodeNo, ReplyAttr, ReplyEmpty, ReplyEntry, Request,
    TimeOrNow,
};
use nix::sys::stat::FileStat;
use nix::sys::time::TimeSpec;

use crate::volume::{Caller, Entry};

/// The kernel asks again each time: what it believes may have changed with the power.
pub(crate) const VALID: Duration = Duration::ZERO;

pub(crate) fn answer_empty(result: io::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error)),
    }
}

pub(crate) fn answer_entry(result: io::Result<Entry>, reply: ReplyEntry) {
    match result {
        Ok(entry) => reply.entry(&VALID, &attributes(&entry), Generation(0)),
        Err(error) => reply.error(errno(&error)),
    }
}

pub(crate) fn answer_attributes(result: io::Result<Entry>, reply: ReplyAttr) {
    match result {
        Ok(entry) => reply.attr(&VALID, &attributes(&entry)),
        Err(error) => reply.error(errno(&error)),
    }
}

pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_i32(error.raw_os_error().unwrap_or(libc::EIO))
}

pub(crate) fn caller(request: &Request) -> Caller {
    Caller {
        uid: request.uid(),
        gid: request.gid(),
    }
}

pub(crate) fn attributes(entry: &Entry) -> FileAttr {
    let stat: &FileStat = &entry.stat;
    FileAttr {
        ino: INodeNo(entry.number),
        size: stat.st_size.cast_unsigned(),
        blocks: stat.st_blocks.cast_unsigned(),
        atime: system_time(stat.st_atime, stat.st_atime_nsec),
        mtime: system_time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: system_time(stat.st_ctime, stat.st_ctime_nsec),
        crtime: UNIX_EPOCH,
        kind: kind(stat.st_mode),
        perm: (stat.st_mode & 0o7777) as u16,
        nlink: stat.st_nlink as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev as u32,
        blksize: stat.st_blksize as u32,
        flags: 0,
    }
}

fn kind(mode: u32) -> FileType {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => FileType::Directory,
        libc::S_IFLNK => FileType::Symlink,
        libc::S_IFIFO => FileType::NamedPipe,
        libc::S_IFSOCK => FileType::Socket,
        libc::S_IFCHR => FileType::CharDevice,
        libc::S_IFBLK => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

/// A time as stat(2) gives it: the nanoseconds count forwards, also before 1970.
fn system_time(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 {
        UNIX_EPOCH - whole
    } else {
        UNIX_EPOCH + whole
    };
    start + Duration::from_nanos(nanoseconds.cast_unsigned())
}

pub(crate) fn time_spec(time: TimeOrNow) -> TimeSpec {
    let TimeOrNow::SpecificTime(time) = time else {
        return TimeSpec::UTIME_NOW;
    };
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => TimeSpec::from_duration(after),
        Err(error) => {
            let before = error.duration();
            let nanoseconds = i64::from(before.subsec_nanos());
            let borrow = i64::from(nanoseconds > 0);
            let seconds = -before.as_secs().cast_signed() - borrow;
            TimeSpec::new(seconds, borrow * 1_000_000_000 - nanoseconds)
        }
    }
}
