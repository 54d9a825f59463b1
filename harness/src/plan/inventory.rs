//! The hosts that a plan asks for, numbered and addressed.
//!
//! Host 0 is `registry`; then come `node-1` to `node-N`, then each cohort's hosts, `old-1` and so
//! on, in the plan's order. Groups known from the start: `registry`, `nodes` (also the cohorts'
//! nodes), each cohort, `all`. Who is in `mirrors` only the running system knows.

use std::net::Ipv4Addr;

use super::spec::{Plan, Starts, System};
use crate::host::{HostId, HostInfo, Inventory};

/// The group whose members only the running system knows.
pub(super) const MIRRORS: &str = "mirrors";
/// The groups that every plan has.
pub(super) const GROUPS: [&str; 4] = ["registry", "nodes", MIRRORS, "all"];
/// The network for benchmarks of RFC 2544; hosts are numbered in it from 1.
const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// All hosts of a checked plan.
#[must_use]
pub fn inventory(plan: &Plan) -> Inventory {
    let late: Vec<&str> = plan
        .system
        .cohorts
        .iter()
        .filter(|cohort| cohort.starts == Starts::Later)
        .map(|cohort| cohort.name.as_str())
        .collect();
    let hosts = names(&plan.system)
        .into_iter()
        .zip(1..)
        .map(|((name, cohort), number)| {
            let mut groups = match name.as_str() {
                "registry" => vec!["registry".to_owned(), "all".to_owned()],
                _ => vec!["nodes".to_owned(), "all".to_owned()],
            };
            let joins = cohort.as_deref().is_some_and(|name| late.contains(&name));
            groups.extend(cohort);
            HostInfo {
                joins,
                serves_clients: name != "registry",
                address: Ipv4Addr::from_bits(NETWORK.to_bits() + number),
                id: HostId(name),
                groups,
            }
        });
    Inventory::new(hosts.collect())
}

/// The name and the cohort of each host, in order.
pub(super) fn names(system: &System) -> Vec<(String, Option<String>)> {
    let nodes = (1..=system.nodes).map(|number| (format!("node-{number}"), None));
    let of_cohorts = system.cohorts.iter().flat_map(|cohort| {
        let name = &cohort.name;
        (1..=cohort.count).map(move |number| (format!("{name}-{number}"), Some(name.clone())))
    });
    std::iter::once(("registry".to_owned(), None))
        .chain(nodes)
        .chain(of_cohorts)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load_str;

    fn hosts(system: &str) -> Inventory {
        let text = format!(
            "name: x\nquestion: y\nsystem: {system}\nworkload: {{rates: {{resolve: 1/s}}}}\n"
        );
        inventory(&load_str("plan.yaml", &text, &[]).expect("valid").plan)
    }

    #[test]
    fn the_registry_comes_first_and_cohorts_are_nodes() {
        let hosts = hosts("{nodes: 2, cohorts: [{name: old, count: 2}], mirrors: 0}");
        let shown: Vec<String> = hosts
            .iter()
            .map(|(_, host)| format!("{} {} {}", host.id, host.address, host.groups.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                "registry 198.18.0.1 registry all",
                "node-1 198.18.0.2 nodes all",
                "node-2 198.18.0.3 nodes all",
                "old-1 198.18.0.4 nodes all old",
                "old-2 198.18.0.5 nodes all old",
            ]
        );
        let clients = hosts.iter().filter(|(_, host)| host.serves_clients).count();
        assert_eq!(clients, 4);
    }

    #[test]
    fn addresses_go_on_into_the_next_block() {
        let hosts = hosts("{nodes: 600, mirrors: 0}");
        assert_eq!(
            hosts.get(fabric::HostIndex(254)).address,
            Ipv4Addr::new(198, 18, 0, 255)
        );
        assert_eq!(
            hosts.get(fabric::HostIndex(255)).address,
            Ipv4Addr::new(198, 18, 1, 0)
        );
        assert_eq!(
            hosts.get(fabric::HostIndex(600)).address,
            Ipv4Addr::new(198, 18, 2, 89)
        );
    }
}
