//! The pace: when an arrival is due that is drawn for calm times, while the load changes.
//!
//! Arrivals are drawn for a factor of one. While the factor is two, their time runs twice as fast,
//! so twice as many are due; the process stays a Poisson process at every moment. Pure: the same
//! arrivals and the same changes of the load give the same moments.

use crate::world::LoadWorld;

/// While the factor grows or shrinks it is taken as constant for this long, microseconds.
const STEP_US: u64 = 20_000;

/// The most steps that one arrival is looked for: a day of a growing load.
const STEPS_MAX: u32 = 5_000_000;

/// See the module. Times are microseconds since the start of the run.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The real time.
    at_us: u64,
    /// How much of the arrivals' own time has passed by then.
    passed_us: f64,
    load: LoadWorld,
}

impl Pace {
    /// The pace of a calm workload that starts at this moment.
    #[must_use]
    pub fn new(at_us: u64) -> Pace {
        Pace {
            at_us,
            passed_us: 0.0,
            load: LoadWorld::default(),
        }
    }

    /// From this moment on the load is another one. Moments must not go back.
    pub fn change(&mut self, at_us: u64, load: LoadWorld) {
        self.reach(at_us);
        self.load = load;
    }

    /// When an arrival is due, if the load stays as it is; `u64::MAX` when it never is.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a run are far below 2^53"
    )]
    pub fn due(&self, arrival_us: u64) -> u64 {
        let mut ahead = self.clone();
        for _ in 0..STEPS_MAX {
            let factor = ahead.load.factor_at(ahead.at_us);
            let missing_us = (arrival_us as f64 - ahead.passed_us).max(0.0);
            let needed_us = match factor > 0.0 {
                true => missing_us / factor,
                false if missing_us == 0.0 => 0.0,
                false => f64::INFINITY,
            };
            if !ahead.load.changes_at(ahead.at_us) {
                return later(ahead.at_us, needed_us);
            }
            if needed_us <= STEP_US as f64 {
                return later(ahead.at_us, needed_us);
            }
            ahead.reach(ahead.at_us + STEP_US);
        }
        u64::MAX
    }

    /// How much of the arrivals' own time has passed, microseconds.
    #[must_use]
    pub fn passed_us(&self) -> f64 {
        self.passed_us
    }

    /// Lets time pass until a moment; one that is over already changes nothing.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a run are far below 2^53"
    )]
    pub fn reach(&mut self, at_us: u64) {
        while self.at_us < at_us {
            let step_us = match self.load.changes_at(self.at_us) {
                true => STEP_US.min(at_us - self.at_us),
                false => at_us - self.at_us,
            };
            self.passed_us += self.load.factor_at(self.at_us) * step_us as f64;
            self.at_us += step_us;
        }
    }
}

/// A moment that is this much later; the end of time when that is beyond it.
fn later(at_us: u64, by_us: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates"
    )]
    at_us.saturating_add(by_us as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::LoadBend;

    fn load(factor_ppm: u64, ramp_us: u64, since_us: u64) -> LoadWorld {
        let mut load = LoadWorld::default();
        load.add(LoadBend {
            factor_ppm,
            ramp_us,
            since_us,
        });
        load
    }

    #[test]
    fn calm_arrivals_are_due_when_they_were_drawn() {
        let pace = Pace::new(5_000_000);
        assert_eq!(pace.due(0), 5_000_000);
        assert_eq!(pace.due(2_000_000), 7_000_000);
    }

    #[test]
    fn twice_the_load_is_twice_as_soon_and_none_is_never() {
        let mut pace = Pace::new(0);
        pace.change(10_000_000, load(2_000_000, 0, 10_000_000));
        assert_eq!(pace.due(14_000_000), 12_000_000);
        pace.change(12_000_000, load(0, 0, 12_000_000));
        assert_eq!(pace.due(15_000_000), u64::MAX);
        pace.change(20_000_000, LoadWorld::default());
        assert_eq!(pace.due(15_000_000), 21_000_000);
    }

    #[test]
    fn a_ramp_brings_as_many_as_its_mean_factor() {
        // From 1 to 3 within 10 s: 20 s of arrivals.
        let mut pace = Pace::new(0);
        pace.change(0, load(3_000_000, 10_000_000, 0));
        let due = pace.due(20_000_000);
        assert!(due.abs_diff(10_000_000) < 50_000, "{due}");
        let half = pace.due(7_500_000);
        assert!(half.abs_diff(5_000_000) < 50_000, "{half}");
    }
}
