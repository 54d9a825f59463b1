//! What one input may do: panic, which is reported; and hang or take too much memory, which ends
//! the process, because there is no other way out of either. In each case the input is kept.
//!
//! Memory is counted by the allocator of this test, for each thread on its own: an input is read
//! on one thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often the watchdog looks, in times that the patience is longer.
const LOOKS: u32 = 10;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// The bytes that an input holds on this thread; less than zero when it frees older ones.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// How many it may hold, and the text of the input, while there is one.
    static LIMIT: Cell<Option<(isize, *const str)>> = const { Cell::new(None) };
}

/// The system's allocator, which also counts.
struct Counting;

/// Watches the inputs of several workers.
pub struct Guard {
    /// For each worker, the input that it reads and since when.
    reading: Vec<Mutex<Option<(Instant, String)>>>,
    patience: Duration,
    memory_bytes_max: usize,
}

impl Guard {
    /// A guard for so many workers, each of whose inputs may take so long and hold so much.
    pub fn new(workers: usize, patience: Duration, memory_bytes_max: usize) -> Guard {
        Guard {
            reading: (0..workers).map(|_| Mutex::new(None)).collect(),
            patience,
            memory_bytes_max,
        }
    }

    /// Does some work with a watchdog beside it.
    pub fn watch(&self, work: impl FnOnce()) {
        let (done, wait) = sync_channel::<()>(0);
        thread::scope(|scope| {
            scope.spawn(move || self.look_after(&wait));
            work();
            drop(done);
        });
    }

    /// Lets a worker read an input. A panic is an error.
    pub fn examine(
        &self,
        worker: usize,
        text: &str,
        judge: impl Fn(&str) -> Result<bool, String>,
    ) -> Result<bool, String> {
        *lock(&self.reading[worker]) = Some((Instant::now(), text.to_owned()));
        LIVE.set(0);
        let limit = isize::try_from(self.memory_bytes_max).unwrap_or(isize::MAX);
        LIMIT.set(Some((limit, text)));
        let judged = catch_unwind(AssertUnwindSafe(|| judge(text)));
        LIMIT.set(None);
        *lock(&self.reading[worker]) = None;
        judged.unwrap_or_else(|panic| Err(format!("it panicked: {}", words_of(&*panic))))
    }

    fn look_after(&self, done: &Receiver<()>) {
        while done.recv_timeout(self.patience / LOOKS) == Err(RecvTimeoutError::Timeout) {
            for reading in &self.reading {
                if let Some((since, text)) = &*lock(reading)
                    && since.elapsed() > self.patience
                {
                    end(
                        &format!("an input took longer than {:?}", self.patience),
                        text,
                    );
                }
            }
        }
    }
}

/// Writes an input to the folder for temporary files.
pub fn keep(text: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let (process, digest) = (std::process::id(), hasher.finish());
    let name = format!("harness-fuzz-{process}-{digest:016x}.yaml");
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("a folder for temporary files");
    path
}

/// Ends the process because of an input. Written past the test's capture, which would be lost.
fn end(why: &str, text: &str) -> ! {
    static ENDING: Mutex<()> = Mutex::new(());
    LIMIT.set(None);
    // Others that come to their end meanwhile wait for this one.
    let _alone = lock(&ENDING);
    let path = keep(text);
    let _ = writeln!(
        std::io::stderr(),
        "{why}; it is kept in {}\n{text}",
        path.display()
    );
    std::process::abort()
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts bytes that come, or go. Ends the process when an input holds too many.
fn count(bytes: isize) {
    let live = LIVE.get().saturating_add(bytes);
    LIVE.set(live);
    if let Some((limit, text)) = LIMIT.get()
        && live > limit
    {
        // What follows allocates too; it is not counted any more.
        LIMIT.set(None);
        // SAFETY: the limit is only set while `examine` borrows the text, on this thread.
        end(&format!("an input holds more than {limit} bytes"), unsafe {
            &*text
        });
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator as it came. Counting touches two cells that
// need no initialisation and have no destructor, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(signed(bytes) - signed(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
