//! The workload: what clients do, open loop, and how each operation is recorded.
//!
//! Arrivals are drawn from the seed alone (`arrivals`). Which client and name an arrival uses
//! depends on what was acknowledged so far (`names`). `operate` does one operation and records
//! it; `driver` starts operations at their intended times, whatever happened to earlier ones.

mod arrivals;

mod names;

mod operate;

mod driver;

pub use arrivals::{Arrival, Arrivals};
pub use driver::{Load, drive};
pub use names::{NameBook, OwnedName};
pub use operate::{Operator, Request};
