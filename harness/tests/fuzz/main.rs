//! Goal: whatever the text of a plan, reading it ends, with a plan or with mistakes that can be
//! shown; within ten seconds, in bounded memory, and without a panic. What reads without a mistake
//! compiles, and written down it reads back the same.
//!
//! Method: the shipped plans are mutated, on the level of bytes and on that of the language of
//! plans. Each input has a number, and is drawn from the seed and that number alone. What is found
//! is written to the folder for temporary files. `HARNESS_FUZZ_INPUTS` says how many inputs,
//! `HARNESS_TEST_SEED` which, `HARNESS_FUZZ_FIRST` from which number on, and `HARNESS_FUZZ_THREADS`
//! on how many threads.

mod words;

mod places;

mod mutate;

mod guard;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guard::Guard;
use harness::fault::FaultSpec;
use harness::plan::{self, Placed, Plan, Rate, Rates, Style, load_str};
use harness::schedule::{self, Schedule};
use mutate::Mutator;

/// The seed of the inputs; `HARNESS_TEST_SEED` sets another one.
const SEED: u64 = 20_261_124;

/// How many inputs are tried; `HARNESS_FUZZ_INPUTS` sets another number.
const INPUTS: u64 = 20_000;

/// How long one input may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much memory one input may hold at a time.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// The search ends when it has found so much.
const FOUND_MAX: usize = 20;

/// How many arrivals a schedule may have to count; a plan with more is compiled with lower rates.
const ARRIVALS_MAX: f64 = 200_000.0;

/// Which inputs.
#[derive(Clone, Copy, Debug)]
struct Search {
    seed: u64,
    first: u64,
    inputs: u64,
    threads: usize,
    patience: Duration,
}

/// What came of a search.
#[derive(Debug, Default)]
struct Outcome {
    inputs: u64,
    valid: u64,
    found: Vec<String>,
}

#[test]
fn no_mutated_plan_breaks_its_reader() {
    let search = Search {
        seed: number("HARNESS_TEST_SEED").unwrap_or(SEED),
        first: number("HARNESS_FUZZ_FIRST").unwrap_or(0),
        inputs: number("HARNESS_FUZZ_INPUTS").unwrap_or(INPUTS),
        threads: number("HARNESS_FUZZ_THREADS")
            .or_else(|| thread::available_parallelism().ok().map(Into::into))
            .unwrap_or(1),
        patience: PATIENCE,
    };
    println!(
        "the inputs are drawn with HARNESS_TEST_SEED={}",
        search.seed
    );
    let begun = Instant::now();
    let outcome = search_plans(search, judge);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} inputs in {seconds:.1} s on {} threads: {:.0} a second; {} valid ({:.1} %)",
        outcome.inputs,
        search.threads,
        outcome.inputs as f64 / seconds,
        outcome.valid,
        100.0 * outcome.valid as f64 / outcome.inputs.max(1) as f64,
    );
    assert!(outcome.found.is_empty(), "\n{}", outcome.found.join("\n"));
    // Otherwise the mutations are too coarse to get past the first checks, or do nothing at all.
    let share = outcome.valid as f64 / search.inputs.max(1) as f64;
    assert!(
        (0.02..0.9).contains(&share) || search.inputs < 1_000,
        "{share}"
    );
}

/// Reads a text. True when it is a plan.
fn judge(text: &str) -> Result<bool, String> {
    let loaded = match load_str("fuzz.yaml", text, &[]) {
        Ok(loaded) => loaded,
        Err(error) => {
            let drawn = error.draw(Style::Plain);
            return match error.mistakes() {
                [] => Err("an error without a mistake".into()),
                _ if drawn.ends_with("nothing was started") => Ok(false),
                _ => Err(format!("an error that says nothing of its end: {drawn}")),
            };
        }
    };
    for warning in &loaded.warnings {
        if warning.draw(Style::Plain).is_empty() {
            return Err(format!("an empty warning: {warning:?}"));
        }
    }
    reads_back_the_same(&loaded.plan)?;
    compiles(&loaded.plan)?;
    Ok(true)
}

fn reads_back_the_same(plan: &Plan) -> Result<(), String> {
    // As JSON, which is YAML too; the crate for YAML writes choices as tags, which plans have not.
    let written = serde_json::to_string(plan).map_err(|error| format!("not written: {error}"))?;
    let again = load_str("written.yaml", &written, &[])
        .map_err(|error| format!("written down, it does not read back: {error}\n{written}"))?;
    match again.plan == *plan {
        true => Ok(()),
        false => Err(format!(
            "written down, it reads back differently:\n{written}"
        )),
    }
}

fn compiles(plan: &Plan) -> Result<(), String> {
    let schedule = schedule::compile(&of_bounded_size(plan), 1);
    let json = schedule.to_json();
    let again: Schedule = serde_json::from_str(&json)
        .map_err(|error| format!("its schedule does not read back: {error}"))?;
    match again == schedule {
        true => Ok(()),
        false => Err("its schedule reads back differently".into()),
    }
}

