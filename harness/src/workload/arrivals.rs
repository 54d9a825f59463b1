//! When operations arrive, and of which kind: one merged Poisson process, from the seed.
//!
//! The sum of independent Poisson processes is a Poisson process, and each arrival is of a kind
//! with probability proportional to that kind's rate. Pure: the same rates and seed give the same
//! arrivals, for ever.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::history::OperationKind;
use crate::plan::Rates;
use crate::seed::{self, Stream};

/// One arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Microseconds after the start of the clock.
    pub at_us: u64,
    /// What arrives.
    pub kind: OperationKind,
}

/// All arrivals in order of time; endless unless all rates are zero.
#[derive(Clone, Debug)]
pub struct Arrivals {
    kinds: [(OperationKind, f64); 3],
    total_hz: f64,
    at_us: f64,
    rng: ChaCha8Rng,
}

impl Arrivals {
    /// The arrivals of these rates.
    #[must_use]
    pub fn new(rates: &Rates, seed: u64) -> Arrivals {
        let kinds = [
            (OperationKind::Register, rates.register.hertz()),
            (OperationKind::Resolve, rates.resolve.hertz()),
            (OperationKind::Update, rates.update.hertz()),
        ];
        Arrivals {
            kinds,
            total_hz: kinds.iter().map(|(_, hertz)| hertz).sum(),
            at_us: 0.0,
            rng: seed::generator(seed, Stream::Arrivals),
        }
    }

    fn draw_kind(&mut self) -> OperationKind {
        let mut point = self.rng.random::<f64>() * self.total_hz;
        for (kind, hertz) in self.kinds {
            if point < hertz {
                return kind;
            }
            point -= hertz;
        }
        // Rounding may leave the point at the very end: the last kind that has a rate.
        let last = self.kinds.iter().rev().find(|(_, hertz)| *hertz > 0.0);
        last.map_or(OperationKind::Resolve, |(kind, _)| *kind)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if self.total_hz <= 0.0 {
            return None;
        }
        // Exponential gaps by inversion; 1 - u is never zero.
        let gap_s = -(1.0 - self.rng.random::<f64>()).ln() / self.total_hz;
        self.at_us += gap_s * 1e6;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive time; a float beyond u64 saturates, which ends any timeline"
        )]
        let at_us = self.at_us as u64;
        Some(Arrival {
            at_us,
            kind: self.draw_kind(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Rate;

    fn rates(register: f64, resolve: f64, update: f64) -> Rates {
        Rates {
            register: Rate::per_second(register),
            resolve: Rate::per_second(resolve),
            update: Rate::per_second(update),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let take = |seed| {
            Arrivals::new(&rates(2.0, 50.0, 5.0), seed)
                .take(500)
                .collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn each_kind_arrives_at_its_rate() {
        let seconds = 1000u32;
        let all: Vec<Arrival> = Arrivals::new(&rates(2.0, 50.0, 5.0), 7)
            .take_while(|one| one.at_us < u64::from(seconds) * 1_000_000)
            .collect();
        for (kind, hertz) in [
            (OperationKind::Register, 2.0),
            (OperationKind::Resolve, 50.0),
            (OperationKind::Update, 5.0),
        ] {
            let count = u32::try_from(all.iter().filter(|one| one.kind == kind).count());
            let count = f64::from(count.expect("about 57,000"));
            let expected = hertz * f64::from(seconds);
            // Five standard deviations of a Poisson count, for a fixed seed.
            assert!(
                (count - expected).abs() < 5.0 * expected.sqrt(),
                "{kind:?}: {count}"
            );
        }
    }

    #[test]
    fn no_rate_no_arrival() {
        assert_eq!(Arrivals::new(&rates(0.0, 0.0, 0.0), 7).next(), None);
        let only_updates = Arrivals::new(&rates(0.0, 0.0, 1.0), 7).take(100);
        assert!(
            only_updates
                .into_iter()
                .all(|one| one.kind == OperationKind::Update)
        );
    }
}
