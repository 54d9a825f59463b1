//! The policies of all links at one moment.
//!
//! A *table* holds one policy for each ordered pair of hosts. It is dense, so that the router
//! finds the policy of a packet with two array reads, and equal policies are stored once, so that
//! a table of a thousand hosts costs four megabytes of indexes whatever the policies are.
//!
//! The table is a value: to change the network, build another one and swap it in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::policy::LinkPolicy;

/// The dense index of a host: 0 up to the number of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostIndex(pub u16);

/// One policy for each ordered pair of hosts.
#[derive(Clone, Debug)]
pub struct PolicyTable {
    hosts: u16,
    /// The distinct policies; the first is the one that every pair starts with.
    policies: Vec<LinkPolicy>,
    /// Where each distinct policy stands in `policies`.
    positions: HashMap<LinkPolicy, u32>,
    /// For the pair (from, to), at `from * hosts + to`, the position of its policy.
    pairs: Vec<u32>,
}

impl PolicyTable {
    /// A table in which every link has the same policy.
    #[must_use]
    pub fn uniform(hosts: u16, mut policy: LinkPolicy) -> Self {
        policy.sort();
        PolicyTable {
            hosts,
            policies: vec![policy.clone()],
            positions: HashMap::from([(policy, 0)]),
            pairs: vec![0; usize::from(hosts) * usize::from(hosts)],
        }
    }

    /// The number of hosts.
    #[must_use]
    pub fn hosts(&self) -> u16 {
        self.hosts
    }

    /// Gives the link between two hosts, in this direction, its own policy.
    ///
    /// # Panics
    /// When a host is not of this table.
    pub fn set(&mut self, from: HostIndex, to: HostIndex, mut policy: LinkPolicy) {
        let pair = self.pair(from, to);
        policy.sort();
        self.pairs[pair] = self.position(policy);
    }

    /// The policy of the link between two hosts, in this direction.
    ///
    /// # Panics
    /// When a host is not of this table.
    #[must_use]
    pub fn get(&self, from: HostIndex, to: HostIndex) -> &LinkPolicy {
        &self.policies[self.pairs[self.pair(from, to)] as usize]
    }

    fn pair(&self, from: HostIndex, to: HostIndex) -> usize {
        assert!(
            from.0 < self.hosts && to.0 < self.hosts,
            "no link {} -> {} in a table of {} hosts",
            from.0,
            to.0,
            self.hosts
        );
        usize::from(from.0) * usize::from(self.hosts) + usize::from(to.0)
    }

    fn position(&mut self, policy: LinkPolicy) -> u32 {
        if let Some(&position) = self.positions.get(&policy) {
            return position;
        }
        let position = u32::try_from(self.policies.len()).expect("fewer policies than pairs set");
        self.policies.push(policy.clone());
        self.positions.insert(policy, position);
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked() -> LinkPolicy {
        LinkPolicy {
            blocked: true,
            ..LinkPolicy::default()
        }
    }

    #[test]
    fn an_override_changes_one_direction_of_one_pair() {
        let mut table = PolicyTable::uniform(3, LinkPolicy::default());
        table.set(HostIndex(0), HostIndex(2), blocked());
        let cut: Vec<(u16, u16)> = (0..3)
            .flat_map(|from| (0..3).map(move |to| (from, to)))
            .filter(|&(from, to)| table.get(HostIndex(from), HostIndex(to)).blocked)
            .collect();
        assert_eq!(cut, [(0, 2)]);
    }

    #[test]
    fn equal_policies_are_stored_once() {
        let mut table = PolicyTable::uniform(10, LinkPolicy::default());
        for to in 1..10 {
            table.set(HostIndex(0), HostIndex(to), blocked());
            table.set(HostIndex(to), HostIndex(0), LinkPolicy::default());
        }
        assert_eq!(table.policies.len(), 2);
    }

    #[test]
    #[should_panic(expected = "no link 3 -> 0 in a table of 3 hosts")]
    fn an_unknown_host_is_a_bug_of_the_caller() {
        let _ = PolicyTable::uniform(3, LinkPolicy::default()).get(HostIndex(3), HostIndex(0));
    }
}
