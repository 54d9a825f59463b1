//! Goal: a process whose clock was skewed sees exactly that, keeps running, and nobody else does.
//! Method: children of this test are asked for the time over pipes, between two readings of the
//! true time; what they say must be what the formula says for some moment in between. Most of them
//! have threads that read the time all the time, so that patching finds them at it.
//!
//! On machines that [`clock::supported`] refuses, each test says SKIPPED and passes, unless
//! HARNESS_REQUIRE_LOCAL=1 is set: then it fails.

mod child;

use std::io::Write;
use std::process::Command;
use std::time::Duration;
use std::{env, thread};

use child::{Skewed, clock as read_clock};
use clock::{ClockError, Skew};

const SECOND_NS: i64 = 1_000_000_000;

/// A clock that is steered goes back by less.
const SLACK_NS: i64 = 1_000_000;

/// What the coarse clock lags behind, at ten milliseconds a tick, generously.
const COARSE_SLACK_NS: i64 = 100_000_000;

#[test]
fn the_child_itself() {
    child::play();
}

fn is_supported(test: &str) -> bool {
    let Err(error) = clock::supported() else {
        return true;
    };
    let is_required = env::var_os("HARNESS_REQUIRE_LOCAL").is_some_and(|value| value == "1");
    assert!(!is_required, "{error}");
    say_skipped(test, &error.to_string());
    false
}

