//! Heartbeats: how the registry measures who is up. Signed by the node, with a session and a
//! counter, so that nobody can keep a dead node alive by replaying it.

use crate::{
    clock::UnixMs,
    key::PublicKey,
    limits::{LABEL_BYTES_MAX, LABELS_MAX},
    record::addresses_fit,
    roster::Epoch,
    signed::{Body, Invalid, Signed},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far the clocks of a node and the registry may be apart.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);

/// A node says that it is up, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who says it, and signs.
    pub node: PublicKey,
    /// When the process started: one session is one life of the process.
    pub session: UnixMs,
    /// Grows with every heartbeat of a session.
    pub counter: u64,
    /// When it was sent.
    pub sent_at: UnixMs,
    /// The newest roster that the node has.
    pub epoch: Epoch,
    /// The newest roster under which this mirror has compared what it holds with all others that
    /// it reaches; 0 if it is none.
    pub settled: Epoch,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Labels given on its command line, such as its software version.
    pub labels: Vec<(String, String)>,
}

impl Body for Heartbeat {
    const DOMAIN: &'static [u8] = b"directory/heartbeat/1\0";
}

impl Signed<Heartbeat> {
    /// Checks limits, freshness and signature.
    ///
    /// # Errors
    /// [`Invalid::Limit`], [`Invalid::Expired`], [`Invalid::Future`] or [`Invalid::Signature`].
    pub fn verify(&self, now: UnixMs) -> Result<(), Invalid> {
        let beat = &self.body;
        let short = |text: &String| text.len() <= LABEL_BYTES_MAX;
        let labels = beat.labels.len() <= LABELS_MAX
            && beat
                .labels
                .iter()
                .all(|(key, value)| short(key) && short(value));
        if !labels || !addresses_fit(&beat.addresses) {
            return Err(Invalid::Limit);
        }
        if now.since(beat.sent_at) > CLOCK_SKEW_MAX {
            return Err(Invalid::Expired);
        }
        if beat.sent_at.since(now) > CLOCK_SKEW_MAX {
            return Err(Invalid::Future);
        }
        self.signed_by(&beat.node)
    }

    /// True if this heartbeat is newer than the last one believed, given as session and counter.
    #[must_use]
    pub fn follows(&self, last: (UnixMs, u64)) -> bool {
        (self.body.session, self.body.counter) > last
    }
}
