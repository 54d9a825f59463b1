//! The switches of one process: how often each bug bites, and how often it did.

use super::{Bug, Chance, Planted};
use std::{
    collections::BTreeMap,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tracing::error;
use wire::{PublicKey, api::BugReport};

/// How late the bug `delay-replies` answers.
pub const LATE_REPLY: Duration = Duration::from_millis(1500);
/// A reply that took longer makes the bug `crash-on-slow-reply` bite.
const SLOW_REPLY: Duration = Duration::from_secs(1);
/// The exit code of the bug `crash-on-slow-reply`.
const CRASH: i32 = 86;

/// The switches of one process; clones share them, and the default has no bugs and takes none.
#[derive(Clone, Debug)]
pub struct Bugs {
    enabled: bool,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    switches: Vec<Switch>,
    /// The state of the generator.
    drawn: AtomicU64,
}

#[derive(Debug, Default)]
struct Switch {
    millionths: AtomicU32,
    bitten: AtomicU64,
}

/// Why a bug is not planted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BugError {
    /// Not a bug's name.
    #[error("no bug is called {0:?}; there are {names}", names = Bug::names())]
    Unknown(String),
    /// Not a probability.
    #[error("{0} is no probability: give a number from 0 to 1")]
    Chance(String),
    /// The process was started without the option.
    #[error("start the process with --enable-bugs first")]
    Disabled,
}

impl Default for Bugs {
    fn default() -> Self {
        Self::new(false, &[], PublicKey([0; 32]))
    }
}

impl Bugs {
    /// The switches of a process, as its command line says. Its identity seeds the draws: the same
    /// sequence of decisions has the same outcomes in each of its lives.
    #[must_use]
    pub fn new(enabled: bool, planted: &[Planted], id: PublicKey) -> Self {
        let switches = Bug::all().iter().map(|_| Switch::default()).collect();
        let seed = *id.0.first_chunk().expect("a key has 32 bytes");
        let drawn = AtomicU64::new(u64::from_le_bytes(seed));
        let bugs = Self {
            enabled,
            shared: Arc::new(Shared { switches, drawn }),
        };
        for one in planted.iter().filter(|_| enabled) {
            bugs.turn(one.bug, one.chance);
        }
        bugs
    }

    /// True if the bug may bite.
    #[must_use]
    pub fn on(&self, bug: Bug) -> bool {
        self.chance(bug) != Chance::NEVER
    }

    /// Decides, once, whether the bug bites, and counts if it does.
    #[must_use]
    pub fn bites(&self, bug: Bug) -> bool {
        let chance = self.chance(bug);
        if chance == Chance::NEVER {
            return false;
        }
        let bites = chance.hits(self.draw());
        if bites {
            self.switch(bug).bitten.fetch_add(1, Ordering::Relaxed);
        }
        bites
    }

    /// How often the bug bit in this life of the process.
    #[must_use]
    pub fn bitten(&self, bug: Bug) -> u64 {
        self.switch(bug).bitten.load(Ordering::Relaxed)
    }

    /// The bug `corrupt-replies`: flips one bit, if it bites and there is one.
    pub fn corrupt(&self, bytes: &mut [u8]) {
        if bytes.is_empty() || !self.bites(Bug::CorruptReplies) {
            return;
        }
        let drawn = self.draw();
        let at = (drawn >> 3) % bytes.len() as u64;
        let at = usize::try_from(at).expect("less than a length");
        bytes[at] ^= 1 << (drawn & 7);
    }

    /// The bug `crash-on-slow-reply`: ends the process, if it bites and the reply took too long.
    pub fn judge_reply(&self, took: Duration) {
        if took > SLOW_REPLY && self.bites(Bug::CrashOnSlowReply) {
            error!(?took, "planted bug: crash-on-slow-reply");
            process::exit(CRASH);
        }
    }

    /// Plants exactly these bugs; all others are off afterwards. What was bitten stays counted.
    ///
    /// # Errors
    /// [`BugError`]; then nothing has changed.
    pub fn plant(&self, chances: &BTreeMap<String, f64>) -> Result<(), BugError> {
        if !self.enabled {
            return Err(BugError::Disabled);
        }
        let planted = |(name, chance): (&String, &f64)| {
            let (bug, chance) = (name.parse::<Bug>()?, Chance::try_from(*chance)?);
            Ok((bug, chance))
        };
        let planted: BTreeMap<_, _> = chances.iter().map(planted).collect::<Result<_, _>>()?;
        for bug in Bug::all() {
            self.turn(*bug, planted.get(bug).copied().unwrap_or(Chance::NEVER));
        }
        Ok(())
    }

