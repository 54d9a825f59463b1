//! Goal: a program that does its syncs right loses nothing that it acknowledged, and one that does
//! not does. Method: a process writes transactions into SQLite databases in WAL mode, and says each
//! number once its commit has returned; at some moment the power fails and the process is killed;
//! afterwards the database must be sound and, with synchronous=FULL, have every number that was
//! said. The same with synchronous=OFF must lose some, or this test could not fail.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use disk::{DiskPolicy, Lost};
use rusqlite::Connection;

use crate::fixture::{Mounted, in_namespaces, this_test};

const ROUNDS: u64 = 20;
const DATABASE: &str = "DISK_TEST_DATABASE";
const SYNCHRONOUS: &str = "DISK_TEST_SYNCHRONOUS";
const FIRST: &str = "DISK_TEST_FIRST";

/// Not a test when started without a database: what the processes to be killed do.
#[test]
fn writer() {
    let (Ok(database), Ok(synchronous)) = (std::env::var(DATABASE), std::env::var(SYNCHRONOUS))
    else {
        return;
    };
    let first = std::env::var(FIRST).expect("a number");
    let first: i64 = first.parse().expect("a number");
    let connection = opened(Path::new(&database)).expect("a database");
    connection
        .pragma_update(None, "synchronous", synchronous)
        .expect("set");
    for number in first.. {
        let text = "x".repeat(number as usize * 37 % 3_000);
        let insert = "INSERT INTO numbers (number, text) VALUES (?1, ?2)";
        // When the power is gone, this cannot be synced: the process is about to be killed.
        if connection.execute(insert, (number, text)).is_err() {
            return;
        }
        eprintln!("{number}");
    }
}

fn opened(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Small, so that some power failures hit a checkpoint.
    connection.pragma_update(None, "wal_autocheckpoint", 20)?;
    let table = "CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY, text TEXT)";
    connection.execute(table, ())?;
    Ok(connection)
}

/// A process that writes, and its numbers as it says them.
struct Writer {
    process: Child,
    numbers: std::io::Lines<BufReader<ChildStderr>>,
}

impl Writer {
    fn start(database: &Path, synchronous: &str, first: i64) -> Writer {
        let mut command = this_test("sqlite::writer");
        command
            .env(DATABASE, database)
            .env(SYNCHRONOUS, synchronous);
        command.env(FIRST, first.to_string());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("a process");
        let numbers = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        Writer { process, numbers }
    }

    fn next(&mut self) -> Option<i64> {
        let line = self.numbers.next()?.expect("the pipe");
        Some(
            line.parse()
                .unwrap_or_else(|_| panic!("the writer says: {line}")),
        )
    }

    /// Lets it write for so many numbers and a moment longer, then ends it as a power failure
    /// does. Returns the last number that it said.
    fn fail(mut self, mounted: &Mounted, numbers: u64, moment: Duration) -> (i64, Lost) {
        let mut last = 0;
        for _ in 0..numbers {
            last = self.next().expect("a number");
        }
        let start = Instant::now();
        while start.elapsed() < moment {
            std::hint::spin_loop();
        }
        mounted.disk().cut_power();
        self.process.kill().expect("killed");
        self.process.wait().expect("dead");
        while let Some(number) = self.next() {
            last = number;
        }
        (last, mounted.disk().restore_power().expect("restored"))
    }
}

/// The last number of a database that is sound and has all numbers up to it.
fn last_number(database: &Path, round: u64) -> i64 {
    let connection = opened(database).expect("it can be opened");
    let query = |query| connection.query_row(query, (), |row| row.get::<_, String>(0));
    assert_eq!(
        query("PRAGMA integrity_check").expect("checked"),
        "ok",
        "round {round}"
    );
    let query = "SELECT count(*), coalesce(max(number), 0) FROM numbers";
    let numbers = connection.query_row(query, (), |row| Ok((row.get(0)?, row.get(1)?)));
    let (count, last): (i64, i64) = numbers.expect("counted");
    assert_eq!(count, last, "round {round}: there is a hole");
    last
}

/// Moments that are spread over a commit of any speed.
fn moment(round: u64) -> Duration {
    Duration::from_micros(round * 977 % 6_000)
}

#[test]
fn with_full_syncs_no_acknowledged_transaction_is_lost() {
    in_namespaces(
        "sqlite::with_full_syncs_no_acknowledged_transaction_is_lost",
        || {
            let mounted = Mounted::new();
            let database = mounted.path("full.db");
            drop(opened(&database).expect("a new database"));
            let (mut last, mut lost_bytes) = (0, 0);
            for round in 0..ROUNDS {
                let writer = Writer::start(&database, "FULL", last + 1);
                // In every other round a slow disk, so that the power also fails before a sync.
                let slow = Duration::from_micros(round % 2 * 500);
                let policy = DiskPolicy {
                    slow,
                    ..DiskPolicy::default()
                };
                mounted.disk().set_policy(policy);
                let (said, lost) = writer.fail(&mounted, 1 + round * 7 % 40, moment(round));
                let found = last_number(&database, round);
                assert!(
                    found >= said,
                    "round {round}: {said} was said, {found} is the last"
                );
                assert!(found <= said + 1, "round {round}: one at a time");
                lost_bytes += lost.bytes;
                last = found;
            }
            let counters = mounted.disk().counters();
            println!("full: {last} transactions, {lost_bytes} unsynced bytes lost, {counters:?}");
            assert!(lost_bytes > 0, "no power failure hit a write: {counters:?}");
            assert!(
                counters.synced >= last.cast_unsigned(),
                "each commit syncs: {counters:?}"
            );
        },
    );
}

#[test]
fn without_syncs_acknowledged_transactions_are_lost() {
    in_namespaces(
        "sqlite::without_syncs_acknowledged_transactions_are_lost",
        || {
            let mounted = Mounted::new();
            let mut lost_transactions = 0;
            let mut rounds = 0;
            for round in 0..ROUNDS {
                // A new one each time: without syncs a database may be beyond repair.
                let database = mounted.path(format!("off-{round}.db"));
                drop(opened(&database).expect("a new database"));
                let writer = Writer::start(&database, "OFF", 1);
                let (said, _) = writer.fail(&mounted, 5, moment(round));
                let found = opened(&database).and_then(|connection| {
                    let query = "SELECT count(*) FROM numbers";
                    connection.query_row(query, (), |row| row.get::<_, i64>(0))
                });
                let lost = (said - found.unwrap_or(0)).max(0);
                lost_transactions += lost;
                rounds += u64::from(lost > 0);
            }
            println!("off: {lost_transactions} transactions lost in {rounds} of {ROUNDS} rounds");
            assert!(lost_transactions > 0, "the disk never forgets");
        },
    );
}
