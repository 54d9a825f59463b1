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
use crate::plan;

/// Port of the registry's HTTP interface on the fabric.
const HTTP_PORT: u16 = 8080;

/// Port of the peer-to-peer protocol on the fabric.
const PEER_PORT: u16 = 4001;

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
        vec![
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
        ]
    }

    fn node_arguments(&self, host: HostIndex) -> Vec<String> {
        vec![
            "node".into(),
            "--listen".into(),
            format!("{}:{PEER_PORT}", self.address(host)),
            "--registry".into(),
            format!("http://{}:{HTTP_PORT}", self.address(self.registry)),
            "--registry-key".into(),
            self.registry_key.clone(),
        ]
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
