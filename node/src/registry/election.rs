//! Which peers become mirrors. Pure: candidates and the roster of today in, the next one out.
//!
//! Hysteresis: a sitting mirror stays until it was unheard for 90 seconds of observed time, and at
//! most one is replaced in an epoch, so that two epochs' groups of a name share all but one member.

use std::time::Duration;
use wire::{Mirror, PublicKey, Roster};

/// A sitting mirror is replaced after so long without a heartbeat.
pub const UNHEARD_MAX: Duration = Duration::from_secs(90);
/// With fewer nodes than mirrors wanted, the first roster waits until no new one appeared for so
/// long.
pub const QUIET: Duration = Duration::from_secs(3);
/// Between two rosters.
pub const CHANGE_INTERVAL: Duration = Duration::from_secs(5);

/// A peer, as measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub key: PublicKey,
    /// Where.
    pub addresses: Vec<String>,
    /// Share of heartbeats kept, in thousandths.
    pub score: u16,
    /// Known for so long.
    pub age: Duration,
    /// Heard just now.
    pub up: bool,
    /// Unheard for so long, in time observed.
    pub unheard: Duration,
    /// More than a one-session wonder.
    pub qualified: bool,
}

/// What the election goes by besides the candidates.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How many mirrors are wanted.
    pub mirrors: usize,
    /// How many hold a name.
    pub replicas: u8,
    /// How long ago the last stranger appeared.
    pub quiet: Option<Duration>,
    /// How long ago the last roster was issued.
    pub since_change: Duration,
}

/// The mirrors of the next roster, best first; `None` to keep today's.
#[must_use]
pub fn next(
    current: Option<&Roster>,
    candidates: &[Candidate],
    rules: Rules,
) -> Option<Vec<Mirror>> {
    match current {
        None => first(candidates, rules),
        Some(roster) if rules.since_change >= CHANGE_INTERVAL => change(roster, candidates, rules),
        Some(_) => None,
    }
}

fn first(candidates: &[Candidate], rules: Rules) -> Option<Vec<Mirror>> {
    let mut up = ranked(candidates.iter().filter(|candidate| candidate.up));
    let enough = up.len() >= rules.mirrors;
    let all = !up.is_empty() && rules.quiet.is_some_and(|quiet| quiet >= QUIET);
    if !enough && !all {
        return None;
    }
    up.truncate(rules.mirrors);
    Some(up)
}

fn change(roster: &Roster, candidates: &[Candidate], rules: Rules) -> Option<Vec<Mirror>> {
    let find = |key: &PublicKey| candidates.iter().find(|candidate| candidate.key == *key);
    let mut mirrors = roster.mirrors.clone();
    let mut changed = roster.replicas != rules.replicas || mirrors.len() > rules.mirrors;
    mirrors.truncate(rules.mirrors);
    for mirror in &mut mirrors {
        // A mirror that moved is told to everyone; its score alone is no reason for a new roster.
        if let Some(known) = find(&mirror.key).filter(|known| known.up) {
            changed |= known.addresses != mirror.addresses;
            mirror.addresses.clone_from(&known.addresses);
            mirror.score = known.score;
        }
    }
    let strangers = candidates
        .iter()
        .filter(|candidate| candidate.up && !roster.has(&candidate.key));
    let (fit, unfit): (Vec<_>, Vec<_>) = strangers.partition(|candidate| candidate.qualified);
    let mut waiting = ranked(if fit.is_empty() { unfit } else { fit }.into_iter()).into_iter();
    let gone =
        |mirror: &Mirror| find(&mirror.key).is_some_and(|known| known.unheard >= UNHEARD_MAX);
    if mirrors.len() < rules.mirrors {
        let before = mirrors.len();
        mirrors.extend(waiting.by_ref().take(rules.mirrors - before));
        changed |= mirrors.len() > before;
    } else if let Some(seat) = mirrors.iter().rposition(gone)
        && let Some(successor) = waiting.next()
    {
        mirrors[seat] = successor;
        changed = true;
    }
    changed.then_some(mirrors)
}

