//! Bug: the program of each target behaves as if it had this bug.
//!
//! The system under test has the bugs built in, by name, and lets them be switched on and off as
//! it runs (`docs` of the system say which). With `probability` it bites each time with that
//! chance. A cohort with a bug is a cohort that runs another version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Share;
use crate::world::World;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// The name of the bug, for example `drop-replies`.
    pub name: String,
    /// How likely it bites each time that it could; always when absent.
    #[serde(default)]
    pub probability: Option<Share>,
}

impl Fault for Bug {
    fn kind(&self) -> &'static str {
        "bug"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let ppm = self.probability.map_or(1_000_000, Share::parts_per_million);
        for target in &aim.hosts {
            let bugs = &mut world.host_mut(*target).bugs;
            let bug = bugs.entry(self.name.clone()).or_default();
            *bug = ppm.max(*bug);
        }
    }

    fn proof(&self) -> Proof {
        Proof::Counted(Count::BugBites)
    }

    fn describe(&self) -> String {
        match self.probability {
            Some(probability) => format!("{}, {probability} of the time", self.name),
            None => self.name.clone(),
        }
    }

    fn mistake(&self) -> Option<String> {
        let never = self.probability?.parts_per_million() == 0;
        never.then(|| "a bug that never bites does nothing; give `probability` a value".into())
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn the_same_bug_twice_bites_as_often_as_the_likelier_one() {
        let bug = |percent| Bug {
            name: "drop-replies".into(),
            probability: Some(Share::from_percent(percent)),
        };
        let mut world = World::healthy(1);
        bug(30.0).bend(&mut world, &Aim::at(&[HostIndex(0)]));
        bug(10.0).bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let bugs = &world.host(HostIndex(0)).bugs;
        assert_eq!(bugs.get("drop-replies"), Some(&300_000));
    }
}
