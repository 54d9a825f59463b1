//! Which peers become mirrors. Pure: candidates and the roster of today in, the next one out.
//!
//! Hysteresis: a sitting mirror stays until it was unheard for 90 seconds of observed time, until
//! its address is another's, or until a far steadier node waits; and at most one is replaced in an
//! epoch, so that two epochs' groups of a name share all but one member, or two where labels move
//! the seats. The next epoch waits until the mirrors have compared what they hold under this one.
//!
//! The seats are spread over the values of a label, such as the software version: none gets more
//! than its share as long as others can take the seats.

use std::{collections::BTreeSet, time::Duration};
use wire::{Epoch, Mirror, PublicKey, Roster, roster::spread};

/// A sitting mirror is replaced after so long without a heartbeat.
pub const UNHEARD_MAX: Duration = Duration::from_secs(90);
/// With fewer nodes than mirrors wanted, the first roster waits until no new one appeared for so
/// long.
pub const QUIET: Duration = Duration::from_secs(3);
/// Between two rosters, at least.
pub const CHANGE_INTERVAL: Duration = Duration::from_secs(2);
/// Mirrors that do not settle delay the next roster so long, and no longer.
pub const SETTLE_PATIENCE: Duration = Duration::from_secs(60);
/// A mirror that is up is replaced only so long after the last change.
pub const IMPROVE_INTERVAL: Duration = Duration::from_secs(60);
/// And only by a node whose score is so many thousandths better.
pub const IMPROVEMENT: u16 = 150;

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
    /// The newest roster under which it compared what it holds with the others.
    pub settled: Epoch,
    /// What it may have in common with others.
    pub label: String,
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
        Some(roster) if may_change(roster, candidates, rules) => change(roster, candidates, rules),
        Some(_) => None,
    }
}

fn first(candidates: &[Candidate], rules: Rules) -> Option<Vec<Mirror>> {
    let up = ranked(candidates.iter().filter(|candidate| candidate.up));
    let enough = up.len() >= rules.mirrors;
    let all = !up.is_empty() && rules.quiet.is_some_and(|quiet| quiet >= QUIET);
    if !enough && !all {
        return None;
    }
    Some(spread(up.into_iter(), rules.mirrors, |mirror| {
        mirror.label.as_str()
    }))
}

/// A roster holds for a moment at least, and until all its mirrors that are up have settled.
fn may_change(roster: &Roster, candidates: &[Candidate], rules: Rules) -> bool {
    let settled = || {
        let mut sitting = candidates
            .iter()
            .filter(|candidate| candidate.up && roster.has(&candidate.key));
        sitting.all(|candidate| candidate.settled >= roster.epoch)
    };
    rules.since_change >= SETTLE_PATIENCE || (rules.since_change >= CHANGE_INTERVAL && settled())
}

