//! `harness report`: the reports of an old run are rendered again, by the renderers of today.
//!
//! Findings come from the checkers of today too, as a report that disagrees with its verdict would
//! help nobody. The difference from `recheck` is the exit code, which does not judge the run, and
//! the choice of one format.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;

use super::judge::{self, JudgeError};
use super::output::show;
use crate::exit::Exit;
use crate::report::{Report, html, junit, markdown, summary, verdict_json};
use crate::run::{RunError, RunFolder};

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness report my-run                               write all reports of the folder anew
  harness report my-run --format text                 print the summary
  harness report my-run --format json | jq .outcome
  harness report my-run --format md --out comment.md

Exit codes: 0 rendered, whatever the verdict; 64 not a run folder; 70 harness trouble";

/// Arguments of `report`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder of the run.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Print one report instead of writing all of them into the folder.
    #[arg(long)]
    pub format: Option<Format>,
    /// Write that one report to a file instead of printing it.
    #[arg(long, value_name = "FILE", requires = "format")]
    pub out: Option<PathBuf>,
}

/// What a report can be rendered as.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// The page with drawings, one file.
    Html,
    /// Verdict, findings and figures for programs, as in `verdict.json`.
    Json,
    /// The summary that a run ends with.
    Text,
    /// Markdown for a pull request, as in `report.md`.
    Md,
    /// `JUnit` XML for CI, as in `junit.xml`.
    Junit,
}

/// `harness report`.
pub fn execute(args: &Args) -> Exit {
    match render_again(args) {
        Ok(()) => Exit::Pass,
        Err(error) => error.report(),
    }
}

fn render_again(args: &Args) -> Result<(), JudgeError> {
    let folder = judge::open(&args.run)?;
    let report = judge::judge(&folder)?;
    let Some(format) = args.format else {
        judge::write_reports(&folder, &report)?;
        show(&format!("rendered again: {}\n", folder.display().display()));
        return Ok(());
    };
    let text = format.render(&report, &folder);
    match &args.out {
        None => show(&text),
        Some(path) => fs::write(path, text).map_err(|source| RunError::Write {
            path: path.clone(),
            source,
        })?,
    }
    Ok(())
}

impl Format {
    fn render(self, report: &Report, folder: &RunFolder) -> String {
        match self {
            Format::Html => html::render(report),
            Format::Json => verdict_json::render(report),
            Format::Md => markdown::render(report),
            Format::Junit => junit::render(report),
            Format::Text => summary::render(report, &folder.display().join("report.html"), false),
        }
    }
}
