//! From an actual world to a wanted one: which steps, in which order.

use fabric::HostIndex;

use super::{Crowd, Process, World};

/// One step from an actual world to a wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace every link's policy at once.
    SetLinks,
    /// Let the clients do as much as is wanted.
    SetLoad,
    /// Let these clients do something at the same time.
    Gather(Crowd),
    /// Let the disk be as bad as is wanted.
    SetDisk(HostIndex),
    /// Let the process use as much as is wanted.
    SetLimits(HostIndex),
    /// Let the wall clock be as wrong as is wanted.
    SetClock(HostIndex),
    /// Let the program have the bugs that are wanted; the process runs then.
    SetBugs(HostIndex),
    /// End the process by SIGKILL.
    Kill(HostIndex),
    /// Ask the process to end.
    Terminate(HostIndex),
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
    /// End the process by SIGKILL, if there is one, and take back what it had not synced.
    LosePower(HostIndex),
}

impl Action {
    /// The host that it is about; none when it is about all.
    #[must_use]
    pub fn host(&self) -> Option<HostIndex> {
        match self {
            Action::SetLinks | Action::SetLoad | Action::Gather(_) => None,
            Action::SetDisk(host)
            | Action::SetLimits(host)
            | Action::SetClock(host)
            | Action::SetBugs(host)
            | Action::Kill(host)
            | Action::Terminate(host)
            | Action::Restart(host)
            | Action::Start(host)
            | Action::Pause(host)
            | Action::Resume(host)
            | Action::Wipe(host)
            | Action::LosePower(host) => Some(*host),
        }
    }
}

/// What must be done so that `actual` becomes `wanted`: links first, all at once, then hosts.
#[must_use]
pub fn reconcile(actual: &World, wanted: &World) -> Vec<Action> {
    let mut actions = Vec::new();
    if actual.links != wanted.links {
        actions.push(Action::SetLinks);
    }
    if actual.load != wanted.load {
        actions.push(Action::SetLoad);
    }
    let new = |crowd: &&Crowd| !actual.crowds.contains(crowd);
    let crowds = wanted.crowds.iter().filter(new).cloned();
    actions.extend(crowds.map(Action::Gather));
    for host in (0..wanted.hosts()).map(HostIndex) {
        actions.extend(host_steps(actual, wanted, host));
    }
    actions
}

/// What `wanted` becomes when its steps were done: a frozen process cannot be told of its bugs, so
/// those stay to be done.
#[must_use]
pub fn reached(actual: &World, wanted: &World) -> World {
    let mut world = wanted.clone();
    for host in (0..wanted.hosts()).map(HostIndex) {
        let still_frozen = actual.process(host) == Process::Paused
            && wanted.process(host) == Process::Paused
            && !process_steps(actual, wanted, host)
                .iter()
                .any(|step| starts(step, host));
        if still_frozen {
            world.host_mut(host).bugs = actual.host(host).bugs.clone();
        }
    }
    world
}

/// The steps for one host.
fn host_steps(actual: &World, wanted: &World, host: HostIndex) -> Vec<Action> {
    let (from, to) = (actual.host(host), wanted.host(host));
    let mut steps = Vec::new();
    // Before the process: one that is started now starts into them.
    if from.disk != to.disk {
        steps.push(Action::SetDisk(host));
    }
    if from.limits != to.limits {
        steps.push(Action::SetLimits(host));
    }
    if from.clock != to.clock {
        steps.push(Action::SetClock(host));
    }
    let process = process_steps(actual, wanted, host);
    let started = process.iter().any(|step| starts(step, host));
    let was_running = from.process() == Process::Running;
    let told = match started {
        true => !to.bugs.is_empty(),
        false => {
            let resumed = process.contains(&Action::Resume(host));
            from.bugs != to.bugs && (was_running || resumed)
        }
    };
    // A process is told of its bugs while it runs: before it is frozen or ended.
    let last = |step: &Action| matches!(step, Action::Pause(_));
    let ends = process.iter().any(|step| {
        matches!(
            step,
            Action::Kill(_) | Action::Terminate(_) | Action::LosePower(_)
        )
    });
    let told = told && (started || !ends);
    let split = process.iter().position(last).unwrap_or(process.len());
    steps.extend_from_slice(&process[..split]);
    if told {
        steps.push(Action::SetBugs(host));
    }
    steps.extend_from_slice(&process[split..]);
    steps
}

/// True when a process exists after the step that did not before.
fn starts(step: &Action, host: HostIndex) -> bool {
    *step == Action::Start(host) || *step == Action::Restart(host)
}

