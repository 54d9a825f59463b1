//! `harness run`: a plan is carried out, judged and reported.

use std::path::{Path, PathBuf};

use fabric::Capture;
use fabric::tap::Tap;

use super::judge::judge_and_show;
use super::output::say;
use super::runtime::{self, RuntimeChoice};
use super::show_trouble;
use crate::exit::Exit;
use crate::host::Inventory;
use crate::plan::{self, LoadedPlan};
use crate::run::{Job, On, ProgressMode, Run, RunError, RunFolder};
use crate::runtime::local::enclosure::{self, Enclosed};
use crate::schedule;

/// Shown below `--help`.
pub const EXAMPLES: &str = "\
Examples:
  harness run chaos-plans/central-outage.yaml
  harness run chaos-plans/central-outage.yaml --seed 7 --out my-run
  harness run chaos-plans/central-outage.yaml --set system.mirrors=0
  harness run chaos-plans/central-outage.yaml --pcap
  harness run chaos-plans/central-outage.yaml --runtime docker

Exit codes: 0 pass, 1 fail, 3 unknown, 64 bad plan or usage, 70 harness trouble, 130 interrupted";

/// Arguments of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The plan.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Seed of every random choice; overrides the plan's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Override a key of the plan, for example `system.mirrors=0`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// What the hosts are: processes in namespaces, or containers.
    #[arg(long, value_enum, default_value_t)]
    pub runtime: RuntimeChoice,
    /// Folder for everything that the run leaves; a new one below `reports/` when absent.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write every packet into a pcapng file; `fabric.pcapng` in the run folder without FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub pcap: Option<Option<PathBuf>>,
    /// Show nothing but the summary.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `harness run`.
pub fn execute(args: &Args) -> Exit {
    // The plan is read before anything is started, and again inside the enclosure.
    let loaded = match plan::load(&args.plan, &args.sets) {
        Ok(loaded) => loaded,
        Err(error) => {
            error.print();
            return Exit::Usage;
        }
    };
    let on = match runtime::choose(args.runtime, &loaded.plan.system.limits) {
        Ok(on) => on,
        Err(exit) => return exit,
    };
    if on == On::Local {
        match enclosure::enter() {
            Ok(Enclosed::Inside) => {}
            Ok(Enclosed::Ended(exit)) => return exit,
            Err(error) => return show_trouble(&error),
        }
    }
    match run_on(on, args, &loaded) {
        Ok(exit) => exit,
        Err(error @ RunError::Interrupted) => {
            say(format_args!("harness: {error}"));
            Exit::Interrupted
        }
        Err(error @ RunError::FolderInUse { .. }) => {
            say(format_args!("harness: {error}"));
            Exit::Usage
        }
        Err(error) => show_trouble(&error),
    }
}

/// The run itself: compile, carry out, judge, report. On the local runtime, inside the enclosure.
fn run_on(on: On, args: &Args, loaded: &LoadedPlan) -> Result<Exit, RunError> {
    let plan = &loaded.plan;
    let seed = args.seed.or(plan.seed).unwrap_or_else(rand::random);
    let schedule = schedule::compile(plan, seed);
    let folder = RunFolder::create(args.out.as_deref(), &plan.name, seed)?;
    folder.write("plan.yaml", &loaded.text)?;
    folder.write("schedule.json", &schedule.to_json())?;
    let progress = ProgressMode::detect(args.quiet);
    if !args.quiet {
        loaded.print_warnings();
        let shown = folder.display();
        say(format_args!(
            "{}: seed {seed}, folder {}",
            plan.name,
            shown.display()
        ));
    }
    let (tap, capture) = start_capture(args, &folder, &schedule.hosts)?.unzip();
    let job = Job {
        run: Run {
            plan,
            schedule: &schedule,
            command: repeat_command(args, seed),
        },
        on,
        folder: &folder,
        program: PathBuf::from("/proc/self/exe"),
        progress,
        tap,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Write {
            path: folder.path().to_owned(),
            source,
        })?;
    let interrupted = runtime.block_on(async {
        if on == On::Docker {
            // Nobody else listens to the second request, as the enclosure's outside does.
            tokio::spawn(runtime::exit_when_asked_twice());
        }
        job.carry_out().await
    });
    // A question that the engine still owes an answer to is not waited for.
    runtime.shutdown_background();
    drop(job);
    if let Some(capture) = capture {
        finish_capture(capture);
    }
    let interrupted = interrupted?;
    Ok(match judge_and_show(&folder) {
        Ok(_) if interrupted => Exit::Interrupted,
        Ok(exit) => exit,
        Err(error) => show_trouble(&error),
    })
}

/// Opens the file of packets, when one is wanted.
fn start_capture(
    args: &Args,
    folder: &RunFolder,
    hosts: &Inventory,
) -> Result<Option<(Tap, Capture)>, RunError> {
    let Some(file) = &args.pcap else {
        return Ok(None);
    };
    let path = file.clone().unwrap_or_else(|| folder.packets());
    let names: Vec<&str> = hosts.iter().map(|(_, host)| host.id.0.as_str()).collect();
    Capture::start(&path, &names)
        .map(Some)
        .map_err(|source| RunError::Write { path, source })
}

/// Waits for the writer, and says what is not in the file. Packets do not decide about a run, so
/// a file that is not whole changes nothing else.
fn finish_capture(capture: Capture) {
    match capture.finish() {
        Ok(captured) if captured.missed > 0 => say(format_args!(
            "warning: {} of {} packets were not captured: the writer was behind",
            captured.missed,
            captured.missed + captured.written
        )),
        Ok(_) => {}
        Err(error) => say(format_args!(
            "warning: the file of packets is not whole: {error}"
        )),
    }
}

/// The command that repeats the run, as the user would type it.
fn repeat_command(args: &Args, seed: u64) -> String {
    let program = match std::env::var_os("CARGO") {
        Some(_) => "cargo run --release --",
        None => "harness",
    };
    let mut command = format!("{program} run {} --seed {seed}", quoted(&args.plan));
    if args.runtime != RuntimeChoice::default() {
        command.push_str(&format!(" --runtime {}", args.runtime));
    }
    for set in &args.sets {
        command.push_str(" --set ");
        command.push_str(&quoted(Path::new(set)));
    }
    command
}

/// Quoted for a shell where that is needed.
fn quoted(text: &Path) -> String {
    let text = text.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
