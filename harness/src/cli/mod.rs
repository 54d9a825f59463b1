//! The command line: what can be asked for. One file a command.
//!
//! `main` adds the two commands that are the system under test (`node`, `registry`); everything
//! here is the harness's own.

mod check;
mod run;

mod judge;

use clap::Subcommand;

use crate::exit::Exit;

/// The commands of the harness.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run a plan: start the system, inject the faults, judge what happened, write a report.
    #[command(after_long_help = run::EXAMPLES)]
    Run(run::Args),
    /// Check plans for mistakes without starting anything.
    #[command(after_long_help = check::EXAMPLES)]
    Check(check::Args),
}

/// Does what was asked for.
#[must_use]
pub fn execute(command: Command) -> Exit {
    match command {
        Command::Run(args) => run::execute(&args),
        Command::Check(args) => check::execute(&args),
    }
}

/// Says what the harness could not do.
fn show_trouble(error: &impl std::error::Error) -> Exit {
    eprintln!("harness: {error}");
    Exit::Trouble
}
