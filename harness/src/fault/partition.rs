//! Partition: packets between hosts vanish, in both directions or in one.
//!
//! The shape says who is cut off from whom; it is computed here, purely, as a set of directed
//! links. The words follow Jepsen's nemesis. With `only_new` what is connected stays connected,
//! and only what would open a connection vanishes, as with a firewall that keeps state.

use std::fmt;

use fabric::{HostIndex, LinkPolicy};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Link, Proof};
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
    /// Only what would open a connection vanishes: TCP's first packets, and UDP between ports
    /// that did not speak before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_new: bool,
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
    /// The targets in two parts, drawn: a minority alone, and a majority with all other hosts.
    Halves,
    /// The targets in two halves, drawn, that reach each other only by way of one of them.
    Bridge,
    /// Each target reaches a majority of the targets, and no two the same one.
    MajoritiesRing,
    /// The links that the step names.
    Pairs,
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
    /// A partition of this shape that cuts everything.
    #[must_use]
    pub fn of(shape: Shape) -> Partition {
        Partition {
            shape,
            direction: None,
            only_new: false,
        }
    }

    /// The directed links that are cut among hosts `0..hosts`.
    #[must_use]
    pub fn cut_links(&self, hosts: u16, aim: &Aim) -> Vec<Link> {
        if let Some(links) = &aim.links {
            let hit = !aim.hosts.is_empty();
            return links.iter().copied().filter(|_| hit).collect();
        }
        let places = places(self.shape, usize::from(hosts), aim);
        let ring = aim.hosts.len();
        let all = || (0..hosts).map(HostIndex);
        all()
            .flat_map(|from| all().map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .filter(|(from, to)| {
                self.cuts(places[usize::from(from.0)], places[usize::from(to.0)], ring)
            })
            .collect()
    }

    /// Whether a link is cut, by where its two ends stand.
    fn cuts(&self, from: Place, to: Place, ring: usize) -> bool {
        use Place::{Left, Other, Right, Seat};
        match (self.shape, from, to) {
            (Shape::Split, from, to) => (from == Other) != (to == Other),
            (Shape::Isolate, from, to) => from != Other || to != Other,
            (Shape::OneWay, from, to) => match self.direction {
                Some(Direction::From) => from != Other && to == Other,
                _ => to != Other && from == Other,
            },
            (Shape::Halves, from, to) => (from == Left) != (to == Left),
            (Shape::Bridge, Left, Right) | (Shape::Bridge, Right, Left) => true,
            (Shape::MajoritiesRing, Seat(one), Seat(other)) => {
                let apart = one.abs_diff(other);
                apart.min(ring - apart) > reach(ring)
            }
            _ => false,
        }
    }
}

/// Where a host stands in a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is no target.
    Other,
    /// On the first side.
    Left,
    /// On the second side.
    Right,
    /// Between the sides.
    Middle,
    /// At this seat of the ring.
    Seat(usize),
}

/// Where each host stands.
fn places(shape: Shape, hosts: usize, aim: &Aim) -> Vec<Place> {
    let mut targets = aim.hosts.clone();
    targets.sort_unstable();
    targets.dedup();
    targets.shuffle(&mut aim.generator());
    let count = targets.len();
    let place = |position: usize| match shape {
        Shape::Halves if position < count.saturating_sub(1) / 2 => Place::Left,
        Shape::Bridge if position == 0 => Place::Middle,
        Shape::Bridge if position <= (count - 1) / 2 => Place::Left,
        Shape::MajoritiesRing => Place::Seat(position),
        Shape::Halves | Shape::Bridge => Place::Right,
        Shape::Split | Shape::Isolate | Shape::OneWay | Shape::Pairs => Place::Left,
    };
    let mut places = vec![Place::Other; hosts];
    for (position, host) in targets.iter().enumerate() {
        places[usize::from(host.0)] = place(position);
    }
    places
}

/// How many seats to each side a host of the ring reaches: as many as make, with itself, a
/// majority.
fn reach(ring: usize) -> usize {
    (ring / 2).div_ceil(2)
}

