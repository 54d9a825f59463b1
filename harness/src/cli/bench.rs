//! `harness bench`: measures the harness itself.

use std::path::PathBuf;
use std::time::Duration;

use super::doctor::Format;
use super::output::show;
use super::show_trouble;
use crate::bench::{self, BenchError, FabricBench, Section};
use crate::exit::Exit;
use crate::runtime::local::enclosure::{self, Enclosed};

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness bench fabric
  harness bench boot --nodes 24 --nodes 100
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
    Fabric {
        /// How long each measurement takes.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
        /// How to write the answer.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// A system that starts and then does nothing: time, memory, processor.
    Boot {
        /// How many nodes; may be given several times.
        #[arg(long, value_name = "N", default_values_t = [24, 100], value_parser = clap::value_parser!(u16).range(1..=1000))]
        nodes: Vec<u16>,
        /// How to write the answer.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

/// `harness bench`.
pub fn execute(args: &Args) -> Exit {
    match enclosure::enter() {
        Ok(Enclosed::Inside) => {}
        Ok(Enclosed::Ended(exit)) => return exit,
        Err(error) => return show_trouble(&error),
    }
    let (measured, format) = match &args.what {
        What::Fabric { seconds, format } => {
            let length = Duration::from_secs(*seconds);
            (bench::fabric(FabricBench { length }), *format)
        }
        What::Boot { nodes, format } => (boot(nodes), *format),
    };
    match measured {
        Ok(sections) => {
            show(&match format {
                Format::Human => bench::human(&sections),
                Format::Json => bench::json(&sections),
            });
            Exit::Pass
        }
        Err(BenchError::Interrupted) => Exit::Interrupted,
        Err(error) => show_trouble(&error),
    }
}

/// One boot after the other.
fn boot(nodes: &[u16]) -> Result<Vec<Section>, BenchError> {
    let program = PathBuf::from("/proc/self/exe");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| BenchError::Start { source })?;
    runtime.block_on(async {
        let mut sections = Vec::new();
        for count in nodes {
            sections.push(bench::boot(&program, *count).await?);
        }
        Ok(sections)
    })
}
