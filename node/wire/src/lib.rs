//! What the directory's processes say to each other, and how they prove it.
//!
//! Three signed things carry the whole protocol: a *claim* (an owner asks for a name), a *grant*
//! (who owns it) and a *record* (what the name resolves to). A *roster*, signed by the registry,
//! says which nodes are mirrors. This crate defines them, their canonical encoding, their
//! signatures and limits, and the messages that carry them.
//!
//! Left out on purpose: any I/O, any clock, any network library. Each function here takes data and
//! returns data, so that the rules can be tested, and read, without a network.

pub mod limits;

pub mod clock;
pub mod key;
pub mod name;
pub mod signed;

pub mod claim;
pub mod entry;
pub mod grant;
pub mod heartbeat;
pub mod record;
pub mod roster;

pub mod api;
pub mod message;
pub mod registry_call;

pub use claim::{Claim, Commit, Commitment};
pub use clock::UnixMs;
pub use entry::{Entry, Merge, Verdict, Version};
pub use grant::{Certificate, Grant, ProvisionalGrant, Trust};
pub use heartbeat::Heartbeat;
pub use key::{PublicKey, SecretKey, Signature};
pub use name::Name;
pub use record::Record;
pub use roster::{Epoch, Mirror, Roster};
pub use signed::{Invalid, Signed, decode, encode};
