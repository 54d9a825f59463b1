//! Whom a fault hits: its targets and links, once it is known who the names stand for.

use std::collections::{BTreeMap, BTreeSet};

use fabric::HostIndex;

use super::Fault;
use crate::fault::Link;
use crate::host::{HostId, Inventory};
use crate::plan::Links;
use crate::seed::{self, Stream};

/// Who the names of a plan stand for.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    /// All hosts, with the groups that are known from the start.
    pub hosts: &'a Inventory,
    /// The groups that only the running system knows; empty beforehand.
    pub dynamic: &'a BTreeMap<String, Vec<HostIndex>>,
}

impl Whom<'_> {
    /// The hosts that fault `number` hits: the targets drawn, both ends of its links, or all
    /// clients.
    pub fn targets(&self, fault: &Fault, seed: u64, number: usize) -> Vec<HostIndex> {
        match (&fault.aimed_at, &fault.links) {
            (Some(targets), _) => {
                let mut rng = seed::numbered(seed, Stream::Targets, number);
                targets.draw(&|name| self.members(name), &mut rng)
            }
            (None, Some(links)) => {
                let links = self.links(links);
                let ends: BTreeSet<HostIndex> =
                    links.iter().flat_map(|(from, to)| [*from, *to]).collect();
                ends.into_iter().collect()
            }
            (None, None) => self.clients(),
        }
    }

    /// The links that are meant, each direction once.
    pub fn links(&self, links: &Links) -> BTreeSet<Link> {
        let mut found = BTreeSet::new();
        for one in &links.0 {
            let (from, to) = (self.members(&one.from), self.members(&one.to));
            let pairs = from
                .iter()
                .flat_map(|from| to.iter().map(move |to| (*from, *to)));
            for (from, to) in pairs.filter(|(from, to)| from != to) {
                found.insert((from, to));
                found.extend(one.both.then_some((to, from)));
            }
        }
        found
    }

    /// The hosts that a name stands for: a host or a group.
    fn members(&self, name: &str) -> Vec<HostIndex> {
        if let Some(hosts) = self.dynamic.get(name) {
            return hosts.clone();
        }
        match self.hosts.find(&HostId(name.to_owned())) {
            Some(host) => vec![host],
            None => self.hosts.group(name),
        }
    }

    /// The hosts that clients use.
    fn clients(&self) -> Vec<HostIndex> {
        self.hosts
            .iter()
            .filter(|(_, host)| host.serves_clients)
            .map(|(index, _)| index)
            .collect()
    }
}
