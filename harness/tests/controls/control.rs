//! What a control is: a plan, the checker that it is made for, and the bugs that it plants.

use std::collections::BTreeSet;
use std::path::Path;

use harness::fault::FaultSpec;
use harness::plan::{self, Plan, Step};
use harness::system::BUGS;

/// Bugs that no control plants, with the reason.
const WITHOUT_CONTROL: &[(&str, &str)] = &[
    (
        "duplicate-replies",
        "a write that is handled twice changes nothing that a client could see",
    ),
    ("join-any-protocol", "it takes a peer of another system"),
];

/// See the module.
#[derive(Clone, Debug)]
pub struct Control {
    /// The name of its file.
    pub name: String,
    /// As it is written.
    pub plan: Plan,
    /// The checker that must fail.
    pub checker: String,
    /// The seed of every choice.
    pub seed: u64,
}

/// Every plan in `chaos-plans/controls`, by file name.
pub fn all() -> Vec<Control> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos-plans/controls");
    let entries = std::fs::read_dir(folder).expect("controls are shipped");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|word| word == "yaml"))
        .collect();
    paths.sort_unstable();
    paths.iter().map(|path| Control::read(path)).collect()
}

/// Says which bugs of the system no control plants, unless that is known and still true.
pub fn bugs_without_control(controls: &[Control]) -> Result<(), String> {
    let planted: BTreeSet<String> = controls.iter().flat_map(Control::bugs).collect();
    let mut mistakes = Vec::new();
    for bug in BUGS {
        let excused = WITHOUT_CONTROL.iter().find(|(name, _)| name == bug);
        match (planted.contains(*bug), excused) {
            (true, None) => println!("{bug}: has a control"),
            (false, Some((_, why))) => println!("{bug}: has none, because {why}"),
            (false, None) => mistakes.push(format!("`{bug}` has no plan in chaos-plans/controls")),
            (true, Some(_)) => mistakes.push(format!("`{bug}` has a control now: excuse it not")),
        }
    }
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(mistakes.join("\n")),
    }
}

impl Control {
    fn read(path: &Path) -> Control {
        let loaded = plan::load(path, &[]).unwrap_or_else(|error| panic!("{error}"));
        let plan = loaded.plan;
        let checker = plan.control.clone();
        let seed = std::env::var("HARNESS_TEST_SEED").ok();
        let seed = seed.map(|text| text.parse().expect("HARNESS_TEST_SEED is a number"));
        Control {
            name: path
                .file_stem()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned(),
            checker: checker.expect("a plan in chaos-plans/controls has `control: CHECKER`"),
            seed: seed.or(plan.seed).unwrap_or_default(),
            plan,
        }
    }

    /// The plan with all bugs removed: those planted from the start, and those of its faults.
    pub fn without_bugs(&self) -> Plan {
        let mut plan = self.plan.clone();
        plan.system.bugs.clear();
        for cohort in &mut plan.system.cohorts {
            cohort.bugs.clear();
        }
        remove_bugs(&mut plan.timeline);
        plan
    }

    /// The names of all bugs that it plants.
    fn bugs(&self) -> Vec<String> {
        let system = &self.plan.system;
        let of_groups = system.bugs.values().flatten().cloned();
        let of_cohorts = system.cohorts.iter().flat_map(|one| one.bugs.clone());
        let name = |bug: String| bug.split('=').next().unwrap_or_default().to_owned();
        let mut bugs: Vec<String> = of_groups.chain(of_cohorts).map(name).collect();
        of_steps(&self.plan.timeline, &mut bugs);
        bugs
    }
}

fn remove_bugs(steps: &mut Vec<Step>) {
    let is_bug = |step: &Step| matches!(step.fault, Some(FaultSpec::Bug(_)));
    steps.retain(|step| !is_bug(step));
    for step in steps.iter_mut() {
        remove_bugs(&mut step.sequence);
        remove_bugs(&mut step.parallel);
    }
    let is_empty =
        |step: &Step| step.fault.is_none() && step.sequence.is_empty() && step.parallel.is_empty();
    steps.retain(|step| !is_empty(step));
}

fn of_steps(steps: &[Step], bugs: &mut Vec<String>) {
    for step in steps {
        if let Some(FaultSpec::Bug(bug)) = &step.fault {
            bugs.push(bug.name.clone());
        }
        of_steps(&step.sequence, bugs);
        of_steps(&step.parallel, bugs);
    }
}
