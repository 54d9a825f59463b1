//! What a link does to the packets that cross it: pure values, no clock, no dice.
//!
//! A *policy* describes one link, that is one direction between two hosts. Several faults may bend
//! the same link at once; their policies *compose* into one: latencies add up, losses are
//! independent of each other, the narrowest bandwidth wins, and one block is enough to block.
//! Composing gives the same policy in whatever order the faults are folded.
//!
//! Left out on purpose: drawing from these distributions, which is the business of [`crate::link`],
//! and who wants which policy, which is the business of the caller.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A share of one million: losing a packet with certainty.
pub const CERTAIN_PPM: u32 = 1_000_000;

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
}

impl Latency {
    /// The expected value of one draw, with draws below zero counted as zero.
    #[must_use]
    pub fn mean(&self) -> Duration {
        match *self {
            Latency::Constant { mean_us } => Duration::from_micros(mean_us.min(LATENCY_US_MAX)),
            Latency::Uniform { mean_us, jitter_us } if jitter_us > mean_us => {
                let (mean, jitter) = (mean_us as f64, jitter_us as f64);
                from_micros((mean + jitter).powi(2) / (4.0 * jitter))
            }
            Latency::Normal { mean_us, jitter_us } if jitter_us > 0 => {
                let (mean, deviation) = (mean_us as f64, jitter_us as f64);
                let z = mean / deviation;
                from_micros(mean * normal_share_below(z) + deviation * normal_density(z))
            }
            Latency::Uniform { mean_us, .. } | Latency::Normal { mean_us, .. } => {
                Duration::from_micros(mean_us.min(LATENCY_US_MAX))
            }
        }
    }
}

/// What a link does to its packets. The default is a healthy link: nothing lost, nothing added.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkPolicy {
    /// True when nothing passes, not even what is already on its way.
    pub blocked: bool,
    /// Delays, all of which are added. Sorted.
    pub latency: Vec<Latency>,
    /// Independent chances of being lost, in millionths (0 to 1,000,000). Sorted.
    pub loss_ppm: Vec<u32>,
    /// The rate of the link in bits per second, counted over IP packets; none means unlimited.
    pub bandwidth_bps: Option<u64>,
}

impl LinkPolicy {
    /// Lays another policy over this one: blocked if either is, all latencies and all losses of
    /// both, the smaller bandwidth. Commutative and associative. Blocks and bandwidths are also
    /// idempotent; a latency or loss composed twice acts twice.
    pub fn compose(&mut self, other: &LinkPolicy) {
        self.blocked |= other.blocked;
        self.latency.extend_from_slice(&other.latency);
        self.loss_ppm.extend_from_slice(&other.loss_ppm);
        self.bandwidth_bps = match (self.bandwidth_bps, other.bandwidth_bps) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        self.sort();
    }

    /// True when no packet can ever pass: blocked, or a loss of 100 %.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.blocked || self.loss_ppm.iter().any(|&ppm| ppm >= CERTAIN_PPM)
    }

    /// True when a packet passes at once and for certain.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.blocked
            && self.latency.is_empty()
            && self.loss_ppm.is_empty()
            && self.bandwidth_bps.is_none()
    }

    /// The expected one-way delay that the latencies add together. Jitter can raise the measured
    /// mean above it, because a link keeps its packets in order: see [`crate::link`].
    #[must_use]
    pub fn mean_latency(&self) -> Duration {
        self.latency.iter().map(Latency::mean).sum()
    }

    /// The share of packets that the losses take together, from 0.0 to 1.0.
    #[must_use]
    pub fn loss_share(&self) -> f64 {
        let kept: f64 = self.loss_ppm.iter().map(|&ppm| 1.0 - share(ppm)).product();
        1.0 - kept
    }

    /// Restores the order of the lists, for policies that were written by hand.
    pub(crate) fn sort(&mut self) {
        self.latency.sort_unstable();
        self.loss_ppm.sort_unstable();
    }
}

fn share(ppm: u32) -> f64 {
    f64::from(ppm.min(CERTAIN_PPM)) / f64::from(CERTAIN_PPM)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_healthy() {
        let policy = LinkPolicy::default();
        assert!(policy.is_healthy() && !policy.is_cut());
        assert_eq!(
            (policy.mean_latency(), policy.loss_share()),
            (Duration::ZERO, 0.0)
        );
    }

    #[test]
    fn losses_combine_as_independent_chances() {
        let policy = LinkPolicy {
            loss_ppm: vec![500_000, 500_000],
            ..LinkPolicy::default()
        };
        assert!((policy.loss_share() - 0.75).abs() < 1e-12);
        assert!(!policy.is_cut());
    }

    #[test]
    fn a_certain_loss_is_a_cut() {
        let policy = LinkPolicy {
            loss_ppm: vec![10, CERTAIN_PPM],
            ..LinkPolicy::default()
        };
        assert!(policy.is_cut());
        assert_eq!(policy.loss_share(), 1.0);
    }

    #[test]
    fn the_mean_counts_draws_below_zero_as_zero() {
        let mean = |latency: Latency| latency.mean().as_secs_f64() * 1e6;
        // Uniform from -1000 to 3000: a quarter is cut to zero, the rest averages 1500.
        assert!(
            (mean(Latency::Uniform {
                mean_us: 1000,
                jitter_us: 2000
            }) - 1125.0)
                .abs()
                < 1e-3
        );
        // The positive half of a standard normal averages deviation / sqrt(tau).
        let half = mean(Latency::Normal {
            mean_us: 0,
            jitter_us: 1000,
        });
        assert!((half - 398.942).abs() < 0.01, "{half}");
        // A jitter far below the mean does not move it.
        let narrow = mean(Latency::Normal {
            mean_us: 10_000,
            jitter_us: 100,
        });
        assert!((narrow - 10_000.0).abs() < 0.01, "{narrow}");
    }
}
