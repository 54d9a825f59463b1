//! Exponential backoff with full jitter: the wait is uniform between nothing and a bound that
//! doubles with each failure. Everything that retries or repeats here uses it, because retries in
//! step are what kept the outage of 2007 alive. The planted bug `retry-without-backoff` takes the
//! backoff away.

use crate::bug::{Bug, Bugs};
use std::time::{Duration, SystemTime};
use wire::UnixMs;

/// The wait of the planted bug: nothing, but for a bound on what it costs the machine.
const WITHOUT_BACKOFF: Duration = Duration::from_millis(1);

/// The state of one retry loop.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    bugs: Bugs,
}

impl Backoff {
    /// Waits of at most `base` after the first failure, doubling up to `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration, bugs: &Bugs) -> Self {
        Self {
            base,
            cap,
            failures: 0,
            bugs: bugs.clone(),
        }
    }

    /// How many failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and draws the wait.
    pub fn fail(&mut self) -> Duration {
        let bound = self
            .base
            .saturating_mul(1 << self.failures.min(16))
            .min(self.cap);
        self.failures = self.failures.saturating_add(1);
        if self.bugs.bites(Bug::RetryWithoutBackoff) {
            return WITHOUT_BACKOFF;
        }
        jitter(bound)
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A wait between nothing and `bound`, uniformly.
#[must_use]
pub fn jitter(bound: Duration) -> Duration {
    bound.mul_f64(rand::random())
}

/// A wait around `middle`: between half of it and one and a half times it.
#[must_use]
pub fn around(middle: Duration) -> Duration {
    middle.mul_f64(0.5 + rand::random::<f64>())
}

/// The wall clock.
#[must_use]
pub fn now() -> UnixMs {
    UnixMs::from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::PublicKey;

    #[test]
    fn waits_grow_unless_the_planted_bug_takes_them_away() {
        let base = Duration::from_secs(1);
        for (planted, counted) in [(None, 0), (Some("retry-without-backoff"), 32)] {
            let planted: Vec<_> = planted
                .iter()
                .map(|bug: &&str| bug.parse().expect("a bug"))
                .collect();
            let bugs = Bugs::new(true, &planted, PublicKey([1; 32]));
            let mut backoff = Backoff::new(base, base * 8, &bugs);
            let waits: Vec<_> = (0..32).map(|_| backoff.fail()).collect();
            assert_eq!(backoff.failures(), 32);
            assert_eq!(bugs.bitten(Bug::RetryWithoutBackoff), counted);
            let longest = waits.iter().max().expect("some");
            // Thirty draws below an eighth of their bound would be a wonder.
            assert_eq!(*longest > base, planted.is_empty(), "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= base * 8));
        }
    }
}
