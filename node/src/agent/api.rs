//! The client API of a node: JSON over HTTP. `node/README.md` shows it by hand.

use super::{Agent, Refusal, owned, register, resolve, update};
use crate::{
    bug, ledger, mirror, net,
    server::{self, Deadline, json, parse_json},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    response::Response,
    routing::{get, post},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::Instant;
use wire::{
    Name,
    api::{NameStatus, Status, Write},
};

/// Larger bodies are refused unread.
const BODY_BYTES_MAX: usize = 16 * 1024;

type Node = State<Arc<Agent>>;

/// What the loopback port serves.
pub fn router(agent: Arc<Agent>) -> Router {
    let operations = Router::new()
        .route("/v1/register", post(register_name))
        .route("/v1/update", post(update_name))
        .route("/v1/resolve/{name}", get(resolve_name));
    server::limited(operations, agent.operations.clone())
        .route("/v1/status", get(status))
        .route("/v1/name/{name}", get(name_status))
        .route("/v1/replicas/{name}", get(replicas))
        .route("/v1/digest", get(digest))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(agent)
}

/// What the Unix socket serves: the same, and the planted bugs.
pub fn socket_router(agent: Arc<Agent>) -> Router {
    let bugs = bug::http::router(agent.bugs.clone());
    router(agent).merge(bugs)
}

async fn register_name(State(agent): Node, deadline: Deadline, body: Bytes) -> Response {
    let (name, value) = match write(&body) {
        Ok(write) => write,
        Err(response) => return response,
    };
    let done =
        in_background(async move { register::register(&agent, name, value, deadline.0).await });
    match done.await {
        Ok(done) => json(if done.certified { 201 } else { 202 }, &done),
        Err(refusal) => refused(&refusal),
    }
}

async fn update_name(State(agent): Node, deadline: Deadline, body: Bytes) -> Response {
    let (name, value) = match write(&body) {
        Ok(write) => write,
        Err(response) => return response,
    };
    let done = in_background(async move { update::update(&agent, name, value, deadline.0).await });
    match done.await {
        Ok(done) => json(200, &done),
        Err(refusal) => refused(&refusal),
    }
}

async fn resolve_name(
    State(agent): Node,
    deadline: Deadline,
    Path(name): Path<String>,
) -> Response {
    let name = match parse_name(name) {
        Ok(name) => name,
        Err(response) => return response,
    };
    match before(deadline.0, resolve::resolve(&agent, name, deadline.0)).await {
        Ok(resolved) => json(200, &resolved),
        Err(refusal) => refused(&refusal),
    }
}

/// Runs an operation to its end even if the client hangs up in the middle of it.
async fn in_background<T: Send + 'static>(
    operation: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let ended = tokio::spawn(operation).await;
    ended.unwrap_or_else(|_| Err(Refusal::Unknown("the node is stopping".into())))
}

async fn before<T>(
    deadline: Instant,
    operation: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let late = || Refusal::Unreachable("no answer in time".into());
    tokio::time::timeout_at(deadline, operation)
        .await
        .unwrap_or_else(|_| Err(late()))
}

async fn status(State(agent): Node) -> Response {
    match status_of(&agent).await {
        Ok(status) => json(200, &status),
        Err(refusal) => refused(&refusal),
    }
}

async fn metrics(State(agent): Node) -> Response {
    let status = match status_of(&agent).await {
        Ok(status) => status,
        Err(refusal) => return refused(&refusal),
    };
    let own = [
        ("ready".to_owned(), u64::from(status.ready)),
        ("epoch".to_owned(), status.epoch),
        ("pending".to_owned(), status.pending),
        ("peers".to_owned(), status.peers),
        ("records".to_owned(), status.records),
    ];
    server::metrics("directory_node", own.into_iter().chain(status.detail))
}

