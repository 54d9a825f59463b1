//! Measured uptime: who is up, and how reliably. Pure: heartbeats and ticks in, candidates out.
//!
//! The score of a peer is the share of heartbeats kept, decayed over 600 of them: ten minutes with
//! one a second, a day and a half with one in four minutes. Time that the
//! registry did not observe (it was down, or it heard fewer than half of the peers that it knows)
//! counts against nobody: an outage at the centre must not throw the mirrors out of the roster.

use super::election::Candidate;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use wire::{Epoch, Heartbeat, PublicKey, Signed, UnixMs};

/// A heartbeat older than this many intervals means that the peer is not up now.
const LATE_INTERVALS: u32 = 3;
/// The decay of the score, in heartbeats that were due.
const SCORE_DECAY_INTERVALS: f64 = 600.0;
/// What a peer starts with, before anything is measured.
const SCORE_START: f64 = 0.5;
/// Peers unheard for longer are forgotten by the rule of "fewer than half".
const GONE: Duration = Duration::from_secs(600);
/// One session of so many heartbeats qualifies like two sessions.
const LONG_SESSION_INTERVALS: u32 = 3600;
/// Known peers at most; strangers beyond it are not believed to exist.
const PEERS_MAX: usize = 20_000;

/// Everyone the registry ever heard.
#[derive(Debug)]
pub struct Peers {
    interval: Duration,
    known: HashMap<PublicKey, Peer>,
    newest: Option<UnixMs>,
    changed: bool,
}

/// One peer, as it is kept on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peer {
    key: PublicKey,
    addresses: Vec<String>,
    labels: Vec<(String, String)>,
    first_heard: UnixMs,
    last_heard: UnixMs,
    session: UnixMs,
    counter: u64,
    settled: Epoch,
    sessions: u32,
    score: f64,
    /// Heard before the first roster.
    founder: bool,
    /// Since when unheard, in time observed; not kept over a restart of the registry.
    #[serde(skip)]
    unheard: Duration,
    #[serde(skip)]
    changed: bool,
}

/// A heartbeat that is not newer than the last one, or one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbelieved;

impl Peers {
    /// The peers of earlier lives.
    #[must_use]
    pub fn new(interval: Duration, known: impl IntoIterator<Item = Peer>) -> Self {
        let known = known.into_iter().map(|peer| (peer.key, peer)).collect();
        Self {
            interval,
            known,
            newest: None,
            changed: false,
        }
    }

    /// Takes in a verified heartbeat; `founding` before the first roster.
    ///
    /// # Errors
    /// [`Unbelieved`] for a replay.
    pub fn hear(
        &mut self,
        heartbeat: &Signed<Heartbeat>,
        now: UnixMs,
        founding: bool,
    ) -> Result<(), Unbelieved> {
        let beat = &heartbeat.body;
        if !self.known.contains_key(&beat.node) {
            if self.known.len() >= PEERS_MAX {
                return Err(Unbelieved);
            }
            self.newest = Some(now);
        }
        let peer = self
            .known
            .entry(beat.node)
            .or_insert_with(|| Peer::new(beat, now, founding));
        if !heartbeat.follows((peer.session, peer.counter)) {
            return Err(Unbelieved);
        }
        if beat.session != peer.session {
            peer.sessions = peer.sessions.saturating_add(1);
        }
        (peer.session, peer.counter) = (beat.session, beat.counter);
        peer.settled = beat.settled;
        peer.addresses.clone_from(&beat.addresses);
        peer.labels.clone_from(&beat.labels);
        peer.last_heard = now;
        peer.changed = true;
        self.changed = true;
        Ok(())
    }

    /// Measures one interval.
    pub fn tick(&mut self, now: UnixMs) {
        let late = self.interval * LATE_INTERVALS;
        let up = |peer: &Peer| now.since(peer.last_heard) <= late;
        let expected = self
            .known
            .values()
            .filter(|peer| peer.unheard < GONE)
            .count();
        let heard = self.known.values().filter(|peer| up(peer)).count();
        let observing = heard * 2 >= expected;
        let weight = 1.0 / SCORE_DECAY_INTERVALS;
        for peer in self.known.values_mut() {
            if up(peer) {
                peer.unheard = Duration::ZERO;
                peer.score += weight * (1.0 - peer.score);
            } else if observing {
                peer.unheard = peer.unheard.saturating_add(self.interval);
                peer.score -= weight * peer.score;
                peer.changed |= peer.unheard < GONE;
            }
        }
    }

    /// How many are up now.
    #[must_use]
    pub fn up(&self, now: UnixMs) -> usize {
        let late = self.interval * LATE_INTERVALS;
        self.known
            .values()
            .filter(|peer| now.since(peer.last_heard) <= late)
            .count()
    }

    /// How long ago the last stranger appeared; `None` if nobody ever did in this life.
    #[must_use]
    pub fn quiet(&self, now: UnixMs) -> Option<Duration> {
        self.newest.map(|newest| now.since(newest))
    }