fn change(roster: &Roster, candidates: &[Candidate], rules: Rules) -> Option<Vec<Mirror>> {
    let find = |key: &PublicKey| candidates.iter().find(|candidate| candidate.key == *key);
    let mut mirrors = roster.mirrors.clone();
    // The group before is asked, too, until the mirrors have settled; then nobody waits for those
    // of it that are gone.
    let mut changed = roster.replicas != rules.replicas
        || mirrors.len() > rules.mirrors
        || asks_who_is_gone(roster);
    mirrors.truncate(rules.mirrors);
    for mirror in &mut mirrors {
        // A mirror that moved is told to everyone; its score alone is no reason for a new roster.
        if let Some(known) = find(&mirror.key).filter(|known| known.up) {
            changed |= known.addresses != mirror.addresses;
            mirror.addresses.clone_from(&known.addresses);
            mirror.score = known.score;
            mirror.label.clone_from(&known.label);
        }
    }
    let strangers = candidates
        .iter()
        .filter(|candidate| candidate.up && !roster.has(&candidate.key));
    let (fit, unfit): (Vec<_>, Vec<_>) = strangers.partition(|candidate| candidate.qualified);
    let waiting = ranked(if fit.is_empty() { unfit } else { fit }.into_iter());
    let lost = |mirror: &Mirror| {
        let known = find(&mirror.key);
        known.is_some_and(|known| !known.up && moved_in(known, candidates))
    };
    let gone = |mirror: &Mirror| {
        let known = find(&mirror.key);
        known.is_some_and(|known| known.unheard >= UNHEARD_MAX) || lost(mirror)
    };
    if mirrors.len() < rules.mirrors {
        let before = mirrors.len();
        mirrors.extend(waiting.into_iter().take(rules.mirrors - before));
        changed |= mirrors.len() > before;
    } else if mirrors.iter().filter(|mirror| lost(mirror)).count() * 2 > mirrors.len() {
        // Most disks are lost, and with them every majority: there is nothing to be careful of.
        for seat in 0..mirrors.len() {
            if lost(&mirrors[seat]) {
                let sitting: Vec<_> = mirrors.iter().map(|mirror| mirror.key).collect();
                let free = |mirror: &Mirror| !sitting.contains(&mirror.key);
                changed |= replace(&mut mirrors, seat, &waiting, free);
            }
        }
    } else if let Some(seat) = mirrors.iter().rposition(gone) {
        changed |= replace(&mut mirrors, seat, &waiting, |_| true);
    } else if rules.since_change >= IMPROVE_INTERVAL
        && let Some(seat) = worst(&mirrors)
    {
        let worst = mirrors[seat].score;
        let better = |mirror: &Mirror| mirror.score >= worst.saturating_add(IMPROVEMENT);
        changed |= replace(&mut mirrors, seat, &waiting, better);
    }
    changed.then_some(mirrors)
}

/// True if the epoch before had other mirrors.
fn asks_who_is_gone(roster: &Roster) -> bool {
    let mut before = roster.previous.iter();
    before.any(|mirror| !roster.has(&mirror.key))
}

/// True if another peer that is up has the address of this one: it lost its disk, and with it its
/// key.
fn moved_in(gone: &Candidate, candidates: &[Candidate]) -> bool {
    let same = |address: &String| gone.addresses.contains(address);
    candidates
        .iter()
        .any(|other| other.key != gone.key && other.up && other.addresses.iter().any(same))
}

fn worst(mirrors: &[Mirror]) -> Option<usize> {
    (0..mirrors.len()).min_by_key(|seat| mirrors[*seat].score)
}

