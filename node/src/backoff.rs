//! Exponential backoff with full jitter: the wait is uniform between nothing and a bound that
//! doubles with each failure. Everything that retries or repeats here uses it, because retries in
//! step are what kept the outage of 2007 alive.

use std::time::{Duration, SystemTime};
use wire::UnixMs;

/// The state of one retry loop.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits of at most `base` after the first failure, doubling up to `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
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
