//! Goal: the machine code tells the time of [`Skew::shown_ns`], for any parameters, and keeps to
//! the calling convention of the functions that it replaces.
//! Method: the block is copied to a page of this process and called. The arithmetic is called with
//! drawn times and compared exactly; the functions are called between two readings of the true
//! clock and compared with what the formula says for both.

use std::arch::asm;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{mem, ptr, thread};

use proptest::prelude::*;

use crate::skew::seconds_and_rest;
use crate::{Skew, code};

const PAGE_BYTES: usize = 4096;
const YEAR_NS: i64 = 365 * 86_400 * 1_000_000_000;

/// A jump back of the clock by its steering, and roundings, are below this.
const SLACK_NS: i64 = 1_000_000;

/// What the coarse clock may lag behind, at ten milliseconds a tick, generously.
const COARSE_SLACK_NS: i64 = 50_000_000;

/// The block, in memory of this process that can be executed.
struct Page(*mut u8);

// SAFETY: the code in the page may run on any thread, and the data change as `code` describes.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> Page {
        let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the kernel chooses an address where nothing is.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE_BYTES, rights, kind, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        let block = code::block();
        // SAFETY: the page is new, writable and longer than the block.
        unsafe { ptr::copy_nonoverlapping(block.as_ptr(), page.cast(), block.len()) };
        Page(page.cast())
    }

    fn with(skew: Skew) -> Page {
        let page = Page::new();
        page.set(0, skew);
        page
    }

    fn set(&self, sequence: u64, skew: Skew) {
        for (at, bytes) in code::update(sequence, &skew) {
            for (word, at) in bytes.as_chunks::<8>().0.iter().zip((at..).step_by(8)) {
                // SAFETY: the update is within the block, and aligned to eight bytes.
                unsafe { ptr::write_volatile(self.0.add(at).cast(), u64::from_le_bytes(*word)) };
            }
        }
    }

    fn clock_gettime(&self, clock: libc::clockid_t) -> i64 {
        let mut time = timespec(0, 0);
        assert_eq!(self.clock_gettime_at(clock, &raw mut time), 0);
        assert!((0..1_000_000_000).contains(&time.tv_nsec), "{time:?}");
        ns(&time)
    }

    fn clock_gettime_at(&self, clock: libc::clockid_t, time: *mut libc::timespec) -> i32 {
        type Call = extern "C" fn(libc::clockid_t, *mut libc::timespec) -> i32;
        // SAFETY: such a function starts there, and it follows the convention of C.
        let call: Call = unsafe { mem::transmute(self.0.add(code::clock_gettime_at())) };
        call(clock, time)
    }

    fn gettimeofday(&self, time: *mut libc::timeval, zone: *mut [i32; 2]) -> i32 {
        type Call = extern "C" fn(*mut libc::timeval, *mut [i32; 2]) -> i32;
        // SAFETY: such a function starts there, and it follows the convention of C.
        let call: Call = unsafe { mem::transmute(self.0.add(code::gettimeofday_at())) };
        call(time, zone)
    }

    fn time(&self, time: *mut libc::time_t) -> libc::time_t {
        type Call = extern "C" fn(*mut libc::time_t) -> libc::time_t;
        // SAFETY: such a function starts there, and it follows the convention of C.
        let call: Call = unsafe { mem::transmute(self.0.add(code::time_at())) };
        call(time)
    }

    /// Has the skew added to a time.
    fn add_skew(&self, time: &mut libc::timespec) {
        // SAFETY: the code takes the address of a `timespec` in rsi, changes what it points to,
        // and no registers but those named and those that any function may change.
        unsafe {
            asm!(
                "call {code}",
                code = in(reg) self.0.add(code::add_skew_at()),
                in("rsi") ptr::from_mut(time),
                clobber_abi("C"),
            );
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the page was mapped by `new`, and nobody has its address any more.
        unsafe { libc::munmap(self.0.cast(), PAGE_BYTES) };
    }
}

fn timespec(tv_sec: i64, tv_nsec: i64) -> libc::timespec {
    libc::timespec { tv_sec, tv_nsec }
}

