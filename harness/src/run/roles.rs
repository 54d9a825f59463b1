//! Who is in the groups that only the running system knows, when a fault fires.
//!
//! Every host is asked. One that does not answer in time, because it is dead, frozen or held back,
//! is what it said last: a mirror that hangs is a mirror still.

use std::collections::BTreeMap;

use fabric::HostIndex;
use futures::future::join_all;

use super::Lab;
use super::measure::answered;
use crate::plan::Targets;
use crate::runtime::Runtime;
use crate::schedule::{DYNAMIC_GROUPS, Fault};
use crate::system::Client;

/// What every host said last of its roles.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    said: BTreeMap<HostIndex, Vec<String>>,
}

impl Roles {
    /// Asks all hosts, and returns those that answered.
    pub async fn ask<R: Runtime>(&mut self, lab: &Lab<R>) -> Vec<HostIndex> {
        let ask = |host: HostIndex| async move {
            let status = answered(lab.runtime.client(host).status()).await;
            Some((host, status?.roles))
        };
        let answers: Vec<_> = join_all(lab.joined().map(ask)).await;
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        let answering = answers.iter().map(|(host, _)| *host).collect();
        self.said.extend(answers);
        answering
    }

    /// Who is in the groups that a fault is aimed at; nothing when its targets are known
    /// beforehand.
    pub async fn groups<R: Runtime>(
        &mut self,
        fault: &Fault,
        lab: &Lab<R>,
    ) -> BTreeMap<String, Vec<HostIndex>> {
        let mut groups = BTreeMap::new();
        if !fault.is_dynamic() {
            return groups;
        }
        let answering = self.ask(lab).await;
        for group in DYNAMIC_GROUPS {
            let role = group.trim_end_matches('s');
            let members = self
                .said
                .iter()
                .filter(|(_, roles)| roles.iter().any(|one| one == role))
                .map(|(host, _)| *host)
                .collect();
            groups.insert((*group).to_owned(), members);
        }
        for name in fault.held_names() {
            let holders = holders_of(name, &answering, lab).await;
            groups.insert(Targets::replicas_group(name), holders);
        }
        groups
    }
}

/// The hosts that hold a name, as the first host says that knows.
async fn holders_of<R: Runtime>(
    name: &str,
    answering: &[HostIndex],
    lab: &Lab<R>,
) -> Vec<HostIndex> {
    for host in answering {
        let asked = answered(lab.runtime.client(*host).replicas(name)).await;
        if let Some(Some(addresses)) = asked {
            let holds = |index: &HostIndex| addresses.contains(&lab.inventory.get(*index).address);
            return lab.inventory.indexes().filter(holds).collect();
        }
    }
    Vec::new()
}
