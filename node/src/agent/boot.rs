//! How a node starts.

use super::{
    Agent, api, book, book::Book, cache, cache::Cache, heartbeat, owned, restraint::RetryBudget,
    settle,
};
use crate::{
    backoff::now,
    bug::{Bugs, Door},
    cli::{Label, NodeArgs},
    disk::{Disk, DiskError},
    identity, ledger, meta, mirror,
    net::{self, Contact, Inbound},
    server,
};
use std::{io, sync::Arc, time::Duration};
use tokio::sync::{Notify, Semaphore, mpsc};
use tracing::{info, warn};
use wire::message::{Request, Response};

/// Read repairs at the same time.
const REPAIRS: usize = 16;
/// Provisional grants stored in the background at the same time.
const STORES: usize = 64;
/// User operations at the same time; more are answered "busy".
const OPERATIONS: usize = 256;
/// A roster is fetched from a peer within so long.
const FETCH: Duration = Duration::from_secs(2);

/// Why a node did not start.
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
    /// The HTTP client.
    #[error("cannot make an HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The overlay.
    #[error(transparent)]
    Net(#[from] net::StartError),
    /// The client API.
    #[error(transparent)]
    Server(#[from] server::ServerError),
}

/// Runs a node; returns only with an error.
///
/// # Errors
/// [`BootError`].
pub async fn serve(args: NodeArgs) -> Result<(), BootError> {
    let (agent, inbound) = assemble(&args).await?;
    info!(id = %agent.id, epoch = %agent.book.view().epoch(), "node starts");
    tokio::spawn(follow_rosters(agent.clone()));
    tokio::spawn(mirror::attend(agent.clone(), inbound));
    tokio::spawn(mirror::repair::run(agent.clone()));
    tokio::spawn(mirror::settle::run(agent.clone()));
    if agent.door.was_restarted() {
        tokio::spawn(mirror::slow_start(agent.clone()));
    }
    tokio::spawn(heartbeat::run(agent.clone()));
    tokio::spawn(settle::run(agent.clone()));
    let api = args.api.unwrap_or_else(|| args.dir.join("api.sock"));
    let on_loopback = args.loopback_api.map(|port| ([127, 0, 0, 1], port).into());
    let on_tcp = on_loopback.map(|address| (address, api::router(agent.clone())));
    Ok(server::serve(&api, api::socket_router(agent), on_tcp).await?)
}

async fn assemble(args: &NodeArgs) -> Result<(Arc<Agent>, mpsc::Receiver<Inbound>), BootError> {
    let folder = |error| BootError::Folder {
        dir: args.dir.display().to_string(),
        error,
    };
    let key = identity::load_or_create(&args.dir).map_err(folder)?;
    let bugs = Bugs::new(args.enable_bugs, &args.bugs, key.public());
    let store = args.dir.join("node.sqlite");
    let door = Door::new(bugs.clone(), store.exists());
    let schema = [
        ledger::SCHEMA,
        mirror::SCHEMA,
        book::SCHEMA,
        cache::SCHEMA,
        owned::SCHEMA,
        meta::SCHEMA,
    ]
    .concat();
    let disk = Disk::open(&store, &schema, bugs.clone())?;
    let book = Book::load(disk.clone(), args.registry_key.0).await?;
    let cache = Arc::new(Cache::load(disk.clone()).await?);
    let catch_up = disk.read(mirror::catch_up::CatchUp::load).await?;
    let (net, inbound) = net::start(&key, args.listen, bugs.clone()).await?;
    let agent = Agent {
        id: key.public(),
        key,
        session: now(),
        addresses: vec![net::peer::multiaddr(args.listen).to_string()],
        record_life: args.record_life,
        labels: args
            .labels
            .iter()
            .map(|Label(key, value)| (key.clone(), value.clone()))
            .collect(),
        disk,
        net,
        book,
        registry: super::RegistryClient::new(&args.registry, bugs.clone())?,
        cache,
        names: super::state::Turns::default(),
        mirror: mirror::Mirror::new(catch_up),
        retries: RetryBudget::new(std::time::Instant::now()),
        bugs,
        door,
        repairs: Arc::new(Semaphore::new(REPAIRS)),
        stores: Arc::new(Semaphore::new(STORES)),
        operations: Arc::new(Semaphore::new(OPERATIONS)),
        settle: Notify::new(),
    };
    Ok((Arc::new(agent), inbound))
}

/// Applies each new roster to the overlay: whom to stay connected with, and whether to serve kad.
async fn follow_rosters(agent: Arc<Agent>) {
    let mut changes = agent.book.changes();
    loop {
        let view = changes.borrow_and_update().clone();
        if let Some(roster) = view.current() {
            let mirror = roster.has(&agent.id);
            info!(epoch = %roster.epoch, mirrors = roster.mirrors.len(), mirror, "roster");
            mirror::catch_up::begin(&agent, roster).await;
            agent.net.set_epoch(roster.epoch);
            agent.net.serve_kad(mirror).await;
            agent.net.keep(view.mirrors_but(&agent.id)).await;
            agent.mirror.wake();
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Fetches the roster of a peer that has a newer one.
pub(crate) async fn fetch_roster(agent: Arc<Agent>, peer: Contact) {
    let answer = agent.net.ask(peer, Request::GetRoster, FETCH).await;
    if let Ok(Response::Roster(Some(roster))) = answer
        && let Err(error) = agent.book.adopt(*roster).await
    {
        warn!(%error, "cannot write the roster down");
    }
}
