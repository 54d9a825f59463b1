//! How the registry starts.

use super::{
    Registry, api, census, outbox, peers,
    rebuild::{self, Rebuild},
    store,
    uptime::Peers,
};
use crate::{
    agent::book::{self, Book},
    bug::{Bugs, Door},
    cli::RegistryRunArgs,
    disk::{Disk, DiskError},
    identity, ledger, meta,
    net::{self, Inbound},
    server,
    slow_start::slow_start,
};
use std::{
    io, iter,
    sync::{Arc, Mutex},
};
use tokio::sync::{Notify, Semaphore, mpsc};
use tracing::info;

/// Calls handled at the same time; more are answered "busy".
const CALLS: usize = 512;
/// A registry that comes back begins with so many, and each step is twice the one before.
const CALLS_AT_START: usize = 32;

/// Why the registry did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The folder or the key.
    #[error("cannot use the folder {dir}: {error}")]
    Folder {
        /// Which.
        dir: String,
        /// Why.
        error: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The overlay.
    #[error(transparent)]
    Net(#[from] net::StartError),
    /// The HTTP servers.
    #[error(transparent)]
    Server(#[from] server::ServerError),
}

/// Runs the registry; returns only with an error.
///
/// # Errors
/// [`BootError`].
pub async fn serve(args: RegistryRunArgs) -> Result<(), BootError> {
    let (registry, inbound) = assemble(&args).await?;
    if registry.door.was_restarted() {
        tokio::spawn(ramp(registry.calls.clone()));
    }
    info!(id = %registry.id, epoch = %registry.book.view().epoch(), "registry starts");
    tokio::spawn(peers::follow_rosters(registry.clone()));
    tokio::spawn(peers::attend(registry.clone(), inbound));
    tokio::spawn(census::run(registry.clone()));
    tokio::spawn(outbox::run(registry.clone()));
    let socket = args.api.unwrap_or_else(|| args.dir.join("api.sock"));
    let on_fabric = Some((args.listen, api::router(registry.clone())));
    Ok(server::serve(&socket, api::socket_router(registry), on_fabric).await?)
}

/// Takes up the calls of a returned registry step by step; heartbeats are never held back.
async fn ramp(calls: Arc<Semaphore>) {
    let doubling = iter::successors(Some(CALLS_AT_START), |step| Some(step * 2));
    slow_start(&calls, (CALLS_AT_START, CALLS), doubling, |_| {}).await;
}

async fn assemble(
    args: &RegistryRunArgs,
) -> Result<(Arc<Registry>, mpsc::Receiver<Inbound>), BootError> {
    let folder = |error| BootError::Folder {
        dir: args.dir.display().to_string(),
        error,
    };
    let key = identity::load_or_create(&args.dir).map_err(folder)?;
    let bugs = Bugs::new(args.enable_bugs, &args.bugs, key.public());
    let store = args.dir.join("registry.sqlite");
    let door = Arc::new(Door::new(bugs.clone(), store.exists()));
    let schema = [ledger::SCHEMA, store::SCHEMA, book::SCHEMA, meta::SCHEMA].concat();
    let disk = Disk::open(&store, &schema, bugs.clone())?;
    let book = Book::load(disk.clone(), key.public()).await?;
    let (number, rebuilding) = disk.write(rebuild::load).await?;
    let known = disk.read(store::peers).await?;
    let known = known
        .iter()
        .filter_map(|blob| wire::decode(blob, blob.len()).ok());
    let (net, inbound) = net::start(&key, args.p2p, bugs.clone()).await?;
    let registry = Registry {
        id: key.public(),
        key,
        mirrors: args.mirrors.min(wire::limits::MIRRORS_MAX),
        replicas: args.replicas,
        interval: args.heartbeat,
        addresses: vec![net::peer::multiaddr(args.p2p).to_string()],
        disk,
        store: number,
        rebuild: Rebuild::new(rebuilding),
        refills: Mutex::default(),
        spread: args.spread.clone(),
        net,
        book,
        peers: Mutex::new(Peers::new(args.heartbeat, known)),
        bugs,
        door,
        calls: Arc::new(Semaphore::new(CALLS)),
        push: Notify::new(),
        undecided: Mutex::default(),
    };
    Ok((Arc::new(registry), inbound))
}
