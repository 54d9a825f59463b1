//! Messages between peers, over the directory's own request-response protocol.
//!
//! Each message travels in an [`Envelope`] that tells the sender's epoch, so that rosters spread
//! with the ordinary traffic: whoever sees a newer epoch asks for that roster.

use crate::{
    claim::{Claim, Commit, Commitment},
    entry::{Entry, Version},
    key::PublicKey,
    name::Name,
    record::Record,
    roster::{Epoch, Roster},
    signed::Signed,
};
use serde::{Deserialize, Serialize};

/// The name of the protocol, also what peers check before they believe an address.
pub const PROTOCOL: &str = "/directory/1";

/// A message with the epoch of its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The newest roster that the sender has.
    pub epoch: Epoch,
    /// The message.
    pub body: T,
}

/// What one peer asks of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Lease me the name (answers: Claimed, Denied).
    Claim(Signed<Claim>),
    /// I give the lease back (Done).
    Release(Signed<Claim>),
    /// Commit the name to me, and keep its first record (Committed, Denied).
    Commit {
        /// The claim that was leased.
        claim: Signed<Claim>,
        /// What the name shall resolve to.
        record: Box<Signed<Record>>,
    },
    /// Store this (Stored, Newer, Conflict).
    Store(Box<Entry>),
    /// What do you hold for this name? (Found).
    Lookup(Name),
    /// The registry, and only it, leases a name on behalf of an owner (Found).
    Reserve {
        /// The name that is being registered.
        name: Name,
        /// For whom.
        owner: PublicKey,
    },
    /// Digests of what I hold of our common names, a bucket each (Differs).
    Summary(Vec<u64>),
    /// What I hold in buckets that differ (Wanted).
    Offer(Vec<(Name, Version)>),
    /// What did you promise for names that we have in common, and have no grant for? A page of it,
    /// after this name (Promises).
    Promises(Option<Name>),
    /// Take this roster (Done).
    PutRoster(Box<Signed<Roster>>),
    /// Give me your roster (Roster).
    GetRoster,
}

impl Request {
    /// True if it asks to change what the peer holds or promises.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self {
            Self::Claim(_)
            | Self::Release(_)
            | Self::Commit { .. }
            | Self::Store(_)
            | Self::Reserve { .. }
            | Self::PutRoster(_) => true,
            Self::Lookup(_)
            | Self::Summary(_)
            | Self::Offer(_)
            | Self::Promises(_)
            | Self::GetRoster => false,
        }
    }
}

/// What a peer answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The name is leased to you for some seconds.
    Claimed,
    /// Promised, durably, and the record is kept.
    Committed(Signed<Commit>),
    /// Not to you.
    Denied(Denial),
    /// Durable and valid.
    Stored,
    /// A newer record is here.
    Newer(Box<Entry>),
    /// The name is another's here.
    Conflict(Box<Entry>),
    /// What is here.
    Found {
        /// Grant and record.
        entry: Option<Box<Entry>>,
        /// A commit without a known grant.
        commitment: Option<Box<Commitment>>,
    },
    /// One bit for each bucket that is not the same here.
    Differs(u64),
    /// Send me these.
    Wanted(Vec<Name>),
    /// Commits without a grant, in order of their names; empty after the last page.
    Promises(Vec<Commitment>),
    /// The newest roster here, if there is one.
    Roster(Option<Box<Signed<Roster>>>),
    /// Understood.
    Done,
    /// Too much to do: ask again after this many milliseconds. Nothing was done.
    Busy {
        /// When to ask again.
        retry_after_ms: u32,
    },
    /// Not done, and asking again will not help.
    Refused(Refusal),
}

/// Why a mirror does not lease or commit a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denial {
    /// Someone else holds the lease now.
    Leased {
        /// When it ends at the latest.
        for_ms: u32,
    },
    /// Committed to another, with the proof.
    Committed(Box<Commitment>),
    /// Granted to another, with the proof.
    Taken(Box<Entry>),
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// A signature, an expiry or a limit does not hold.
    Invalid,
    /// This peer is not in the name's replica group, by the newest roster it has.
    NotMember,
    /// The two have different rosters; exchange them and try again.
    OtherEpoch,
    /// Only the registry may ask this.
    NotAllowed,
    /// The store on disk failed.
    Broken,
    /// This mirror is new to its duty and has not yet heard what the others promised.
    CatchingUp,
}
