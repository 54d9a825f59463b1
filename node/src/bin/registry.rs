//! The central registry of the directory; see the library's `cli` module for its options.

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "registry",
    version,
    about = "The central registry of the directory"
)]
struct Line {
    #[command(flatten)]
    args: node::cli::RegistryArgs,
}

fn main() -> ExitCode {
    node::run_registry(Line::parse().args)
}
