//! Plans: what a person writes to say what shall happen and what must hold.
//!
//! `text -parse-> Plan -check-> Plan`. Parsing and checking collect *all* mistakes, each with its
//! line and column; nothing is started from a plan that has one.
//!
//! `locate` reads the text into a `tree` whose keys and values know their place, `set` overrides
//! parts of it, `decode` makes it a [`Plan`] and mends what does not fit so that it can go on,
//! `check` judges what the plan means, with a file for each part of it: `form`, `timeline`,
//! `spans`, `whom`, `aim`, `labels`, `expectations`, `control`. Only the tree knows lines.
//! `placed` lays the timeline out: groups opened, repetitions written out.

mod limits;
mod links;
mod network;
mod spec;
mod targets;
mod units;
mod when;

mod placed;

mod inventory;

mod path;
mod source;
mod tree;

mod locate;
mod set;

mod explain;
mod nearest;

mod decode;

mod aim;
mod check;
mod control;
mod expectations;
mod form;
mod labels;
mod problem;
mod spans;
mod timeline;
mod whom;

mod parse;

mod error;

mod schema;

#[cfg(test)]
mod tests;

pub use check::NODES_MAX;
pub use error::{Mistake, PlanError, Severity, Style};
pub use inventory::inventory;
pub use limits::{Bytes, Cpus, Limits};
pub use links::{Links, LinksBetween};
pub(crate) use nearest::nearest;
pub use network::Network;
pub use parse::{LoadedPlan, load, load_str};
pub use placed::{Placed, Start, as_written, placed};
pub use schema::schema;
pub use spec::{
    Availability, Cohort, Expect, LatencyBound, LoadBound, Plan, Popularity, Protocol, Quantiles,
    Rates, Starts, Step, StepPhase, System, Verdict, Workload,
};
pub use targets::Targets;
pub use units::{Bitrate, Drift, Offset, Rate, Share, Span};
pub use when::{AvailabilityWhen, Compared, StateWhen, When};
