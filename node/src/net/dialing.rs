//! Whom to dial, and when. Pure: the event loop tells what happened and does what this says.

use super::peer::{self, Contact};
use crate::{backoff::Backoff, bug::Bugs};
use libp2p::{Multiaddr, PeerId};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// The first and the longest bound of the wait before dialling again.
const REDIAL: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(1500));
/// After so many failed dials, kad is asked for other addresses, and again after as many more.
const DIALS_BEFORE_SEARCH: u32 = 8;

/// The peers to which connections are kept.
#[derive(Debug, Default)]
pub struct Dialing {
    kept: HashMap<PeerId, Kept>,
    bugs: Bugs,
}

#[derive(Debug)]
struct Kept {
    addresses: Vec<Multiaddr>,
    backoff: Backoff,
    dial_at: Option<Instant>,
}

impl Dialing {
    /// Keeps nobody yet.
    pub fn new(bugs: Bugs) -> Self {
        Self {
            kept: HashMap::new(),
            bugs,
        }
    }

    /// Keeps exactly these peers from now on; those that are not connected are dialled at once.
    pub fn keep(&mut self, peers: &[Contact], connected: impl Fn(&PeerId) -> bool, now: Instant) {
        let mut before = std::mem::take(&mut self.kept);
        for contact in peers {
            let Some(peer) = peer::peer_id(&contact.key) else {
                continue;
            };
            let known = before.remove(&peer);
            let backoff = known.map(|known| known.backoff);
            let backoff = backoff.unwrap_or_else(|| Backoff::new(REDIAL.0, REDIAL.1, &self.bugs));
            let kept = Kept {
                addresses: contact.addresses.clone(),
                backoff,
                dial_at: (!connected(&peer)).then_some(now),
            };
            self.kept.insert(peer, kept);
        }
    }

    /// When somebody is to be dialled next.
    pub fn next(&self) -> Option<Instant> {
        self.kept.values().filter_map(|kept| kept.dial_at).min()
    }

    /// Whom to dial now.
    pub fn due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let due = |kept: &Kept| kept.dial_at.is_some_and(|at| at <= now);
        let due = self.kept.iter_mut().filter(|(_, kept)| due(kept));
        due.map(|(peer, kept)| {
            kept.dial_at = None;
            (*peer, kept.addresses.clone())
        })
        .collect()
    }

    /// A connection stands.
    pub fn opened(&mut self, peer: &PeerId) {
        if let Some(kept) = self.kept.get_mut(peer) {
            kept.backoff.reset();
            kept.dial_at = None;
        }
    }

    /// The last connection is gone, or a dial failed. True if it is time to search for the peer:
    /// it may have moved while the registry was away, and its neighbours may know.
    pub fn failed(&mut self, peer: &PeerId, now: Instant) -> bool {
        let Some(kept) = self.kept.get_mut(peer) else {
            return false;
        };
        kept.dial_at = Some(now + kept.backoff.fail());
        kept.backoff.failures().is_multiple_of(DIALS_BEFORE_SEARCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::SecretKey;

    #[test]
    fn a_lost_peer_is_dialled_again_and_searched_for_in_the_end() {
        let key = SecretKey::from_seed([1; 32]).public();
        let peer = peer::peer_id(&key).expect("a point of the curve");
        let contact = Contact::new(key, &["/ip4/127.0.0.1/tcp/4001".into()]);
        let (mut dialing, now) = (Dialing::default(), Instant::now());
        dialing.keep(std::slice::from_ref(&contact), |_| false, now);
        assert_eq!(dialing.due(now), vec![(peer, contact.addresses)]);
        assert_eq!(dialing.due(now), Vec::new(), "a dial is under way");
        let searches = (0..DIALS_BEFORE_SEARCH).filter(|_| dialing.failed(&peer, now));
        assert_eq!(searches.count(), 1);
        assert!(dialing.next().is_some_and(|at| at <= now + REDIAL.1));
        dialing.opened(&peer);
        assert_eq!(dialing.next(), None);
    }
}
