//! What was asked of other peers and is not answered yet.

use super::handle::Reply;
use libp2p::{PeerId, request_response::OutboundRequestId};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// Requests to one peer that may be without an answer; a frozen peer gets no more until they time
/// out.
const IN_FLIGHT_MAX: usize = 128;

/// The open requests.
#[derive(Debug, Default)]
pub(super) struct Asked {
    open: HashMap<OutboundRequestId, (Reply, Instant)>,
    /// How many of them each peer owes an answer.
    in_flight: HashMap<PeerId, usize>,
}

impl Asked {
    /// True if the peer owes so many answers that it is asked nothing more.
    pub(super) fn is_full(&self, peer: &PeerId) -> bool {
        self.in_flight.get(peer).copied().unwrap_or(0) >= IN_FLIGHT_MAX
    }

    /// A request was sent.
    pub(super) fn sent(&mut self, peer: PeerId, id: OutboundRequestId, reply: Reply) {
        *self.in_flight.entry(peer).or_default() += 1;
        self.open.insert(id, (reply, Instant::now()));
    }

    /// A request was answered, or failed: who waits for the answer, and since when.
    pub(super) fn landed(
        &mut self,
        peer: PeerId,
        id: OutboundRequestId,
    ) -> Option<(Reply, Duration)> {
        let (reply, sent_at) = self.open.remove(&id)?;
        if let Some(in_flight) = self.in_flight.get_mut(&peer) {
            *in_flight -= 1;
            if *in_flight == 0 {
                self.in_flight.remove(&peer);
            }
        }
        Some((reply, sent_at.elapsed()))
    }
}
