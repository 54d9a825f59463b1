//! The directory that this project proves itself on: one registry, many nodes.
//!
//! Both are started from the running executable (`harness registry …`, `harness node …`). The
//! registry's signing key is made before the start, so that every node can be given it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use fabric::HostIndex;
use thiserror::Error;

use super::{DISK, Launch, SOCKET, System};
use crate::host::{HostId, Inventory};
use crate::plan::{self, Span};

/// Port of the registry's HTTP interface on the fabric.
const HTTP_PORT: u16 = 8080;

/// Port of the peer-to-peer protocol on the fabric.
const PEER_PORT: u16 = 4001;

/// The label that says which cohort a node is of.
pub const COHORT_LABEL: &str = "cohort";

/// The most labels of a node.
pub const LABELS_MAX: usize = 16;

/// The longest label, and the longest value of one, bytes.
pub const LABEL_BYTES_MAX: usize = 64;

/// The system could not be set up.
#[derive(Debug, Error)]
pub enum SystemError {
    /// A program did not do its part.
    #[error("could not set the system up: {what}")]
    Setup {
        /// What went wrong and what to do.
        what: String,
    },
    /// A folder or file could not be made.
    #[error("could not set up {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The bugs that its programs have built in; they say themselves what each does.
pub const BUGS: &[&str] = &[
    "ack-before-commit",
    "commit-to-anyone",
    "corrupt-replies",
    "crash-on-slow-reply",
    "delay-replies",
    "drop-replies",
    "duplicate-replies",
    "forge-replies",
    "forget-writes",
    "join-any-protocol",
    "quorum-of-one",
    "retry-without-backoff",
    "skip-repair",
    "skip-seq-check",
    "skip-settlement",
    "skip-signature-check",
    "stale-replies",
    "stay-closed-after-restart",
    "stop-serving-when-loaded",
];

/// See the module.
#[derive(Clone, Debug)]
pub struct Directory {
    program: PathBuf,
    inventory: Inventory,
    settings: plan::System,
    registry: HostIndex,
    registry_key: String,
    /// Bugs may be switched on while it runs.
    bugs_enabled: bool,
}

impl Directory {
    /// The directory as a plan describes it. `program` is an executable of the harness.
    ///
    /// # Panics
    /// When the inventory has no registry; plans are checked for that first.
    #[must_use]
    pub fn new(program: PathBuf, inventory: Inventory, settings: plan::System) -> Self {
        let registry = inventory.group("registry").first().copied();
        Directory {
            program,
            registry: registry.expect("a checked plan has a registry"),
            inventory,
            settings,
            registry_key: String::new(),
            bugs_enabled: false,
        }
    }

    /// Lets the built-in bugs be switched on while it runs.
    #[must_use]
    pub fn with_bugs(self, enabled: bool) -> Directory {
        Directory {
            bugs_enabled: enabled,
            ..self
        }
    }

    fn address(&self, host: HostIndex) -> Ipv4Addr {
        self.inventory.get(host).address
    }

    /// The bugs planted in a host, by its name, its groups and its cohort.
    fn bugs(&self, host: HostIndex) -> Vec<String> {
        let info = self.inventory.get(host);
        let groups: BTreeMap<&str, ()> = info
            .groups
            .iter()
            .map(|group| (group.as_str(), ()))
            .collect();
        let by_name = self
            .settings
            .bugs
            .iter()
            .filter(|(name, _)| **name == info.id.0 || groups.contains_key(name.as_str()))
            .flat_map(|(_, bugs)| bugs);
        let by_cohort = self
            .settings
            .cohorts
            .iter()
            .filter(|cohort| groups.contains_key(cohort.name.as_str()))
            .flat_map(|cohort| &cohort.bugs);
        by_name.chain(by_cohort).cloned().collect()
    }

    fn registry_arguments(&self) -> Vec<String> {
        let address = self.address(self.registry);
        let mut arguments = vec![
            "registry".into(),
            "run".into(),
            "--listen".into(),
            format!("{address}:{HTTP_PORT}"),
            "--p2p".into(),
            format!("{address}:{PEER_PORT}"),
            "--mirrors".into(),
            self.settings.mirrors.to_string(),
            "--replicas".into(),
            self.settings.replicas.to_string(),
        ];
        if let Some(label) = &self.settings.spread {
            arguments.extend(["--spread".to_owned(), label.clone()]);
        }
        arguments
    }

    fn node_arguments(&self, host: HostIndex) -> Vec<String> {
        let mut arguments = vec![
            "node".into(),
            "--listen".into(),
            format!("{}:{PEER_PORT}", self.address(host)),
            "--registry".into(),
            format!("http://{}:{HTTP_PORT}", self.address(self.registry)),
            "--registry-key".into(),
            self.registry_key.clone(),
        ];
        if let Some(life) = self.settings.record_life {
            arguments.extend(["--record-life".to_owned(), written(life)]);
        }
        for (label, value) in self.labels(host) {
            arguments.extend(["--label".to_owned(), format!("{label}={value}")]);
        }
        arguments
    }

