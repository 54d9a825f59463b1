//! `harness sweep`: removes containers that earlier runs have left.

use super::output::show;
use super::show_trouble;
use crate::exit::Exit;
use crate::runtime::docker::{Engine, EngineError, RunId, Sweep, Swept, sweep};

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness sweep                  what dead runs of yours have left
  harness sweep --list           the same, only shown
  harness sweep --run 0f3a…      one run, also a living one
  harness sweep --all --list     everything of every run, of all users

Nothing needs this as long as the engine works: the reaper of a run leaves nothing.

Exit codes: 0 nothing is left, 70 the engine did not do it";

/// Arguments of `sweep`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The run, as its containers' label `harness.run` says.
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    run: Option<String>,
    /// All runs, of all users, also living ones.
    #[arg(long)]
    all: bool,
    /// Only list what would be removed.
    #[arg(long)]
    list: bool,
}

/// `harness sweep`.
pub fn execute(args: &Args) -> Exit {
    let which = match &args.run {
        Some(run) => Sweep::Run(RunId(run.clone())),
        None if args.all => Sweep::All,
        None => Sweep::Dead,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the few descriptors of a small runtime are there");
    let swept = runtime.block_on(async {
        let engine = Engine::connect().await?;
        sweep(&engine, &which, args.list).await
    });
    tell(swept, args.list)
}

fn tell(swept: Result<Vec<Swept>, EngineError>, only_list: bool) -> Exit {
    match swept {
        Ok(swept) => {
            show(&text(&swept, only_list));
            Exit::Pass
        }
        Err(error) => show_trouble(&error),
    }
}

/// A line for each run, and its containers below it.
fn text(swept: &[Swept], only_list: bool) -> String {
    if swept.is_empty() {
        return "nothing is left\n".into();
    }
    let verb = if only_list { "left" } else { "removed" };
    let mut text = String::new();
    for one in swept {
        let state = if one.dead {
            "dead"
        } else {
            "living, or of elsewhere"
        };
        text.push_str(&format!(
            "run {} of {} ({state}): {verb}\n",
            one.run, one.plan
        ));
        for name in &one.containers {
            text.push_str(&format!("  {name}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_swept_is_told_by_run() {
        let swept = [Swept {
            run: RunId("0123456789abcdef".into()),
            plan: "central-outage".into(),
            dead: true,
            containers: vec!["harness-01234567-node-1".into()],
        }];
        assert_eq!(
            text(&swept, false),
            "run 0123456789abcdef of central-outage (dead): removed\n  harness-01234567-node-1\n"
        );
        assert_eq!(text(&[], true), "nothing is left\n");
    }
}
