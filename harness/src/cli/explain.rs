//! `harness explain`: what a run of a plan would do, without running it.
//!
//! As JSON it is byte for byte the `schedule.json` of a run with the same seed.

mod human;

use std::path::PathBuf;

use clap::ValueEnum;

use super::output::show;
use crate::exit::Exit;
use crate::plan;
use crate::schedule::{self, Schedule};

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness explain chaos-plans/central-outage.yaml
  harness explain chaos-plans/split-halves.yaml --seed 8      who is drawn with another seed
  harness explain chaos-plans/central-outage.yaml --format json | jq .edges

Exit codes: 0 explained, 64 bad plan or usage";

/// Arguments of `explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Seed of every random choice; overrides the plan's. Drawn when neither gives one.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Override a key of the plan, for example `system.mirrors=0`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// How to write it.
    #[arg(long, default_value = "human")]
    pub format: Format,
}

/// How to write a schedule.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// The schedule as in a run's `schedule.json`.
    Json,
    /// The same as YAML.
    Yaml,
}

/// `harness explain`.
pub fn execute(args: &Args) -> Exit {
    let loaded = match plan::load(&args.plan, &args.sets) {
        Ok(loaded) => loaded,
        Err(error) => {
            error.print();
            return Exit::Usage;
        }
    };
    loaded.print_warnings();
    let seed = args.seed.or(loaded.plan.seed).unwrap_or_else(rand::random);
    let schedule = schedule::compile(&loaded.plan, seed);
    show(&match args.format {
        Format::Human => human::render(&loaded.plan, &schedule),
        Format::Json => schedule.to_json(),
        Format::Yaml => yaml(&schedule),
    });
    Exit::Pass
}

/// YAML in the form of plans: a fault with parameters is a map of one key, not a tag.
fn yaml(schedule: &Schedule) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_yaml::Serializer::new(&mut text);
    serde_yaml::with::singleton_map_recursive::serialize(schedule, &mut serializer)
        .expect("a schedule has string keys and no cycles");
    String::from_utf8(text).expect("YAML is written as UTF-8")
}
