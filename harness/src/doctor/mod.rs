//! What works on this machine, and how to fix what does not.
//!
//! `facts` looks at the machine; `probe` really tries the local runtime's parts, inside the
//! enclosure; `examine` judges the facts, purely; `show` writes the judgement down.

mod facts;

mod probe;

mod examine;

mod show;

pub use examine::{Check, Level, Report, examine};
pub use facts::{Docker, Facts, Tun, trial};
pub use probe::probe;
pub use show::{human, json};
