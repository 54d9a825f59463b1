//! Flash crowd: every client of the targets does something at the same time, as everybody logs in
//! at once after an outage or at the start of a match.
//!
//! Each target host is asked for `each` operations of one kind, at moments drawn evenly from
//! `within`. They are part of the workload and count like all others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Beat, BeatTime, Beating, Fault, Lasting, Proof};
use crate::history::OperationKind;
use crate::plan::Span;
use crate::world::{Crowd, World};

/// The most operations of one host.
const EACH_MAX: u32 = 10_000;

/// How long after the window the last operation has been started for certain, microseconds.
const STARTED_US: u64 = 200_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashCrowd {
    /// What they do; a client that logs in updates its own record.
    #[serde(default = "default_operation")]
    pub operation: OperationKind,
    /// How many operations each target does.
    #[serde(default = "default_each")]
    #[schemars(range(min = 1, max = 10_000))]
    pub each: u32,
    /// Within which time; at once when absent.
    #[serde(default)]
    pub within: Option<Span>,
}

fn default_operation() -> OperationKind {
    OperationKind::Update
}

fn default_each() -> u32 {
    1
}

impl Fault for FlashCrowd {
    fn kind(&self) -> &'static str {
        "flash-crowd"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        world.add_crowd(Crowd {
            since_us: aim.began_us,
            draw: aim.draw,
            operation: self.operation,
            each: self.each,
            within_us: self.within.map_or(0, Span::as_micros),
            hosts: aim.hosts.clone(),
        });
    }

    fn proof(&self) -> Proof {
        Proof::Load
    }

    fn describe(&self) -> String {
        let within = self.within.unwrap_or_default();
        format!(
            "{} {} of each client within {within}",
            self.each, self.operation
        )
    }

    fn mistake(&self) -> Option<String> {
        let possible = (1..=EACH_MAX).contains(&self.each);
        (!possible).then(|| {
            format!(
                "{} of each is no crowd; give `each` 1 to {EACH_MAX}",
                self.each
            )
        })
    }

    fn lasting(&self) -> Lasting {
        Lasting::UntilDone
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        // The second one is when the last of them has started.
        let within_us = self.within.map_or(0, Span::as_micros);
        let beat = |at_us| Beat {
            at: BeatTime::After(at_us),
            hits: beating.targets.to_vec(),
        };
        Some(vec![beat(0), beat(within_us.saturating_add(STARTED_US))])
    }

    fn is_about_clients(&self) -> bool {
        true
    }

    fn own_length(&self) -> Option<Span> {
        self.within
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn a_crowd_is_of_the_targets() {
        let crowd: FlashCrowd = serde_json::from_str("{}").expect("all keys have defaults");
        let mut world = World::healthy(3);
        crowd.bend(&mut world, &Aim::at(&[HostIndex(1), HostIndex(2)]));
        let crowds = world.crowds();
        assert_eq!(crowds.len(), 1);
        assert_eq!(crowds[0].hosts.len(), 2);
        assert_eq!(crowds[0].operation, OperationKind::Update);
    }
}
