//! One node of the directory; see the library's `cli` module for its options.

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "node", version, about = "One node of the directory")]
struct Line {
    #[command(flatten)]
    args: node::cli::NodeArgs,
}

fn main() -> ExitCode {
    node::run_node(Line::parse().args)
}
