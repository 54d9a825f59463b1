//! An allocator that counts what each thread holds, and the most that it held at once.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

impl Counting {
    pub const fn new() -> Self {
        Self
    }

    /// Forgets the peak; returns what this thread holds now.
    pub fn begin(&self) -> isize {
        let held = HELD.get();
        PEAK.set(held);
        held
    }

    /// The most bytes that this thread held at once since it began, beyond those it had then.
    pub fn peak_since(&self, begin: isize) -> usize {
        usize::try_from(PEAK.get() - begin).unwrap_or(0)
    }
}

fn count(bytes: usize, sign: isize) {
    // A thread that is ending has no counters any more, and nobody asks it.
    let _ = HELD.try_with(|held| {
        let bytes = isize::try_from(bytes).expect("no allocation is larger");
        held.set(held.get() + sign * bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is handed on to the system's allocator as it came; the counters are plain
// thread-local cells without a destructor, so counting never allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller keeps the contract of `dealloc`, and the block is the system's.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both places may be there at once.
        count(size, 1);
        // SAFETY: the caller keeps the contract of `realloc`, and the block is the system's.
        let moved = unsafe { System.realloc(place, layout, size) };
        count(layout.size(), -1);
        moved
    }
}
