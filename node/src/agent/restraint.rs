//! Restraint: what keeps a node from making an overload worse.
//!
//! A [`RetryBudget`] lets retries be a tenth of the first tries, and a few more, so that a group
//! that answers nothing is not asked ten times as much. A [`Throttle`] rejects calls to a registry
//! that answers "busy" before they are sent, with the probability that the book "Site Reliability
//! Engineering" (Beyer et al., 2016, chapter 21) gives: max(0, (requests − K × accepts) / (requests
//! + 1)). Both are in memory and cost nothing while nothing fails.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Retries that each first try pays for.
const RETRIES_PER_TRY: f64 = 0.1;
/// Retries that a node may make every second whatever it tried: a node with little to do has little
/// budget, and does little harm.
const RETRIES_PER_SECOND: f64 = 5.0;
/// Retries that may be saved up.
const RETRIES_SAVED_MAX: f64 = 50.0;
/// The book's K: a registry that accepts half of what is sent is sent everything.
const ACCEPTS_FACTOR: f64 = 2.0;
/// With fewer requests than this nothing is known.
const REQUESTS_MIN: f64 = 10.0;
/// The time over which requests are forgotten; the book counts two minutes.
const THROTTLE_DECAY: Duration = Duration::from_secs(60);

/// How many retries a node may still make.
#[derive(Debug)]
pub struct RetryBudget {
    inner: Mutex<Budget>,
}

#[derive(Debug)]
struct Budget {
    retries: f64,
    at: Instant,
}

/// How much of what is sent to the registry it accepts.
#[derive(Debug)]
pub struct Throttle {
    inner: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    requests: f64,
    accepts: f64,
    at: Instant,
}

impl RetryBudget {
    /// A full budget.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let retries = RETRIES_SAVED_MAX;
        Self {
            inner: Mutex::new(Budget { retries, at: now }),
        }
    }

    /// A first try was made.
    pub fn tried(&self) {
        let mut budget = self.lock();
        budget.retries = (budget.retries + RETRIES_PER_TRY).min(RETRIES_SAVED_MAX);
    }

    /// Pays for a retry; false if there is nothing left for it.
    #[must_use]
    pub fn pay(&self, now: Instant) -> bool {
        let mut budget = self.lock();
        let earned = now.saturating_duration_since(budget.at).as_secs_f64() * RETRIES_PER_SECOND;
        budget.at = now;
        budget.retries = (budget.retries + earned).min(RETRIES_SAVED_MAX);
        let enough = budget.retries >= 1.0;
        if enough {
            budget.retries -= 1.0;
        }
        enough
    }

    fn lock(&self) -> MutexGuard<'_, Budget> {
        self.inner
            .lock()
            .expect("no one panics while holding the budget")
    }
}

impl Throttle {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let counts = Counts {
            requests: 0.0,
            accepts: 0.0,
            at: now,
        };
        Self {
            inner: Mutex::new(counts),
        }
    }

    /// Counts a request; false if it shall not be sent. `drawn` is uniform between 0 and 1.
    #[must_use]
    pub fn admits(&self, now: Instant, drawn: f64) -> bool {
        let mut counts = self.lock();
        counts.forget(now);
        let surplus = counts.requests - ACCEPTS_FACTOR * counts.accepts;
        counts.requests += 1.0;
        counts.requests <= REQUESTS_MIN || drawn >= surplus / counts.requests
    }

    /// The last request was not answered "busy".
    pub fn accepted(&self) {
        self.lock().accepts += 1.0;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.inner
            .lock()
            .expect("no one panics while holding the counts")
    }
}

impl Counts {
    fn forget(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let kept = (-passed.as_secs_f64() / THROTTLE_DECAY.as_secs_f64()).exp();
        self.requests *= kept;
        self.accepts *= kept;
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_tenth_of_the_tries_once_the_savings_are_spent() {
        let now = Instant::now();
        let budget = RetryBudget::new(now);
        let saved = (0..1000).filter(|_| budget.pay(now)).count();
        assert_eq!(saved, 50);
        let paid = (0..1000).filter(|_| {
            budget.tried();
            budget.pay(now)
        });
        assert!((99..=100).contains(&paid.count()));
        let later = now + Duration::from_secs(2);
        let earned = (0..1000).filter(|_| budget.pay(later)).count();
        assert!((10..=11).contains(&earned), "{earned}");
    }

    #[test]
    fn what_is_accepted_is_sent_and_what_is_refused_is_soon_sent_no_more() {
        let now = Instant::now();
        let throttle = Throttle::new(now);
        for _ in 0..1000 {
            assert!(throttle.admits(now, 0.0), "all are accepted");
            throttle.accepted();
        }
        let throttle = Throttle::new(now);
        let sent =
            (0..1000).filter(|number| throttle.admits(now, f64::from(*number % 100) / 100.0));
        assert!(sent.count() < 50, "none is accepted");
        let later = now + THROTTLE_DECAY * 10;
        let sent = (0..100).filter(|_| {
            let sent = throttle.admits(later, 0.5);
            if sent {
                throttle.accepted();
            }
            sent
        });
        assert!(sent.count() > 90, "the past is forgotten");
    }
}
