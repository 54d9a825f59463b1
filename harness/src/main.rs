//! The one executable: the harness, and the system that it is proved on.
//!
//! Only this file knows that the harness links the directory's node and registry; to everything
//! else they are a program to start and an interface to call.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use harness::cli;
use harness::exit::Exit;

/// Fault-injection tests for peer-to-peer and clustered systems.
#[derive(Debug, Parser)]
#[command(name = "harness", version, propagate_version = true)]
#[command(after_long_help = cli::EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Harness(cli::Command),
    /// Run one node of the directory, the system that the harness is proved on.
    #[command(after_long_help = NODE_EXAMPLES)]
    Node(node::cli::NodeArgs),
    /// Run the directory's central registry.
    #[command(after_long_help = REGISTRY_EXAMPLES)]
    Registry(node::cli::RegistryArgs),
}

/// Shown below `harness node --help`.
const NODE_EXAMPLES: &str = "\
Examples:
  harness node --dir n1 --listen 127.0.0.1:7101 --registry http://127.0.0.1:7000 --registry-key @key
  curl --unix-socket n1/api.sock http://node/v1/status

Exit codes: 0 ended by a signal, 64 wrong usage, 70 could not go on, 101 a panic";

/// Shown below `harness registry --help`.
const REGISTRY_EXAMPLES: &str = "\
Examples:
  harness registry keygen --dir reg > key
  harness registry --dir reg --listen 127.0.0.1:7000 --p2p 127.0.0.1:7100 --mirrors 3 --replicas 3

Exit codes: 0 ended by a signal, 64 wrong usage, 70 could not go on, 101 a panic";

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return show_usage(error),
    };
    match cli.command {
        Command::Harness(command) => cli::execute(command, &mut Cli::command()).into(),
        Command::Node(args) => node::run_node(args),
        Command::Registry(args) => node::run_registry(args),
    }
}

/// Help and version are no mistakes; everything else ends with the code for a wrong command line.
fn show_usage(mut error: clap::Error) -> ExitCode {
    cli::suggest_command(&mut error, &Cli::command());
    // Nothing is left to do when the terminal is gone.
    let _ = error.print();
    let exit = if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Pass
    };
    exit.into()
}
