//! Bugs on purpose, by name: what the harness plants to show that its checkers catch it.
//!
//! [`Bug`] is the list, each with the real bug that it imitates. A *chance* says how often a bug
//! *bites* where it can; how often it did is counted, and that count is the harness's evidence. No
//! bug can be planted unless the process was started with `--enable-bugs`; then `--bug` plants one
//! for each life of the process, and `PUT /v1/bugs` on its Unix socket replaces the whole set until
//! the process ends. A bug that is off costs an atomic load.
//!
//! A new bug is one line in [`Bug`], an `if bugs.bites(Bug::…)` where it bites, and a line in the
//! table of `tests/bugs.rs`.

mod list;

mod chance;
mod switches;

mod door;
pub mod http;

pub use chance::{Chance, Planted};
pub use door::Door;
pub use list::Bug;
pub use switches::{BugError, Bugs, LATE_REPLY};
