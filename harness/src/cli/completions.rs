//! `harness completions`: a script that teaches a shell to complete this command line.

use clap_complete::Shell;

use super::output::show;
use crate::exit::Exit;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness completions bash > ~/.local/share/bash-completion/completions/harness
  harness completions zsh > ~/.zfunc/_harness
  harness completions fish > ~/.config/fish/completions/harness.fish";

/// Arguments of `completions`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// `harness completions`; `command` is the whole command line.
pub fn execute(args: &Args, command: &mut clap::Command) -> Exit {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, name, &mut script);
    show(&String::from_utf8_lossy(&script));
    Exit::Pass
}
