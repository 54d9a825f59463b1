//! The delays that a link adds: distributions, their quantiles and their means.
//!
//! In the words of tc-netem(8): `delay TIME JITTER CORRELATION distribution NAME`. Times are in
//! microseconds. What is drawn below zero counts as zero, what is drawn beyond
//! [`LATENCY_US_MAX`] is cut to it.
//!
//! Left out on purpose: the dice, which are the business of [`crate::link`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::share;

/// The longest that one [`Latency`] can hold a packet back; what is drawn beyond it is cut to it.
pub const LATENCY_US_MAX: u64 = 3_600_000_000;

/// A one-way delay that a link adds to each packet, in microseconds. Never negative: a draw
/// below zero counts as zero, so a jitter above the mean raises the true mean
/// (see [`Latency::mean`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Constant {
        /// The delay.
        mean_us: u64,
    },
    /// Any value from `mean_us - jitter_us` to `mean_us + jitter_us`, each as likely.
    Uniform {
        /// The middle of the range.
        mean_us: u64,
        /// Half the width of the range.
        jitter_us: u64,
    },
    /// A normal distribution.
    Normal {
        /// Its mean, before negative draws are cut to zero.
        mean_us: u64,
        /// Its standard deviation.
        jitter_us: u64,
    },
    /// A Pareto distribution of the first kind: a smallest delay, and a heavy tail above it. See
    /// [`Distribution::Pareto`].
    Pareto {
        /// Its mean, before long draws are cut to [`LATENCY_US_MAX`].
        mean_us: u64,
        /// Its standard deviation.
        jitter_us: u64,
    },
    /// One of these distributions, with neighbouring draws of one link alike.
    ///
    /// netem's definition (`get_crandom` in net/sched/sch_netem.c): the uniform variate behind a
    /// draw is `correlation * last + (1 - correlation) * fresh`, and the delay its quantile. As
    /// there, this pulls the variates towards a half, more so the larger the correlation: their
    /// variance is `(1 - correlation) / (1 + correlation)` of that of fresh ones.
    Correlated {
        /// Which one.
        distribution: Distribution,
        /// As for the distribution without correlation.
        mean_us: u64,
        /// As for the distribution without correlation.
        jitter_us: u64,
        /// The weight of the last variate, in millionths.
        correlation_ppm: u32,
    },
}

/// The distributions that have a jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// As likely anywhere between the mean minus and plus the jitter.
    Uniform,
    /// The jitter is the standard deviation.
    Normal,
    /// The jitter is the standard deviation. With mean `m` and deviation `s`, the shape is
    /// `a = 1 + sqrt(1 + (m / s)^2)` and the smallest delay is `m (a - 1) / a`, which follows from
    /// the mean `a x / (a - 1)` and the variance `a x^2 / ((a - 1)^2 (a - 2))` of the
    /// distribution with smallest value `x` (Johnson, Kotz and Balakrishnan, Continuous
    /// Univariate Distributions, volume 1, chapter 20). So the shape is above 2, and nearer to it
    /// the larger the jitter.
    Pareto,
}

impl Latency {
    /// The expected value of one draw, with draws below zero counted as zero and long ones cut.
    ///
    /// Of correlated draws it is the mean without the correlation. That is also their mean where
    /// a distribution is symmetric and hardly cut; with a correlation, those of a Pareto
    /// distribution average less, down to its median.
    #[must_use]
    pub fn mean(&self) -> Duration {
        match *self {
            Latency::Constant { mean_us } => Duration::from_micros(mean_us.min(LATENCY_US_MAX)),
            Latency::Uniform { mean_us, jitter_us } => {
                mean(Distribution::Uniform, mean_us, jitter_us)
            }
            Latency::Normal { mean_us, jitter_us } => {
                mean(Distribution::Normal, mean_us, jitter_us)
            }
            Latency::Pareto { mean_us, jitter_us } => {
                mean(Distribution::Pareto, mean_us, jitter_us)
            }
            Latency::Correlated {
                distribution,
                mean_us,
                jitter_us,
                ..
            } => mean(distribution, mean_us, jitter_us),
        }
    }
}

impl Distribution {
    /// The delay below which a share `variate` (0 up to 1, exclusive) of all draws lies, in
    /// microseconds, neither rounded nor cut.
    pub(crate) fn quantile_us(self, mean_us: u64, jitter_us: u64, variate: f64) -> f64 {
        let (mean, jitter) = (mean_us as f64, jitter_us as f64);
        match self {
            Distribution::Uniform => mean + jitter * (2.0 * variate - 1.0),
            Distribution::Normal => mean + jitter * normal_quantile(variate),
            Distribution::Pareto => {
                let (shape, smallest) = pareto(mean, jitter);
                smallest / (1.0 - variate).powf(1.0 / shape)
            }
        }
    }
}

/// The next variate of a correlated sequence, from the last one and a fresh one.
pub(crate) fn correlated(last: f64, fresh: f64, correlation_ppm: u32) -> f64 {
    let correlation = share(correlation_ppm);
    correlation * last + (1.0 - correlation) * fresh
}

