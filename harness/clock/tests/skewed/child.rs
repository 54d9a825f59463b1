//! The program whose clock is skewed: this test binary, executed again with [`ROLE`] set.
//!
//! It says hello and then answers each line on its standard input with one line on its standard
//! output. Both have an `@`: the test runner, inside of which it runs, prints other things too.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::thread::JoinHandleExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use std::{env, mem, ptr, thread};

/// Set in the child: how many of its threads read the time all the time.
pub const ROLE: &str = "CLOCK_TEST_READERS";

/// Set in the child when its threads are interrupted by signals all the time.
pub const STORM: &str = "CLOCK_TEST_STORM";

/// No answer takes this long on a working machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What the child waits for at most, should the test be killed in an odd way.
const LIFE_MAX: Duration = Duration::from_secs(600);

const BILLION: i64 = 1_000_000_000;

/// The test process's end of a child, which is killed when this is dropped.
pub struct Skewed {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<String>,
}

impl Skewed {
    /// This binary, with so many threads that read the time all the time.
    pub fn with_readers(count: usize) -> Skewed {
        Skewed::start(Skewed::command().env(ROLE, count.to_string()))
    }

    /// The same, and the threads are mostly in a signal handler.
    pub fn with_interrupted_readers(count: usize) -> Skewed {
        let mut command = Skewed::command();
        Skewed::start(command.env(ROLE, count.to_string()).env(STORM, "1"))
    }

    fn command() -> Command {
        let mut command = Command::new(env::current_exe().expect("this binary"));
        command.args(["the_child_itself", "--exact", "--nocapture"]);
        command
    }

    /// Another program that says hello and answers a line with a line.
    pub fn start(command: &mut Command) -> Skewed {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("started");
        let questions = child.stdin.take().expect("a pipe");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, answers) = sync_channel(16);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, answer)) = line.split_once('@')
                    && sender.send(answer.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let mut started = Skewed {
            child,
            questions,
            answers,
        };
        started.answer();
        started
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn ask(&mut self, question: &str) -> Vec<i64> {
        self.tell(question);
        self.answer()
    }

    pub fn tell(&mut self, question: &str) {
        writeln!(self.questions, "{question}").expect("the child lives");
    }

    pub fn answer(&mut self) -> Vec<i64> {
        let answer = self.answers.recv_timeout(DEADLINE).expect("an answer");
        let words = answer.split_ascii_whitespace();
        words.map(|word| word.parse().expect("a number")).collect()
    }

    /// Whether an answer is there already.
    pub fn has_answer_within(&mut self, time: Duration) -> bool {
        self.answers.recv_timeout(time).is_ok()
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Ends it, and fails unless it ends well.
    pub fn quit(mut self) {
        self.tell("quit");
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.success(), "{status}");
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("the child does not end");
    }
}

impl Drop for Skewed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the child does. Nothing in the test process itself.
pub fn play() {
    let Ok(readers) = env::var(ROLE) else {
        return;
    };
    let readers = 0..readers.parse().expect("a number");
    let readers: Vec<JoinHandle<()>> = readers.map(|_| thread::spawn(read_all_the_time)).collect();
    if env::var_os(STORM).is_some() {
        thread::spawn(move || interrupt_all_the_time(&readers));
    }
    let (sender, questions) = sync_channel(1);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    println!("@");
    let end = Instant::now() + LIFE_MAX;
    while let Ok(question) = questions.recv_timeout(end - Instant::now()) {
        let answer = match question.as_str() {
            "std" => times_of_std(),
            "libc" => times_of_libc(),
            "exec" => execute_another(),
            "quit" => std::process::exit(0),
            other => panic!("no question: {other}"),
        };
        let words: Vec<String> = answer.iter().map(ToString::to_string).collect();
        println!("@{}", words.join(" "));
    }
    std::process::exit(1);
}

/// Asks for the wall clock, mostly, and sees to it that the monotonic one deserves its name.
fn read_all_the_time() {
    let mut last = Instant::now();
    loop {
        for _ in 0..100 {
            // No assertion: it may be before 1970.
            let _ = std::hint::black_box(SystemTime::now());
        }
        let now = Instant::now();
        if now < last || now - last > LIFE_MAX {
            std::process::exit(2);
        }
        last = now;
    }
}

/// Sends each thread into a handler, wherever it is, that takes longer than this takes to do so.
fn interrupt_all_the_time(threads: &[JoinHandle<()>]) {
    extern "C" fn handle(_signal: libc::c_int) {
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        // SAFETY: the call reads the time, which lives through it, and writes nothing.
        unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
    }
    let handler: extern "C" fn(libc::c_int) = handle;
    // SAFETY: the handler makes one system call, which is allowed there.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    loop {
        for thread in threads {
            // SAFETY: the thread never ends, so its handle stays valid.
            unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) };
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The monotonic clock, the wall clock, the monotonic clock again.
fn times_of_std() -> Vec<i64> {
    // An `Instant` has no number, so it is compared with that of the call below it.
    let before = clock(libc::CLOCK_MONOTONIC);
    let start = Instant::now();
    let wall = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i64,
        Err(earlier) => -(earlier.duration().as_nanos() as i64),
    };
    let elapsed = start.elapsed().as_nanos() as i64;
    let after = clock(libc::CLOCK_MONOTONIC);
    assert!(elapsed <= after - before, "{elapsed}");
    vec![before, wall, after]
}

/// The wall clock by `gettimeofday`, by `time` in the middle of its second, and by the coarse
/// clock.
fn times_of_libc() -> Vec<i64> {
    // SAFETY: a `timeval` is two numbers, for which zero is valid.
    let mut day: libc::timeval = unsafe { mem::zeroed() };
    // SAFETY: the call fills in the time, which lives through it; the zone may be null.
    let outcome = unsafe { libc::gettimeofday(&raw mut day, ptr::null_mut()) };
    assert_eq!(outcome, 0);
    // SAFETY: the argument may be null.
    let seconds = unsafe { libc::time(ptr::null_mut()) };
    vec![
        day.tv_sec * BILLION + day.tv_usec * 1_000,
        seconds * BILLION + BILLION / 2,
        clock(libc::CLOCK_REALTIME_COARSE),
    ]
}

fn execute_another() -> Vec<i64> {
    use std::os::unix::process::CommandExt;
    let error = Command::new(env::current_exe().expect("this binary"))
        .args(["the_child_itself", "--exact", "--nocapture"])
        .exec();
    panic!("not executed: {error}");
}

/// A clock by the function of the C library.
pub fn clock(clock: libc::clockid_t) -> i64 {
    // SAFETY: a `timespec` is two numbers, for which zero is valid.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the call fills in the time, which lives through it.
    let outcome = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(outcome, 0);
    time.tv_sec * BILLION + time.tv_nsec
}
