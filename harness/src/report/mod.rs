//! Reports: what a person or a program reads after a run.
//!
//! `Report::compose` takes a history and its findings and computes everything that any renderer
//! shows; a renderer is a pure function from a report to text, one file each. None of them has a
//! clock, files or a network, so an old run can be rendered again, byte for byte.

mod axis;
mod phases;
mod strips;
mod usage;

mod compose;

pub(crate) mod words;

pub mod html;
pub mod junit;
pub mod markdown;
pub mod summary;
pub mod verdict_json;

#[cfg(test)]
pub(crate) mod sample;

pub use axis::Axis;
pub use compose::{Report, Timings};
pub use phases::{FaultLane, PhaseSpan, Window};
pub use strips::{HostStrip, Segment, StripRow, StripState};
pub use usage::UsageFigures;