    /// Everyone, as the election sees them, with the value of the label over which it spreads.
    #[must_use]
    pub fn candidates(&self, now: UnixMs, spread: Option<&str>) -> Vec<Candidate> {
        let late = self.interval * LATE_INTERVALS;
        let long = self.interval * LONG_SESSION_INTERVALS;
        let candidate = |peer: &Peer| Candidate {
            key: peer.key,
            addresses: peer.addresses.clone(),
            score: peer.score_thousandths(),
            age: now.since(peer.first_heard),
            up: now.since(peer.last_heard) <= late,
            unheard: peer.unheard,
            settled: peer.settled,
            label: spread.map_or_else(String::new, |key| peer.label(key)),
            qualified: peer.founder
                || peer.sessions >= 2
                || peer.last_heard.since(peer.session) >= long,
        };
        self.known.values().map(candidate).collect()
    }

    /// The peers that changed since the last call, encoded for the disk.
    pub fn take_changed(&mut self) -> Vec<(PublicKey, Vec<u8>)> {
        self.changed = false;
        let changed = self.known.values_mut().filter(|peer| peer.changed);
        changed
            .map(|peer| {
                peer.changed = false;
                (peer.key, wire::encode(peer))
            })
            .collect()
    }
}

impl Peer {
    fn new(beat: &Heartbeat, now: UnixMs, founder: bool) -> Self {
        Self {
            key: beat.node,
            addresses: Vec::new(),
            labels: Vec::new(),
            first_heard: now,
            last_heard: now,
            session: UnixMs::default(),
            counter: 0,
            settled: Epoch::default(),
            sessions: 0,
            score: SCORE_START,
            founder,
            unheard: Duration::ZERO,
            changed: true,
        }
    }

    fn label(&self, key: &str) -> String {
        let mut labels = self.labels.iter();
        let found = labels.find(|(label, _)| label == key);
        found.map_or_else(String::new, |(_, value)| value.clone())
    }

    fn score_thousandths(&self) -> u16 {
        // Between 0 and 1000 by construction of the score.
        (self.score * 1000.0).round().clamp(0.0, 1000.0) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::SecretKey;

    const SECOND: Duration = Duration::from_secs(1);

    fn beat(key: &SecretKey, session: u64, counter: u64) -> Signed<Heartbeat> {
        let body = Heartbeat {
            node: key.public(),
            session: UnixMs(session),
            counter,
            sent_at: UnixMs(session),
            epoch: Epoch(0),
            settled: Epoch(0),
            addresses: Vec::new(),
            labels: Vec::new(),
        };
        Signed::new(body, key)
    }

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    #[test]
    fn a_replayed_heartbeat_keeps_nobody_alive() {
        let mut peers = Peers::new(SECOND, []);
        let (old, new) = (beat(&key(1), 5, 1), beat(&key(1), 5, 2));
        assert_eq!(peers.hear(&old, UnixMs(1000), true), Ok(()));
        assert_eq!(peers.hear(&new, UnixMs(2000), true), Ok(()));
        assert_eq!(peers.hear(&old, UnixMs(60_000), true), Err(Unbelieved));
        assert_eq!(peers.hear(&new, UnixMs(60_000), true), Err(Unbelieved));
        assert_eq!(peers.up(UnixMs(60_000)), 0);
    }

    #[test]
    fn time_that_was_not_observed_counts_against_nobody() {
        let mut peers = Peers::new(SECOND, []);
        for seed in 1..=4 {
            peers
                .hear(&beat(&key(seed), 5, 1), UnixMs(0), true)
                .expect("new");
        }
        for second in 10..200 {
            peers.tick(UnixMs(second * 1000));
        }
        let unheard = |peers: &Peers| {
            peers
                .candidates(UnixMs(0), None)
                .iter()
                .map(|peer| peer.unheard)
                .max()
                .expect("four peers")
        };
        assert_eq!(
            unheard(&peers),
            Duration::ZERO,
            "all silent: the registry was cut off"
        );
        for second in 200_u64..300 {
            for seed in 1..=3 {
                let beat = beat(&key(seed), 5, second);
                peers
                    .hear(&beat, UnixMs(second * 1000), false)
                    .expect("newer");
            }
            peers.tick(UnixMs(second * 1000));
        }
        assert_eq!(
            unheard(&peers),
            100 * SECOND,
            "one of four silent: it is down"
        );
    }

    #[test]
    fn a_second_session_qualifies() {
        let mut peers = Peers::new(SECOND, []);
        peers
            .hear(&beat(&key(1), 5, 1), UnixMs(1000), false)
            .expect("new");
        assert!(!peers.candidates(UnixMs(1000), None)[0].qualified);
        peers
            .hear(&beat(&key(1), 9, 1), UnixMs(2000), false)
            .expect("newer");
        assert!(peers.candidates(UnixMs(2000), None)[0].qualified);
    }
}