fn ns(time: &libc::timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn true_ns(clock: libc::clockid_t) -> i64 {
    let mut time = timespec(0, 0);
    // SAFETY: the call fills in the time, which lives through it.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    ns(&time)
}

/// Fails unless a reading is what the clock shows at some moment during it.
fn assert_during<T>(skew: Skew, slack_ns: i64, read: impl FnOnce() -> (T, i64)) -> T {
    let before = skew.shown_ns(true_ns(libc::CLOCK_REALTIME));
    let (result, shown) = read();
    let after = skew.shown_ns(true_ns(libc::CLOCK_REALTIME));
    let (low, high) = (before.min(after) - slack_ns, before.max(after) + slack_ns);
    assert!((low..=high).contains(&shown), "{low} {shown} {high}");
    result
}

/// Skews of up to a century and of clocks that are up to ten times too fast or too slow.
fn skews() -> impl Strategy<Value = Skew> {
    let now = true_ns(libc::CLOCK_REALTIME);
    let offset = -100 * YEAR_NS..100 * YEAR_NS;
    let parts = (offset, -9_000_000_000..9_000_000_000_i64, -YEAR_NS..YEAR_NS);
    parts.prop_map(move |(offset_ns, drift_ppb, earlier_ns)| Skew {
        offset_ns,
        drift_ppb,
        since_ns: now - earlier_ns,
    })
}

proptest! {
    #[test]
    fn the_arithmetic_is_that_of_the_formula(
        offset_ns: i64, drift_ppb: i64, since_ns: i64, true_ns: i64,
    ) {
        let skew = Skew { offset_ns, drift_ppb, since_ns };
        let (seconds, rest) = seconds_and_rest(true_ns);
        let mut time = timespec(seconds, rest);
        Page::with(skew).add_skew(&mut time);
        prop_assert!((0..1_000_000_000).contains(&time.tv_nsec));
        // What is added wraps around where it has no number, as documented.
        let added = (skew.exact_ns(true_ns) - i128::from(true_ns)) as i64;
        let shown = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        prop_assert_eq!(shown, i128::from(true_ns) + i128::from(added));
    }

    #[test]
    fn ordinary_skews_do_not_wrap_around(skew in skews(), later_ns in 0..YEAR_NS) {
        let at = skew.since_ns + later_ns;
        let (seconds, rest) = seconds_and_rest(at);
        let mut time = timespec(seconds, rest);
        Page::with(skew).add_skew(&mut time);
        prop_assert_eq!(ns(&time), skew.shown_ns(at));
    }

    #[test]
    fn all_functions_show_the_skewed_time(skew in skews()) {
        let page = Page::with(skew);
        assert_during(skew, SLACK_NS, || ((), page.clock_gettime(libc::CLOCK_REALTIME)));
        let coarse_ns = COARSE_SLACK_NS * 11;
        assert_during(skew, coarse_ns, || ((), page.clock_gettime(libc::CLOCK_REALTIME_COARSE)));
        assert_during(skew, SLACK_NS, || {
            let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
            assert_eq!(page.gettimeofday(&raw mut time, ptr::null_mut()), 0);
            assert!((0..1_000_000).contains(&time.tv_usec), "{time:?}");
            ((), time.tv_sec * 1_000_000_000 + time.tv_usec * 1_000)
        });
        let seconds = assert_during(skew, coarse_ns + 1_000_000_000, || {
            let mut stored = 0;
            let seconds = page.time(&raw mut stored);
            assert_eq!(seconds, stored);
            (seconds, seconds * 1_000_000_000 + 500_000_000)
        });
        prop_assert!((page.time(ptr::null_mut()) - seconds).abs() < 100);
    }

    #[test]
    fn no_skew_touches_another_clock(skew in skews()) {
        let page = Page::with(skew);
        let clocks = [
            libc::CLOCK_MONOTONIC,
            libc::CLOCK_MONOTONIC_RAW,
            libc::CLOCK_MONOTONIC_COARSE,
            libc::CLOCK_BOOTTIME,
            libc::CLOCK_PROCESS_CPUTIME_ID,
            libc::CLOCK_TAI,
        ];
        for clock in clocks {
            let before = true_ns(clock);
            let shown = page.clock_gettime(clock);
            prop_assert!((before..=true_ns(clock)).contains(&shown), "{clock}");
        }
    }
}

#[test]
fn failures_are_those_of_the_kernel() {
    let page = Page::new();
    let mut time = timespec(0, 0);
    assert_eq!(page.clock_gettime_at(4711, &raw mut time), -libc::EINVAL);
    let nowhere = ptr::null_mut();
    assert_eq!(
        page.clock_gettime_at(libc::CLOCK_REALTIME, nowhere),
        -libc::EFAULT
    );
}

#[test]
fn the_time_zone_is_the_kernels_and_everything_may_be_null() {
    let page = Page::new();
    let (mut ours, mut kernels) = ([-1; 2], [-2; 2]);
    assert_eq!(page.gettimeofday(ptr::null_mut(), &raw mut ours), 0);
    let no_time: *mut libc::timeval = ptr::null_mut();
    // SAFETY: the call fills in the zone, which lives through it, and no time.
    unsafe { libc::syscall(libc::SYS_gettimeofday, no_time, &raw mut kernels) };
    assert_eq!(ours, kernels);
    assert_eq!(page.gettimeofday(ptr::null_mut(), ptr::null_mut()), 0);
}

/// The readers do nothing else, so that they are found in the midst of it when the skew changes.
#[test]
fn a_reader_never_mixes_skews() {
    let start = timespec(1_000_000, 0);
    // Three take turns in two slots, so that each slot changes.
    let skews = [1, -1, 5].map(|factor| Skew {
        offset_ns: factor * 1_000_000_007,
        drift_ppb: factor * 1_000_003,
        since_ns: factor * 1_000_000_009,
    });
    let allowed = skews.map(|skew| skew.shown_ns(ns(&start)));
    let page = Page::with(skews[0]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut time = start;
                    page.add_skew(&mut time);
                    assert!(allowed.contains(&ns(&time)), "{time:?} {allowed:?}");
                }
            });
        }
        for (sequence, skew) in (1..5_000_000).zip(skews.into_iter().cycle().skip(1)) {
            page.set(sequence, skew);
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
