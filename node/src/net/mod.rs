//! The overlay: libp2p behind a handle.
//!
//! [`Net`] is the handle, `event_loop` owns the swarm, `dialing` says whom to dial, `asked`
//! keeps what is not answered yet, `behaviour` is what the swarm speaks, `codec` how messages are
//! framed, [`peer`] how our keys map to libp2p's names.

pub mod peer;

mod behaviour;
mod codec;

mod asked;
mod dialing;
mod event_loop;
mod handle;

pub use handle::{AskError, Inbound, Net, Responder, StartError, start};
pub use peer::Contact;