/// The steps for one host's process and what is on its disk.
fn process_steps(actual: &World, wanted: &World, host: HostIndex) -> Vec<Action> {
    let (from, to) = (actual.host(host), wanted.host(host));
    let mut steps = Vec::new();
    let mut process = from.process();
    if to.power_losses > from.power_losses {
        steps.push(Action::LosePower(host));
        process = Process::Dead;
    }
    if to.wipes > from.wipes {
        if !process.is_gone() {
            steps.push(Action::Kill(host));
        }
        steps.push(Action::Wipe(host));
        process = Process::Dead;
    }
    // A restart of something that is or shall be dead is done by its next start.
    if to.crashes > from.crashes && !process.is_gone() && !to.process().is_gone() {
        steps.push(Action::Kill(host));
        process = Process::Dead;
    }
    let restarted = to.restarts > from.restarts;
    steps.extend(state_steps(process, to.process(), restarted, host));
    steps
}

/// The steps from one state of a process to another.
fn state_steps(actual: Process, wanted: Process, restarted: bool, host: HostIndex) -> Vec<Action> {
    use Process::{Dead, Left, Paused, Running};
    match (actual, wanted) {
        (Dead | Left, Dead | Left) => vec![],
        (Dead | Left, Running) => vec![Action::Start(host)],
        (Dead | Left, Paused) => vec![Action::Start(host), Action::Pause(host)],
        (Running | Paused, Dead) => vec![Action::Kill(host)],
        (Running, Left) => vec![Action::Terminate(host)],
        (Paused, Left) => vec![Action::Resume(host), Action::Terminate(host)],
        (Running, Running) if restarted => vec![Action::Restart(host)],
        (Paused, Running) if restarted => vec![Action::Resume(host), Action::Restart(host)],
        (Running, Paused) if restarted => vec![Action::Restart(host), Action::Pause(host)],
        (Paused, Paused) if restarted => vec![
            Action::Resume(host),
            Action::Restart(host),
            Action::Pause(host),
        ],
        (Running, Running) | (Paused, Paused) => vec![],
        (Running, Paused) => vec![Action::Pause(host)],
        (Paused, Running) => vec![Action::Resume(host)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostIndex = HostIndex(0);

    fn world(change: impl FnOnce(&mut crate::world::HostWorld)) -> World {
        let mut world = World::healthy(1);
        change(world.host_mut(HOST));
        world
    }

    #[test]
    fn a_process_is_told_of_its_bugs_after_each_start_and_before_it_is_frozen() {
        let healthy = World::healthy(1);
        let buggy = |process, restarts| {
            world(|host| {
                host.bugs.insert("drop-replies".into(), 1);
                host.process = process;
                host.restarts = restarts;
            })
        };
        let told = [Action::SetBugs(HOST)];
        assert_eq!(reconcile(&healthy, &buggy(Process::Running, 0)), told);
        let frozen = reconcile(&healthy, &buggy(Process::Paused, 0));
        assert_eq!(frozen, [Action::SetBugs(HOST), Action::Pause(HOST)]);
        assert_eq!(
            reconcile(&buggy(Process::Dead, 0), &buggy(Process::Running, 0)),
            [Action::Start(HOST), Action::SetBugs(HOST)]
        );
        assert_eq!(
            reconcile(&buggy(Process::Running, 0), &buggy(Process::Running, 1)),
            [Action::Restart(HOST), Action::SetBugs(HOST)]
        );
        let dead = reconcile(&healthy, &buggy(Process::Dead, 0));
        assert_eq!(dead, [Action::Kill(HOST)]);
    }

    #[test]
    fn a_frozen_process_is_told_when_it_goes_on() {
        let paused = world(|host| host.process = Process::Paused);
        let buggy = world(|host| {
            host.process = Process::Paused;
            host.bugs.insert("drop-replies".into(), 1);
        });
        assert_eq!(reconcile(&paused, &buggy), []);
        let actual = reached(&paused, &buggy);
        let goes_on = world(|host| {
            host.bugs.insert("drop-replies".into(), 1);
        });
        assert_eq!(
            reconcile(&actual, &goes_on),
            [Action::Resume(HOST), Action::SetBugs(HOST)]
        );
    }

    #[test]
    fn power_is_lost_before_anything_is_started_again() {
        let lost = world(|host| {
            host.power_losses = 1;
            host.crashes = 1;
            host.wipes = 1;
        });
        assert_eq!(
            reconcile(&World::healthy(1), &lost),
            [
                Action::LosePower(HOST),
                Action::Wipe(HOST),
                Action::Start(HOST)
            ]
        );
    }

    #[test]
    fn what_a_process_starts_into_is_set_before_it_starts() {
        let dead = world(|host| host.process = Process::Dead);
        let limited = world(|host| {
            host.limits.files = Some(20);
            host.disk.read_only = true;
        });
        assert_eq!(
            reconcile(&dead, &limited),
            [
                Action::SetDisk(HOST),
                Action::SetLimits(HOST),
                Action::Start(HOST)
            ]
        );
    }
}
