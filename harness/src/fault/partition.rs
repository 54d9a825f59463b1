//! Partition: packets between two sides vanish, in both directions or in one.
//!
//! The shape says who is cut off from whom; it is computed here, purely, as a set of directed
//! links. The words follow Jepsen's nemesis.

use std::fmt;

use fabric::HostIndex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, Proof};
use crate::world::World;

/// A partition of a given shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Who is cut off from whom.
    pub shape: Shape,
    /// For `one-way`: which packets vanish, as seen from the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Who is cut off from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// The targets on one side, all other hosts on the other.
    Split,
    /// Each target alone.
    Isolate,
    /// Packets vanish in one direction only; replies or requests still pass.
    OneWay,
}

/// Which packets of a one-way partition vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Packets towards the targets.
    To,
    /// Packets from the targets.
    From,
}

impl Partition {
    /// The directed links that are cut among hosts `0..hosts`.
    #[must_use]
    pub fn cut_links(&self, hosts: u16, targets: &[HostIndex]) -> Vec<(HostIndex, HostIndex)> {
        let mut is_target = vec![false; usize::from(hosts)];
        for target in targets {
            is_target[usize::from(target.0)] = true;
        }
        let is_target = |host: HostIndex| is_target[usize::from(host.0)];
        let all = || (0..hosts).map(HostIndex);
        all()
            .flat_map(|from| all().map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .filter(|(from, to)| self.cuts(is_target(*from), is_target(*to)))
            .collect()
    }

    /// Whether a link is cut, by whether its two ends are targets.
    fn cuts(&self, from_target: bool, to_target: bool) -> bool {
        match (self.shape, self.direction) {
            (Shape::Split, _) => from_target != to_target,
            (Shape::Isolate, _) => from_target || to_target,
            (Shape::OneWay, Some(Direction::From)) => from_target && !to_target,
            (Shape::OneWay, _) => to_target && !from_target,
        }
    }
}

impl Fault for Partition {
    fn kind(&self) -> &'static str {
        "partition"
    }

    fn bend(&self, world: &mut World, targets: &[HostIndex]) {
        let cut = fabric::LinkPolicy {
            blocked: true,
            ..fabric::LinkPolicy::default()
        };
        world.bend_links(self.cut_links(world.hosts(), targets), &cut);
    }

    fn proof(&self) -> Proof {
        Proof::PacketsBlocked
    }

    fn describe(&self) -> String {
        self.to_string()
    }

    fn mistake(&self) -> Option<String> {
        match (self.shape, self.direction) {
            (Shape::OneWay, None) => {
                Some("a one-way partition needs `direction: to` or `direction: from`".into())
            }
            (Shape::Split | Shape::Isolate, Some(_)) => {
                Some("`direction` belongs to `shape: one-way` only".into())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.shape, self.direction) {
            (Shape::Split, _) => "split",
            (Shape::Isolate, _) => "isolate",
            (Shape::OneWay, Some(Direction::From)) => "one-way, packets from the targets vanish",
            (Shape::OneWay, _) => "one-way, packets to the targets vanish",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(shape: Shape, direction: Option<Direction>) -> Vec<(u16, u16)> {
        Partition { shape, direction }
            .cut_links(3, &[HostIndex(0), HostIndex(1)])
            .into_iter()
            .map(|(from, to)| (from.0, to.0))
            .collect()
    }

    #[test]
    fn split_keeps_each_side_whole() {
        assert_eq!(cut(Shape::Split, None), [(0, 2), (1, 2), (2, 0), (2, 1)]);
    }

    #[test]
    fn isolate_leaves_each_target_alone() {
        assert_eq!(
            cut(Shape::Isolate, None),
            [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
        );
    }

    #[test]
    fn one_way_cuts_one_direction_only() {
        assert_eq!(cut(Shape::OneWay, Some(Direction::To)), [(2, 0), (2, 1)]);
        assert_eq!(cut(Shape::OneWay, Some(Direction::From)), [(0, 2), (1, 2)]);
    }
}
