//! Beats: the moments at which a fault hits others of its targets than before.
//!
//! Most faults hit all of their targets as long as they are active. Some come and go within
//! their time: a link that flaps, a process in a crash loop, hosts that churn. Such a fault says
//! in advance whom it hits from which moment on; the moments are drawn from its own generator.

use fabric::HostIndex;
use rand_chacha::ChaCha8Rng;

/// The most beats of one fault.
pub const BEATS_MAX: usize = 20_000;

/// What a fault needs to know to say when it hits whom.
#[derive(Debug)]
pub struct Beating<'a> {
    /// All of its targets.
    pub targets: &'a [HostIndex],
    /// How long it is active, microseconds.
    pub lasts_us: u64,
    /// Its own generator.
    pub rng: &'a mut ChaCha8Rng,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When.
    pub at: BeatTime,
    /// Whom the fault hits from then on, each as often as it is hit so far.
    pub hits: Vec<HostIndex>,
}

/// When a beat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeatTime {
    /// Microseconds after the start of the fault.
    After(u64),
    /// Microseconds after this host is ready, counted from when the beat before was done.
    OnceReady(HostIndex, u64),
}

/// A host that is hit from one moment to another, microseconds after the start of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which host.
    pub host: HostIndex,
    /// From when.
    pub from_us: u64,
    /// Until when.
    pub until_us: u64,
}

/// The beats of these hits, in order; hits that begin after `lasts_us` are left out.
#[must_use]
pub fn beats_of(hits: &[Hit], lasts_us: u64) -> Vec<Beat> {
    let mut moments: Vec<u64> = hits
        .iter()
        .flat_map(|hit| [hit.from_us, hit.until_us])
        .filter(|at| *at < lasts_us)
        .chain([0])
        .collect();
    moments.sort_unstable();
    moments.dedup();
    moments.truncate(BEATS_MAX);
    // One sweep over the hits in the order of their start: a thousand hosts may churn for hours.
    let mut waiting: Vec<Hit> = hits.to_vec();
    waiting.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.from_us));
    let mut active: Vec<Hit> = Vec::new();
    let mut beats: Vec<Beat> = Vec::new();
    for at in moments {
        while waiting.last().is_some_and(|hit| hit.from_us <= at) {
            active.extend(waiting.pop());
        }
        active.retain(|hit| hit.until_us > at);
        let mut hits: Vec<HostIndex> = active.iter().map(|hit| hit.host).collect();
        hits.sort_unstable();
        hits.dedup();
        if beats.last().is_none_or(|last| last.hits != hits) {
            let at = BeatTime::After(at);
            beats.push(Beat { at, hits });
        }
    }
    beats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_say_who_is_hit_from_each_moment_on() {
        let hit = |host, from_us, until_us| Hit {
            host: HostIndex(host),
            from_us,
            until_us,
        };
        let hits = [
            hit(1, 10, 30),
            hit(2, 20, 40),
            hit(1, 30, 35),
            hit(3, 90, 99),
        ];
        let beats = beats_of(&hits, 50);
        let shown: Vec<(BeatTime, Vec<u16>)> = beats
            .into_iter()
            .map(|beat| (beat.at, beat.hits.iter().map(|host| host.0).collect()))
            .collect();
        let after = BeatTime::After;
        assert_eq!(
            shown,
            [
                (after(0), vec![]),
                (after(10), vec![1]),
                (after(20), vec![1, 2]),
                (after(35), vec![2]),
                (after(40), vec![]),
            ]
        );
    }
}