/// Gives a seat to the first who may have it, if there is one, and best to one whose label has not
/// had its share yet; true if it did.
fn replace(
    mirrors: &mut [Mirror],
    seat: usize,
    waiting: &[Mirror],
    may: impl Fn(&Mirror) -> bool,
) -> bool {
    let others: Vec<_> = mirrors
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != seat)
        .collect();
    let labels = mirrors.iter().chain(waiting).map(|mirror| &mirror.label);
    let labels = labels.collect::<BTreeSet<_>>().len();
    let share = mirrors.len().div_ceil(labels.max(1));
    let has_room = |mirror: &&Mirror| {
        let same = others
            .iter()
            .filter(|(_, other)| other.label == mirror.label);
        same.count() < share
    };
    let fit: Vec<_> = waiting.iter().filter(|mirror| may(mirror)).collect();
    let mut with_room = fit.iter().copied().filter(has_room);
    let Some(successor) = with_room.next().or(fit.first().copied()) else {
        return false;
    };
    mirrors[seat] = successor.clone();
    true
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
        label: candidate.label.clone(),
    };
    candidates.into_iter().map(mirror).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::UnixMs;

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
            settled: Epoch(1),
            label: String::new(),
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

    #[test]
    fn the_next_roster_waits_until_the_mirrors_have_settled_but_not_for_ever() {
        let mut peers: Vec<_> = (1..=5).map(candidate).collect();
        (peers[0].up, peers[0].unheard) = (false, UNHEARD_MAX);
        peers[0].settled = Epoch(0);
        let sitting = roster(&[1, 2, 3]);
        assert!(
            next(Some(&sitting), &peers, RULES).is_some(),
            "the gone one is not waited for"
        );
        peers[1].settled = Epoch(0);
        assert_eq!(next(Some(&sitting), &peers, RULES), None);
        let later = Rules {
            since_change: SETTLE_PATIENCE,
            ..RULES
        };
        assert!(next(Some(&sitting), &peers, later).is_some());
    }

    #[test]
    fn once_the_mirrors_have_settled_the_epoch_before_is_asked_no_more() {
        let peers: Vec<_> = (1..=3).map(candidate).collect();
        let mut sitting = roster(&[1, 2, 3]);
        sitting.previous = roster(&[1, 2, 9]).mirrors;
        assert_eq!(
            keys(next(Some(&sitting), &peers, RULES)),
            Some(vec![1, 2, 3])
        );
        sitting.previous.clone_from(&sitting.mirrors);
        assert_eq!(next(Some(&sitting), &peers, RULES), None);
    }

    #[test]
    fn a_mirror_whose_address_is_anothers_is_replaced_at_once() {
        let mut peers: Vec<_> = (1..=4).map(candidate).collect();
        (peers[0].up, peers[0].unheard) = (false, Duration::from_secs(5));
        let sitting = roster(&[1, 2, 3]);
        assert_eq!(next(Some(&sitting), &peers, RULES), None);
        peers[3].addresses = peers[0].addresses.clone();
        assert_eq!(
            keys(next(Some(&sitting), &peers, RULES)),
            Some(vec![2, 3, 4])
        );
    }

    #[test]
    fn when_most_mirrors_lost_their_disks_all_of_them_are_replaced_together() {
        let mut peers: Vec<_> = (1..=8).map(candidate).collect();
        for id in 0..2 {
            (peers[id].up, peers[id].unheard) = (false, Duration::from_secs(5));
            peers[id + 5].addresses = peers[id].addresses.clone();
        }
        let next = keys(next(Some(&roster(&[1, 2, 3])), &peers, RULES)).expect("a change");
        assert!(next.contains(&3) && !next.contains(&1) && !next.contains(&2));
        assert_eq!(next.len(), 3, "no seat is given twice");
    }

    #[test]
    fn a_far_steadier_node_takes_the_place_of_the_worst_mirror_and_a_little_steadier_one_does_not()
    {
        let mut peers: Vec<_> = (1..=4).map(candidate).collect();
        peers[1].score = 400;
        let sitting = roster(&[1, 2, 3]);
        let calm = Rules {
            since_change: IMPROVE_INTERVAL,
            ..RULES
        };
        peers[3].score = 400 + IMPROVEMENT - 1;
        assert_eq!(next(Some(&sitting), &peers, calm), None);
        peers[3].score = 400 + IMPROVEMENT;
        assert_eq!(
            keys(next(Some(&sitting), &peers, calm)),
            Some(vec![1, 3, 4])
        );
        assert_eq!(next(Some(&sitting), &peers, RULES), None, "too soon");
    }

    #[test]
    fn no_label_has_more_than_its_share_of_the_seats() {
        let mut peers: Vec<_> = (1..=12).map(candidate).collect();
        for old in &mut peers[..9] {
            (old.label, old.score) = ("old".into(), 900);
        }
        let rules = Rules {
            mirrors: 6,
            ..RULES
        };
        let old = |mirrors: &[Mirror]| {
            let old = mirrors.iter().filter(|mirror| mirror.label == "old");
            old.count()
        };
        let first = next(None, &peers, rules).expect("enough");
        assert_eq!((first.len(), old(&first)), (6, 3));
        let mut sitting = roster(&[]);
        sitting.mirrors = first;
        let gone = peers
            .iter_mut()
            .find(|peer| peer.label.is_empty() && sitting.has(&peer.key));
        let gone = gone.expect("three of them");
        (gone.up, gone.unheard) = (false, UNHEARD_MAX);
        let kept = next(Some(&sitting), &peers, rules).expect("a change");
        assert_eq!((kept.len(), old(&kept)), (6, 4), "nobody else is left");
    }
}
