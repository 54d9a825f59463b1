//! The disk as the kernel calls it: FUSE's messages in, operations on the volume, answers out.
//!
//! One thread serves one disk, so operations queue behind each other, as on a disk with one head.
//! A delay is a wait that a change of policy ends at once.
//!
//! Left out on purpose: locks, which the kernel keeps itself when we do not; extended attributes;
//! the write-back cache, with which the kernel would keep to itself what a program has written.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, WriteFlags,
};

use crate::answer::{
    VALID, answer_attributes, answer_empty, answer_entry, attributes, caller, errno, time_spec,
};
use crate::shared::Shared;
use crate::volume::{Changes, Volume};

/// The most that comes in one write: what the kernel puts into one message.
const WRITE_BYTES_MAX: u32 = 1 << 20;

/// What the event loop calls.
#[derive(Debug)]
pub(crate) struct Served(pub(crate) Arc<Shared>);

impl Served {
    /// For what takes no longer on a slow disk.
    fn quick(&self) -> MutexGuard<'_, Volume> {
        counted(self.0.lock())
    }

    fn slow(&self) -> MutexGuard<'_, Volume> {
        counted(self.0.after_delay())
    }
}

fn counted(mut volume: MutexGuard<'_, Volume>) -> MutexGuard<'_, Volume> {
    volume.counters.operations += 1;
    volume
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // An error would only say that the kernel wants less, and what it wants is right too.
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.quick().lookup(parent.0, name), reply);
    }

    fn forget(&self, _: &Request, number: INodeNo, lookups: u64) {
        self.quick().forget(number.0, lookups);
    }

    fn getattr(&self, _: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        let handle = handle.map(u64::from);
        answer_attributes(self.quick().attributes(number.0, handle), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        length: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changes = Changes {
            mode,
            uid,
            gid,
            length,
            accessed: accessed.map(time_spec),
            modified: modified.map(time_spec),
        };
        let handle = handle.map(u64::from);
        answer_attributes(self.slow().set_attributes(number.0, handle, changes), reply);
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        match self.quick().read_link(number.0) {
            Ok(target) => reply.data(target.as_bytes()),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let made = self
            .slow()
            .make_node(caller(request), parent.0, name, mode, device);
        answer_entry(made, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self
            .slow()
            .make_folder(caller(request), parent.0, name, mode);
        answer_entry(made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.slow().remove_file(parent.0, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer_empty(self.slow().remove_folder(parent.0, name), reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let made = self
            .slow()
            .make_symlink(caller(request), parent.0, name, target);
        answer_entry(made, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = ((parent.0, name), (new_parent.0, new_name));
        answer_empty(self.slow().rename(from, to, flags.bits()), reply);
    }

    fn link(&self, _: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer_entry(self.slow().make_link(number.0, parent.0, name), reply);
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.slow().open(number.0, flags.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        match self
            .slow()
            .create(caller(request), parent.0, name, mode, flags)
        {
            Ok((entry, handle)) => reply.created(
                &VALID,
                &attributes(&entry),
                Generation(0),
                FileHandle(handle),
                FopenFlags::empty(),
            ),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.slow().read(handle.0, offset, size as usize) {
            Ok(content) => reply.data(&content),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        content: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.slow().write(handle.0, offset, content) {
            Ok(written) => reply.written(written as u32),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Nothing waits for the closing of a file; the kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        answer_empty(self.quick().release(handle.0), reply);
    }

    fn fsync(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        answer_empty(self.slow().sync(handle.0, data_only), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        answer_empty(self.slow().allocate(handle.0, offset, length, mode), reply);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.quick().open_listing();
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        from: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut volume = self.quick();
        match volume.list(number.0, handle.0, from) {
            Ok(listed) => {
                for (next, entry) in (from + 1..).zip(listed) {
                    let kind = entry
                        .kind
                        .map_or(Some(FileType::Directory), FileType::from_std);
                    let kind = kind.unwrap_or(FileType::RegularFile);
                    if reply.add(INodeNo(entry.inode), next, kind, &entry.name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.quick().close_listing(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer_empty(self.slow().sync_folder(), reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.quick().room() {
            Ok(room) => reply.statfs(
                room.underneath.blocks(),
                room.free_blocks,
                room.available_blocks,
                room.underneath.files(),
                room.underneath.files_free(),
                room.underneath.block_size() as u32,
                room.underneath.name_max() as u32,
                room.underneath.fragment_size() as u32,
            ),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }
}
