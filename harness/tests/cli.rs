//! The command line as a user meets it: what is printed, where, and with which exit code.
//!
//! Goal: every command explains itself, wrong input is refused with a place and a remedy before
//! anything is started, and a reader that goes away is no crash. Method: transcripts of the real
//! executable in a folder of its own, as snapshots.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const SMALL: &str = "\
name: small
question: Does anyone notice?
seed: 7
system: { nodes: 12, mirrors: 6, replicas: 5, cohorts: [{ name: old, count: 2 }] }
network: { latency: 10ms, jitter: 2ms, loss: 0.1% }
workload:
  rates: { resolve: 50/s, register: 2/s }
timeline:
  - { id: registry-dies, at: 5s, for: 10s, targets: registry, fault: kill }
  - { at: 6s, targets: { count: 9, of: nodes }, fault: restart }
  - at: 7s
    targets: { minority: mirrors }
    fault: { latency: { mean: 200ms, jitter: 50ms } }
expect:
  availability: { resolve: 99.9% }
  latency: { resolve: { p50: 20ms, p99: 1s } }
";

const FIVE_MISTAKES: &str = "\
name: Five Mistakes
question: Does anyone notice?
system: { nodes: 12, mirrors: 6, replicas: 5 }
workload:
  rates: { resolve: 50/s, update: fast }
timeline:
  - { at: 10s, for: 30s, targets: registri, fault: kill }
  - { for: 10s, targets: { minority: mirrors }, fault: { latency: { meen: 300ms } } }
";

/// A folder with a plan in it, in which the harness is called.
struct Desk(TempDir);

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a temporary folder"));
        desk.write("small.yaml", SMALL);
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("writable");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("it was written")
    }

    /// The names of all that lies in the folder.
    fn files(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path()).expect("readable");
        entries
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    /// A run folder whose history is one of the golden ones.
    fn run_folder(&self, name: &str, golden: &str) {
        let golden =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{golden}.jsonl"));
        fs::create_dir(self.path().join(name)).expect("writable");
        let events = self.path().join(name).join("events.jsonl");
        fs::copy(golden, events).expect("golden histories are committed");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .args(args)
            .current_dir(self.path())
            .env_remove("CARGO");
        command
    }

    fn call(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().expect("the harness starts");
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The call as it looks in a terminal, with the exit code.
    fn transcript(&self, args: &[&str]) -> String {
        let Said { code, out, err } = self.call(args);
        let code = code.map_or("by a signal".to_owned(), |code| code.to_string());
        format!("$ harness {}\n{out}{err}[exit {code}]\n", args.join(" "))
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    let desk = Desk::new();
    let commands = [
        "run",
        "check",
        "explain",
        "recheck",
        "report",
        "plans",
        "init",
        "schema",
        "doctor",
        "sweep",
        "bench",
        "completions",
        "man",
    ];
    let overview = desk.call(&["--help"]);
    assert_eq!(overview.code, Some(0));
    for command in commands {
        assert!(
            overview.out.contains(&format!("\n  {command} ")),
            "{command}"
        );
        let help = desk.transcript(&[command, "--help"]);
        assert!(help.contains("\nExamples:\n  harness "), "{help}");
        insta::assert_snapshot!(format!("help_{command}"), help);
        let short = desk.call(&[command, "-h"]);
        assert_eq!((short.code, short.err.as_str()), (Some(0), ""), "{command}");
    }
    let parts = [
        &["bench", "fabric"][..],
        &["bench", "boot"],
        &["node"],
        &["registry"],
    ];
    for part in parts {
        let help = desk.call(&[part, &["--help"]].concat());
        assert!(help.out.contains("\nExamples:\n  harness "), "{part:?}");
    }
    assert!(!overview.out.contains("inside"), "not for people");
}

#[test]
fn a_plan_with_five_mistakes_is_refused_with_all_of_them_and_nothing_is_started() {
    let desk = Desk::new();
    desk.write("five.yaml", FIVE_MISTAKES);
    let before = desk.files();
    let transcript = desk.transcript(&["run", "five.yaml"]);
    for place in ["1:7", "5:35", "7:35", "8:5", "8:69"] {
        assert!(
            transcript.contains(&format!("[five.yaml:{place}]")),
            "{place}: {transcript}"
        );
    }
    insta::assert_snapshot!("five_mistakes", transcript);

    let marker = format!("cli-{}", std::process::id());
    for command in ["run", "check", "explain"] {
        let mut call = desk.command(&[command, "five.yaml"]);
        let output = call
            .env("HARNESS_TEST_MARKER", &marker)
            .output()
            .expect("it starts");
        assert_eq!(output.status.code(), Some(64), "{command}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.ends_with("5 mistakes in five.yaml; nothing was started\n"),
            "{said}"
        );
        assert_eq!(processes_with(&marker), [0; 0], "{command}");
    }
    assert_eq!(desk.files(), before);
}

/// The processes with this marker in their environment.
fn processes_with(marker: &str) -> Vec<u32> {
    let wanted = format!("HARNESS_TEST_MARKER={marker}");
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut pairs = environment.split(|byte| *byte == 0);
        pairs.any(|pair| pair == wanted.as_bytes())
    })
    .collect()
}

