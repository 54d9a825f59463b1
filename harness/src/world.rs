//! The world: the wanted state of all hosts and links at one moment.
//!
//! A pure value. The world of a moment is the healthy one, bent by every fault active then, in
//! any order. There is no undo anywhere: when a fault ends, the world is folded again without it
//! and the difference is acted upon.

use std::collections::BTreeSet;

use fabric::{HostIndex, LinkPolicy, PolicyTable};

use crate::fault::FaultSpec;
use crate::host::Inventory;

/// The wanted state of a host's process, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// It runs.
    #[default]
    Running,
    /// It exists and does nothing.
    Paused,
    /// It does not exist.
    Dead,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    processes: Vec<Process>,
    restarts: Vec<u32>,
    wipes: Vec<u32>,
    links: PolicyTable,
}

/// A fault that is active, with the hosts that it was found to aim at.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveFault {
    /// What it does.
    pub fault: FaultSpec,
    /// Whom it does it to.
    pub targets: Vec<HostIndex>,
}

/// The world in which exactly these faults are active.
#[must_use]
pub fn fold<'a>(healthy: &World, active: impl IntoIterator<Item = &'a ActiveFault>) -> World {
    let mut world = healthy.clone();
    for one in active {
        one.fault.inner().bend(&mut world, &one.targets);
    }
    world
}

impl World {
    /// Everything runs, nothing is added on any link.
    #[must_use]
    pub fn healthy(hosts: u16) -> Self {
        World::with_network(hosts, LinkPolicy::default())
    }

    /// Everything runs, on a network with this policy on every link.
    #[must_use]
    pub fn with_network(hosts: u16, base: LinkPolicy) -> Self {
        World {
            processes: vec![Process::Running; usize::from(hosts)],
            restarts: vec![0; usize::from(hosts)],
            wipes: vec![0; usize::from(hosts)],
            links: PolicyTable::uniform(hosts, base),
        }
    }

    /// The number of hosts.
    #[must_use]
    pub fn hosts(&self) -> u16 {
        u16::try_from(self.processes.len()).expect("made from a u16")
    }

    /// The wanted process state of a host.
    #[must_use]
    pub fn process(&self, host: HostIndex) -> Process {
        self.processes[usize::from(host.0)]
    }

    /// How often a host's process was to be restarted so far.
    #[must_use]
    pub fn restarts(&self, host: HostIndex) -> u32 {
        self.restarts[usize::from(host.0)]
    }

    /// How often a host's disk was to be emptied so far.
    #[must_use]
    pub fn wipes(&self, host: HostIndex) -> u32 {
        self.wipes[usize::from(host.0)]
    }

    /// The policy of a link.
    #[must_use]
    pub fn link(&self, from: HostIndex, to: HostIndex) -> &LinkPolicy {
        self.links.get(from, to)
    }

    /// Sets a process to this state unless it is in a worse one.
    pub fn worsen_process(&mut self, host: HostIndex, state: Process) {
        let process = &mut self.processes[usize::from(host.0)];
        *process = state.max(*process);
    }

    /// Wants one more restart of a host's process.
    pub fn add_restart(&mut self, host: HostIndex) {
        self.restarts[usize::from(host.0)] += 1;
    }

    /// Wants a host's disk emptied once more.
    pub fn add_wipe(&mut self, host: HostIndex) {
        self.wipes[usize::from(host.0)] += 1;
    }

    /// Lays a policy over those that these links have.
    pub fn bend_links(
        &mut self,
        links: impl IntoIterator<Item = (HostIndex, HostIndex)>,
        added: &LinkPolicy,
    ) {
        self.links.compose(links, added);
    }

    /// Every directed link that starts or ends at one of these hosts, each once.
    #[must_use]
    pub fn links_of(&self, hosts: &[HostIndex]) -> BTreeSet<(HostIndex, HostIndex)> {
        let all = || (0..self.hosts()).map(HostIndex);
        hosts
            .iter()
            .flat_map(|host| all().flat_map(move |other| [(*host, other), (other, *host)]))
            .filter(|(from, to)| from != to)
            .collect()
    }