    /// What a host says of itself: its cohort's labels, and its cohort.
    fn labels(&self, host: HostIndex) -> BTreeMap<String, String> {
        let groups = &self.inventory.get(host).groups;
        let cohorts = self.settings.cohorts.iter();
        let own = cohorts.filter(|cohort| groups.contains(&cohort.name));
        own.flat_map(|cohort| {
            let name = (COHORT_LABEL.to_owned(), cohort.name.clone());
            let given = cohort.labels.clone();
            // What is given comes last, and so wins.
            std::iter::once(name).chain(given)
        })
        .collect()
    }
}

impl System for Directory {
    fn prepare(&mut self, hosts: &Path) -> Result<(), SystemError> {
        let registry = &self.inventory.get(self.registry).id;
        self.registry_key = make_registry_key(&self.program, hosts, registry)?;
        Ok(())
    }

    fn launch(&self, host: HostIndex) -> Launch {
        let mut arguments = if host == self.registry {
            self.registry_arguments()
        } else {
            self.node_arguments(host)
        };
        arguments.extend(["--dir", DISK, "--api", SOCKET].map(str::to_owned));
        for bug in self.bugs(host) {
            arguments.extend(["--enable-bugs".to_owned(), "--bug".to_owned(), bug]);
        }
        if self.bugs_enabled {
            arguments.push("--enable-bugs".to_owned());
        }
        dedup_flag(&mut arguments, "--enable-bugs");
        Launch {
            program: self.program.clone(),
            arguments: arguments.into_iter().map(OsString::from).collect(),
        }
    }

    fn start_order(&self) -> Vec<Vec<HostIndex>> {
        let nodes = self
            .inventory
            .indexes()
            .filter(|host| *host != self.registry)
            .collect();
        vec![vec![self.registry], nodes]
    }
}

/// A length of time as the programs read it: whole seconds, or else milliseconds.
fn written(span: Span) -> String {
    let millis = span.0.as_millis();
    match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}

/// Keeps the first of several equal flags.
fn dedup_flag(arguments: &mut Vec<String>, flag: &str) {
    let mut seen = false;
    arguments.retain(|argument| argument != flag || !std::mem::replace(&mut seen, true));
}

/// Makes the registry's key in its folder and returns the public part, hexadecimal.
fn make_registry_key(
    program: &Path,
    hosts: &Path,
    registry: &HostId,
) -> Result<String, SystemError> {
    let disk = hosts.join(&registry.0).join(DISK);
    let output = Command::new(program)
        .args(["registry", "keygen", "--dir"])
        .arg(&disk)
        .output()
        .map_err(|source| SystemError::Io {
            path: program.to_owned(),
            source,
        })?;
    let key = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let is_key = key.len() == 64 && key.chars().all(|digit| digit.is_ascii_hexdigit());
    if output.status.success() && is_key {
        return Ok(key);
    }
    Err(SystemError::Setup {
        what: format!(
            "`registry keygen` ended with {} and printed `{key}`: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{inventory, load_str};

    /// The arguments of each host, joined.
    fn launched(system: &str) -> Vec<String> {
        let text = format!(
            "name: x\nquestion: y\nsystem: {system}\nworkload: {{rates: {{resolve: 1/s}}}}\n"
        );
        let plan = load_str("plan.yaml", &text, &[]).expect("valid").plan;
        let hosts = inventory(&plan);
        let directory = Directory::new("harness".into(), hosts.clone(), plan.system);
        let joined = |host| {
            let arguments = directory.launch(host).arguments;
            let texts: Vec<_> = arguments.iter().map(|one| one.to_string_lossy()).collect();
            texts.join(" ")
        };
        hosts.indexes().map(joined).collect()
    }

    #[test]
    fn what_a_plan_does_not_say_is_left_to_the_programs() {
        for arguments in launched("{nodes: 1, mirrors: 0}") {
            for option in ["--record-life", "--label", "--spread"] {
                assert!(!arguments.contains(option), "{arguments}");
            }
        }
    }

    #[test]
    fn nodes_are_told_their_labels_and_the_life_of_records() {
        let cohorts = "[{name: old, count: 1, labels: {version: '5.0'}}, {name: new, count: 1}]";
        let keys = "mirrors: 0, record_life: 30s, spread: version";
        let [registry, node, old, new] =
            &launched(&format!("{{nodes: 1, cohorts: {cohorts}, {keys}}}"))[..]
        else {
            panic!("four hosts");
        };
        assert!(registry.contains("--spread version"), "{registry}");
        assert!(node.contains("--record-life 30s"), "{node}");
        assert!(!node.contains("--label"), "{node}");
        assert!(
            old.contains("--label cohort=old --label version=5.0"),
            "{old}"
        );
        assert!(new.contains("--label cohort=new"), "{new}");
        let short = launched("{nodes: 1, mirrors: 0, record_life: 2500ms}");
        assert!(short[1].contains("--record-life 2500ms"), "{short:?}");
    }
}
