//! The registry's JSON: status, health and metrics everywhere, planted bugs on its socket only.

use super::{Registry, calls, store};
use crate::{backoff::now, bug, disk::DiskError, ledger, net, server};
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use std::{collections::BTreeMap, sync::Arc};
use wire::{
    Entry, Name,
    api::{Problem, Resolved, Source, Status},
};

type Central = State<Arc<Registry>>;

/// What the fabric address serves: the nodes' calls, and what an operator looks at.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/resolve/{name}", get(resolve))
        .route("/v1/name/{name}", get(name_status))
        .route("/v1/replicas/{name}", get(replicas))
        .route("/v1/digest", get(digest))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
        .with_state(registry.clone())
        .merge(calls::router(registry))
}

/// What the Unix socket serves: the same, and the planted bugs.
pub fn socket_router(registry: Arc<Registry>) -> Router {
    let bugs = bug::http::router(registry.bugs.clone());
    router(registry).merge(bugs)
}

async fn status(State(registry): Central) -> Response {
    match status_of(&registry).await {
        Ok(status) => server::json(200, &status),
        Err(error) => broken(&error),
    }
}

async fn metrics(State(registry): Central) -> Response {
    let status = match status_of(&registry).await {
        Ok(status) => status,
        Err(error) => return broken(&error),
    };
    let own = [
        ("epoch".to_owned(), status.epoch),
        ("pending".to_owned(), status.pending),
        ("peers".to_owned(), status.peers),
        ("records".to_owned(), status.records),
    ];
    server::metrics("directory_registry", own.into_iter().chain(status.detail))
}

async fn status_of(registry: &Registry) -> Result<Status, DiskError> {
    let ((records, _), (outbox, rejected)) = registry
        .disk
        .read(|connection| Ok((ledger::count(connection)?, store::counts(connection)?)))
        .await?;
    let view = registry.book.view();
    let up = registry
        .peers
        .lock()
        .expect("no one panics while holding the peers")
        .up(now());
    let undecided = registry
        .undecided
        .lock()
        .expect("no one panics while holding the undecided")
        .len();
    let mirrors = view.current().map_or(0, |roster| roster.mirrors.len());
    let detail = BTreeMap::from([
        ("outbox".to_owned(), outbox),
        ("rejected".to_owned(), rejected),
        ("undecided".to_owned(), undecided as u64),
        ("rebuilding".to_owned(), u64::from(registry.rebuild.is_on())),
        ("mirrors".to_owned(), mirrors as u64),
        (
            "mirrors_connected".to_owned(),
            registry.net.connected().len() as u64,
        ),
    ]);
    Ok(Status {
        role: "registry".into(),
        roles: vec!["registry".into()],
        ready: true,
        id: registry.id.to_string(),
        peer_id: net::peer::peer_id(&registry.id).map_or_else(String::new, |id| id.to_string()),
        epoch: view.epoch().0,
        pending: outbox + undecided as u64 + u64::from(registry.rebuild.is_on()),
        version: env!("CARGO_PKG_VERSION").into(),
        peers: up as u64,
        records,
        unix_us: server::unix_us(),
        detail,
    })
}

async fn resolve(State(registry): Central, Path(name): Path<String>) -> Response {
    match held(&registry, name).await {
        Ok(Some(Entry {
            grant,
            record: Some(record),
        })) => {
            let resolved = Resolved {
                name: record.body.name.to_string(),
                owner: record.body.owner.to_string(),
                seq: record.body.seq,
                value: record.body.profile,
                addresses: record.body.addresses,
                certified: grant.is_certified(),
                source: Source::Registry,
                confirmed: false,
                stale: false,
                age_ms: 0,
            };
            server::json(200, &resolved)
        }
        Ok(_) => server::json(
            404,
            &Problem {
                error: "not_found".into(),
                ..Problem::default()
            },
        ),
        Err(response) => response,
    }
}

async fn name_status(State(registry): Central, Path(name): Path<String>) -> Response {
    match held(&registry, name).await {
        Ok(entry) => server::json(200, &server::name_status(entry.as_ref(), false)),
        Err(response) => response,
    }
}

async fn held(registry: &Registry, name: String) -> Result<Option<Entry>, Response> {
    let name = parse_name(name)?;
    let held = registry
        .disk
        .read(move |connection| ledger::get(connection, &name))
        .await;
    held.map_err(|error| broken(&error))
}

async fn digest(State(registry): Central) -> Response {
    match registry
        .disk
        .read(|connection| ledger::lines(connection, now()))
        .await
    {
        Ok(lines) => server::json(200, &server::digest(&lines)),
        Err(error) => broken(&error),
    }
}

async fn replicas(State(registry): Central, Path(name): Path<String>) -> Response {
    match parse_name(name) {
        Ok(name) => {
            let view = registry.book.view();
            server::json(200, &server::replicas(view.current(), &name))
        }
        Err(response) => response,
    }
}

#[expect(
    clippy::result_large_err,
    reason = "the refusal is the response, built once a request"
)]
fn parse_name(name: String) -> Result<Name, Response> {
    Name::try_from(name).map_err(|error| {
        let detail = Some(error.to_string());
        server::json(
            400,
            &Problem {
                error: "invalid".into(),
                detail,
                ..Problem::default()
            },
        )
    })
}

fn broken(error: &DiskError) -> Response {
    let detail = Some(error.to_string());
    server::json(
        503,
        &Problem {
            error: "unreachable".into(),
            detail,
            ..Problem::default()
        },
    )
}