    /// The links whose policy is not that of the other world.
    pub fn bent_links<'a>(
        &'a self,
        other: &'a World,
    ) -> impl Iterator<Item = (HostIndex, HostIndex)> + use<'a> {
        self.links.differences(&other.links)
    }

    /// The links as the fabric takes them.
    #[must_use]
    pub fn policies(&self) -> PolicyTable {
        self.links.clone()
    }

    /// True when the host's process runs in this world and it can exchange packets, both ways,
    /// with enough other running hosts that together they are a majority of all hosts.
    ///
    /// This is the rule that says what is *owed*: it looks at the world alone, so it is the same
    /// for every system under test.
    #[must_use]
    pub fn sits_in_majority(&self, host: HostIndex) -> bool {
        if self.process(host) != Process::Running {
            return false;
        }
        let reached = (0..self.hosts())
            .map(HostIndex)
            .filter(|other| *other == host || self.reach_each_other(host, *other))
            .count();
        reached * 2 > usize::from(self.hosts())
    }

    fn reach_each_other(&self, one: HostIndex, other: HostIndex) -> bool {
        self.process(other) == Process::Running
            && carries(self.link(one, other))
            && carries(self.link(other, one))
    }

    /// The names of the hosts that are not simply running, for display.
    #[must_use]
    pub fn down(&self, inventory: &Inventory) -> Vec<String> {
        inventory
            .iter()
            .filter(|(index, _)| self.process(*index) != Process::Running)
            .map(|(_, host)| host.id.0.clone())
            .collect()
    }
}

/// True when somebody who sends over this link, as TCP does, may hope for an answer.
fn carries(policy: &LinkPolicy) -> bool {
    !policy.is_cut() && !policy.reset && !policy.jam && !policy.new_connections_blocked
}

/// One step from an actual world to a wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace every link's policy at once.
    SetLinks,
    /// End the process by SIGKILL.
    Kill(HostIndex),
    /// Ask the process to end and start it again.
    Restart(HostIndex),
    /// Start the process.
    Start(HostIndex),
    /// Freeze the process.
    Pause(HostIndex),
    /// Let a frozen process go on.
    Resume(HostIndex),
    /// Empty the disk; the process does not exist then.
    Wipe(HostIndex),
}

/// What must be done so that `actual` becomes `wanted`: links first, all at once, then processes.
#[must_use]
pub fn reconcile(actual: &World, wanted: &World) -> Vec<Action> {
    let mut actions = Vec::new();
    if actual.links != wanted.links {
        actions.push(Action::SetLinks);
    }
    for host in (0..wanted.hosts()).map(HostIndex) {
        let restarted = wanted.restarts(host) > actual.restarts(host);
        let mut process = actual.process(host);
        if wanted.wipes(host) > actual.wipes(host) {
            actions.extend(wipe_steps(process, host));
            process = Process::Dead;
        }
        let wanted = wanted.process(host);
        actions.extend(process_steps(process, wanted, restarted, host));
    }
    actions
}

/// The steps that leave a dead process with an empty disk.
fn wipe_steps(actual: Process, host: HostIndex) -> Vec<Action> {
    match actual {
        Process::Dead => vec![Action::Wipe(host)],
        Process::Running | Process::Paused => vec![Action::Kill(host), Action::Wipe(host)],
    }
}

/// The steps for one host.
fn process_steps(
    actual: Process,
    wanted: Process,
    restarted: bool,
    host: HostIndex,
) -> Vec<Action> {
    use Process::{Dead, Paused, Running};
    match (actual, wanted) {
        // A restart of something that is or shall be dead is done by its next start.
        (Dead, Dead) => vec![],
        (Dead, Running) => vec![Action::Start(host)],
        (Dead, Paused) => vec![Action::Start(host), Action::Pause(host)],
        (Running | Paused, Dead) => vec![Action::Kill(host)],
        (Running, Running) if restarted => vec![Action::Restart(host)],
        (Paused, Running) if restarted => vec![Action::Resume(host), Action::Restart(host)],
        (Running, Paused) if restarted => vec![Action::Restart(host), Action::Pause(host)],
        (Paused, Paused) if restarted => {
            vec![
                Action::Resume(host),
                Action::Restart(host),
                Action::Pause(host),
            ]
        }
        (Running, Running) | (Paused, Paused) => vec![],
        (Running, Paused) => vec![Action::Pause(host)],
        (Paused, Running) => vec![Action::Resume(host)],
    }
}
