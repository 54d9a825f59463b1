//! `harness faults`: every kind of fault, and one kind with its parameters and an example.
//!
//! What a kind is and what its parameters mean comes from the schema of plans, so it is what an
//! editor shows too.

mod examples;
mod page;

use clap::ValueEnum;

use super::output::{say, show};
use crate::exit::Exit;
use crate::plan::nearest;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness faults                        all kinds, by what they are about
  harness faults latency                one kind: parameters, proof, an example
  harness faults --format json | jq .   for programs

Exit codes: 0 shown, 64 no such kind";

/// Arguments of `faults`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The kind to show, for example `latency`; all kinds when absent.
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
    /// How to write it.
    #[arg(long, default_value = "human")]
    pub format: Format,
}

/// How to write the kinds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// As JSON: a list of kinds with their parameters.
    Json,
}

/// `harness faults`.
pub fn execute(args: &Args) -> Exit {
    let all = page::kinds();
    let chosen = match &args.kind {
        None => all,
        Some(wanted) => match all.iter().find(|kind| kind.word == *wanted) {
            Some(kind) => vec![kind.clone()],
            None => {
                let words = all.iter().map(|kind| kind.word.as_str());
                let near = nearest(wanted, words);
                let did_you_mean = near.map(|near| format!("; did you mean `{near}`?"));
                say(format_args!(
                    "harness: there is no fault `{}`{}\nharness: `harness faults` lists them",
                    wanted.escape_debug(),
                    did_you_mean.unwrap_or_default()
                ));
                return Exit::Usage;
            }
        },
    };
    show(&match (args.format, &args.kind) {
        (Format::Json, _) => page::json(&chosen),
        (Format::Human, None) => page::list(&chosen),
        (Format::Human, Some(_)) => page::one(&chosen[0]),
    });
    Exit::Pass
}
