//! Whom an active fault hits at one moment.

use std::collections::BTreeSet;

use fabric::{Filter, Filtered, HostIndex, LinkPolicy};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::world::{Process, World};

/// One direction between two hosts.
pub type Link = (HostIndex, HostIndex);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aim {
    /// The hosts that it hits, each as often as it is hit.
    pub hosts: Vec<HostIndex>,
    /// The links that it is narrowed to; none means every link of the hosts.
    pub links: Option<BTreeSet<Link>>,
    /// The packets that it is narrowed to.
    pub filter: Filter,
    /// Seed of what the fault itself draws, for example who is on which side.
    pub draw: u64,
    /// When the fault began, microseconds since the start of the run.
    pub began_us: u64,
}

impl Aim {
    /// Every link and every packet of these hosts.
    #[must_use]
    pub fn at(hosts: &[HostIndex]) -> Aim {
        Aim {
            hosts: hosts.to_vec(),
            ..Aim::default()
        }
    }

    /// The links meant among the hosts of a world, each once.
    #[must_use]
    pub fn links(&self, world: &World) -> BTreeSet<Link> {
        match &self.links {
            // A fault that hits nobody just now hits none of its links either.
            Some(_) if self.hosts.is_empty() => BTreeSet::new(),
            Some(links) => links.clone(),
            None => world.links_of(&self.hosts),
        }
    }

    /// Sets the processes of the hosts to this state, unless they are in a worse one.
    pub fn worsen(&self, world: &mut World, state: Process) {
        for host in &self.hosts {
            world.worsen_process(*host, state);
        }
    }

    /// Lays a policy over the links meant, for the packets meant.
    pub fn lay(&self, world: &mut World, policy: LinkPolicy) {
        let links = self.links(world);
        world.bend_links(links, &self.narrowed(policy));
    }

    /// The policy for the packets meant only.
    #[must_use]
    pub fn narrowed(&self, policy: LinkPolicy) -> LinkPolicy {
        if self.filter.matches_all() {
            return policy;
        }
        LinkPolicy {
            filtered: vec![Filtered {
                filter: self.filter,
                policy,
            }],
            ..LinkPolicy::default()
        }
    }

    /// The generator of what the fault itself draws; the same one each time.
    #[must_use]
    pub fn generator(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.draw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_laid_on_the_links_and_packets_meant_only() {
        let aim = Aim {
            hosts: vec![HostIndex(0)],
            links: Some([(HostIndex(0), HostIndex(1))].into()),
            filter: Filter {
                protocol: None,
                port: Some(80),
            },
            ..Aim::default()
        };
        let mut world = World::healthy(3);
        let jam = LinkPolicy {
            jam: true,
            ..LinkPolicy::default()
        };
        aim.lay(&mut world, jam);
        let policy = |from, to| world.link(HostIndex(from), HostIndex(to));
        assert_eq!(policy(0, 1).filtered.len(), 1);
        assert!(!policy(0, 1).jam);
        for (from, to) in [(1, 0), (0, 2), (2, 0), (1, 2)] {
            assert!(policy(from, to).is_healthy(), "{from} {to}");
        }
    }

    #[test]
    fn whoever_is_not_hit_just_now_keeps_its_links() {
        let aim = Aim {
            links: Some([(HostIndex(0), HostIndex(1))].into()),
            ..Aim::default()
        };
        assert!(aim.links(&World::healthy(2)).is_empty());
    }
}
