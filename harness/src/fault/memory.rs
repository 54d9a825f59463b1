//! Memory: the process of each target can have no more private memory than this.
//!
//! A limit on its data (RLIMIT_DATA of setrlimit(2)): what it has already stays, asking for more
//! fails, and most programs then end by themselves. It is lifted when the fault ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Bytes;
use crate::world::{World, tighten};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The most private memory, stacks of threads included, for example `64MiB`.
    pub limit: Bytes,
}

impl Fault for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let limit = self.limit.bytes();
        for target in &aim.hosts {
            tighten(&mut world.host_mut(*target).limits.memory_bytes, limit);
        }
    }

    fn proof(&self) -> Proof {
        Proof::Limited(Count::MemoryLimited)
    }

    fn describe(&self) -> String {
        format!("at most {}", self.limit)
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn the_smallest_limit_wins() {
        let memory = |limit: &str| Memory {
            limit: limit.parse().expect("a size"),
        };
        let mut world = World::healthy(1);
        memory("64MiB").bend(&mut world, &Aim::at(&[HostIndex(0)]));
        memory("32MiB").bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let limit = world.host(HostIndex(0)).limits.memory_bytes;
        assert_eq!(limit, Some(32 << 20));
    }
}
