//! Hosts by name: who takes part in a run.
//!
//! A *host* is one isolated machine of the run: its own network namespace, address, disk folder
//! and one process. The inventory numbers hosts densely, and the number (`HostIndex`) is what the
//! fabric and the world use; names are for people and files.

use std::fmt;
use std::net::Ipv4Addr;

use fabric::HostIndex;
use serde::{Deserialize, Serialize};

/// The name of a host, for example `node-3` or `registry`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub String);

impl fmt::Display for HostId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// One host of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// Its name, unique in the run.
    pub id: HostId,
    /// The groups that a plan can aim at and that this host belongs to from the start, for
    /// example `["nodes", "old"]`. Groups that depend on what the system does (`mirrors`) are
    /// not listed here; they are asked for when a fault fires.
    pub groups: Vec<String>,
    /// Its address on the fabric.
    pub address: Ipv4Addr,
    /// True when clients may use this host's client interface.
    pub serves_clients: bool,
    /// True when it is not there from the start: a fault lets it join.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins: bool,
}

/// All hosts of a run; the position of a host is its `HostIndex`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inventory {
    hosts: Vec<HostInfo>,
}

impl Inventory {
    /// Numbers the given hosts in the order given. At most 65,535 hosts.
    ///
    /// # Panics
    /// When there are more hosts than an index can number; plans are checked for that first.
    #[must_use]
    pub fn new(hosts: Vec<HostInfo>) -> Self {
        assert!(
            u16::try_from(hosts.len()).is_ok(),
            "plans are limited to 65,535 hosts"
        );
        Inventory { hosts }
    }

    /// The number of hosts.
    #[must_use]
    pub fn len(&self) -> u16 {
        u16::try_from(self.hosts.len()).expect("checked when the inventory was made")
    }

    /// The number of hosts, also when there are more than can be numbered: what was read from a
    /// file must be counted before anything else is asked of it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.hosts.len()
    }

    /// True when there is no host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The host with this index.
    ///
    /// # Panics
    /// When the index is not of this inventory.
    #[must_use]
    pub fn get(&self, index: HostIndex) -> &HostInfo {
        &self.hosts[usize::from(index.0)]
    }

    /// All hosts with their indexes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (HostIndex, &HostInfo)> {
        (0u16..).map(HostIndex).zip(&self.hosts)
    }

    /// All indexes, in order.
    pub fn indexes(&self) -> impl Iterator<Item = HostIndex> + use<> {
        (0..self.len()).map(HostIndex)
    }

    /// The index of the host with this name.
    #[must_use]
    pub fn find(&self, id: &HostId) -> Option<HostIndex> {
        self.iter()
            .find(|(_, host)| host.id == *id)
            .map(|(index, _)| index)
    }

    /// The hosts that are not there from the start, in order.
    #[must_use]
    pub fn joining(&self) -> Vec<HostIndex> {
        self.iter()
            .filter(|(_, host)| host.joins)
            .map(|(index, _)| index)
            .collect()
    }

    /// The members of a group that is known from the start.
    #[must_use]
    pub fn group(&self, group: &str) -> Vec<HostIndex> {
        self.iter()
            .filter(|(_, host)| host.groups.iter().any(|name| name == group))
            .map(|(index, _)| index)
            .collect()
    }
}