    /// What is planted, and what has bitten.
    #[must_use]
    pub fn report(&self) -> BugReport {
        let all = || Bug::all().iter().copied();
        let on = all().filter(|bug| self.on(*bug));
        let bitten = all().map(|bug| (bug.to_string(), self.bitten(bug)));
        BugReport {
            on: on
                .map(|bug| (bug.to_string(), self.chance(bug).into()))
                .collect(),
            bitten: bitten.filter(|(_, count)| *count > 0).collect(),
        }
    }

    fn switch(&self, bug: Bug) -> &Switch {
        &self.shared.switches[bug as usize]
    }

    fn chance(&self, bug: Bug) -> Chance {
        Chance::of_millionths(self.switch(bug).millionths.load(Ordering::Relaxed))
    }

    fn turn(&self, bug: Bug, chance: Chance) {
        let millionths = &self.switch(bug).millionths;
        millionths.store(chance.millionths(), Ordering::Relaxed);
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): one
    /// atomic addition, so that threads share the sequence without a lock.
    fn draw(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.shared.drawn.fetch_add(STEP, Ordering::Relaxed);
        let mut mixed = state.wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 100_000;
    const ID: PublicKey = PublicKey([7; 32]);

    fn enabled() -> Bugs {
        Bugs::new(true, &[], ID)
    }

    fn set(name: &str, chance: f64) -> BTreeMap<String, f64> {
        BTreeMap::from([(name.to_owned(), chance)])
    }

    #[test]
    fn a_bug_bites_as_often_as_its_chance_says_and_is_counted() {
        for (chance, expected) in [(0.0, 0..=0), (0.3, 29_000..=31_000), (1.0, DRAWS..=DRAWS)] {
            let bugs = enabled();
            bugs.plant(&set("drop-replies", chance)).expect("a bug");
            let bitten = (0..DRAWS).filter(|_| bugs.bites(Bug::DropReplies)).count() as u64;
            assert!(expected.contains(&bitten), "{bitten} at {chance}");
            assert_eq!(bugs.bitten(Bug::DropReplies), bitten);
            assert!(!bugs.bites(Bug::DelayReplies));
        }
    }

    #[test]
    fn equal_seeds_make_equal_decisions() {
        let decisions = |seed| {
            let planted = "drop-replies=50%".parse().expect("a bug");
            let bugs = Bugs::new(true, &[planted], PublicKey([seed; 32]));
            (0..64)
                .map(|_| bugs.bites(Bug::DropReplies))
                .collect::<Vec<_>>()
        };
        assert_eq!(decisions(1), decisions(1));
        assert_ne!(decisions(1), decisions(2));
    }

    #[test]
    fn a_new_set_replaces_the_old_one_and_a_wrong_one_changes_nothing() {
        let bugs = enabled();
        bugs.plant(&set("drop-replies", 1.0)).expect("a bug");
        bugs.plant(&set("skip-seq-check", 0.5)).expect("a bug");
        for wrong in [set("no-such-bug", 1.0), set("drop-replies", 2.0)] {
            assert!(bugs.plant(&wrong).is_err());
            assert_eq!(bugs.report().on, set("skip-seq-check", 0.5));
        }
        bugs.plant(&BTreeMap::new()).expect("an empty set");
        assert_eq!(bugs.report(), BugReport::default());
    }

    #[test]
    fn without_leave_nothing_is_planted() {
        let planted = "drop-replies".parse().expect("a bug");
        let bugs = Bugs::new(false, &[planted], ID);
        assert_eq!(
            bugs.plant(&set("drop-replies", 1.0)),
            Err(BugError::Disabled)
        );
        assert!(!bugs.bites(Bug::DropReplies));
        assert_eq!(bugs.report(), BugReport::default());
    }

    #[test]
    fn one_bit_is_flipped_or_none() {
        for (chance, flipped) in [(0.0, 0), (1.0, 1)] {
            let bugs = enabled();
            bugs.plant(&set("corrupt-replies", chance)).expect("a bug");
            for _ in 0..100 {
                let mut bytes = [0_u8; 9];
                bugs.corrupt(&mut bytes);
                let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
                assert_eq!(ones, flipped);
            }
            bugs.corrupt(&mut []);
            assert_eq!(bugs.bitten(Bug::CorruptReplies), 100 * u64::from(flipped));
        }
    }
}
