//! Sweeping: containers that earlier runs have left, found and removed.
//!
//! The reaper leaves nothing, unless the engine or the machine died with it. A run is *dead* when
//! its owner is certainly gone. Runs of other users are left alone unless they are asked for.

use std::collections::BTreeMap;

use super::engine::{Engine, EngineError};
use super::found::{Found, containers, remove};
use super::labels::{Owner, RunId};

/// Which runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// This user's, whose harness is gone.
    Dead,
    /// One, dead or not.
    Run(RunId),
    /// All, of all users, dead or not.
    All,
}

/// What was found of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The run.
    pub run: RunId,
    /// Its plan.
    pub plan: String,
    /// True when its harness is certainly gone.
    pub dead: bool,
    /// The names of its containers.
    pub containers: Vec<String>,
}

/// Finds what these runs have left, and removes it unless it is only to be listed.
///
/// # Errors
/// When the engine does not say, or does not remove something.
pub async fn sweep(
    engine: &Engine,
    which: &Sweep,
    only_list: bool,
) -> Result<Vec<Swept>, EngineError> {
    let run = match which {
        Sweep::Run(run) => Some(run),
        Sweep::Dead | Sweep::All => None,
    };
    let user = nix::unistd::geteuid().as_raw();
    let mut found = containers(engine, run).await?;
    found.retain(|one| match which {
        Sweep::Dead => is_dead(one) && one.owner.as_ref().is_some_and(|owner| owner.user == user),
        Sweep::Run(_) | Sweep::All => true,
    });
    let swept = by_run(&found);
    if !only_list {
        remove(engine, found).await?;
    }
    Ok(swept)
}

fn is_dead(container: &Found) -> bool {
    container.owner.as_ref().is_some_and(Owner::is_gone)
}

fn by_run(found: &[Found]) -> Vec<Swept> {
    let mut runs: BTreeMap<&RunId, Swept> = BTreeMap::new();
    for one in found {
        let swept = runs.entry(&one.run).or_insert_with(|| Swept {
            run: one.run.clone(),
            plan: one.plan.clone(),
            dead: is_dead(one),
            containers: Vec::new(),
        });
        swept.containers.push(one.name.clone());
    }
    runs.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_by_run() {
        let found = |run: &str, name: &str| Found {
            id: name.into(),
            name: name.into(),
            run: RunId(run.into()),
            plan: "central-outage".into(),
            part: "host".into(),
            owner: Some(Owner::myself()),
            state: "running".into(),
        };
        let swept = by_run(&[found("b", "b-1"), found("a", "a-1"), found("b", "b-2")]);
        let names: Vec<(&str, usize)> = swept
            .iter()
            .map(|one| (one.run.0.as_str(), one.containers.len()))
            .collect();
        assert_eq!(names, [("a", 1), ("b", 2)]);
        assert!(swept.iter().all(|one| !one.dead), "this process lives");
    }
}