async fn status_of(agent: &Arc<Agent>) -> Result<Status, Refusal> {
    let (backlog, (records, provisional), commits) = agent
        .disk
        .read(|connection| {
            let counts = ledger::count(connection)?;
            Ok((
                owned::backlog(connection)?,
                counts,
                mirror::shelf::count(connection)?,
            ))
        })
        .await?;
    let view = agent.book.view();
    let connected = agent.net.connected();
    let mirror = view.current().is_some_and(|roster| roster.has(&agent.id));
    let mirrors = view.current().map_or(0, |roster| roster.mirrors.len());
    let others = view.mirrors_but(&agent.id);
    let near = others
        .iter()
        .filter(|other| connected.contains(&other.key))
        .count()
        + usize::from(mirror);
    let ready = view.current().is_some() && (mirrors == 0 || near * 2 > mirrors);
    let repair = agent.mirror.pending(agent);
    let catching_up = u64::from(mirror && !agent.mirror.has_caught_up());
    let detail = BTreeMap::from([
        ("unsettled".to_owned(), backlog.unsettled),
        ("outbox".to_owned(), backlog.outbox),
        ("rejected".to_owned(), backlog.rejected),
        ("provisional".to_owned(), provisional),
        ("commits".to_owned(), commits),
        ("repair".to_owned(), repair),
        ("catching_up".to_owned(), catching_up),
        ("mirrors".to_owned(), mirrors as u64),
        ("mirrors_connected".to_owned(), near as u64),
        (
            "registry_suspect".to_owned(),
            u64::from(!agent.registry.is_healthy()),
        ),
    ]);
    Ok(Status {
        role: if mirror { "mirror" } else { "node" }.into(),
        roles: if mirror {
            vec!["mirror".into()]
        } else {
            Vec::new()
        },
        ready,
        id: agent.id.to_string(),
        peer_id: net::peer::peer_id(&agent.id).map_or_else(String::new, |peer| peer.to_string()),
        epoch: view.epoch().0,
        pending: backlog.unsettled + backlog.outbox + provisional + commits + repair + catching_up,
        version: env!("CARGO_PKG_VERSION").into(),
        peers: connected.len() as u64,
        records,
        unix_us: server::unix_us(),
        detail,
    })
}

async fn name_status(State(agent): Node, Path(name): Path<String>) -> Response {
    let name = match parse_name(name) {
        Ok(name) => name,
        Err(response) => return response,
    };
    match name_status_of(&agent, name).await {
        Ok(status) => json(200, &status),
        Err(refusal) => refused(&refusal),
    }
}

async fn name_status_of(agent: &Agent, name: Name) -> Result<NameStatus, Refusal> {
    let owned = owned::load(&agent.disk, name.clone()).await?;
    let rejected = owned
        .as_ref()
        .is_some_and(|owned| owned.state == owned::State::Rejected);
    let entry = match owned.and_then(|owned| owned.entry()) {
        Some(entry) => Some(entry),
        None => {
            agent
                .disk
                .read(move |connection| ledger::get(connection, &name))
                .await?
        }
    };
    Ok(server::name_status(entry.as_ref(), rejected))
}

async fn digest(State(agent): Node) -> Response {
    let lines = agent
        .disk
        .read(|connection| ledger::lines(connection, crate::backoff::now()));
    match lines.await {
        Ok(lines) => json(200, &server::digest(&lines)),
        Err(error) => refused(&error.into()),
    }
}

async fn replicas(State(agent): Node, Path(name): Path<String>) -> Response {
    match parse_name(name) {
        Ok(name) => json(200, &server::replicas(agent.book.view().current(), &name)),
        Err(response) => response,
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the refusal is the response, built once a request"
)]
fn write(body: &[u8]) -> Result<(Name, String), Response> {
    let Write { name, value } = parse_json(body)?;
    Ok((parse_name(name)?, value))
}

#[expect(
    clippy::result_large_err,
    reason = "the refusal is the response, built once a request"
)]
fn parse_name(name: String) -> Result<Name, Response> {
    Name::try_from(name).map_err(|error| refused(&Refusal::Invalid(error.to_string())))
}

fn refused(refusal: &Refusal) -> Response {
    let (status, problem) = refusal.problem();
    json(status, &problem)
}