fn say_skipped(test: &str, why: &str) {
    // Not `println`, which the test runner would hide.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

fn now() -> i64 {
    read_clock(libc::CLOCK_REALTIME)
}

fn offset(offset_ns: i64) -> Skew {
    Skew {
        offset_ns,
        ..Skew::default()
    }
}

/// Sets a skew and reads it back.
fn set(child: &Skewed, skew: Skew) {
    clock::set(child.pid(), skew).expect("set");
    assert_eq!(clock::get(child.pid()).expect("read"), Some(skew));
}

/// Asks a child, and fails unless each time that it tells is what the clock shows at some moment
/// during the answer, within the slack of each.
fn ask_during(child: &mut Skewed, skew: Skew, question: &str, slacks_ns: &[i64]) -> Vec<i64> {
    let before = skew.shown_ns(now());
    let told = child.ask(question);
    let after = skew.shown_ns(now());
    assert_eq!(told.len(), slacks_ns.len(), "{told:?}");
    for (shown, slack_ns) in told.iter().zip(slacks_ns) {
        let range = before - slack_ns..=after + slack_ns;
        assert!(
            range.contains(shown),
            "{question}: {shown} is not in {range:?}"
        );
    }
    told
}

/// Asks a child for `SystemTime` and the monotonic clock, and returns the three of its answer.
fn assert_std(child: &mut Skewed, skew: Skew) -> [i64; 3] {
    let true_before = read_clock(libc::CLOCK_MONOTONIC);
    let before = skew.shown_ns(now());
    let answer = child.ask("std");
    let after = skew.shown_ns(now());
    let true_after = read_clock(libc::CLOCK_MONOTONIC);
    let [start, wall, end] = answer.try_into().expect("three times");
    assert!(
        true_before <= start && start <= end && end <= true_after,
        "monotonic: {true_before} {start} {end} {true_after}"
    );
    assert!(
        (before - SLACK_NS..=after + SLACK_NS).contains(&wall),
        "wall: {before} {wall} {after}"
    );
    [start, wall, end]
}

#[test]
fn a_child_sees_the_hour_ahead_the_day_behind_and_the_healing() {
    if !is_supported("a_child_sees_the_hour_ahead_the_day_behind_and_the_healing") {
        return;
    }
    let mut child = Skewed::with_readers(4);
    assert_eq!(clock::get(child.pid()).expect("read"), None);
    assert_std(&mut child, Skew::default());
    for seconds in [3_600, -86_400, 5, 0] {
        let skew = offset(seconds * SECOND_NS);
        set(&child, skew);
        assert_std(&mut child, skew);
        // Nobody else is affected, above all not this process.
        let own = read_clock(libc::CLOCK_REALTIME_COARSE);
        assert!((own - now()).abs() < 60 * SECOND_NS);
    }
    assert_std(&mut child, Skew::default());
    child.quit();
}

#[test]
fn a_clock_ten_percent_fast_gains_a_tenth_of_a_second_each() {
    if !is_supported("a_clock_ten_percent_fast_gains_a_tenth_of_a_second_each") {
        return;
    }
    let mut child = Skewed::with_readers(2);
    let skew = Skew {
        offset_ns: -7 * SECOND_NS,
        drift_ppb: 100_000_000,
        since_ns: now(),
    };
    set(&child, skew);
    let [start_earliest, wall_start, start_latest] = assert_std(&mut child, skew);
    // The second over which the drift is measured.
    thread::sleep(Duration::from_secs(1));
    let [end_earliest, wall_end, end_latest] = assert_std(&mut child, skew);
    // The wall clock was read at an unknown moment between two readings of the monotonic one; the
    // true clock may be steered by 500 millionths.
    let gained = wall_end - wall_start;
    let fast = |passed: i64| passed + passed / 10;
    let range = fast(end_earliest - start_latest)..=fast(end_latest - start_earliest);
    let steered = (end_latest - start_earliest) / 1_000;
    assert!(
        (range.start() - steered..=range.end() + steered).contains(&gained),
        "{gained} {range:?}"
    );
    assert!(gained > SECOND_NS + SECOND_NS / 20, "{gained}");
    // Back by a jump, as after an hour too fast.
    set(&child, Skew::default());
    assert_std(&mut child, Skew::default());
    child.quit();
}

#[test]
fn the_functions_of_c_agree() {
    if !is_supported("the_functions_of_c_agree") {
        return;
    }
    let mut child = Skewed::with_readers(0);
    let drifting = Skew {
        offset_ns: 86_399 * SECOND_NS + 999_999_999,
        drift_ppb: -500_000_000,
        since_ns: now(),
    };
    for skew in [offset(-1), drifting, Skew::default()] {
        set(&child, skew);
        let slacks = [SLACK_NS, SECOND_NS + COARSE_SLACK_NS, COARSE_SLACK_NS];
        ask_during(&mut child, skew, "libc", &slacks);
    }
    child.quit();
}

#[test]
fn a_program_in_python_is_skewed_too() {
    let test = "a_program_in_python_is_skewed_too";
    if !is_supported(test) {
        return;
    }
    if Command::new("python3").arg("--version").output().is_err() {
        say_skipped(test, "there is no python3");
        return;
    }
    let program = "import sys, time\n\
                   print('@', flush=True)\n\
                   for line in sys.stdin:\n  \
                   print('@', time.time_ns(), flush=True)\n";
    let mut child = Skewed::start(Command::new("python3").args(["-c", program]));
    ask_during(&mut child, Skew::default(), "", &[SLACK_NS]);
    for skew in [offset(3_600 * SECOND_NS), offset(-86_400 * SECOND_NS)] {
        set(&child, skew);
        ask_during(&mut child, skew, "", &[SLACK_NS]);
    }
}

#[test]
fn another_program_starts_with_the_true_clock() {
    if !is_supported("another_program_starts_with_the_true_clock") {
        return;
    }
    let mut child = Skewed::with_readers(1);
    let skew = offset(3_600 * SECOND_NS);
    set(&child, skew);
    child.tell("exec");
    child.answer();
    assert_eq!(clock::get(child.pid()).expect("read"), None);
    assert_std(&mut child, Skew::default());
    set(&child, skew);
    assert_std(&mut child, skew);
    child.quit();
}

/// Each child is caught in another place by its first patch.
#[test]
fn two_hundred_first_patches_hurt_nobody() {
    if !is_supported("two_hundred_first_patches_hurt_nobody") {
        return;
    }
    for round in 1..=200 {
        let mut child = Skewed::with_readers(4);
        let skew = offset(round * SECOND_NS);
        set(&child, skew);
        assert_std(&mut child, skew);
        child.quit();
    }
}

/// A thread in a signal handler comes back to where it was interrupted, often inside of the vDSO.
#[test]
fn a_patch_does_not_hurt_threads_in_signal_handlers() {
    if !is_supported("a_patch_does_not_hurt_threads_in_signal_handlers") {
        return;
    }
    for round in 1..=50 {
        let mut child = Skewed::with_interrupted_readers(3);
        // Until the signals have begun.
        thread::sleep(Duration::from_millis(5));
        let skew = offset(round * SECOND_NS);
        set(&child, skew);
        for _ in 0..5 {
            assert_std(&mut child, skew);
        }
        child.quit();
    }
}

#[test]
fn two_hundred_skews_of_a_busy_process_hurt_nobody() {
    if !is_supported("two_hundred_skews_of_a_busy_process_hurt_nobody") {
        return;
    }
    let mut child = Skewed::with_readers(32);
    for round in 1..=200 {
        let skew = Skew {
            offset_ns: round * SECOND_NS,
            drift_ppb: round,
            since_ns: now(),
        };
        set(&child, skew);
        if round % 20 == 0 {
            assert_std(&mut child, skew);
        }
    }
    child.quit();
}

#[test]
fn writers_at_the_same_time_leave_one_of_their_skews() {
    if !is_supported("writers_at_the_same_time_leave_one_of_their_skews") {
        return;
    }
    let mut child = Skewed::with_readers(2);
    let pid = child.pid();
    let skew_of = |writer: i64| Skew {
        offset_ns: writer,
        drift_ppb: writer,
        since_ns: writer * SECOND_NS + writer,
    };
    thread::scope(|scope| {
        for writer in 1..=4 {
            scope.spawn(move || {
                for _ in 0..50 {
                    clock::set(pid, skew_of(writer)).expect("set");
                    let found = clock::get(pid).expect("read").expect("patched");
                    assert_eq!(found, skew_of(found.offset_ns));
                }
            });
        }
    });
    let last = clock::get(pid).expect("read").expect("patched");
    assert_eq!(last, skew_of(last.offset_ns));
    assert_std(&mut child, last);
    child.quit();
}

#[test]
fn a_stopped_process_stays_stopped() {
    if !is_supported("a_stopped_process_stays_stopped") {
        return;
    }
    let mut child = Skewed::with_readers(0);
    // It may not have taken effect when the clock is set, and counts all the same.
    signal(&child, libc::SIGSTOP);
    let skew = offset(3_600 * SECOND_NS);
    for skew in [offset(1), skew] {
        set(&child, skew);
        assert_eq!(state(&child), 'T');
    }
    child.tell("std");
    assert!(!child.has_answer_within(Duration::from_millis(100)));
    let before = skew.shown_ns(now());
    signal(&child, libc::SIGCONT);
    let shown = child.answer()[1];
    assert!((before..=skew.shown_ns(now())).contains(&shown), "{shown}");
    child.quit();
}

#[test]
fn a_process_stopped_inside_of_its_vdso_is_left_as_it_was() {
    if !is_supported("a_process_stopped_inside_of_its_vdso_is_left_as_it_was") {
        return;
    }
    let mut child = Skewed::with_readers(32);
    signal(&child, libc::SIGSTOP);
    let skew = offset(3_600 * SECOND_NS);
    let outcome = clock::set(child.pid(), skew);
    assert_eq!(state(&child), 'T');
    // With so many readers, one is inside, save once in a blue moon.
    let is_refused = matches!(outcome, Err(ClockError::TimedOut { .. }));
    assert!(is_refused || outcome.is_ok(), "{outcome:?}");
    let found = clock::get(child.pid()).expect("read");
    assert_eq!(found, (!is_refused).then_some(skew));
    signal(&child, libc::SIGCONT);
    set(&child, skew);
    assert_std(&mut child, skew);
    child.quit();
}

#[test]
fn who_has_ended_is_gone() {
    if !is_supported("who_has_ended_is_gone") {
        return;
    }
    let mut child = Skewed::with_readers(1);
    set(&child, Skew::default());
    let pid = child.pid();
    signal(&child, libc::SIGKILL);
    wait_for_end(&child);
    assert_is_gone(pid);
    child.kill();
    assert_is_gone(pid);
    assert_is_gone(0);
    assert_is_gone(u32::MAX);
}

fn assert_is_gone(pid: u32) {
    for outcome in [
        clock::get(pid).map(|_| ()),
        clock::set(pid, Skew::default()),
    ] {
        let is_gone = matches!(outcome, Err(ClockError::Gone { pid: gone }) if gone == pid);
        assert!(is_gone, "{outcome:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    if !is_supported("what_makes_no_sense_is_refused") {
        return;
    }
    let own = clock::set(std::process::id(), Skew::default());
    assert!(
        matches!(own, Err(ClockError::Unsupported { .. })),
        "{own:?}"
    );
    let child = Skewed::with_readers(0);
    let far = clock::set(child.pid(), offset(i64::MAX));
    assert!(matches!(far, Err(ClockError::TooFar { .. })), "{far:?}");
    assert_eq!(clock::get(child.pid()).expect("read"), None);
}

fn signal(child: &Skewed, signal: libc::c_int) {
    // SAFETY: `kill` takes numbers, and the child has not been waited for, so it is that child.
    assert_eq!(unsafe { libc::kill(child.pid() as libc::pid_t, signal) }, 0);
}

fn state(child: &Skewed) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).expect("a child");
    let (_, rest) = stat.rsplit_once(") ").expect("a name");
    rest.chars().next().expect("a state")
}

/// Waits until a child is dead with all its threads, and leaves it as a zombie.
fn wait_for_end(child: &Skewed) {
    // SAFETY: a `siginfo_t` is numbers and pointers, for which zero is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let how = libc::WEXITED | libc::WNOWAIT;
    // SAFETY: the call fills in the information, which lives through it.
    let outcome = unsafe { libc::waitid(libc::P_PID, child.pid(), &raw mut info, how) };
    assert_eq!(outcome, 0);
}
