//! `harness recheck`: an old run is judged again, by the checkers of today.

use std::path::PathBuf;

use super::judge::{self, JudgeError};
use crate::exit::Exit;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness recheck reports/20260101000000000-central-outage-7
  harness recheck my-run --quiet && echo nobody noticed

Reads events.jsonl, the history, and nothing else. Writes verdict.json and the reports anew.

Exit codes: 0 pass, 1 fail, 3 unknown, 64 not a run folder, 70 harness trouble";

/// Arguments of `recheck`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder of the run.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Show nothing; the exit code is the verdict.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `harness recheck`.
pub fn execute(args: &Args) -> Exit {
    judge_again(args).unwrap_or_else(|error| error.report())
}

fn judge_again(args: &Args) -> Result<Exit, JudgeError> {
    let folder = judge::open(&args.run)?;
    let report = judge::judge(&folder)?;
    judge::write_reports(&folder, &report)?;
    if !args.quiet {
        judge::show_summary(&folder, &report);
    }
    Ok(report.outcome.into())
}
