//! The durable store of a process: SQLite on one thread, written in groups, answered after commit.
//!
//! Callers hand in closures over the connection. The thread takes all that wait, runs them in one
//! transaction (each in its own savepoint), commits, and only then sends the answers: one `fsync`
//! for a group, and no answer that a crash could take back. Reads have a thread and a connection
//! of their own, so that a slow `fsync` never holds up a look-up; in WAL mode that connection sees
//! a write only once it is synchronised, so nobody reads what is not yet durable.

use crate::bug::{Bug, Bugs};
use rusqlite::Connection;
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

/// Jobs that may wait for the thread.
const QUEUE: usize = 1024;
/// Jobs in one transaction at most.
const GROUP: usize = 256;
/// Pages are 4 KiB; a small cache keeps a thousand nodes on one machine.
const CACHE_KIB: i32 = 512;
/// How long one connection waits for the other, which holds a lock only for moments.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);
/// How late the planted bug commits.
const LATE_COMMIT: Duration = Duration::from_millis(600);

/// A handle on the store; clones share it.
#[derive(Clone, Debug)]
pub struct Disk {
    writes: mpsc::Sender<Job>,
    reads: mpsc::Sender<Job>,
}

/// Why the store did not do its job.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// SQLite failed; the job left no trace.
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The commit of the group failed; the job left no trace.
    #[error("the store could not commit")]
    Commit,
    /// The job was dropped before it ran: no transaction could begin, or the process is ending.
    #[error("the store is closed")]
    Closed,
}

type Answer = Box<dyn FnOnce(bool) + Send>;
type Work = Box<dyn FnOnce(&Connection) -> Answer + Send>;

struct Job {
    work: Work,
}

impl Disk {
    /// Opens (or creates) the store, applies the schema, and starts its thread.
    ///
    /// # Errors
    /// [`DiskError::Sqlite`] if the file cannot be opened or is no database.
    pub fn open(path: &Path, schema: &str, bugs: Bugs) -> Result<Self, DiskError> {
        let writer = connect(path)?;
        writer.execute_batch(schema)?;
        let reader = connect(path)?;
        reader.pragma_update(None, "query_only", true)?;
        let writes = start("disk", move |queue| serve(&writer, queue, &bugs));
        let reads = start("disk-read", move |queue| serve_reads(&reader, queue));
        Ok(Self { writes, reads })
    }

    /// Runs a closure that writes; returns when its effect is durable.
    ///
    /// # Errors
    /// [`DiskError`]; in each case the closure left no trace.
    pub async fn write<T, F>(&self, work: F) -> Result<T, DiskError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run(true, work).await
    }

    /// Runs a closure that only reads; it sees nothing that is not durable.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn read<T, F>(&self, work: F) -> Result<T, DiskError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run(false, work).await
    }

    async fn run<T, F>(&self, writes: bool, work: F) -> Result<T, DiskError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            let result = if writes {
                in_savepoint(connection, work)
            } else {
                work(connection)
            };
            Box::new(move |committed| {
                let result = match result {
                    Ok(_) if !committed => Err(DiskError::Commit),
                    other => other.map_err(DiskError::from),
                };
                // The caller may have given up; the effect stands all the same.
                let _ = reply.send(result);
            })
        });
        let road = if writes { &self.writes } else { &self.reads };
        road.send(Job { work })
            .await
            .map_err(|_| DiskError::Closed)?;
        answer.await.map_err(|_| DiskError::Closed)?
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    Ok(connection)
}

fn start(
    name: &str,
    serve: impl FnOnce(mpsc::Receiver<Job>) + Send + 'static,
) -> mpsc::Sender<Job> {
    let (jobs, queue) = mpsc::channel(QUEUE);
    thread::Builder::new()
        .name(name.into())
        .stack_size(512 * 1024)
        .spawn(move || serve(queue))
        .expect("a process that just started can start a thread");
    jobs
}

fn serve(connection: &Connection, mut queue: mpsc::Receiver<Job>, bugs: &Bugs) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut group, GROUP) > 0 {
        if bugs.bites(Bug::AckBeforeCommit) {
            acknowledge_then_commit(connection, &mut queue, &mut group);
        } else {
            commit_then_acknowledge(connection, &mut group);
        }
    }
}

fn serve_reads(connection: &Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        (job.work)(connection)(true);
    }
}

fn commit_then_acknowledge(connection: &Connection, group: &mut Vec<Job>) {
    if !logged(&connection.execute_batch("BEGIN IMMEDIATE")) {
        group.clear();
        return;
    }
    let answers: Vec<_> = group.drain(..).map(|job| (job.work)(connection)).collect();
    let committed = logged(&connection.execute_batch("COMMIT"));
    if !committed && !connection.is_autocommit() {
        logged(&connection.execute_batch("ROLLBACK"));
    }
    for answer in answers {
        answer(committed);
    }
}

/// The planted bug `ack-before-commit`: the transaction stays open, and every job in it is answered
/// at once, until the late commit.
fn acknowledge_then_commit(
    connection: &Connection,
    queue: &mut mpsc::Receiver<Job>,
    group: &mut Vec<Job>,
) {
    let commit_at = Instant::now() + LATE_COMMIT;
    logged(&connection.execute_batch("BEGIN IMMEDIATE"));
    while Instant::now() < commit_at {
        for job in group.drain(..) {
            (job.work)(connection)(true);
        }
        match queue.try_recv() {
            Ok(job) => group.push(job),
            Err(mpsc::error::TryRecvError::Empty) => thread::sleep(Duration::from_millis(1)),
            Err(mpsc::error::TryRecvError::Disconnected) => break,
        }
    }
    for job in group.drain(..) {
        (job.work)(connection)(true);
    }
    logged(&connection.execute_batch("COMMIT"));
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT job")?;
    let result = work(connection);
    let end = if result.is_ok() {
        "RELEASE job"
    } else {
        "ROLLBACK TO job; RELEASE job"
    };
    connection.execute_batch(end)?;
    result
}

fn logged(result: &rusqlite::Result<()>) -> bool {
    if let Err(error) = result {
        error!(%error, "the store failed");
    }
    result.is_ok()
}

impl std::fmt::Debug for Job {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Job(..)")
    }
}
