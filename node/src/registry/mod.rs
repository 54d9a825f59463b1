//! The central registry: the one place where a name becomes certified.
//!
//! It serialises by a primary key, answers after the commit, measures who is up, and picks the
//! mirrors. Nodes call it over HTTP; it talks to mirrors over the overlay.

mod boot;
mod state;

mod calls;
mod peers;
mod register;
mod settle;

mod outbox;
mod rebuild;
mod refill;
mod store;

mod census;
pub mod election;
pub mod uptime;

#[cfg(test)]
mod steadiness;

mod api;

pub use boot::{BootError, serve};
pub use state::Registry;
