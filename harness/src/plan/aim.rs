//! Checking whom a fault is aimed at: unknown names, groups that are too small, empty choices.
//!
//! Groups whose members only the running system knows are judged by the size that the plan gives
//! them. A plan with `mirrors: 0` is judged as if `mirrors` could have any size, because
//! `--set system.mirrors=0` must work on any plan; it gets a warning.

use std::collections::BTreeSet;

use super::inventory::{GROUPS, MIRRORS};
use super::nearest::{nearest, quoted};
use super::path::Path;
use super::problem::Problem;
use super::spec::System;
use super::targets::{Targets, rounded_share};

/// Who the names of a plan stand for.
#[derive(Debug)]
pub struct Members<'a> {
    system: &'a System,
    /// The name and the cohort of each host.
    hosts: &'a [(String, Option<String>)],
}

impl<'a> Members<'a> {
    /// The members of the groups of a system whose hosts are these.
    #[must_use]
    pub fn new(system: &'a System, hosts: &'a [(String, Option<String>)]) -> Self {
        Members { system, hosts }
    }

    /// The number of all hosts.
    #[must_use]
    pub fn all(&self) -> usize {
        self.hosts.len()
    }

    /// The positions of the hosts that a name stands for; none when it is unknown, or when only
    /// the running system knows.
    fn known(&self, name: &str) -> Option<BTreeSet<usize>> {
        let registry = |host: &str| host == "registry";
        let belongs = |(host, cohort): &(String, Option<String>)| match name {
            "all" => true,
            "nodes" => !registry(host),
            _ => host == name || cohort.as_deref() == Some(name),
        };
        let positions: BTreeSet<usize> = (0..self.hosts.len())
            .filter(|at| belongs(&self.hosts[*at]))
            .collect();
        (!positions.is_empty()).then_some(positions)
    }

    /// The problem with a name that stands for nobody.
    #[must_use]
    pub fn unknown(&self, name: &str, path: Path) -> Option<Problem> {
        let empty_cohort = self.system.cohorts.iter().any(|cohort| cohort.name == name);
        if GROUPS.contains(&name) || empty_cohort || self.known(name).is_some() {
            return None;
        }
        let message = format!("there is no host or group `{}`", name.escape_debug());
        Some(Problem::error(path, message, self.help(name)).relying_on(super::check::node_paths()))
    }

    fn help(&self, name: &str) -> String {
        let cohorts = || {
            self.system
                .cohorts
                .iter()
                .map(|cohort| cohort.name.as_str())
        };
        let groups = || GROUPS.into_iter().chain(cohorts());
        let sizes = [("node", self.system.nodes)].into_iter().chain(
            self.system
                .cohorts
                .iter()
                .map(|cohort| (cohort.name.as_str(), cohort.count)),
        );
        let ranges: Vec<String> = sizes
            .filter(|(_, size)| *size > 0)
            .map(|(group, size)| format!("`{group}-1` to `{group}-{size}`"))
            .collect();
        // A number that is out of range is not a mistyped other number.
        let numbered = name.rsplit_once('-').is_some_and(|(group, number)| {
            number.parse::<u64>().is_ok() && (group == "node" || cohorts().any(|one| one == group))
        });
        let near = nearest(
            name,
            groups().chain(self.hosts.iter().map(|(host, _)| host.as_str())),
        );
        let did_you_mean = near
            .filter(|_| !numbered)
            .map(|near| format!("did you mean `{near}`? "))
            .unwrap_or_default();
        format!(
            "{did_you_mean}groups: {}; hosts: {}",
            quoted(groups()),
            ranges.join(", ")
        )
    }

    /// The hosts meant, where that is neither drawn nor known only to the running system.
    #[must_use]
    pub fn certain(&self, targets: &Targets) -> Option<BTreeSet<usize>> {
        let whole = |of: &Targets| {
            let hosts = self.certain(of)?;
            (self.largest(targets)? >= hosts.len()).then_some(hosts)
        };
        match targets {
            Targets::Named(name) if name == MIRRORS => None,
            Targets::Named(name) => self.known(name),
            Targets::List(list) => list.iter().try_fold(BTreeSet::new(), |mut hosts, one| {
                hosts.extend(self.certain(one)?);
                Some(hosts)
            }),
            Targets::Count(_, of)
            | Targets::Percent(_, of)
            | Targets::One(of)
            | Targets::Minority(of)
            | Targets::Majority(of) => whole(of),
            Targets::ReplicasOf(_) => None,
        }
    }

