//! `harness plans`: the plans of a folder, each with the question that it answers, and with the
//! verdict that it is documented to have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output::{plainly, say, show};
use crate::exit::Exit;
use crate::plan::{self, LoadedPlan, Plan, Span};
use crate::report::words;
use crate::schedule;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness plans
  harness plans my-plans
  harness plans --markdown > chaos-plans/README.md

Exit codes: 0 listed, 64 no such folder, or a plan in it has mistakes";

/// Arguments of `plans`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder.
    #[arg(value_name = "DIR", default_value = "chaos-plans")]
    pub folder: PathBuf,
    /// Write a page in Markdown instead of a table.
    #[arg(long)]
    pub markdown: bool,
}

/// A file that may be a plan.
struct Entry {
    /// Its name within the folder.
    file: String,
    /// The plan, or the number of its mistakes.
    plan: Result<Box<LoadedPlan>, usize>,
}

/// `harness plans`.
pub fn execute(args: &Args) -> Exit {
    let entries = match read(&args.folder) {
        Ok(entries) => entries,
        Err(error) => {
            say(format_args!(
                "harness: cannot list {}: {}",
                args.folder.display(),
                plainly(&error)
            ));
            return Exit::Usage;
        }
    };
    if entries.is_empty() {
        say(format_args!(
            "harness: there are no plans (*.yaml) in {}",
            args.folder.display()
        ));
        return Exit::Usage;
    }
    show(&match args.markdown {
        true => markdown(&entries),
        false => table(&entries),
    });
    let broken: Vec<&Entry> = entries.iter().filter(|one| one.plan.is_err()).collect();
    for entry in &broken {
        let path = args.folder.join(&entry.file);
        say(format_args!(
            "see what is wrong: harness check {}",
            path.display()
        ));
    }
    if broken.is_empty() {
        Exit::Pass
    } else {
        Exit::Usage
    }
}

/// All plans of a folder, by file name.
fn read(folder: &Path) -> std::io::Result<Vec<Entry>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if file.ends_with(".yaml") || file.ends_with(".yml") {
            files.push(file);
        }
    }
    files.sort_unstable();
    let load = |file: String| Entry {
        plan: plan::load(&folder.join(&file), &[])
            .map(Box::new)
            .map_err(|error| error.mistakes().len()),
        file,
    };
    Ok(files.into_iter().map(load).collect())
}

/// The plans for a terminal: file, documented verdict, question.
fn table(entries: &[Entry]) -> String {
    let width = entries
        .iter()
        .map(|one| one.file.chars().count())
        .max()
        .unwrap_or_default();
    let line = |file: &str, verdict: &str, question: &str| {
        format!("{file:<width$}  {verdict:<7}  {question}\n")
    };
    let lines = entries.iter().map(|Entry { file, plan }| match plan {
        Ok(loaded) => line(
            file,
            words::verdict(loaded.plan.verdict),
            &format!(
                "{}{}",
                one_line(&loaded.plan.question),
                control(&loaded.plan)
            ),
        ),
        Err(0) => line(file, words::NONE, "(it cannot be read)"),
        Err(mistakes) => {
            let mistakes = words::counted(*mistakes as u64, "mistake");
            line(file, words::NONE, &format!("(it has {mistakes})"))
        }
    });
    std::iter::once(line("plan", "verdict", "question"))
        .chain(lines)
        .collect()
}

const PAGE: &str = "\
# Chaos plans

Each plan asks one question; a run answers it with pass, fail or unknown. **Verdict** is what the
plan is documented to show: a plan that is to *fail* is a control, which shows that the others
measure something. The comment on top of each file says what to look for in its report.

| plan | question | verdict | tags | hosts | time | faults |
|---|---|---|---|---|---|---|
";

const AFTER: &str = "
```sh
harness explain chaos-plans/NAME.yaml   # what would happen, without running it
harness run chaos-plans/NAME.yaml
```

*Time* is the length of the timeline; starting, settling and the final reads come on top. Plans
without a `ci` tag are not run for every change. `plan.schema.json` describes the form of a plan
for editors; `harness init` writes a plan to start from.

This page is written by `harness plans --markdown`.
";

/// The plans as a page.
fn markdown(entries: &[Entry]) -> String {
    let rows: String = entries
        .iter()
        .filter_map(|entry| Some(row(&entry.file, entry.plan.as_ref().ok()?)))
        .collect();
    format!("{PAGE}{rows}{AFTER}")
}

fn row(file: &str, loaded: &LoadedPlan) -> String {
    let plan = &loaded.plan;
    // Neither the number of hosts nor the length depends on the seed.
    let schedule = schedule::compile(plan, plan.seed.unwrap_or_default());
    let mut faults: Vec<&str> = schedule
        .faults
        .iter()
        .map(|fault| fault.fault.inner().kind())
        .collect();
    faults.sort_unstable();
    faults.dedup();
    let cells = [
        format!("[{}]({file})", plan.name),
        one_line(&plan.question).replace('|', r"\|"),
        format!("{}{}", words::verdict(plan.verdict), control(plan)),
        plan.tags.join(", ").replace('|', r"\|"),
        schedule.hosts.len().to_string(),
        Span(Duration::from_micros(schedule.timeline_us)).to_string(),
        faults.join(", "),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Which checker must fail, when that is what the plan is for.
fn control(plan: &Plan) -> String {
    match &plan.control {
        Some(checker) => format!(" (control of {checker})"),
        None => String::new(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
