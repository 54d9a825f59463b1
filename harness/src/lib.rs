//! A fault-injection test harness for peer-to-peer and clustered systems.
//!
//! A plan (YAML) is parsed, checked and compiled with a seed into a schedule; a run carries the
//! schedule out on real processes and writes one ordered history; checkers judge the history and
//! renderers draw it. `ARCHITECTURE.md` at the top of the repository draws that flow.
//!
//! The modules below stand in reading order. None of them knows what the system under test is
//! made of, except `system`.

mod cause;
pub mod exit;
pub mod host;
pub mod seed;

pub mod plan;

pub mod fault;
pub mod world;

pub mod schedule;

pub mod history;

pub mod system;

pub mod runtime;

pub mod workload;

pub mod run;

pub mod check;

pub mod report;

pub mod doctor;

pub mod bench;

pub mod cli;
