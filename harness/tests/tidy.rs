//! The house style that a machine can check, over every source file of the workspace.
//!
//! Hard rules fail: comments over 100 columns, stubs, tests that are switched off, bare `allow`s,
//! unbounded channels, files whose module has no opening comment. Soft rules are printed: long
//! files and long functions, which may have a reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Patterns that must not be in the code, put together here so that this file has none of them.
fn banned() -> Vec<(String, &'static str)> {
    vec![
        (format!("{}!(", "todo"), "finish it or file an issue"),
        (
            format!("{}!(", "unimplemented"),
            "finish it or file an issue",
        ),
        (format!("#[{}", "ignore"), "find out why the test is flaky"),
        (format!("#[{}(", "allow"), "use expect with a reason"),
        (format!("#![{}(", "allow"), "use expect with a reason"),
        (
            format!("unbounded_{}", "channel"),
            "bound the channel and name the bound",
        ),
    ]
}

#[test]
fn sources_follow_the_house_style() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["harness", "node"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "the sources were not found");
    let errors: Vec<String> = files.iter().flat_map(|file| check(file, &root)).collect();
    assert!(errors.is_empty(), "\n{}", errors.join("\n"));
}

/// The README's first command is `cargo run` without `--bin`: it must not have to ask which.
#[test]
fn cargo_run_means_the_harness() {
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let members = metadata["workspace_default_members"]
        .as_array()
        .expect("a list");
    let is_default = |package: &&Value| members.contains(&package["id"]);
    let packages = metadata["packages"].as_array().expect("a list");
    let programs: Vec<&str> = packages
        .iter()
        .filter(is_default)
        .flat_map(|package| package["targets"].as_array().expect("a list"))
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str())
        .collect();
    assert_eq!(programs, ["harness"], "see `default-members` in Cargo.toml");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("readable");
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn check(file: &Path, root: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("readable");
    let name = file
        .strip_prefix(root)
        .unwrap_or(file)
        .display()
        .to_string();
    let mut errors = Vec::new();
    if !text.starts_with("//!") {
        errors.push(format!(
            "{name}:1: error: open the file with its purpose (`//! …`)"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        // Code is rustfmt's business, which leaves alone only what it cannot break, such as texts.
        let is_comment = line.trim_start().starts_with("//");
        if line.chars().count() > COLUMNS_MAX && is_comment {
            errors.push(format!(
                "{name}:{number}: error: over {COLUMNS_MAX} columns"
            ));
        }
        for (pattern, remedy) in banned() {
            if line.contains(&pattern) {
                errors.push(format!("{name}:{number}: error: `{pattern}`: {remedy}"));
            }
        }
    }
    for remark in remarks(&name, &text) {
        println!("{remark}");
    }
    errors
}

/// What is over the soft limits.
fn remarks(name: &str, text: &str) -> Vec<String> {
    let mut remarks = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        remarks.push(format!(
            "{name}: note: {lines} lines, more than one reason to change?"
        ));
    }
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let is_function = line.contains("fn ") && !line.trim_start().starts_with("//");
        match &open {
            None if is_function => open = Some((number, indent, line.trim().to_owned())),
            Some((start, depth, head)) if line == format!("{depth}}}") => {
                if number - start > FUNCTION_LINES_MAX {
                    remarks.push(format!(
                        "{name}:{start}: note: {} lines: {head}",
                        number - start
                    ));
                }
                open = None;
            }
            Some((_, depth, _)) if line.ends_with(';') && indent == *depth => open = None,
            _ => {}
        }
    }
    remarks
}
