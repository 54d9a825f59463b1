//! The judgement: facts in, checks out. Pure.

use serde::Serialize;

use super::facts::{Docker, Facts, Tun};
use crate::runtime::docker::About;

/// Open files that the harness needs for each host: its device, namespace, folder, process, log
/// and client connections.
const FILES_PER_HOST: u64 = 8;

/// Open files that the harness needs for itself.
const FILES_OF_HARNESS: u64 = 64;

/// Processes and threads for each host: a node has as many workers as there are processors, at
/// most four, and a few more threads.
const TASKS_PER_HOST: u64 = 8;

/// The hosts of a plan of the usual size: below this something is worth a warning.
const USUAL_HOSTS: u64 = 101;

/// Memory of one host, bytes, with room to spare.
const MEMORY_PER_HOST: u64 = 20 << 20;

/// Disk that the reports and disks of one run may take.
const DISK_OF_RUN: u64 = 1 << 30;

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It matters to nothing yet.
    Note,
    /// As it should be.
    Ok,
    /// Small plans work, or one thing less does.
    Warn,
    /// What it is needed for does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// How good it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True when plans can be run here, on any runtime.
    pub works: bool,
    /// The runtimes that work here.
    pub runtimes: Vec<&'static str>,
    /// One after another.
    pub checks: Vec<Check>,
}

/// Judges what was seen.
#[must_use]
pub fn examine(facts: &Facts) -> Report {
    let mut checks = vec![linux(facts), tun(facts)];
    if !facts.root {
        checks.push(user_namespaces(facts));
    }
    checks.push(trial(facts));
    let local = checks.iter().all(|check| check.level != Level::Fail);
    let docker = docker(facts, local);
    let runtimes = [("local", local), ("docker", docker.level == Level::Ok)];
    checks.extend([
        docker,
        open_files(facts),
        processes(facts),
        memory(facts),
        disk(facts),
        some_faults("faults of disks", "disks can be served (FUSE)", &facts.fuse),
        some_faults("faults of clocks", "wall clocks can be set", &facts.clocks),
    ]);
    let runtimes: Vec<&str> = runtimes
        .into_iter()
        .filter(|(_, works)| *works)
        .map(|(name, _)| name)
        .collect();
    Report {
        works: !runtimes.is_empty(),
        runtimes,
        checks,
    }
}

impl Check {
    fn new(name: &'static str, level: Level, found: impl Into<String>) -> Check {
        Check {
            name,
            level,
            found: found.into(),
            remedy: None,
        }
    }

    fn fix(mut self, remedy: impl Into<String>) -> Check {
        self.remedy = Some(remedy.into());
        self
    }
}

/// What only some plans need: without it those are refused, and all others run.
fn some_faults(name: &'static str, works: &str, works_here: &Result<(), String>) -> Check {
    match works_here {
        Ok(()) => Check::new(name, Level::Ok, works),
        Err(why) => Check::new(name, Level::Warn, why.as_str())
            .fix("plans without such faults run; those with them are refused before they start"),
    }
}

fn linux(facts: &Facts) -> Check {
    let Some(kernel) = &facts.kernel else {
        return Check::new(
            "Linux",
            Level::Fail,
            "this is not Linux, or /proc is missing",
        )
        .fix("run on Linux, or in a Linux virtual machine");
    };
    let user = if facts.root { "root" } else { "a normal user" };
    let processors = plural(facts.processors as u64, "processor");
    Check::new(
        "Linux",
        Level::Ok,
        format!("{kernel}, {processors}, {user}"),
    )
}

fn tun(facts: &Facts) -> Check {
    let name = "TUN device";
    match &facts.tun {
        Tun::Usable => Check::new(name, Level::Ok, "/dev/net/tun opens"),
        Tun::Missing => Check::new(name, Level::Fail, "/dev/net/tun is missing").fix(
            "as root: `modprobe tun`; in a container: start it with `--device /dev/net/tun`, or \
             `mkdir -p /dev/net && mknod /dev/net/tun c 10 200`",
        ),
        Tun::Forbidden => Check::new(name, Level::Fail, "/dev/net/tun: permission denied").fix(
            "as root: `chmod 0666 /dev/net/tun`; to keep it, write `KERNEL==\"tun\", \
             MODE=\"0666\"` to /etc/udev/rules.d/80-tun.rules",
        ),
        Tun::Broken(error) => Check::new(name, Level::Fail, format!("/dev/net/tun: {error}"))
            .fix("load the driver as root: `modprobe tun` (the kernel needs CONFIG_TUN)"),
    }
}