#[test]
fn wrong_usage_is_refused_with_what_was_probably_meant() {
    let desk = Desk::new();
    let calls: [&[&str]; 8] = [
        &["rnu", "small.yaml"],
        &["run"],
        &["run", "smal.yaml"],
        &["run", "small.yaml", "--sed", "7"],
        &["explain", "small.yaml", "--format", "xml"],
        &["explain", "small.yaml", "--set", "system.mirors=3"],
        &["report", "small.yaml", "--out", "page.html"],
        &["plans", "nowhere"],
    ];
    let transcripts: Vec<String> = calls.iter().map(|args| desk.transcript(args)).collect();
    for transcript in &transcripts {
        assert!(transcript.ends_with("[exit 64]\n"), "{transcript}");
    }
    insta::assert_snapshot!("wrong_usage", transcripts.join("\n"));
}

#[test]
fn limits_that_the_local_runtime_cannot_keep_are_refused_before_anything_is_started() {
    let desk = Desk::new();
    let limits = "system.limits.memory=64MiB";
    let said = desk.call(&["run", "small.yaml", "--runtime", "local", "--set", limits]);
    assert_eq!(said.code, Some(64), "{}", said.err);
    assert!(said.err.contains("`system.limits`"), "{}", said.err);
    assert_eq!(desk.files(), BTreeSet::from(["small.yaml".to_owned()]));
}

#[test]
fn explain_tells_a_person_what_a_run_would_do() {
    let desk = Desk::new();
    insta::assert_snapshot!("explain", desk.transcript(&["explain", "small.yaml"]));
    assert_eq!(desk.files(), BTreeSet::from(["small.yaml".to_owned()]));
}

#[test]
fn explain_gives_programs_the_schedule_of_the_seed() {
    let desk = Desk::new();
    let explain = |args: &[&str]| desk.call(&[&["explain", "small.yaml"], args].concat()).out;
    let json = explain(&["--format", "json"]);
    let loaded = harness::plan::load_str("small.yaml", SMALL, &[]).expect("valid");
    assert_eq!(json, harness::schedule::compile(&loaded.plan, 7).to_json());
    assert_eq!(json, explain(&["--format", "json", "--seed", "7"]));
    assert_ne!(json, explain(&["--format", "json", "--seed", "8"]));

    let json: Value = serde_json::from_str(&json).expect("JSON");
    let yaml: Value = serde_yaml::from_str(&explain(&["--format", "yaml"])).expect("YAML");
    assert_eq!(yaml, json);
    let set = explain(&["--format", "json", "--set", "system.nodes=20"]);
    let set: Value = serde_json::from_str(&set).expect("JSON");
    assert_eq!(set["hosts"].as_array().map(Vec::len), Some(23));
}

#[test]
fn an_old_run_is_judged_again_and_its_verdict_is_the_exit_code() {
    let desk = Desk::new();
    let runs = [
        ("sound", Some(0), "PASS"),
        ("outage", Some(1), "FAIL"),
        ("no-evidence", Some(3), "UNKNOWN"),
    ];
    for (golden, code, word) in runs {
        desk.run_folder(golden, golden);
        let said = desk.call(&["recheck", golden]);
        assert_eq!(
            (said.code, said.err.as_str()),
            (code, ""),
            "{golden}: {}",
            said.out
        );
        assert!(
            said.out.starts_with(&format!("{word}  golden")),
            "{}",
            said.out
        );
        assert!(
            said.out.contains(&format!("{golden}/report.html")),
            "{}",
            said.out
        );
        let verdict: Value =
            serde_json::from_str(&desk.read(&format!("{golden}/verdict.json"))).expect("JSON");
        assert_eq!(verdict["outcome"], word.to_lowercase());
    }
}

