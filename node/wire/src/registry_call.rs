//! Calls from a node to the registry: HTTP POST to its fabric address, bodies in postcard.
//!
//! Each path has one request and one answer type. An expected refusal is an answer (status 200);
//! other statuses mean that nothing was done (4xx: never will be; 503: busy).

use crate::{
    claim::{Claim, Commit},
    entry::Entry,
    grant::Certificate,
    key::PublicKey,
    record::Record,
    roster::{Epoch, Roster},
    signed::Signed,
};
use serde::{Deserialize, Serialize};

/// `Signed<Heartbeat>` → [`HeartbeatAnswer`].
pub const HEARTBEAT: &str = "/v1/peer/heartbeat";
/// [`RegisterCall`] → [`RegisterAnswer`].
pub const REGISTER: &str = "/v1/peer/register";
/// `Name` → `Option<Entry>`: resolve and grant lookup.
pub const LOOKUP: &str = "/v1/peer/lookup";
/// `Signed<Record>` → [`UpdateAnswer`].
pub const UPDATE: &str = "/v1/peer/update";
/// [`SettleCall`] → [`SettleAnswer`].
pub const SETTLE: &str = "/v1/peer/settle";
/// A certified [`Entry`] → [`UpdateAnswer`]: an owner brings back what a registry has lost.
pub const RESTORE: &str = "/v1/peer/restore";
/// `()` → `Option<Signed<Roster>>`.
pub const ROSTER: &str = "/v1/peer/roster";

/// The registry's reply to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAnswer {
    /// The registry's epoch.
    pub epoch: Epoch,
    /// The roster, if it is newer than the node's.
    pub roster: Option<Signed<Roster>>,
    /// How often the registry wants to hear from a node, in milliseconds.
    pub interval_ms: u32,
    /// Drawn when the registry's store was made. With another one, the registry has lost what it
    /// was told before.
    pub store: u64,
}

/// Please certify this claim, with the first record of the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterCall {
    /// Who wants what.
    pub claim: Signed<Claim>,
    /// The first record.
    pub record: Signed<Record>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegisterAnswer {
    /// Certified and durable.
    Granted(Signed<Certificate>),
    /// Another owns it; the grant is attached when the registry has a whole one.
    Taken {
        /// The other owner.
        owner: PublicKey,
        /// True if that is final.
        certified: bool,
        /// The certificate, if it is final.
        certificate: Option<Signed<Certificate>>,
    },
    /// Nothing was done; ask again later.
    Busy {
        /// When.
        retry_after_ms: u32,
    },
    /// Nothing was done and never will be.
    Invalid,
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateAnswer {
    /// Durable at the registry.
    Stored,
    /// The registry has a newer record.
    Newer(Entry),
    /// The name is certified to another.
    NotOwner(Entry),
    /// The registry does not know the name: settle it first.
    Unknown,
    /// Signature, expiry or limits do not hold.
    Invalid,
}

/// Please settle what happened while you were away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleCall {
    /// The owner's claim.
    pub claim: Signed<Claim>,
    /// The commits that the caller knows of.
    pub commits: Vec<Signed<Commit>>,
    /// The newest record that the caller knows of.
    pub record: Option<Signed<Record>>,
}

/// What came of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettleAnswer {
    /// The claim is certified.
    Certified(Signed<Certificate>),
    /// The name is certified to another: here is the proof.
    Rejected(Signed<Certificate>),
    /// Another may hold a majority; ask again later.
    Later {
        /// When.
        retry_after_ms: u32,
    },
    /// The claim or the commits do not hold.
    Invalid,
}
