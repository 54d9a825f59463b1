//! Goal: what the disk does is real to any program. Method: disks that the kernel has mounted,
//! used with nothing but the standard library, mmap and SQLite, each test in a user and mount
//! namespace of its own.
//!
//! Needs /dev/fuse and user namespaces. Without them each test says SKIPPED and passes, unless
//! HARNESS_REQUIRE_LOCAL=1 is set: then it fails.

mod cost;
mod faults;
mod fixture;
mod passthrough;
mod places;
mod power;
mod sqlite;