#[test]
fn reports_are_rendered_again_byte_for_byte() {
    let desk = Desk::new();
    desk.run_folder("run", "outage");
    assert_eq!(desk.call(&["recheck", "run", "--quiet"]).code, Some(1));
    let written = || {
        let names = ["verdict.json", "report.html", "report.md", "junit.xml"];
        names.map(|name| fs::read(desk.path().join("run").join(name)).ok())
    };
    let first = written();
    assert!(first.iter().all(Option::is_some));
    for name in ["verdict.json", "report.html", "report.md", "junit.xml"] {
        fs::remove_file(desk.path().join("run").join(name)).expect("it was written");
    }
    // The verdict is not what `report` is asked about.
    assert_eq!(desk.call(&["report", "run"]).code, Some(0));
    assert!(
        written() == first,
        "the same history gives the same reports"
    );

    let json = desk.call(&["report", "run", "--format", "json"]);
    assert_eq!(
        (json.code, json.out),
        (Some(0), desk.read("run/verdict.json"))
    );
    let text = desk.call(&["report", "run", "--format", "text"]);
    assert_eq!(text.out, desk.call(&["recheck", "run"]).out);
    let files = [
        ("html", "report.html"),
        ("md", "report.md"),
        ("junit", "junit.xml"),
    ];
    for (format, file) in files {
        let said = desk.call(&["report", "run", "--format", format, "--out", "one"]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{format}");
        assert!(
            desk.read("one") == desk.read(&format!("run/{file}")),
            "{format}"
        );
    }
}

#[test]
fn what_is_no_run_is_refused() {
    let desk = Desk::new();
    for folder in ["empty", "torn", "other", "binary"] {
        fs::create_dir(desk.path().join(folder)).expect("writable");
    }
    desk.write("torn/events.jsonl", "{\"at_us\":0,\"ev");
    desk.write(
        "other/events.jsonl",
        "{\"level\":\"info\"}\n{\"level\":\"info\"}\n",
    );
    fs::write(desk.path().join("binary/events.jsonl"), [0xff; 64]).expect("writable");
    let runs = ["nowhere", "small.yaml", "empty", "torn", "other", "binary"];
    let mut transcripts = Vec::new();
    for run in runs {
        transcripts.push(desk.transcript(&["recheck", run]));
        assert_eq!(desk.call(&["report", run]).code, Some(64), "{run}");
    }
    for transcript in &transcripts {
        assert!(transcript.ends_with("[exit 64]\n"), "{transcript}");
    }
    insta::assert_snapshot!("no_run", transcripts.join("\n"));
    assert_eq!(
        desk.files().len(),
        5,
        "nothing was made: {:?}",
        desk.files()
    );
}

#[test]
fn plans_are_listed_with_their_questions_and_broken_ones_are_named() {
    let desk = Desk::new();
    desk.write(
        "control.yaml",
        &SMALL.replace(
            "name: small",
            "name: control\nverdict: fail\ncontrol: availability",
        ),
    );
    desk.write("broken.yaml", FIVE_MISTAKES);
    insta::assert_snapshot!("plans", desk.transcript(&["plans", "."]));
}

#[test]
fn a_plan_to_start_from_has_no_mistakes_and_never_replaces_a_file() {
    let desk = Desk::new();
    let first = desk.transcript(&["init", "my-plan.yaml"]);
    let checked = desk.transcript(&["check", "my-plan.yaml"]);
    let written = desk.read("my-plan.yaml");
    let second = desk.transcript(&["init", "my-plan.yaml"]);
    insta::assert_snapshot!("init", [first, checked, second].join("\n"));
    assert_eq!(desk.read("my-plan.yaml"), written);
    assert_eq!(desk.call(&["init", "nowhere/plan.yaml"]).code, Some(64));
}

#[test]
fn quiet_says_nothing_but_what_is_wrong() {
    let desk = Desk::new();
    desk.run_folder("run", "sound");
    for args in [["check", "small.yaml", "--quiet"], ["recheck", "run", "-q"]] {
        let said = desk.call(&args);
        assert_eq!(
            (said.code, said.out.as_str(), said.err.as_str()),
            (Some(0), "", "")
        );
    }
    desk.write("five.yaml", FIVE_MISTAKES);
    let said = desk.call(&["check", "--quiet", "five.yaml", "small.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(64), ""));
    assert!(said.err.contains("5 mistakes in five.yaml"), "{}", said.err);
}

#[test]
fn shells_and_manuals_know_every_command() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = desk.call(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{shell}");
        for word in ["recheck", "registry", "--seed", "node"] {
            // Fish writes long options without their dashes.
            assert!(
                script.out.contains(word.trim_start_matches('-')),
                "{shell}: {word}"
            );
        }
    }
    let page = desk.call(&["man"]);
    assert!(page.out.contains(".TH harness 1"), "{}", page.out);
    assert_eq!(desk.call(&["man", "--out", "pages"]).code, Some(0));
    for page in [
        "harness.1",
        "harness-run.1",
        "harness-recheck.1",
        "harness-node.1",
    ] {
        assert!(
            desk.read(&format!("pages/{page}")).contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_crash() {
    let desk = Desk::new();
    desk.run_folder("run", "outage");
    desk.write("five.yaml", FIVE_MISTAKES);
    let calls: [(&[&str], i32); 10] = [
        (&["--help"], 0),
        (&["schema"], 0),
        (&["explain", "small.yaml"], 0),
        (&["check", "small.yaml"], 0),
        (&["check", "five.yaml"], 64),
        (&["plans", "."], 64),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["report", "run", "--format", "html"], 0),
        (&["recheck", "run"], 1),
    ];
    for (args, code) in calls {
        let status = std::process::Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(args)
            .current_dir(desk.path())
            .stdout(closed_pipe())
            .stderr(closed_pipe())
            .status()
            .expect("the harness starts");
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

/// The writing end of a pipe that nobody reads any more.
fn closed_pipe() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}
