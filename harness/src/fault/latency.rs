//! Latency: packets to and from the targets take longer, by a drawn one-way delay.
//!
//! The delay is added in each direction of each link of a target, on top of what the network and
//! other faults already add. A link between two targets gets it once.

use fabric::HostIndex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, Proof, bend_all_links};
use crate::plan::Span;
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
        match self.distribution {
            Some(Distribution::Normal) => fabric::Latency::Normal { mean_us, jitter_us },
            Some(Distribution::Pareto) => fabric::Latency::Pareto { mean_us, jitter_us },
            Some(Distribution::Uniform) => fabric::Latency::Uniform { mean_us, jitter_us },
            None if jitter_us > 0 => fabric::Latency::Uniform { mean_us, jitter_us },
            None | Some(Distribution::Constant) => fabric::Latency::Constant { mean_us },
        }
    }
}

impl Fault for Latency {
    fn kind(&self) -> &'static str {
        "latency"
    }

    fn bend(&self, world: &mut World, targets: &[HostIndex]) {
        let added = fabric::LinkPolicy {
            latency: vec![self.as_policy()],
            ..fabric::LinkPolicy::default()
        };
        bend_all_links(world, targets, &added);
    }

    fn proof(&self) -> Proof {
        Proof::PacketsDelayed
    }

    fn describe(&self) -> String {
        match self.jitter {
            Some(jitter) => format!("+{} ± {jitter}", self.mean),
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
        let heavy_tailed = matches!(
            self.distribution,
            Some(Distribution::Normal | Distribution::Pareto)
        );
        if !heavy_tailed && jitter > self.mean {
            return Some("`jitter` is larger than `mean`: delays cannot be negative".into());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn both_directions_of_a_target_and_no_others_are_slower() {
        let latency = Latency {
            mean: Span(Duration::from_millis(20)),
            jitter: None,
            distribution: None,
        };
        let mut world = World::healthy(3);
        latency.bend(&mut world, &[HostIndex(0)]);
        let mean = |from, to| world.link(HostIndex(from), HostIndex(to)).mean_latency();
        assert_eq!(mean(0, 1), Duration::from_millis(20));
        assert_eq!(mean(1, 0), Duration::from_millis(20));
        assert_eq!(mean(1, 2), Duration::ZERO);
    }
}
