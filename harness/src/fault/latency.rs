//! Latency: packets to and from the targets take longer, by a drawn one-way delay.
//!
//! The delay is added in each direction of each link of a target, on top of what the network and
//! other faults already add. A link between two targets gets it once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Fault, Proof};
use crate::plan::{Share, Span};
use crate::world::World;

/// An added one-way delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Mean of the added one-way delay.
    pub mean: Span,
    /// Half-width (uniform) or standard deviation (normal, pareto) around the mean.
    #[serde(default)]
    pub jitter: Option<Span>,
    /// How the delay is drawn; uniform when there is jitter, constant when there is none.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    /// How much each delay takes after the one before it: 0 % not at all, near 100 % almost the
    /// same one. As netem's correlation, it also narrows the spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Share>,
}

/// How a delay is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Always the mean.
    Constant,
    /// Evenly from mean - jitter to mean + jitter.
    Uniform,
    /// Normal with standard deviation jitter, never below zero.
    Normal,
    /// Pareto with standard deviation jitter: a smallest delay, and a heavy tail above it.
    Pareto,
}

impl Latency {
    /// The same delay in the fabric's terms.
    #[must_use]
    pub fn as_policy(&self) -> fabric::Latency {
        let mean_us = self.mean.as_micros();
        let jitter_us = self.jitter.map_or(0, Span::as_micros);
        if let (Some(correlation), Some(distribution)) = (self.correlation, self.drawn_by()) {
            return fabric::Latency::Correlated {
                distribution,
                mean_us,
                jitter_us,
                correlation_ppm: correlation.parts_per_million(),
            };
        }
        match self.distribution {
            Some(Distribution::Normal) => fabric::Latency::Normal { mean_us, jitter_us },
            Some(Distribution::Pareto) => fabric::Latency::Pareto { mean_us, jitter_us },
            Some(Distribution::Uniform) => fabric::Latency::Uniform { mean_us, jitter_us },
            None if jitter_us > 0 => fabric::Latency::Uniform { mean_us, jitter_us },
            None | Some(Distribution::Constant) => fabric::Latency::Constant { mean_us },
        }
    }
}

impl Latency {
    /// The distribution that has a jitter; none for a constant delay.
    fn drawn_by(&self) -> Option<fabric::Distribution> {
        match (self.distribution, self.jitter) {
            (Some(Distribution::Normal), _) => Some(fabric::Distribution::Normal),
            (Some(Distribution::Pareto), _) => Some(fabric::Distribution::Pareto),
            (Some(Distribution::Uniform), _) | (None, Some(_)) => {
                Some(fabric::Distribution::Uniform)
            }
            (Some(Distribution::Constant), _) | (None, None) => None,
        }
    }
}

impl Fault for Latency {
    fn kind(&self) -> &'static str {
        "latency"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = fabric::LinkPolicy {
            latency: vec![self.as_policy()],
            ..fabric::LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::PacketsDelayed
    }

    fn describe(&self) -> String {
        let correlated = self
            .correlation
            .map(|share| format!(", {share} correlated"))
            .unwrap_or_default();
        match self.jitter {
            Some(jitter) => format!("+{} ± {jitter}{correlated}", self.mean),
            None => format!("+{}", self.mean),
        }
    }

    fn mistake(&self) -> Option<String> {
        let jitter = self.jitter.unwrap_or_default();
        if self.mean.0.is_zero() {
            return Some("a latency of zero changes nothing; give `mean` a value".into());
        }
        if self.distribution == Some(Distribution::Constant) && !jitter.0.is_zero() {
            return Some("`distribution: constant` has no `jitter`".into());
        }
        if self.correlation.is_some() && jitter.0.is_zero() {
            return Some(
                "without `jitter` all delays are alike; give it, or no `correlation`".into(),
            );
        }
        let heavy_tailed = matches!(
            self.distribution,
            Some(Distribution::Normal | Distribution::Pareto)
        );
        if !heavy_tailed && jitter > self.mean {
            return Some("`jitter` is larger than `mean`: delays cannot be negative".into());
        }
        None
    }

    fn is_about_packets(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fabric::HostIndex;

    use super::*;

    #[test]
    fn both_directions_of_a_target_and_no_others_are_slower() {
        let latency = Latency {
            mean: Span(Duration::from_millis(20)),
            jitter: None,
            distribution: None,
            correlation: None,
        };
        let mut world = World::healthy(3);
        latency.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let mean = |from, to| world.link(HostIndex(from), HostIndex(to)).mean_latency();
        assert_eq!(mean(0, 1), Duration::from_millis(20));
        assert_eq!(mean(1, 0), Duration::from_millis(20));
        assert_eq!(mean(1, 2), Duration::ZERO);
    }
}