fn ranked<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<Mirror> {
    let mut candidates: Vec<_> = candidates.collect();
    candidates.sort_by_key(|candidate| {
        std::cmp::Reverse((
            candidate.qualified,
            candidate.score,
            candidate.age,
            candidate.key,
        ))
    });
    let mirror = |candidate: &Candidate| Mirror {
        key: candidate.key,
        addresses: candidate.addresses.clone(),
        score: candidate.score,
    };
    candidates.into_iter().map(mirror).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Epoch, UnixMs};

    const RULES: Rules = Rules {
        mirrors: 3,
        replicas: 3,
        quiet: Some(Duration::ZERO),
        since_change: CHANGE_INTERVAL,
    };

    fn candidate(id: u8) -> Candidate {
        Candidate {
            key: PublicKey([id; 32]),
            addresses: vec![format!("/ip4/127.0.0.{id}/tcp/4001")],
            score: 500,
            age: Duration::from_secs(10),
            up: true,
            unheard: Duration::ZERO,
            qualified: true,
        }
    }

    fn roster(ids: &[u8]) -> Roster {
        let candidates: Vec<_> = ids.iter().map(|id| candidate(*id)).collect();
        Roster {
            epoch: Epoch(1),
            issued_at: UnixMs(0),
            mirrors: ranked(candidates.iter()),
            replicas: 3,
            previous_epoch: Epoch(0),
            previous: Vec::new(),
            registry_addresses: Vec::new(),
        }
    }

    fn keys(mirrors: Option<Vec<Mirror>>) -> Option<Vec<u8>> {
        let mut keys: Vec<_> = mirrors?.iter().map(|mirror| mirror.key.0[0]).collect();
        keys.sort_unstable();
        Some(keys)
    }

    #[test]
    fn the_first_roster_waits_for_enough_peers_or_for_quiet() {
        let two = [candidate(1), candidate(2)];
        assert_eq!(next(None, &two, RULES), None);
        let quiet = Rules {
            quiet: Some(QUIET),
            ..RULES
        };
        assert_eq!(keys(next(None, &two, quiet)), Some(vec![1, 2]));
        let four: Vec<_> = (1..=4).map(candidate).collect();
        assert_eq!(
            next(None, &four, RULES).map(|mirrors| mirrors.len()),
            Some(3)
        );
        let none = Rules {
            mirrors: 0,
            ..RULES
        };
        assert_eq!(
            next(None, &[], none),
            Some(Vec::new()),
            "no mirrors wanted: at once"
        );
    }

    #[test]
    fn one_silent_mirror_is_replaced_in_an_epoch_and_not_before_its_time() {
        let mut peers: Vec<_> = (1..=5).map(candidate).collect();
        let sitting = roster(&[1, 2, 3]);
        for silent in &mut peers[..2] {
            (silent.up, silent.unheard) = (false, UNHEARD_MAX - Duration::from_secs(1));
        }
        assert_eq!(next(Some(&sitting), &peers, RULES), None);
        for silent in &mut peers[..2] {
            silent.unheard = UNHEARD_MAX;
        }
        let elected = keys(next(Some(&sitting), &peers, RULES)).expect("a change");
        assert_eq!(
            elected
                .iter()
                .filter(|key| [1, 2, 3].contains(*key))
                .count(),
            2
        );
        let soon = Rules {
            since_change: Duration::ZERO,
            ..RULES
        };
        assert_eq!(next(Some(&sitting), &peers, soon), None);
    }

    #[test]
    fn one_session_wonders_do_not_qualify_while_others_do() {
        let mut peers: Vec<_> = (1..=5).map(candidate).collect();
        (peers[0].up, peers[0].unheard) = (false, UNHEARD_MAX);
        (peers[3].qualified, peers[3].score) = (false, 1000);
        assert_eq!(
            keys(next(Some(&roster(&[1, 2, 3])), &peers, RULES)),
            Some(vec![2, 3, 5])
        );
        peers[4].qualified = false;
        assert_eq!(
            keys(next(Some(&roster(&[1, 2, 3])), &peers, RULES)),
            Some(vec![2, 3, 4])
        );
    }

    #[test]
    fn a_mirror_that_moved_is_told() {
        let mut peers: Vec<_> = (1..=3).map(candidate).collect();
        assert_eq!(next(Some(&roster(&[1, 2, 3])), &peers, RULES), None);
        peers[1].addresses = vec!["/ip4/127.0.0.9/tcp/4001".into()];
        let told = next(Some(&roster(&[1, 2, 3])), &peers, RULES).expect("a change");
        assert!(
            told.iter()
                .any(|mirror| mirror.addresses == peers[1].addresses)
        );
    }

    #[test]
    fn a_short_roster_is_filled() {
        let peers: Vec<_> = (1..=5).map(candidate).collect();
        let filled = next(Some(&roster(&[1, 2])), &peers, RULES).map(|mirrors| mirrors.len());
        assert_eq!(filled, Some(3));
    }
}
