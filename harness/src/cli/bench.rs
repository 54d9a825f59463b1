//! `harness bench`: measures the harness itself.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::doctor::Format;
use super::output::show;
use super::show_trouble;
use crate::bench::{self, BenchError, Boot, FabricBench, Section};
use crate::exit::Exit;
use crate::run::On;
use crate::runtime::local::enclosure::{self, Enclosed};

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness bench fabric
  harness bench boot --nodes 24 --nodes 100
  harness bench boot --runtime local --runtime docker
  harness bench fabric --format json

Exit codes: 0 measured, 70 harness trouble, 130 interrupted";

/// Arguments of `bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What to measure.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// The network: beside a pair of kernel interfaces, and how fast a partition takes effect.
    #[command(after_long_help = "Examples:\n  harness bench fabric --seconds 10")]
    Fabric {
        /// How long each measurement takes.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
        /// How to write the answer.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// A system that starts and then does nothing: time, memory, processor.
    #[command(
        after_long_help = "Examples:\n  harness bench boot --nodes 100\n  harness bench boot \
                           --runtime local --runtime docker"
    )]
    Boot {
        /// How many nodes; may be given several times.
        #[arg(long, value_name = "N", default_values_t = [24, 100], value_parser = clap::value_parser!(u16).range(1..=1000))]
        nodes: Vec<u16>,
        /// On what; may be given several times.
        #[arg(long, value_enum, value_name = "RUNTIME", default_values_t = [Kind::Local])]
        runtime: Vec<Kind>,
        /// How to write the answer.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

/// A runtime to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Processes in namespaces.
    Local,
    /// Containers.
    Docker,
}

/// `harness bench`.
pub fn execute(args: &Args) -> Exit {
    let (measured, format) = match &args.what {
        What::Fabric { seconds, format } => {
            let length = Duration::from_secs(*seconds);
            let measure = || bench::fabric(FabricBench { length });
            (in_enclosure(measure), *format)
        }
        What::Boot {
            nodes,
            runtime,
            format,
        } => match runtime[..] {
            [Kind::Local] => (in_enclosure(|| boot(nodes, On::Local)), *format),
            [Kind::Docker] => (boot(nodes, On::Docker), *format),
            _ => (one_after_another(nodes, runtime), *format),
        },
    };
    match measured {
        Ok(sections) => {
            show(&match format {
                Format::Human => bench::human(&sections),
                Format::Json => bench::json(&sections),
            });
            Exit::Pass
        }
        Err(BenchError::Ended(exit)) => exit,
        Err(BenchError::Interrupted) => Exit::Interrupted,
        Err(error) => show_trouble(&error),
    }
}

/// Measures inside the enclosure.
fn in_enclosure(
    measure: impl FnOnce() -> Result<Vec<Section>, BenchError>,
) -> Result<Vec<Section>, BenchError> {
    match enclosure::enter()? {
        Enclosed::Inside => measure(),
        Enclosed::Ended(exit) => Err(BenchError::Ended(exit)),
    }
}

/// One boot after the other.
fn boot(nodes: &[u16], on: On) -> Result<Vec<Section>, BenchError> {
    let program = PathBuf::from("/proc/self/exe");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| BenchError::Start { source })?;
    let sections = runtime.block_on(async {
        let mut sections = Vec::new();
        for nodes in nodes {
            sections.push(bench::boot(&program, Boot { nodes: *nodes, on }).await?);
        }
        Ok(sections)
    });
    // A question that an engine still owes an answer to is not waited for.
    runtime.shutdown_background();
    sections
}

/// Several runtimes, each in a process of its own: one is measured inside the enclosure, the other
/// outside.
fn one_after_another(nodes: &[u16], kinds: &[Kind]) -> Result<Vec<Section>, BenchError> {
    let mut sections = Vec::new();
    for kind in kinds {
        let word = match kind {
            Kind::Local => "local",
            Kind::Docker => "docker",
        };
        let mut command = Command::new("/proc/self/exe");
        command.args(["bench", "boot", "--format", "json", "--runtime", word]);
        for nodes in nodes {
            command.arg("--nodes").arg(nodes.to_string());
        }
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| BenchError::Start { source })?;
        if !output.status.success() {
            // It has said why.
            let interrupted = output.status.code() == Some(Exit::Interrupted.code().into());
            return Err(BenchError::Ended(match interrupted {
                true => Exit::Interrupted,
                false => Exit::Trouble,
            }));
        }
        let measured: Vec<Section> =
            serde_json::from_slice(&output.stdout).map_err(|error| BenchError::Start {
                source: error.into(),
            })?;
        sections.extend(measured);
    }
    Ok(sections)
}
