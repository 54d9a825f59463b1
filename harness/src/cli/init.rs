//! `harness init`: a plan to start from, with a comment at every key.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::output::{say, show};
use crate::exit::Exit;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness init
  harness init chaos-plans/slow-start.yaml

Exit codes: 0 written, 64 the file exists or cannot be made";

/// The plan that is written; its name is replaced by the file's.
const STARTER: &str = include_str!("init/starter.yaml");
/// The name of the plan in `STARTER`.
const STARTER_NAME: &str = "name: starter ";

/// Arguments of `init`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to write the plan.
    #[arg(value_name = "FILE", default_value = "plan.yaml")]
    pub file: PathBuf,
}

/// `harness init`.
pub fn execute(args: &Args) -> Exit {
    let path = &args.file;
    let shown = path.display();
    // `create_new` never writes over a file, whoever made it, and whenever.
    let text = starter(path);
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        say(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("harness: {shown} exists and is left as it is; give another FILE")
            }
            _ => format!("harness: could not write {shown}: {error}"),
        });
        return Exit::Usage;
    }
    show(&format!(
        "wrote {shown}\nnext: harness check {shown}\n      harness explain {shown}\n      \
         harness run {shown}\n"
    ));
    Exit::Pass
}

fn starter(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    STARTER.replacen(STARTER_NAME, &format!("name: {} ", plan_name(&stem)), 1)
}

/// A valid name of a plan from the name of a file.
fn plan_name(stem: &str) -> String {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let name: String = stem
        .to_lowercase()
        .chars()
        .map(|c| {
            if valid(c) || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .skip_while(|c| !valid(*c))
        .take(64)
        .collect();
    match name.as_str() {
        "" => "starter".to_owned(),
        // YAML would read a number, or a truth value, where a name is meant.
        _ if name.parse::<f64>().is_ok() || ["true", "false", "null"].contains(&name.as_str()) => {
            format!("plan-{name}")
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn the_starter_is_a_plan_without_mistakes_whatever_its_file_is_called() {
        let names = [
            "plan.yaml",
            "Ein Plan.yaml",
            "7.yaml",
            "1e3.yaml",
            "true.yaml",
            "x: y.yaml",
            "é",
            ".yaml",
            "no",
            "~",
        ];
        for name in names {
            let loaded = plan::load_str(name, &starter(Path::new(name)), &[]);
            let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
        }
        let named = plan::load_str("x", &starter(Path::new("a/slow-start.yaml")), &[]);
        assert_eq!(named.expect("valid").plan.name, "slow-start");
    }

    #[test]
    fn every_line_of_the_starter_that_is_commented_out_is_valid_too() {
        let text: String = STARTER
            .lines()
            .map(|line| match line.trim_start().strip_prefix("# ") {
                Some(rest) if rest.starts_with("- ") || is_setting(rest) => {
                    let indent = line.len() - line.trim_start().len();
                    format!("{}{rest}\n", &line[..indent])
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let loaded = plan::load_str("plan.yaml", &text, &[]);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(loaded.plan.timeline.len(), 6);
        assert_eq!(loaded.plan.verdict, plan::Verdict::Fail);
        assert_eq!(loaded.plan.system.cohorts.len(), 1);
        assert_eq!(loaded.plan.workload.popularity, plan::Popularity::Uniform);
    }

    fn is_setting(text: &str) -> bool {
        [
            "tags:",
            "seed:",
            "verdict:",
            "cohorts:",
            "popularity:",
            "contention:",
        ]
        .iter()
        .any(|key| text.starts_with(key))
    }
}