fn mean(distribution: Distribution, mean_us: u64, jitter_us: u64) -> Duration {
    let (mean, jitter) = (mean_us as f64, jitter_us as f64);
    match distribution {
        Distribution::Uniform if jitter_us > mean_us => {
            from_micros((mean + jitter).powi(2) / (4.0 * jitter))
        }
        Distribution::Normal if jitter_us > 0 => {
            let z = mean / jitter;
            from_micros(mean * normal_share_below(z) + jitter * normal_density(z))
        }
        Distribution::Pareto if jitter_us > 0 && mean_us > 0 => {
            // The expected value of min(X, limit) lies below the mean by the integral of the
            // share above, (x / smallest)^-shape, from the limit on.
            let (shape, smallest) = pareto(mean, jitter);
            let limit = (LATENCY_US_MAX as f64).max(smallest);
            // Not as a product of powers: that of a large shape does not fit into a number.
            let beyond = limit * (smallest / limit).powf(shape) / (shape - 1.0);
            from_micros(mean - beyond)
        }
        _ => Duration::from_micros(mean_us.min(LATENCY_US_MAX)),
    }
}

/// Shape and smallest value of the Pareto distribution with this mean and standard deviation.
fn pareto(mean: f64, deviation: f64) -> (f64, f64) {
    let shape = 1.0 + (1.0 + (mean / deviation).powi(2)).sqrt();
    if shape.is_finite() {
        (shape, mean * (shape - 1.0) / shape)
    } else {
        // Without deviation, and without both, every draw is the mean.
        (f64::INFINITY, mean)
    }
}

fn from_micros(micros: f64) -> Duration {
    Duration::from_secs_f64((micros / 1e6).clamp(0.0, LATENCY_US_MAX as f64 / 1e6))
}

/// The density of the standard normal distribution at `z`.
fn normal_density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

/// The share of the standard normal distribution below `z`, for `z >= 0`, to about seven digits:
/// formula 26.2.17 of Abramowitz and Stegun, Handbook of Mathematical Functions.
fn normal_share_below(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [
        1.330_274_429,
        -1.821_255_978,
        1.781_477_937,
        -0.356_563_782,
        0.319_381_530,
    ];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = COEFFICIENTS
        .iter()
        .fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    1.0 - normal_density(z) * polynomial
}

/// The value of the standard normal distribution below which this share lies, to three digits:
/// formula 26.2.23 of the same handbook, whose error is below 4.5e-4.
fn normal_quantile(share: f64) -> f64 {
    let tail = share.min(1.0 - share).max(f64::MIN_POSITIVE);
    let t = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let z = t - above / below;
    if share < 0.5 { -z } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_us(latency: Latency) -> f64 {
        latency.mean().as_secs_f64() * 1e6
    }

    #[test]
    fn the_mean_counts_draws_below_zero_as_zero() {
        // Uniform from -1000 to 3000: a quarter is cut to zero, the rest averages 1500.
        let uniform = Latency::Uniform {
            mean_us: 1000,
            jitter_us: 2000,
        };
        assert!((mean_us(uniform) - 1125.0).abs() < 1e-3);
        // The positive half of a standard normal averages deviation / sqrt(tau).
        let half = mean_us(Latency::Normal {
            mean_us: 0,
            jitter_us: 1000,
        });
        assert!((half - 398.942).abs() < 0.01, "{half}");
        // A jitter far below the mean does not move it.
        let narrow = mean_us(Latency::Normal {
            mean_us: 10_000,
            jitter_us: 100,
        });
        assert!((narrow - 10_000.0).abs() < 0.01, "{narrow}");
    }

    /// The mean of quantiles spread evenly is the mean of the distribution.
    #[test]
    fn the_mean_of_a_pareto_distribution_counts_long_draws_as_cut() {
        const STEPS: u32 = 1_000_000;
        for (middle_us, jitter_us) in [
            (20_000, 10_000),
            (5_000, 50_000),
            (3_000_000_000, 9_000_000_000),
        ] {
            let spread = (0..STEPS).map(|step| {
                let variate = (f64::from(step) + 0.5) / f64::from(STEPS);
                let drawn = Distribution::Pareto.quantile_us(middle_us, jitter_us, variate);
                drawn.min(LATENCY_US_MAX as f64)
            });
            let measured = spread.sum::<f64>() / f64::from(STEPS);
            let stated = mean_us(Latency::Pareto {
                mean_us: middle_us,
                jitter_us,
            });
            assert!(
                (measured / stated - 1.0).abs() < 2e-3,
                "{measured} is not {stated}"
            );
        }
    }

    #[test]
    fn the_mean_of_a_hardly_jittering_pareto_distribution_is_its_mean() {
        let narrow = Latency::Pareto {
            mean_us: 2_000_000,
            jitter_us: 1,
        };
        assert!((mean_us(narrow) - 2_000_000.0).abs() < 1.0);
        let long = Latency::Pareto {
            mean_us: u64::MAX,
            jitter_us: 1,
        };
        assert_eq!(long.mean(), Duration::from_micros(LATENCY_US_MAX));
    }

    #[test]
    fn a_jitter_of_zero_is_constant() {
        for distribution in [
            Distribution::Uniform,
            Distribution::Normal,
            Distribution::Pareto,
        ] {
            for middle_us in [0, 700] {
                let drawn = distribution.quantile_us(middle_us, 0, 0.99);
                assert_eq!(drawn.round() as u64, middle_us, "{distribution:?}");
            }
        }
    }

    #[test]
    fn the_normal_quantile_is_within_its_stated_error() {
        for (share, z) in [
            (0.5, 0.0),
            (0.841_344_7, 1.0),
            (0.022_750_1, -2.0),
            (0.998_650_1, 3.0),
        ] {
            assert!((normal_quantile(share) - z).abs() < 4.5e-4, "{share}");
        }
    }
}
