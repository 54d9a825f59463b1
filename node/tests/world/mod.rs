//! A small world of real processes on loopback addresses, for the tests beside it.
//!
//! Each world has its own folder and its own 127.x.y.0/24. Dropping it kills what it started.

#![expect(dead_code, reason = "each test file uses its own part of this")]

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Everything here waits for events; this is only the point at which a test is given up.
pub const PATIENCE: Duration = Duration::from_secs(30);

static WORLDS: AtomicU8 = AtomicU8::new(0);

pub struct World {
    pub dir: TempDir,
    network: String,
    registry_key: String,
    options: Vec<String>,
    pub registry: Option<Process>,
    pub nodes: Vec<Option<Process>>,
}

pub struct Process {
    child: Child,
    http: reqwest::Client,
}

/// A status and a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl World {
    /// A registry with these further options, and so many nodes, all ready.
    pub async fn new(nodes: usize, options: &[&str]) -> Self {
        let mut world = Self::with_registry(options);
        for _ in 0..nodes {
            world.nodes.push(None);
            world.start_node(world.nodes.len() - 1);
        }
        for node in 0..nodes {
            world.wait_ready(node).await;
        }
        world
    }

    /// A registry only.
    pub fn with_registry(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let third = std::process::id() % 250 + 1;
        let network = format!("127.{third}.{number}");
        let registry_dir = dir.path().join("registry");
        let keygen = Command::new(env!("CARGO_BIN_EXE_registry"))
            .args(["keygen", "--dir"])
            .arg(&registry_dir)
            .output()
            .expect("keygen runs");
        let registry_key = String::from_utf8(keygen.stdout)
            .expect("hex")
            .trim()
            .to_owned();
        assert_eq!(
            registry_key.len(),
            64,
            "keygen prints the key and nothing else"
        );
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut world = Self {
            dir,
            network,
            registry_key,
            options,
            registry: None,
            nodes: Vec::new(),
        };
        world.start_registry();
        world
    }

    pub fn start_registry(&mut self) {
        self.start_registry_with(&["--enable-bugs"]);
    }

    pub fn start_registry_with(&mut self, options: &[&str]) {
        let dir = self.dir.path().join("registry");
        let mut command = Command::new(env!("CARGO_BIN_EXE_registry"));
        command.args(["--listen", &format!("{}.1:8080", self.network)]);
        command.args(["--p2p", &format!("{}.1:4001", self.network)]);
        command.args(&self.options);
        command.args(options);
        self.registry = Some(Process::start(command, &dir));
    }

    pub fn start_node(&mut self, node: usize) {
        self.start_node_with(node, &["--enable-bugs"]);
    }

    pub fn start_node_with(&mut self, node: usize, options: &[&str]) {
        let dir = self.node_dir(node);
        let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
        command.args(["--listen", &format!("{}.{}:4001", self.network, node + 10)]);
        command.args(["--registry", &format!("http://{}.1:8080", self.network)]);
        command.args(["--registry-key", &self.registry_key]);
        command.args(options);
        self.nodes[node] = Some(Process::start(command, &dir));
    }

    pub fn kill_registry(&mut self) {
        drop(self.registry.take());
    }

    pub fn kill_node(&mut self, node: usize) {
        drop(self.nodes[node].take());
    }

    pub fn node_dir(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("node-{node}"))
    }

    /// An IP address of this world; 10 and up are nodes.
    pub fn ip(&self, host: usize) -> String {
        format!("{}.{host}", self.network)
    }

    pub fn node(&self, node: usize) -> &Process {
        self.nodes[node].as_ref().expect("the node runs")
    }

    pub fn registry(&self) -> &Process {
        self.registry.as_ref().expect("the registry runs")
    }

    pub async fn wait_ready(&self, node: usize) {
        let node = self.node(node);
        wait_for("a node to be ready", async || {
            node.get("/v1/status")
                .await
                .is_some_and(|status| status.body["ready"] == true)
        })
        .await;
    }

    /// Nodes that run and are mirrors by their own word.
    pub async fn mirrors(&self) -> Vec<usize> {
        let mut mirrors = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            if node
                .get("/v1/status")
                .await
                .is_some_and(|status| status.body["role"] == "mirror")
            {
                mirrors.push(at);
            }
        }
        mirrors
    }
}

impl Process {
    fn start(mut command: Command, dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a folder");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("log"))
            .expect("a log file");
        let child = command
            .arg("--dir")
            .arg(dir)
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the process starts");
        let http = reqwest::Client::builder()
            .unix_socket(dir.join("api.sock"))
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client");
        Self { child, http }
    }

    pub async fn get(&self, path: &str) -> Option<Reply> {
        let request = self
            .http
            .get(format!("http://host{path}"))
            .timeout(PATIENCE);
        Reply::of(request.send().await).await
    }

    pub async fn post(&self, path: &str, body: Value, deadline: Duration) -> Option<Reply> {
        let request = self
            .http
            .post(format!("http://host{path}"))
            .header("x-deadline-ms", deadline.as_millis().to_string())
            .body(body.to_string())
            .timeout(PATIENCE);
        Reply::of(request.send().await).await
    }

    pub async fn register(&self, name: &str, value: &str) -> Reply {
        let body = json!({"name": name, "value": value});
        self.post("/v1/register", body, Duration::from_secs(5))
            .await
            .expect("an answer")
    }

    pub async fn update(&self, name: &str, value: &str) -> Reply {
        let body = json!({"name": name, "value": value});
        self.post("/v1/update", body, Duration::from_secs(5))
            .await
            .expect("an answer")
    }

    pub async fn resolve(&self, name: &str) -> Reply {
        self.get(&format!("/v1/resolve/{name}"))
            .await
            .expect("an answer")
    }

    pub async fn put(&self, path: &str, body: Value) -> Option<Reply> {
        let request = self
            .http
            .put(format!("http://host{path}"))
            .body(body.to_string())
            .timeout(PATIENCE);
        Reply::of(request.send().await).await
    }

    /// Plants this bug alone, and for certain.
    pub async fn plant(&self, bug: &str) {
        self.plant_all(json!({bug: 1})).await;
    }

    /// Plants exactly these bugs.
    pub async fn plant_all(&self, chances: Value) {
        let reply = self.put("/v1/bugs", chances).await.expect("an answer");
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// How often a bug has bitten this process.
    pub async fn bitten(&self, bug: &str) -> u64 {
        let reply = self.get("/v1/bugs").await.expect("an answer");
        reply.body["bitten"][bug].as_u64().unwrap_or(0)
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill")
            .args([signal, &pid])
            .status()
            .expect("kill runs");
        assert!(done.success());
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child
            .wait()
            .expect("the child can be waited for")
            .code()
    }
}

impl Drop for Process {
    /// SIGKILL, as a crash would.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reply {
    async fn of(answer: reqwest::Result<reqwest::Response>) -> Option<Self> {
        let answer = answer.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.ok()?;
        Some(Self {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        })
    }
}

/// Waits until something is so; half a minute is for slow machines.
pub async fn wait_for(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < end, "waited in vain for {what}");
        // There is no event to wait for in another process: it is asked again.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
