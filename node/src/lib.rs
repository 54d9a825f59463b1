//! The directory: registration and name resolution that outlive the central registry.
//!
//! A tour. [`registry`] is the central server: the one place where a name becomes certified.
//! [`agent`] is a node as its user sees it: it registers, updates and resolves, by the registry
//! where it can, and by the name's replica group of mirrors where it cannot. [`mirror`] is what a
//! node does for others when the registry's roster names it: it stores, it leases and commits
//! names while the registry is away, and it repairs what its neighbours miss. Under them lie
//! [`net`] (libp2p), [`disk`] (SQLite behind one thread, acknowledged after the commit) and
//! [`ledger`] (the table of entries that mirrors and registry share).
//!
//! The rules themselves (what is signed, what wins over what) are in the crate `wire`.

pub mod cli;
mod process;

pub mod agent;
pub mod mirror;
pub mod registry;

pub mod net;
pub mod server;

pub mod backoff;
pub mod bug;
pub mod disk;
pub mod identity;
pub mod ledger;
pub mod meta;
mod slow_start;

pub use process::{run_node, run_registry};
