//! The command line: what can be asked for. One file a command.
//!
//! `main` adds the two commands that are the system under test (`node`, `registry`); everything
//! here is the harness's own.

mod check;
mod explain;
mod run;

mod recheck;
mod report;

mod faults;
mod init;
mod plans;
mod schema;

mod bench;
mod doctor;
mod sweep;

mod completions;
mod man;

mod inside;

mod judge;
mod mistyped;
pub(crate) mod output;
mod runtime;

use clap::Subcommand;
pub use mistyped::suggest_command;
use output::say;

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
    /// Say what a run of a plan would do: every choice that the seed makes, and when.
    #[command(after_long_help = explain::EXAMPLES)]
    Explain(explain::Args),
    /// Judge an old run again, from its history.
    #[command(after_long_help = recheck::EXAMPLES)]
    Recheck(recheck::Args),
    /// Render the reports of an old run again.
    #[command(after_long_help = report::EXAMPLES)]
    Report(report::Args),
    /// List the plans of a folder with the questions that they answer.
    #[command(after_long_help = plans::EXAMPLES)]
    Plans(plans::Args),
    /// List the kinds of faults, or show one with its parameters and an example.
    #[command(after_long_help = faults::EXAMPLES)]
    Faults(faults::Args),
    /// Write a plan to start from.
    #[command(after_long_help = init::EXAMPLES)]
    Init(init::Args),
    /// Print the JSON schema of plans, for editors.
    #[command(after_long_help = schema::EXAMPLES)]
    Schema,
    /// Check what works on this machine, and say how to fix what does not.
    #[command(after_long_help = doctor::EXAMPLES)]
    Doctor(doctor::Args),
    /// Remove containers that earlier runs have left.
    #[command(after_long_help = sweep::EXAMPLES)]
    Sweep(sweep::Args),
    /// Measure the harness itself, beside its budgets.
    #[command(after_long_help = bench::EXAMPLES)]
    Bench(bench::Args),
    /// Print a script for a shell that completes this command line.
    #[command(after_long_help = completions::EXAMPLES)]
    Completions(completions::Args),
    /// Print or write manual pages.
    #[command(after_long_help = man::EXAMPLES)]
    Man(man::Args),
    /// What runs inside the containers of a run; not for people.
    #[command(hide = true)]
    Inside(inside::Args),
}

/// Shown below `harness --help`.
pub const EXAMPLES: &str = "\
Examples:
  harness plans                                   what there is to run
  harness run chaos-plans/central-outage.yaml     run a plan
  harness init my-plan.yaml                       write one

Exit codes: 0 pass, 1 fail, 3 unknown, 64 bad plan or usage, 70 harness trouble, 130 interrupted";

/// Does what was asked for. `whole` describes the whole command line, with what `main` adds to it.
#[must_use]
pub fn execute(command: Command, whole: &mut clap::Command) -> Exit {
    match command {
        Command::Run(args) => run::execute(&args),
        Command::Check(args) => check::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::Recheck(args) => recheck::execute(&args),
        Command::Report(args) => report::execute(&args),
        Command::Plans(args) => plans::execute(&args),
        Command::Faults(args) => faults::execute(&args),
        Command::Init(args) => init::execute(&args),
        Command::Schema => schema::execute(),
        Command::Doctor(args) => doctor::execute(&args),
        Command::Sweep(args) => sweep::execute(&args),
        Command::Bench(args) => bench::execute(&args),
        Command::Completions(args) => completions::execute(&args, whole),
        Command::Man(args) => man::execute(&args, whole),
        Command::Inside(args) => inside::execute(args),
    }
}

/// Says what the harness could not do.
fn show_trouble(error: &impl std::error::Error) -> Exit {
    say(format_args!("harness: {error}"));
    Exit::Trouble
}
