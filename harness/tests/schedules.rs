//! Compiling plans: the same plan and seed give the same bytes.

use std::path::{Path, PathBuf};

use harness::plan;
use harness::schedule;

fn shipped_plans() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos-plans");
    let mut plans: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("plans are shipped")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    plans.sort();
    plans
}

fn compiled(path: &Path, seed: u64) -> String {
    let loaded = plan::load(path, &[]).expect("shipped plans have no mistakes");
    serde_json::to_string_pretty(&schedule::compile(&loaded.plan, seed)).expect("encodable")
}

#[test]
fn the_same_plan_and_seed_give_the_same_bytes() {
    let plans = shipped_plans();
    assert!(plans.len() >= 3, "{plans:?}");
    for plan in plans {
        assert_eq!(compiled(&plan, 7), compiled(&plan, 7));
        assert_ne!(compiled(&plan, 7), compiled(&plan, 8), "{}", plan.display());
    }
}

#[test]
fn a_schedule_is_read_back_as_it_was_written() {
    for plan in shipped_plans() {
        let text = compiled(&plan, 7);
        let read: schedule::Schedule = serde_json::from_str(&text).expect("decodable");
        assert_eq!(
            serde_json::to_string_pretty(&read).expect("encodable"),
            text
        );
    }
}
