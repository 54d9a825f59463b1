//! `harness schema`: the JSON schema of plans, for editors.

use super::output::show;
use crate::exit::Exit;
use crate::plan;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness schema > plan.schema.json

With this as the first line of a plan, an editor that speaks to the YAML language server knows
every key, its meaning and its valid values:
  # yaml-language-server: $schema=plan.schema.json

The schema knows the form of a plan; `harness check` also knows what it means.";

/// `harness schema`.
pub fn execute() -> Exit {
    show(&plan::schema());
    Exit::Pass
}