/// The settings that keep a normal user from making namespaces.
fn user_namespaces(facts: &Facts) -> Check {
    let name = "user namespaces";
    let forbidden = |setting: &str, remedy: &str| {
        // The trial tells whether they work after all, for example by an AppArmor profile.
        let level = if facts.trial.is_ok() {
            Level::Warn
        } else {
            Level::Fail
        };
        Check::new(
            name,
            level,
            format!("{setting} forbids them to normal users"),
        )
        .fix(format!("as root: `sysctl -w {remedy}`; or run as root"))
    };
    if facts.max_user_namespaces == Some(0) {
        return forbidden(
            "user.max_user_namespaces=0",
            "user.max_user_namespaces=10000",
        );
    }
    if facts.unprivileged_userns_clone == Some(0) {
        return forbidden(
            "kernel.unprivileged_userns_clone=0",
            "kernel.unprivileged_userns_clone=1",
        );
    }
    if facts.apparmor_restricts == Some(1) {
        return forbidden(
            "kernel.apparmor_restrict_unprivileged_userns=1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    Check::new(name, Level::Ok, "no setting forbids them")
}

fn trial(facts: &Facts) -> Check {
    let name = "local runtime";
    match &facts.trial {
        Ok(()) => {
            let found = "namespaces, devices and a packet between two hosts: tried, works";
            Check::new(name, Level::Ok, found)
        }
        Err(said) => {
            let check = Check::new(name, Level::Fail, said.clone());
            match facts.tun {
                Tun::Usable => check.fix(
                    "in a container: allow unshare(2) and mount(2) (`--privileged` does); \
                     elsewhere: see above, or run as root",
                ),
                _ => check.fix("see the TUN device above"),
            }
        }
    }
}

fn open_files(facts: &Facts) -> Check {
    let name = "open files";
    let Some(limit) = facts.open_files else {
        return Check::new(name, Level::Ok, "no limit");
    };
    let hosts = limit.saturating_sub(FILES_OF_HARNESS) / FILES_PER_HOST;
    let found = format!("{limit}, enough for about {}", plural(hosts, "host"));
    if hosts >= USUAL_HOSTS {
        return Check::new(name, Level::Ok, found);
    }
    let wanted = FILES_OF_HARNESS + USUAL_HOSTS * FILES_PER_HOST;
    let remedy = if facts.open_files_hard.is_some_and(|hard| hard < wanted) {
        format!("as root: `ulimit -n {wanted}` or more, for {USUAL_HOSTS} hosts")
    } else {
        format!("`ulimit -n {wanted}` or more, for {USUAL_HOSTS} hosts")
    };
    Check::new(name, Level::Warn, found).fix(remedy)
}

fn processes(facts: &Facts) -> Check {
    let name = "processes";
    let Some(limit) = facts.processes else {
        return Check::new(name, Level::Ok, "no limit");
    };
    let hosts = limit / TASKS_PER_HOST;
    let found = format!(
        "{limit}, threads too: enough for about {}",
        plural(hosts, "host")
    );
    if hosts >= USUAL_HOSTS {
        return Check::new(name, Level::Ok, found);
    }
    Check::new(name, Level::Warn, found)
        .fix("raise `ulimit -u`, or the limit of the container (`--pids-limit`)")
}

fn memory(facts: &Facts) -> Check {
    let name = "memory";
    let Some(bytes) = facts.memory_available else {
        return Check::new(name, Level::Warn, "the kernel does not say");
    };
    let hosts = bytes / MEMORY_PER_HOST;
    let found = format!("{} available: about {}", size(bytes), plural(hosts, "host"));
    if hosts >= USUAL_HOSTS {
        return Check::new(name, Level::Ok, found);
    }
    Check::new(name, Level::Warn, found).fix("run plans with fewer nodes: `--set system.nodes=12`")
}

fn disk(facts: &Facts) -> Check {
    let name = "reports";
    if !facts.reports_writable {
        return Check::new(name, Level::Warn, "the folder of reports cannot be written")
            .fix("give `harness run` another folder with `--out DIR`");
    }
    match facts.disk_free {
        Some(bytes) if bytes < DISK_OF_RUN => {
            Check::new(name, Level::Warn, format!("{} free", size(bytes)))
                .fix("remove old runs below reports/, or give another folder with `--out DIR`")
        }
        Some(bytes) => Check::new(name, Level::Ok, format!("{} free", size(bytes))),
        None => Check::new(name, Level::Warn, "the free space is not known"),
    }
}

/// The engine: needed where the local runtime does not work.
fn docker(facts: &Facts, local: bool) -> Check {
    let name = "Docker";
    let missing = |said: &str| {
        // What is wrong and what to do about it are one sentence in an engine's errors.
        let (found, remedy) = said.split_once("; ").unwrap_or((said, "see its own log"));
        let level = if local { Level::Note } else { Level::Fail };
        Check::new(name, level, found).fix(remedy)
    };
    match &facts.docker {
        Docker::Absent(said) | Docker::Forbidden(said) => missing(said),
        Docker::Answers(about) => match about.obstacle() {
            Some(obstacle) => missing(&obstacle.to_string()),
            None => Check::new(name, Level::Ok, engine(facts.root, about)),
        },
    }
}

/// What the engine is, and who holds the network of its containers.
fn engine(root: bool, about: &About) -> String {
    let kind = if about.rootless { ", rootless" } else { "" };
    let holder = if root && !about.rootless {
        "the harness holds the network"
    } else {
        "a privileged container holds the network"
    };
    let About { version, api, .. } = about;
    format!("engine {version} (interface {api}{kind}); {holder}")
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{human, json};
    use super::*;

    fn root() -> Facts {
        Facts {
            kernel: Some("6.18.0".into()),
            processors: 2,
            memory_available: Some(20 << 30),
            root: true,
            tun: Tun::Usable,
            max_user_namespaces: Some(95_000),
            unprivileged_userns_clone: None,
            apparmor_restricts: None,
            trial: Ok(()),
            open_files: Some(1024),
            open_files_hard: Some(524_288),
            processes: Some(32_768),
            reports_writable: true,
            disk_free: Some(50 << 30),
            fuse: Ok(()),
            clocks: Ok(()),
            docker: Docker::Absent(
                "no Docker engine answers at unix:///x: no such file; start it".into(),
            ),
        }
    }

    #[test]
    fn root_on_a_sound_machine() {
        let report = examine(&root());
        assert!(report.works);
        insta::assert_snapshot!(human(&report, false));
        insta::assert_snapshot!("root_as_json", json(&report));
    }

    #[test]
    fn a_normal_user_with_a_forbidden_setting() {
        let refused = "this machine does not allow new namespaces: EPERM";
        let report = examine(&Facts {
            root: false,
            apparmor_restricts: Some(1),
            trial: Err(refused.into()),
            reports_writable: false,
            open_files: Some(256),
            fuse: Err("/dev/fuse: permission denied".into()),
            ..root()
        });
        assert!(!report.works);
        insta::assert_snapshot!(human(&report, false));
    }

    #[test]
    fn a_machine_without_tun() {
        let report = examine(&Facts {
            tun: Tun::Missing,
            trial: Err("could not open /dev/net/tun: No such file or directory".into()),
            ..root()
        });
        assert!(!report.works);
        insta::assert_snapshot!(human(&report, false));
    }

    #[test]
    fn a_user_who_may_not_use_tun_is_told_the_udev_rule() {
        let report = examine(&Facts {
            root: false,
            tun: Tun::Forbidden,
            ..root()
        });
        let tun = &report.checks[1];
        assert_eq!(tun.level, Level::Fail);
        assert!(
            tun.remedy
                .as_ref()
                .is_some_and(|text| text.contains("udev"))
        );
    }

    fn answers(system: &str) -> Docker {
        Docker::Answers(About {
            version: "20.10.24".into(),
            api: "1.41".into(),
            system: system.into(),
            rootless: false,
        })
    }

    #[test]
    fn containers_are_enough_where_the_local_runtime_does_not_work() {
        let report = examine(&Facts {
            root: false,
            trial: Err("this machine does not allow new namespaces: EPERM".into()),
            docker: answers("Debian GNU/Linux 12"),
            ..root()
        });
        assert!(report.works);
        assert_eq!(report.runtimes, ["docker"]);
        insta::assert_snapshot!(human(&report, false));
    }

    #[test]
    fn docker_desktop_is_no_runtime() {
        let report = examine(&Facts {
            docker: answers("Docker Desktop"),
            ..root()
        });
        assert_eq!(report.runtimes, ["local"]);
    }

    #[test]
    fn a_setting_that_forbids_nothing_after_all_is_no_failure() {
        let report = examine(&Facts {
            root: false,
            apparmor_restricts: Some(1),
            ..root()
        });
        assert!(report.works);
        assert_eq!(report.checks[2].level, Level::Warn);
    }
}
