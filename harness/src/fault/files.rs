//! Files: the process of each target can have no more open files, sockets included, than this.
//!
//! The limit of RLIMIT_NOFILE (setrlimit(2)): what is open stays open, opening or accepting more
//! fails with EMFILE. It is lifted when the fault ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::world::{World, tighten};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The most file descriptors.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit: u32,
}

impl Fault for Files {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let limit = u64::from(self.limit);
        for target in &aim.hosts {
            tighten(&mut world.host_mut(*target).limits.files, limit);
        }
    }

    fn proof(&self) -> Proof {
        Proof::Limited(Count::FilesLimited)
    }

    fn describe(&self) -> String {
        format!("at most {} open", self.limit)
    }

    fn mistake(&self) -> Option<String> {
        let none = self.limit == 0;
        none.then(|| "a process without any file cannot even start; give `limit` 1 or more".into())
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn the_smallest_limit_wins() {
        let mut world = World::healthy(1);
        Files { limit: 20 }.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        Files { limit: 30 }.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        assert_eq!(world.host(HostIndex(0)).limits.files, Some(20));
    }
}
