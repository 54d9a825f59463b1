//! A node as its user sees it: register, update, resolve, and the chores behind them.

mod boot;
mod state;

pub mod api;
mod provisional;

mod commits;
mod register;
mod resolve;
mod update;

mod heartbeat;
mod settle;

pub mod book;
mod cache;
mod owned;
mod quorum;
mod refusal;
mod registry_client;
mod restraint;

pub(crate) use boot::fetch_roster;
pub use boot::{BootError, serve};
pub use refusal::Refusal;
pub use registry_client::{CallError, RegistryClient};
pub use state::Agent;
