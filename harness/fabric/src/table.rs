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

/// One policy for each ordered pair of hosts. Written down (serde), it is the number of hosts, the
/// distinct policies and a position for each pair.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct PolicyTable {
    hosts: u16,
    /// The distinct policies; the first is the one that every pair starts with.
    policies: Vec<LinkPolicy>,
    /// Where each distinct policy stands in `policies`.
    positions: HashMap<LinkPolicy, u32>,
    /// For the pair (from, to), at `from * hosts + to`, the position of its policy.
    pairs: Vec<u32>,
}

/// A table as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hosts: u16,
    policies: Vec<LinkPolicy>,
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

    /// Lays a policy over those that these links have; see [`LinkPolicy::compose`]. Each distinct
    /// policy is composed once, however many links have it.
    ///
    /// # Panics
    /// When a host is not of this table.
    pub fn compose(
        &mut self,
        links: impl IntoIterator<Item = (HostIndex, HostIndex)>,
        added: &LinkPolicy,
    ) {
        let mut composed: HashMap<u32, u32> = HashMap::new();
        let mut last = None;
        for (from, to) in links {
            let pair = self.pair(from, to);
            let before = self.pairs[pair];
            let after = match last {
                // Links that have the same policy often stand together.
                Some((same, after)) if same == before => after,
                _ => match composed.get(&before) {
                    Some(after) => *after,
                    None => {
                        let mut policy = self.policies[before as usize].clone();
                        policy.compose(added);
                        let after = self.position(policy);
                        composed.insert(before, after);
                        after
                    }
                },
            };
            self.pairs[pair] = after;
            last = Some((before, after));
        }
    }

    /// The links whose policy is not that of another table of as many hosts.
    ///
    /// # Panics
    /// When the other table is of another number of hosts.
    pub fn differences<'a>(
        &'a self,
        other: &'a PolicyTable,
    ) -> impl Iterator<Item = (HostIndex, HostIndex)> + use<'a> {
        assert_eq!(self.hosts, other.hosts, "tables of the same hosts");
        let mut equal: HashMap<(u32, u32), bool> = HashMap::new();
        let pairs = self.pairs.iter().zip(&other.pairs);
        let mut differ = move |mine: u32, theirs: u32| {
            !*equal
                .entry((mine, theirs))
                .or_insert_with(|| self.policies[mine as usize] == other.policies[theirs as usize])
        };
        let hosts = usize::from(self.hosts);
        pairs.enumerate().filter_map(move |(pair, (mine, theirs))| {
            let index = |number: usize| {
                HostIndex(u16::try_from(number).expect("smaller than the number of hosts"))
            };
            differ(*mine, *theirs).then(|| (index(pair / hosts), index(pair % hosts)))
        })
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

/// Equal tables have the same policy on every link, however they came to it.
impl PartialEq for PolicyTable {
    fn eq(&self, other: &PolicyTable) -> bool {
        self.hosts == other.hosts && self.differences(other).next().is_none()
    }
}

impl Eq for PolicyTable {}

impl From<PolicyTable> for Written {
    fn from(table: PolicyTable) -> Written {
        Written {
            hosts: table.hosts,
            policies: table.policies,
            pairs: table.pairs,
        }
    }
}

impl TryFrom<Written> for PolicyTable {
    type Error = String;

    fn try_from(written: Written) -> Result<PolicyTable, String> {
        let Written {
            hosts,
            mut policies,
            pairs,
        } = written;
        let wanted = usize::from(hosts) * usize::from(hosts);
        if pairs.len() != wanted {
            let given = pairs.len();
            return Err(format!("{hosts} hosts have {wanted} pairs, not {given}"));
        }
        if let Some(position) = pairs.iter().find(|at| **at as usize >= policies.len()) {
            return Err(format!("there is no policy {position}"));
        }
        policies.iter_mut().for_each(LinkPolicy::sort);
        let positions = policies.iter().cloned().zip(0..).collect();
        Ok(PolicyTable {
            hosts,
            policies,
            positions,
            pairs,
        })
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
    fn composing_touches_these_links_alone_and_composes_each_policy_once() {
        let mut table = PolicyTable::uniform(4, LinkPolicy::default());
        let slow = LinkPolicy {
            latency: vec![crate::Latency::Constant { mean_us: 5 }],
            ..LinkPolicy::default()
        };
        let link = |from, to| (HostIndex(from), HostIndex(to));
        table.compose([link(0, 1), link(0, 2), link(1, 0)], &slow);
        table.compose([link(0, 2), link(3, 0)], &blocked());
        let both = table.get(HostIndex(0), HostIndex(2));
        assert!(both.blocked && both.latency == slow.latency);
        assert_eq!(*table.get(HostIndex(0), HostIndex(1)), slow);
        assert_eq!(*table.get(HostIndex(3), HostIndex(0)), blocked());
        assert_eq!(table.policies.len(), 4);
        let healthy = PolicyTable::uniform(4, LinkPolicy::default());
        let bent: Vec<_> = table.differences(&healthy).collect();
        assert_eq!(bent, [link(0, 1), link(0, 2), link(1, 0), link(3, 0)]);
    }

    #[test]
    fn equal_tables_may_have_come_about_differently() {
        let mut one = PolicyTable::uniform(2, LinkPolicy::default());
        one.set(HostIndex(0), HostIndex(1), blocked());
        let mut other = PolicyTable::uniform(2, blocked());
        assert_ne!(one, other);
        for (from, to) in [(0, 0), (1, 0), (1, 1)] {
            other.set(HostIndex(from), HostIndex(to), LinkPolicy::default());
        }
        assert_eq!(one, other);
        assert_ne!(one, PolicyTable::uniform(3, LinkPolicy::default()));
    }

    #[test]
    fn a_table_is_read_back_as_it_was_written() {
        let mut table = PolicyTable::uniform(3, LinkPolicy::default());
        table.set(HostIndex(2), HostIndex(1), blocked());
        let text = serde_json::to_string(&table).expect("encodable");
        let mut read: PolicyTable = serde_json::from_str(&text).expect("decodable");
        assert!(read.get(HostIndex(2), HostIndex(1)).blocked);
        assert!(read.get(HostIndex(1), HostIndex(2)).is_healthy());
        read.set(HostIndex(0), HostIndex(1), blocked());
        assert_eq!(
            read.policies.len(),
            2,
            "equal policies are still stored once"
        );
    }

    #[test]
    fn a_table_that_points_nowhere_is_refused() {
        let short = r#"{"hosts": 2, "policies": [], "pairs": []}"#;
        let read = serde_json::from_str::<PolicyTable>(short);
        assert!(read.is_err_and(|error| error.to_string().contains("4 pairs, not 0")));
        let nowhere = r#"{"hosts": 1, "policies": [], "pairs": [0]}"#;
        let read = serde_json::from_str::<PolicyTable>(nowhere);
        assert!(read.is_err_and(|error| error.to_string().contains("no policy 0")));
    }

    #[test]
    #[should_panic(expected = "no link 3 -> 0 in a table of 3 hosts")]
    fn an_unknown_host_is_a_bug_of_the_caller() {
        let _ = PolicyTable::uniform(3, LinkPolicy::default()).get(HostIndex(3), HostIndex(0));
    }
}
