//! What a node does for others when the roster names it: hold their names, lease and commit them
//! while the registry is away, and repair what its neighbours miss.

mod serve;

mod leases;
mod past;
pub mod shelf;

pub mod catch_up;
pub mod index;
pub mod offer;
pub mod repair;

pub mod settle;

mod state;

pub use serve::{answer, attend};
pub use shelf::SCHEMA;
pub use state::{Mirror, slow_start};
