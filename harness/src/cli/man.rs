//! `harness man`: manual pages, made from the same definition as `--help`.

use std::io;
use std::path::{Path, PathBuf};

use super::output::{say, show};
use super::show_trouble;
use crate::exit::Exit;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness man | man -l -                      read the page of `harness` itself
  harness man --out ~/.local/share/man/man1   write a page for it and one for each command";

/// Arguments of `man`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Write a page for each command into this folder, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `harness man`; `command` is the whole command line.
pub fn execute(args: &Args, command: &clap::Command) -> Exit {
    let done = match &args.out {
        Some(folder) => write_all(folder, command),
        None => print(command),
    };
    match done {
        Ok(()) => Exit::Pass,
        Err(error) => show_trouble(&error),
    }
}

fn print(command: &clap::Command) -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    show(&String::from_utf8_lossy(&page));
    Ok(())
}

fn write_all(folder: &Path, command: &clap::Command) -> io::Result<()> {
    let explain = |error: io::Error| {
        let message = format!(
            "could not write manual pages to {}: {error}",
            folder.display()
        );
        io::Error::new(error.kind(), message)
    };
    std::fs::create_dir_all(folder).map_err(explain)?;
    clap_mangen::generate_to(command.clone(), folder).map_err(explain)?;
    say(format_args!("manual pages written to {}", folder.display()));
    Ok(())
}