    /// At most how many hosts are meant; none when a name in it is unknown or without members.
    fn largest(&self, targets: &Targets) -> Option<usize> {
        match targets {
            Targets::Named(name) if name == MIRRORS => {
                (self.system.mirrors > 0).then_some(self.system.mirrors.into())
            }
            Targets::Named(name) => self.known(name).map(|hosts| hosts.len()),
            Targets::List(list) => {
                let sum: Option<usize> = list.iter().map(|one| self.largest(one)).sum();
                sum.map(|sum| sum.min(self.all()))
            }
            Targets::Count(count, of) => self.largest(of).map(|all| all.min(*count)),
            Targets::Percent(share, of) => self.largest(of).map(|all| rounded_share(*share, all)),
            Targets::One(of) => self.largest(of).map(|all| all.min(1)),
            Targets::Minority(of) => self.largest(of).map(|all| all.saturating_sub(1) / 2),
            Targets::Majority(of) => self.largest(of).map(|all| all / 2 + 1),
            Targets::ReplicasOf(_) => {
                let held_by = self.system.replicas.min(self.system.mirrors);
                (held_by > 0).then_some(held_by.into())
            }
        }
    }

    /// Everything wrong with a description of targets.
    #[must_use]
    pub fn check(&self, targets: &Targets, path: &Path) -> Vec<Problem> {
        match targets {
            Targets::Named(name) => self.unknown(name, path.clone()).into_iter().collect(),
            Targets::List(list) if list.is_empty() => {
                let help = "name at least one host or group, like `[node-1, node-2]`";
                vec![Problem::error(path.clone(), "nobody is aimed at", help)]
            }
            Targets::List(list) => {
                let items = list.iter().enumerate();
                items
                    .flat_map(|(at, one)| self.check(one, &path.item(at)))
                    .collect()
            }
            Targets::Count(count, of) => {
                self.with_choice(of, path, "of", self.count(*count, of, path))
            }
            Targets::Percent(share, of) => {
                let nothing = (share.fraction() == 0.0).then(|| {
                    let help = "write more than `0%`";
                    Problem::error(path.key("percent"), "0% of a group is nobody", help)
                });
                self.with_choice(of, path, "of", nothing)
            }
            Targets::One(of) => self.with_choice(of, path, "one", None),
            Targets::Majority(of) => self.with_choice(of, path, "majority", None),
            Targets::Minority(of) => {
                self.with_choice(of, path, "minority", self.minority(of, path))
            }
            Targets::ReplicasOf(name) => held(name, path).into_iter().collect(),
        }
    }

    fn with_choice(
        &self,
        of: &Targets,
        path: &Path,
        key: &str,
        choice: Option<Problem>,
    ) -> Vec<Problem> {
        let inside = self.check(of, &path.key(key));
        choice
            .map(|problem| problem.relying_on(self.sizes()))
            .into_iter()
            .chain(inside)
            .collect()
    }

    fn count(&self, count: usize, of: &Targets, path: &Path) -> Option<Problem> {
        let path = path.key("count");
        if count == 0 {
            return Some(Problem::error(
                path,
                "a count of 0 is nobody",
                "write at least 1",
            ));
        }
        let size = self.largest(of).filter(|size| count > *size)?;
        let message = format!("`count` is {count}, but `{of}` has only {size} hosts");
        Some(Problem::error(
            path,
            message,
            format!("write at most `count: {size}`"),
        ))
    }

    fn minority(&self, of: &Targets, path: &Path) -> Option<Problem> {
        let size = self.largest(of).filter(|size| *size < 3)?;
        let message = format!("a minority of {size} is nobody");
        let help = "a minority is less than half: the group must have at least 3 members";
        Some(Problem::error(path.key("minority"), message, help))
    }

    /// The paths that sizes of groups depend on.
    fn sizes(&self) -> Vec<Path> {
        super::check::node_paths()
            .into_iter()
            .chain([Path::from("system.mirrors")])
            .collect()
    }
}

/// The longest name that a system may hold, in this harness.
const NAME_MAX: usize = 64;

/// The problem with a name whose holders are meant.
fn held(name: &str, path: &Path) -> Option<Problem> {
    let valid = (1..=NAME_MAX).contains(&name.len()) && !name.contains(char::is_whitespace);
    let message = format!("`{}` cannot be a registered name", name.escape_debug());
    let help = "write a name as clients register it; those of the workload are `name-00000`, \
                `name-00001` and so on";
    (!valid).then(|| Problem::error(path.key("replicas-of"), message, help))
}
