//! The work bench: plans, the executable, and what the engine's own command line says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything on this machine may take that has no deadline of its own.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// How often a state is looked at that nothing announces.
const INTERVAL: Duration = Duration::from_millis(50);

/// A plan in a folder of its own. Its name is drawn once, so that its containers are told from
/// those of any other.
pub struct Bench {
    pub folder: TempDir,
    pub name: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Bench {
    /// Writes a plan without its `name` line.
    pub fn new(plan: &str) -> Bench {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("docker-test-{}-{number}", std::process::id());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!("name: {name}\n{plan}");
        fs::write(folder.path().join("plan.yaml"), text).expect("writable");
        Bench { folder, name }
    }

    pub fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// `harness run` of the plan, on containers.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args([
            "run",
            "--runtime",
            "docker",
            "--seed",
            "7",
            "--quiet",
            "--out",
        ]);
        command.arg(self.run_folder());
        command.arg(self.folder.path().join("plan.yaml"));
        command
    }

    /// Starts the plan and returns at once.
    pub fn start(&self) -> Child {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the harness starts")
    }

    pub fn verdict(&self) -> Value {
        let text = fs::read_to_string(self.run_folder().join("verdict.json"));
        serde_json::from_str(&text.expect("a verdict")).expect("JSON")
    }

    /// The names of the plan's containers, whatever their state.
    pub fn containers(&self) -> Vec<String> {
        let label = format!("label=harness.plan={}", self.name);
        let listed = docker(&["ps", "--all", "--format", "{{.Names}}", "--filter", &label]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Waits until the run's history has this text.
    pub fn wait_for_event(&self, text: &str, harness: &mut Child) {
        let events = self.run_folder().join("events.jsonl");
        wait_until(&format!("{text} in the history"), PATIENCE, || {
            let ended = harness.try_wait().expect("it is our child");
            assert_eq!(ended, None, "the harness ended early");
            fs::read_to_string(&events).is_ok_and(|events| events.contains(text))
        });
    }

    /// Waits until no container of the plan is there, and returns how long that took.
    pub fn wait_until_nothing_is_left(&self) -> Duration {
        let start = Instant::now();
        wait_until("no container", PATIENCE, || self.containers().is_empty());
        start.elapsed()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // After a failed test nothing must be left either.
        for name in self.containers() {
            let _ = Command::new("docker")
                .args(["rm", "--force", &name])
                .output();
        }
    }
}

/// Waits for something that nothing announces.
pub fn wait_until(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(INTERVAL);
    }
}

/// What the engine's command line says.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("there is a docker command");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether an engine answers at all; else what was said.
pub fn engine_answers() -> Result<(), String> {
    let output = Command::new("docker").arg("info").output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("there is no docker command: {error}")),
    }
}

/// Both outputs of a command, for messages.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Gives a folder and all in it to a user.
pub fn give_to(folder: &Path, user: u32) {
    let status = Command::new("chown")
        .arg("--recursive")
        .arg(format!("{user}:{user}"))
        .arg(folder)
        .status();
    assert!(status.expect("there is a chown command").success());
}
