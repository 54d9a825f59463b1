//! Looking at the machine. Everything that cannot be read is absent, never guessed.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::statvfs::statvfs;

use crate::runtime::docker::{About, Engine, EngineError};

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The release of the kernel; absent where there is no Linux.
    pub kernel: Option<String>,
    /// Processors that may be used.
    pub processors: usize,
    /// Bytes of memory that could be used now.
    pub memory_available: Option<u64>,
    /// The user is root here.
    pub root: bool,
    /// `/dev/net/tun`.
    pub tun: Tun,
    /// `user.max_user_namespaces`.
    pub max_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, of some distributions.
    pub unprivileged_userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    pub apparmor_restricts: Option<u64>,
    /// What the trial inside the enclosure said when it failed.
    pub trial: Result<(), String>,
    /// Open files, the limit in force.
    pub open_files: Option<u64>,
    /// Open files, how far the user may raise the limit.
    pub open_files_hard: Option<u64>,
    /// The tightest limit of processes and threads.
    pub processes: Option<u64>,
    /// The folder of reports can be written.
    pub reports_writable: bool,
    /// Free bytes where the reports go.
    pub disk_free: Option<u64>,
    /// Disks can be served, for faults of disks; else why not.
    pub fuse: Result<(), String>,
    /// Wall clocks can be set, for faults of clocks; else why not.
    pub clocks: Result<(), String>,
    /// The Docker engine.
    pub docker: Docker,
}

/// The Docker engine, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Docker {
    /// Nobody answers; what was said instead.
    Absent(String),
    /// It is there and this user may not use it.
    Forbidden(String),
    /// It says this of itself.
    Answers(About),
}

/// The TUN driver's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tun {
    /// It opens.
    Usable,
    /// It is not there.
    Missing,
    /// It is there and this user may not use it.
    Forbidden,
    /// It is there and does not open.
    Broken(String),
}

impl Facts {
    /// Looks at this machine.
    #[must_use]
    pub fn gather() -> Facts {
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let [open_files, open_files_hard] = limit(&limits, "Max open files");
        let here = if Path::new("reports").is_dir() {
            "reports"
        } else {
            "."
        };
        Facts {
            kernel: line("/proc/sys/kernel/osrelease"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_available: memory_available(),
            root: nix::unistd::geteuid().is_root(),
            tun: tun(),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            trial: trial(),
            open_files,
            open_files_hard,
            processes: processes(&limits),
            reports_writable: nix::unistd::access(here, nix::unistd::AccessFlags::W_OK).is_ok(),
            disk_free: statvfs(here)
                .ok()
                .map(|disk| disk.blocks_available() * disk.fragment_size()),
            fuse: disk::Device::open()
                .map(|_| ())
                .map_err(|error| error.to_string()),
            clocks: clock::supported().map_err(|error| error.to_string()),
            docker: docker(),
        }
    }
}

/// Runs this program again, which then tries everything inside the enclosure: `probe`.
///
/// # Errors
/// What did not work.
pub fn trial() -> Result<(), String> {
    let output = Command::new("/proc/self/exe")
        .args(["doctor", "--probe"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("this program cannot be started again: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().trim_start_matches("harness: ");
    Err(match said {
        "" => format!("the trial ended with {}", output.status),
        said => said.to_owned(),
    })
}

fn tun() -> Tun {
    let opened = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    match opened {
        Ok(_) => Tun::Usable,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Tun::Missing,
            io::ErrorKind::PermissionDenied => Tun::Forbidden,
            _ => Tun::Broken(error.to_string()),
        },
    }
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &str) -> Option<u64> {
    line(path)?.parse().ok()
}

fn memory_available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// The limit in force and the hard limit; absent when unlimited.
fn limit(limits: &str, name: &str) -> [Option<u64>; 2] {
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let mut words = line.unwrap_or_default().split_whitespace();
    [0, 1].map(|_| words.next()?.parse().ok())
}

/// The least of what the user, the control groups and the kernel allow.
fn processes(limits: &str) -> Option<u64> {
    let [of_user, _] = limit(limits, "Max processes");
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| {
            let path = text
                .lines()
                .find_map(|line| line.strip_prefix("0::"))?
                .to_owned();
            number(&format!("/sys/fs/cgroup{path}/pids.max"))
        });
    let kernel = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map(number);
    [of_user, group].into_iter().chain(kernel).flatten().min()
}

/// Asks the engine whether it is there, and what it is.
fn docker() -> Docker {
    let asked = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Docker::Absent(error.to_string()))
        .map(|runtime| runtime.block_on(async { Engine::connect().await?.about().await }));
    match asked {
        Ok(Ok(about)) => Docker::Answers(about),
        Ok(Err(error @ EngineError::Forbidden { .. })) => Docker::Forbidden(error.to_string()),
        Ok(Err(error)) => Docker::Absent(error.to_string()),
        Err(absent) => absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max processes             unlimited            unlimited            processes\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(limit(text, "Max open files"), [Some(1024), Some(524_288)]);
        assert_eq!(limit(text, "Max processes"), [None, None]);
        assert_eq!(limit("", "Max processes"), [None, None]);
    }
}
