//! Labels: how what is ours is found again among everything that an engine holds.
//!
//! Every container of a run carries the run, its part in it, and the *owner*: the process that
//! the run belongs to. A run whose owner is gone is dead, and what it left may be removed.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::str::FromStr;

use rand::RngExt;

/// The label of the run: a [`RunId`].
pub const RUN: &str = "harness.run";

/// The label of a container's part: a [`Part`].
pub const PART: &str = "harness.part";

/// The label of the host that a container is.
pub const HOST: &str = "harness.host";

/// The label of the plan's name.
pub const PLAN: &str = "harness.plan";

/// The label of the owner: an [`Owner`].
pub const OWNER: &str = "harness.owner";

/// The label of an image: what it holds.
pub const IMAGE: &str = "harness.image";

/// Tells the containers of one run from those of any other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub String);

impl RunId {
    /// A new one: 64 random bits, not of the plan's seed, because two runs may have the same.
    #[must_use]
    pub fn draw() -> RunId {
        RunId(format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// Enough of it for names that a person reads.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is a host of the system under test.
    Host,
    /// It removes the others when the harness is gone.
    Reaper,
    /// It holds the fabric.
    Fabric,
}

impl Part {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Part::Host => "host",
            Part::Reaper => "reaper",
            Part::Fabric => "fabric",
        }
    }
}

/// The process that a run belongs to. Its number alone would not do: numbers are used again, and
/// another machine or container may use the same engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The process's number.
    pub pid: u32,
    /// When it was started, in the kernel's ticks since boot.
    pub started: u64,
    /// Its pid namespace.
    pub pid_namespace: String,
    /// The boot of the machine.
    pub boot: String,
}

impl Owner {
    /// This process.
    #[must_use]
    pub fn myself() -> Owner {
        let pid = std::process::id();
        Owner {
            user: nix::unistd::geteuid().as_raw(),
            pid,
            started: super::super::reading::start_ticks(pid).unwrap_or_default(),
            pid_namespace: pid_namespace(),
            boot: boot(),
        }
    }

    /// True when the process is certainly gone. One that cannot be seen from here may live.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let here = Owner::myself();
        if self.boot != here.boot {
            // Only this machine's earlier boots are over for certain, and nothing tells whether
            // the other one is such.
            return false;
        }
        let visible = self.pid_namespace == here.pid_namespace;
        visible && super::super::reading::start_ticks(self.pid) != Some(self.started)
    }
}

fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid")
        .map(|link| link.display().to_string())
        .unwrap_or_default()
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner {
            user,
            pid,
            started,
            pid_namespace,
            boot,
        } = self;
        write!(formatter, "{user} {pid} {started} {pid_namespace} {boot}")
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Owner, ()> {
        let words: Vec<&str> = text.split(' ').collect();
        let [user, pid, started, pid_namespace, boot] = words[..] else {
            return Err(());
        };
        Ok(Owner {
            user: user.parse().map_err(|_| ())?,
            pid: pid.parse().map_err(|_| ())?,
            started: started.parse().map_err(|_| ())?,
            pid_namespace: pid_namespace.to_owned(),
            boot: boot.to_owned(),
        })
    }
}

/// The labels of a container of this run.
#[must_use]
pub fn of(run: &RunId, part: Part, plan: &str) -> HashMap<String, String> {
    let pairs = [
        (RUN, run.to_string()),
        (PART, part.word().to_owned()),
        (PLAN, plan.to_owned()),
        (OWNER, Owner::myself().to_string()),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_read_back_as_it_was_written() {
        let owner = Owner::myself();
        assert_eq!(owner.to_string().parse(), Ok(owner));
        assert_eq!("1 2".parse::<Owner>(), Err(()));
    }

    #[test]
    fn an_owner_is_gone_only_when_that_is_certain() {
        let myself = Owner::myself();
        assert!(!myself.is_gone());
        let earlier = Owner {
            started: myself.started + 1,
            ..myself.clone()
        };
        assert!(
            earlier.is_gone(),
            "the number belongs to another process now"
        );
        let elsewhere = Owner {
            boot: "another".into(),
            ..earlier.clone()
        };
        assert!(!elsewhere.is_gone(), "another machine");
        let hidden = Owner {
            pid_namespace: "pid:[1]".into(),
            ..earlier
        };
        assert!(!hidden.is_gone(), "another container");
    }

    #[test]
    fn two_runs_have_different_names() {
        assert_ne!(RunId::draw(), RunId::draw());
        assert_eq!(RunId::draw().short().len(), 8);
    }
}
