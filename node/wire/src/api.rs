//! The client API: JSON over HTTP on each process's Unix socket (and loopback port).
//!
//! `node/README.md` shows it with `curl`. Keys are hex. Every body below is what is sent, as is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The header that says how long the caller will wait, in milliseconds.
pub const DEADLINE_HEADER: &str = "x-deadline-ms";
/// What holds without the header, in milliseconds.
pub const DEADLINE_MS_DEFAULT: u64 = 2000;

/// `POST /v1/register` and `POST /v1/update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The name.
    pub name: String,
    /// What it shall resolve to; opaque.
    pub value: String,
}

/// 201 (certified) or 202 (provisional) to a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// The sequence number of its record.
    pub seq: u64,
    /// False for a provisional grant.
    pub certified: bool,
    /// True if a majority of the replica group holds it durably.
    pub mirrored: bool,
}

/// 200 to an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// The name.
    pub name: String,
    /// The sequence number of the new record.
    pub seq: u64,
    /// True if a majority of the replica group holds it durably.
    pub mirrored: bool,
}

/// Where an answer to a resolve comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The replica group.
    Mirrors,
    /// The registry.
    Registry,
    /// This node's own disk.
    Cache,
}

/// 200 to a resolve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// The sequence number of the record.
    pub seq: u64,
    /// The profile of the record.
    pub value: String,
    /// Where the owner can be reached.
    pub addresses: Vec<String>,
    /// False if the grant is provisional.
    pub certified: bool,
    /// Who answered.
    pub source: Source,
    /// True if a majority of the group answered.
    pub confirmed: bool,
    /// True if nobody could be asked, and this is from the cache.
    pub stale: bool,
    /// How long ago this was last heard from mirrors or registry.
    pub age_ms: u64,
}

/// Any refusal; `error` is a word that programs can match on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `taken`, `invalid`, `unreachable`, `busy`, `unknown`, `not_found`, `not_owner`, `disabled`.
    pub error: String,
    /// For a person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// Who has the name, if it is taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Whether that is final.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certified: Option<bool>,
    /// When to ask again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_ms: Option<u64>,
}

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `node`, `mirror` or `registry`.
    pub role: String,
    /// Every role this process has besides being a node.
    pub roles: Vec<String>,
    /// True if it can serve.
    pub ready: bool,
    /// The public key.
    pub id: String,
    /// The same identity as libp2p writes it.
    pub peer_id: String,
    /// The newest roster.
    pub epoch: u64,
    /// Work that is still to do; 0 means settled.
    pub pending: u64,
    /// Of this software.
    pub version: String,
    /// Connected peers; at the registry, peers heard lately.
    pub peers: u64,
    /// Names in the local store.
    pub records: u64,
    /// The process's wall clock as it answered, in microseconds since 1970.
    #[serde(default)]
    pub unix_us: u64,
    /// Counters and causes, by name; for people and tests.
    pub detail: BTreeMap<String, u64>,
}

/// `GET /v1/name/{name}`: what this process itself knows of the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameStatus {
    /// `certified`, `provisional` or `none`.
    pub grant: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// The sequence number of the newest record here.
    pub seq: u64,
    /// True if this node claimed the name and the registry gave it to another.
    pub rejected: bool,
}

/// `GET /v1/digest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestList {
    /// For each name here: `seq:hash`.
    pub records: BTreeMap<String, String>,
}

/// `GET /v1/replicas/{name}`: who holds the name by the newest roster here, closest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    /// The IPv4 address of each member of the replica group; none without mirrors.
    pub hosts: Vec<String>,
}

/// `GET /v1/bugs`, on the Unix socket; also the answer to `PUT /v1/bugs`, which takes the map `on`
/// alone: what it does not name is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BugReport {
    /// For each bug that is planted: the probability with which it bites, over 0 and up to 1.
    pub on: BTreeMap<String, f64>,
    /// For each bug that has bitten in this life of the process: how often.
    pub bitten: BTreeMap<String, u64>,
}
