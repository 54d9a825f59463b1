//! What a disk costs; only printed (with --nocapture), because machines differ.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::fixture::{Mounted, in_namespaces};

const WRITES: usize = 1_000;

fn synced_writes(path: &Path) -> Duration {
    let mut file = File::create(path).expect("created");
    let start = Instant::now();
    for _ in 0..WRITES {
        file.write_all(&[7; 4_096]).expect("written");
        file.sync_data().expect("synced");
    }
    start.elapsed()
}

fn writes(path: &Path) -> Duration {
    let mut file = File::create(path).expect("created");
    let start = Instant::now();
    for _ in 0..WRITES {
        file.write_all(&[7; 4_096]).expect("written");
    }
    start.elapsed()
}

#[test]
fn the_cost_of_a_disk_is_printed() {
    in_namespaces("cost::the_cost_of_a_disk_is_printed", || {
        let mounted = Mounted::new();
        let (through, without) = (mounted.path("a"), mounted.real("b"));
        let synced = (synced_writes(&through), synced_writes(&without));
        println!(
            "{WRITES} x 4 KiB write+fdatasync: {:?} through, {:?} without",
            synced.0, synced.1
        );
        let plain = (writes(&through), writes(&without));
        println!(
            "{WRITES} x 4 KiB write: {:?} through, {:?} without",
            plain.0, plain.1
        );
        assert_eq!(mounted.disk().counters().synced as usize, WRITES);
    });
}
