//! The workload: what clients do, open loop, and how each operation is recorded.
//!
//! Arrivals are drawn from the seed alone (`arrivals`), and come sooner while the load is higher
//! (`pace`); what load is wanted comes from the world (`wanted`). Which client and name an arrival
//! uses depends on what was acknowledged so far (`names`). `operate` does one operation and records
//! it, and `recent` remembers how the last ones ended; `driver` starts operations at their intended
//! times, whatever happened to earlier ones.

mod arrivals;
mod pace;

mod names;

mod operate;
mod recent;

mod wanted;

mod driver;

pub use arrivals::{Arrival, Arrivals};
pub use driver::{Load, drive};
pub use names::{NameBook, OwnedName};
pub use operate::{Operator, Request};
pub use pace::Pace;
pub use recent::Recent;
pub use wanted::{LoadNews, WantedLoad, wanted_load};
