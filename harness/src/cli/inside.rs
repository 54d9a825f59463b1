//! `harness inside`: what runs inside the containers of a run. Not for people, and not shown.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::output::say;
use super::show_trouble;
use crate::exit::Exit;
use crate::runtime::docker::{LISTENS, RunId, become_host, hold_fabric, reap};

/// Arguments of `inside`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    part: Part,
}

/// What a container is for.
#[derive(Clone, Debug, clap::Subcommand)]
enum Part {
    /// Wait for the network, then become a program of the system under test.
    Host {
        /// The host's address.
        #[arg(long)]
        address: Ipv4Addr,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// Remove the containers of a run when standard input ends.
    Reaper {
        /// The run.
        #[arg(long)]
        run: String,
    },
    /// Hold the fabric of a run.
    Fabric {
        /// Where to listen.
        #[arg(long)]
        socket: PathBuf,
        /// Who may call.
        #[arg(long)]
        user: u32,
        /// How many hosts there are.
        #[arg(long)]
        hosts: u16,
        /// The seed of every link.
        #[arg(long)]
        seed: u64,
    },
}

/// `harness inside`.
pub fn execute(args: Args) -> Exit {
    match args.part {
        Part::Host { address, program } => {
            let (program, arguments) = program.split_first().expect("clap requires one");
            let error = become_host(address, program.as_ref(), arguments);
            say(format_args!(
                "harness: could not start {program:?}: {error}"
            ));
            Exit::Trouble
        }
        Part::Reaper { run } => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("the few descriptors of a small runtime are there");
            match runtime.block_on(reap(&RunId(run))) {
                Ok(()) => Exit::Pass,
                Err(error) => show_trouble(&error),
            }
        }
        Part::Fabric {
            socket,
            user,
            hosts,
            seed,
        } => match hold_fabric(&socket, user, hosts, seed, || println!("{LISTENS}")) {
            Ok(()) => Exit::Pass,
            Err(error) => show_trouble(&error),
        },
    }
}
