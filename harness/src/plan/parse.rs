//! From a file and `--set` arguments to a plan, or to all that is wrong with it.
//!
//! The steps: read the text into a located tree, apply the overrides, decode, check. Each step
//! adds its mistakes and the next one goes on with what is left, so that one run shows them all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path as FilePath;

use super::check;
use super::decode::{Decoded, decode};
use super::error::{MISTAKES_MAX, Mistake, PlanError, Severity, Style};
use super::locate::{self, TEXT_BYTES_MAX};
use super::nearest::nearest;
use super::set;
use super::source::Sources;
use super::spec::Plan;
use super::tree::Node;

/// A plan that can be run.
#[derive(Clone, Debug)]
pub struct LoadedPlan {
    /// The plan.
    pub plan: Plan,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Mistake>,
    /// The plan as YAML with all overrides in it: what really ran.
    pub text: String,
}

impl LoadedPlan {
    /// Prints the warnings to the standard error stream in the style that suits it.
    pub fn print_warnings(&self) {
        let style = Style::of(&io::stderr());
        for warning in &self.warnings {
            // A reader that has gone away does not want to know.
            let _ = writeln!(io::stderr(), "{}", warning.draw(style));
        }
    }
}

/// Reads a plan from a file. Each of `sets` is `a.b.c=VALUE`.
///
/// # Errors
/// When the file cannot be read, or with all mistakes of the plan.
pub fn load(path: &FilePath, sets: &[String]) -> Result<LoadedPlan, PlanError> {
    let text = read_file(path).map_err(|error| unreadable(path, &error))?;
    load_str(&path.display().to_string(), &text, sets)
}

/// Reads a plan from a text; `source_name` stands for the file in messages.
///
/// # Errors
/// With all mistakes of the plan.
pub fn load_str(source_name: &str, text: &str, sets: &[String]) -> Result<LoadedPlan, PlanError> {
    // Editors do not count a byte order mark as a column, so positions do not either.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut mistakes = Vec::new();
    let plan = read_plan(source_name, text, sets, &mut mistakes);
    tidy(&mut mistakes);
    let failed = mistakes.iter().any(|one| one.severity == Severity::Error);
    match plan {
        Some((plan, text)) if !failed => Ok(LoadedPlan {
            plan,
            warnings: mistakes,
            text,
        }),
        _ => Err(PlanError::Mistakes {
            file: source_name.to_owned(),
            mistakes,
        }),
    }
}

/// The plan and its effective text; every mistake goes to `mistakes`. Without a plan there is at
/// least one.
fn read_plan(
    source_name: &str,
    text: &str,
    sets: &[String],
    mistakes: &mut Vec<Mistake>,
) -> Option<(Plan, String)> {
    let mut sources = Sources::of_plan(source_name, text);
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "a plan may have {TEXT_BYTES_MAX} bytes; this has {}",
            text.len()
        );
        mistakes.push(sources.mistake(sources.start(), "", message, None));
        return None;
    }
    let mut tree = locate::read(&sources, 0, 0, mistakes)?;
    for argument in sets {
        set::apply(&mut tree, &mut sources, argument, mistakes);
    }
    let effective = effective_text(text, &tree, sets);
    if tree.is_nothing() {
        let help = Some("a plan has at least `name`, `question`, `system`, `workload`".to_owned());
        mistakes.push(sources.mistake(sources.start(), "", "the plan is empty".into(), help));
        return None;
    }
    let Decoded { plan, mended } = decode(&mut tree, &sources, mistakes)?;
    let problems = check::check(&plan);
    let sound = problems
        .into_iter()
        .filter(|problem| problem.stands_without(&mended));
    mistakes.extend(sound.map(|problem| problem.locate(&tree, &sources)));
    Some((plan, effective))
}

/// The text that says what runs: the file's own where nothing is overridden.
fn effective_text(text: &str, tree: &Node, sets: &[String]) -> String {
    if sets.is_empty() {
        return text.to_owned();
    }
    let yaml = serde_yaml::to_string(&tree.to_value()).expect("a tree of plain values is YAML");
    let lines = sets
        .iter()
        .map(|set| format!("#   --set {}\n", set.replace(['\n', '\r'], " ")));
    format!(
        "# The plan with these overrides in it:\n{}{yaml}",
        lines.collect::<String>()
    )
}

/// Errors first, in the order of the text; each mistake once, as an alias repeats its value.
fn tidy(mistakes: &mut Vec<Mistake>) {
    mistakes.sort_by_key(|one| {
        (
            one.severity == Severity::Warning,
            one.place.source,
            one.place.start,
        )
    });
    let mut seen = std::collections::HashSet::new();
    mistakes.retain(|one| seen.insert((one.place, one.message.clone())));
    mistakes.truncate(MISTAKES_MAX);
}

fn read_file(path: &FilePath) -> io::Result<String> {
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is too much.
    let limit = TEXT_BYTES_MAX as u64 + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it has more than {TEXT_BYTES_MAX} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        io::Error::other(format!("line {line} is not UTF-8 text"))
    })
}

fn unreadable(path: &FilePath, error: &io::Error) -> PlanError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    let help = match error.kind() {
        io::ErrorKind::NotFound => plans_beside(path),
        io::ErrorKind::IsADirectory => plans_in(path, None),
        _ => "a plan is a YAML file in UTF-8".to_owned(),
    };
    PlanError::Unreadable {
        file: path.to_owned(),
        reason,
        help,
    }
}

/// What plans there are where one was looked for.
fn plans_beside(path: &FilePath) -> String {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => FilePath::new("."),
    };
    plans_in(folder, path.file_name().and_then(|name| name.to_str()))
}

fn plans_in(folder: &FilePath, wanted: Option<&str>) -> String {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("there is no folder {} either", folder.display());
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    names.sort_unstable();
    if names.is_empty() {
        return format!("there are no plans in {}", folder.display());
    }
    let near = wanted.and_then(|wanted| nearest(wanted, names.iter().map(String::as_str)));
    let did_you_mean = near.map(|name| format!("did you mean {}? ", folder.join(name).display()));
    format!(
        "{}plans in {}: {}",
        did_you_mean.unwrap_or_default(),
        folder.display(),
        names.join(", ")
    )
}