/// The same plan, with rates low enough for all arrivals to be counted.
fn of_bounded_size(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let mut idle = plan.clone();
    idle.workload.rates = Rates::default();
    let timeline_s = schedule::compile(&idle, 1).timeline_us as f64 / 1e6;
    let factor = |one: &Placed<'_>| match one.fault {
        FaultSpec::Load(load) => load.factor.max(1.0),
        _ => 1.0,
    };
    let factors: f64 = plan::as_written(&plan).iter().map(factor).product();
    let timeline_s = timeline_s * factors.min(1e12);
    let rates = &mut plan.workload.rates;
    let kinds = [&mut rates.register, &mut rates.resolve, &mut rates.update];
    let all_hz: f64 = kinds.iter().map(|rate| rate.hertz()).sum();
    if all_hz * timeline_s > ARRIVALS_MAX {
        for rate in kinds {
            *rate = Rate::per_second(rate.hertz().min(ARRIVALS_MAX / timeline_s / 3.0));
        }
    }
    plan
}

/// Tries all inputs of a search on all its threads.
fn search_plans(search: Search, judge: impl Fn(&str) -> Result<bool, String> + Sync) -> Outcome {
    let mutator = Mutator::new(&plans_folder());
    let guard = Guard::new(search.threads, search.patience, MEMORY_BYTES_MAX);
    let next = AtomicU64::new(search.first);
    let end = search.first + search.inputs;
    let outcome = Mutex::new(Outcome::default());
    let note = |number: u64, text: &str, judged| {
        let mut outcome = outcome.lock().expect("no panic");
        outcome.note(number, text, judged);
        outcome.found.len() < FOUND_MAX
    };
    let work = |worker| {
        let mut goes_on = true;
        while goes_on {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return;
            }
            let text = mutator.input(search.seed, number);
            goes_on = note(number, &text, guard.examine(worker, &text, &judge));
        }
    };
    let work = &work;
    guard.watch(|| {
        thread::scope(|scope| {
            (0..search.threads).for_each(|worker| drop(scope.spawn(move || work(worker))));
        });
    });
    outcome.into_inner().expect("no panic")
}

impl Outcome {
    fn note(&mut self, number: u64, text: &str, judged: Result<bool, String>) {
        self.inputs += 1;
        match judged {
            Ok(valid) => self.valid += u64::from(valid),
            Err(why) => {
                let path = guard::keep(text);
                self.found
                    .push(format!("input {number}, {}: {why}", path.display()));
            }
        }
    }
}

fn plans_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos-plans")
}

/// A number from the environment.
fn number<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What the search finds when there is something to find.
mod controls {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::*;

    /// Set in a process that is to be ended.
    const CONTROL: &str = "HARNESS_FUZZ_CONTROL";

    fn short() -> Search {
        Search {
            seed: SEED,
            first: 0,
            inputs: 50,
            threads: 2,
            patience: PATIENCE,
        }
    }

    #[test]
    fn a_panic_and_a_broken_promise_are_reported_with_their_inputs() {
        let outcome = search_plans(short(), |text| {
            assert!(text.len().is_multiple_of(2), "planted");
            Err("promised".into())
        });
        assert!(outcome.found.len() >= FOUND_MAX, "{outcome:?}");
        let mut paths = BTreeSet::new();
        for found in &outcome.found {
            let path = found.split(", ").nth(1);
            let path = path.and_then(|rest| rest.split(": ").next());
            let path = Path::new(path.expect("a path"));
            let text = std::fs::read_to_string(path).expect("kept");
            let even = text.len().is_multiple_of(2);
            assert!(found.contains(if even { "promised" } else { "planted" }));
            paths.insert(path.to_owned());
        }
        // Inputs that are the same share a file.
        paths
            .iter()
            .for_each(|path| std::fs::remove_file(path).expect("removed"));
        let planted = outcome.found.iter().filter(|one| one.contains("planted"));
        assert!((1..outcome.found.len()).contains(&planted.count()));
    }

    /// The two ways for an input to end the process; this test ends it when it is told to.
    #[test]
    fn an_input_that_hangs_or_takes_all_memory_ends_the_process() {
        match std::env::var(CONTROL).as_deref() {
            Ok("hang") => {
                let hang = Search {
                    patience: Duration::from_millis(100),
                    ..short()
                };
                search_plans(hang, |_| {
                    loop {
                        thread::park();
                    }
                });
            }
            Ok("memory") => {
                let all = |_: &str| Ok(vec![1_u8; MEMORY_BYTES_MAX + 1].contains(&2));
                search_plans(short(), all);
            }
            _ => {
                assert_dies("hang", "took longer than");
                assert_dies("memory", "holds more than");
            }
        }
    }

    fn assert_dies(how: &str, says: &str) {
        let test = "controls::an_input_that_hangs_or_takes_all_memory_ends_the_process";
        let output = Command::new(std::env::current_exe().expect("this file"))
            .args([test, "--exact"])
            .env(CONTROL, how)
            .output()
            .expect("started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{said}");
        let path = said
            .split("kept in ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        std::fs::remove_file(path.expect("a path")).expect("kept");
    }
}
