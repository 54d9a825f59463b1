//! `harness doctor`: what works on this machine, and how to fix what does not.

use std::io::IsTerminal;

use super::output::show;
use crate::doctor::{self, Facts, examine};
use crate::exit::Exit;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness doctor
  harness doctor --format json

Exit codes: 0 plans can be run here, 70 they cannot";

/// How to write the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Arguments of `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How to write the answer.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Be the trial inside the enclosure.
    #[arg(long, hide = true)]
    pub probe: bool,
}

/// `harness doctor`.
pub fn execute(args: &Args) -> Exit {
    if args.probe {
        return doctor::probe();
    }
    let report = examine(&Facts::gather());
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    show(&match args.format {
        Format::Human => doctor::human(&report, colour),
        Format::Json => doctor::json(&report),
    });
    if report.works {
        Exit::Pass
    } else {
        Exit::Trouble
    }
}
