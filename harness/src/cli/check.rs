//! `harness check`: plans are read and checked, nothing is started.

use std::path::PathBuf;

use super::output::show;
use crate::exit::Exit;
use crate::plan;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness check chaos-plans/*.yaml

Exit codes: 0 no mistakes, 64 mistakes found";

/// Arguments of `check`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The plans.
    #[arg(value_name = "PLAN", required = true)]
    pub plans: Vec<PathBuf>,
    /// Override a key of every plan; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Show nothing but mistakes and warnings.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `harness check`.
pub fn execute(args: &Args) -> Exit {
    let mut exit = Exit::Pass;
    for path in &args.plans {
        match plan::load(path, &args.sets) {
            Ok(loaded) => {
                loaded.print_warnings();
                if !args.quiet {
                    show(&format!("{}: no mistakes\n", path.display()));
                }
            }
            Err(error) => {
                error.print();
                exit = Exit::Usage;
            }
        }
    }
    exit
}
