//! Skews the wall clock of one running process, as that process sees it.
//!
//! Programs do not ask the kernel for the time: they call functions of the *vDSO*, a small library
//! that the kernel maps into each process (see vdso(7)). Whoever may trace a process may also
//! write to its memory, code included, and the kernel gives the process a copy of its own of each
//! page written to. So this crate replaces `clock_gettime`, `gettimeofday` and `time` in the vDSO
//! of one process by functions that ask the kernel and then add a [`Skew`]. Nobody else is
//! affected, the process need not cooperate, and no privilege is needed beyond that of tracing it.
//!
//! It works for programs in any language that read the time through the vDSO, which the C
//! libraries and Go do. The monotonic clock stays true, as it does when somebody sets the clock of
//! a machine.
//!
//! The tour, from pure to impure:
//!
//! - [`Skew`]: what a clock shows, given the true time;
//! - `code`: the machine code and the parameters within;
//! - `image`: where the functions are in a vDSO, and what is written there;
//! - `process`, `stopped`: the memory and the threads of a process, and a moment of rest;
//! - `patch`: [`supported`], [`set`] and [`get`].
//!
//! ```no_run
//! use clock::Skew;
//!
//! clock::supported()?;
//! let an_hour_ahead = Skew { offset_ns: 3_600_000_000_000, ..Skew::default() };
//! clock::set(4711, an_hour_ahead)?;
//! assert_eq!(clock::get(4711)?, Some(an_hour_ahead));
//! clock::set(4711, Skew::default())?;
//! # Ok::<(), clock::ClockError>(())
//! ```
//!
//! What to know about a patched process:
//!
//! - a program that it executes later starts with the true clock; a process that it forks off
//!   starts with the skew of that moment and keeps it;
//! - reading the time costs a system call, some 100 ns instead of some 30, also when healed;
//! - the first [`set`] stops it for a moment, by SIGSTOP, and some system calls fail with EINTR
//!   after that (see signal(7)), as they may at any time; its parent may see SIGCHLD.
//!
//! Left out on purpose, because a process's own memory has no say in it: the time by a raw system
//! call (also that of a static program without vDSO), timers on `CLOCK_REALTIME`, the times of
//! files, `CLOCK_TAI`; 32-bit programs, and machines other than x86-64. A debugger or profiler
//! that unwinds the stack from inside a replaced function goes by the kernel's description of the
//! former one and may be wrong.

mod error;
mod skew;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod code;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod image;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod patch;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod process;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod stopped;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod trial;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "elsewhere.rs"]
mod patch;

pub use error::ClockError;
pub use patch::{get, set, supported};
pub use skew::Skew;
