//! Disk slow: each operation on the disk of the targets takes longer.
//!
//! Added to reading, writing, syncing, opening and naming files; several faults add up. The disk
//! has one head: operations of one host wait for each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Span;
use crate::world::World;

/// The longest delay of one operation.
const LATENCY_MAX: Span = Span::from_millis(60_000);

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskSlow {
    /// How much longer each operation takes.
    pub latency: Span,
}

impl Fault for DiskSlow {
    fn kind(&self) -> &'static str {
        "disk-slow"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        for target in &aim.hosts {
            world.host_mut(*target).disk.slow_us += self.latency.as_micros();
        }
    }

    fn proof(&self) -> Proof {
        Proof::Counted(Count::DiskDelayed)
    }

    fn describe(&self) -> String {
        format!("+{} each operation", self.latency)
    }

    fn mistake(&self) -> Option<String> {
        if self.latency.0.is_zero() {
            return Some("a latency of zero changes nothing; give `latency` a value".into());
        }
        (self.latency > LATENCY_MAX).then(|| {
            format!(
                "{} for one operation is too long; write `{LATENCY_MAX}` or less",
                self.latency
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn delays_add_up() {
        let slow = DiskSlow {
            latency: Span::from_millis(20),
        };
        let mut world = World::healthy(1);
        slow.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        slow.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        assert_eq!(world.host(HostIndex(0)).disk.slow_us, 40_000);
    }
}