impl Fault for Partition {
    fn kind(&self) -> &'static str {
        "partition"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let cut = LinkPolicy {
            blocked: !self.only_new,
            new_connections_blocked: self.only_new,
            ..LinkPolicy::default()
        };
        let links = self.cut_links(world.hosts(), aim);
        world.bend_links(links, &aim.narrowed(cut));
    }

    fn proof(&self) -> Proof {
        match self.only_new {
            true => Proof::Packets(Count::NewBlocked),
            false => Proof::PacketsBlocked,
        }
    }

    fn describe(&self) -> String {
        self.to_string()
    }

    fn mistake(&self) -> Option<String> {
        match (self.shape, self.direction) {
            (Shape::OneWay, None) => {
                Some("a one-way partition needs `direction: to` or `direction: from`".into())
            }
            (Shape::OneWay, Some(_)) | (_, None) => None,
            (_, Some(_)) => Some("`direction` belongs to `shape: one-way` only".into()),
        }
    }

    fn is_about_packets(&self) -> bool {
        true
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.shape, self.direction) {
            (Shape::Split, _) => "split",
            (Shape::Isolate, _) => "isolate",
            (Shape::OneWay, Some(Direction::From)) => "one-way, packets from the targets vanish",
            (Shape::OneWay, _) => "one-way, packets to the targets vanish",
            (Shape::Halves, _) => "halves, a minority of the targets alone",
            (Shape::Bridge, _) => "bridge, two halves of the targets that one of them joins",
            (Shape::MajoritiesRing, _) => "majorities-ring",
            (Shape::Pairs, _) => "pairs",
        })?;
        match self.only_new {
            true => formatter.write_str(", new connections only"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(shape: Shape, direction: Option<Direction>) -> Vec<(u16, u16)> {
        let partition = Partition {
            direction,
            ..Partition::of(shape)
        };
        partition
            .cut_links(3, &Aim::at(&[HostIndex(0), HostIndex(1)]))
            .into_iter()
            .map(|(from, to)| (from.0, to.0))
            .collect()
    }

    /// Five targets of seven hosts, with this draw.
    fn of_five(shape: Shape, draw: u64) -> World {
        let aim = Aim {
            draw,
            ..Aim::at(&[0, 1, 2, 3, 4].map(HostIndex))
        };
        let mut world = World::healthy(7);
        Partition::of(shape).bend(&mut world, &aim);
        world
    }

    /// Whom a host reaches of the first five.
    fn reached(world: &World, from: u16) -> Vec<u16> {
        (0..5)
            .filter(|to| *to == from || !world.link(HostIndex(from), HostIndex(*to)).is_cut())
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

    #[test]
    fn halves_leave_a_minority_of_the_targets_alone() {
        let world = of_five(Shape::Halves, 3);
        let alone: Vec<u16> = (0..5)
            .filter(|host| world.link(HostIndex(*host), HostIndex(6)).is_cut())
            .collect();
        assert_eq!(alone.len(), 2);
        assert_eq!(reached(&world, alone[0]), alone);
    }

    #[test]
    fn one_host_is_the_bridge_between_two_halves() {
        let world = of_five(Shape::Bridge, 1);
        let sizes: Vec<usize> = (0..5).map(|host| reached(&world, host).len()).collect();
        let mut sorted = sizes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [3, 3, 3, 3, 5]);
        assert!((0..5).all(|host| !world.link(HostIndex(host), HostIndex(5)).is_cut()));
        let others: Vec<World> = (0..9).map(|draw| of_five(Shape::Bridge, draw)).collect();
        assert!(others.iter().any(|other| *other != world), "it is drawn");
    }

    #[test]
    fn each_of_the_ring_reaches_a_majority_and_no_two_the_same() {
        for count in 3..12u16 {
            let targets: Vec<HostIndex> = (0..count).map(HostIndex).collect();
            let mut world = World::healthy(count);
            Partition::of(Shape::MajoritiesRing).bend(&mut world, &Aim::at(&targets));
            let reached = |from: &HostIndex| -> Vec<u16> {
                let to = |to: &HostIndex| *to == *from || !world.link(*from, *to).is_cut();
                targets
                    .iter()
                    .filter(|one| to(one))
                    .map(|one| one.0)
                    .collect()
            };
            let mut all: Vec<Vec<u16>> = targets.iter().map(reached).collect();
            let majority = usize::from(count) / 2 + 1;
            assert!(
                all.iter().all(|one| one.len() >= majority),
                "{count}: {all:?}"
            );
            all.sort_unstable();
            all.dedup();
            // With three or four, a majority and one more to be symmetric is everybody.
            let distinct = if count <= 4 && all.len() == 1 {
                1
            } else {
                usize::from(count)
            };
            assert_eq!(all.len(), distinct, "{count}");
        }
    }

    #[test]
    fn pairs_and_ports_are_cut_as_the_step_says() {
        let aim = Aim {
            links: Some([(HostIndex(0), HostIndex(2))].into()),
            filter: fabric::Filter {
                protocol: None,
                port: Some(7001),
            },
            ..Aim::at(&[HostIndex(0), HostIndex(2)])
        };
        let mut world = World::healthy(3);
        Partition::of(Shape::Pairs).bend(&mut world, &aim);
        assert_eq!(world.link(HostIndex(0), HostIndex(2)).filtered.len(), 1);
        assert!(world.link(HostIndex(2), HostIndex(0)).is_healthy());
    }

    #[test]
    fn what_is_connected_stays_so_when_only_new_connections_are_cut() {
        let mut world = World::healthy(2);
        let partition = Partition {
            only_new: true,
            ..Partition::of(Shape::Isolate)
        };
        partition.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let policy = world.link(HostIndex(0), HostIndex(1));
        assert!(policy.new_connections_blocked && !policy.blocked);
        assert!(!world.sits_in_majority(HostIndex(0)));
    }
}
