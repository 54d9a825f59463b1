//! The calls of the nodes: HTTP POST, bodies in the wire encoding.

use super::{Registry, outbox, rebuild, register, settle};
use crate::{backoff::now, bug, disk::DiskError, ledger, server};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use tracing::{debug, error};
use wire::{
    Entry, Heartbeat, Invalid, Name, Roster, Signed, Verdict,
    limits::CALL_BYTES_MAX,
    registry_call::{
        HEARTBEAT, HeartbeatAnswer, LOOKUP, REGISTER, RESTORE, ROSTER, RegisterAnswer,
        RegisterCall, SETTLE, SettleAnswer, SettleCall, UPDATE, UpdateAnswer,
    },
};

type Central = State<Arc<Registry>>;

/// Why a call has no answer of its own.
#[derive(Debug, thiserror::Error)]
enum CallRefusal {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("a replayed heartbeat")]
    Replay,
    #[error("this store is being rebuilt, and does not know all names yet")]
    Rebuilding,
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The calls.
pub fn router(registry: Arc<Registry>) -> Router {
    let calls = Router::new()
        .route(REGISTER, post(take_register))
        .route(UPDATE, post(take_update))
        .route(SETTLE, post(take_settle))
        .route(LOOKUP, post(take_lookup))
        .route(RESTORE, post(take_restored));
    let calls = server::limited(calls, registry.calls.clone())
        // Cheap, and never shed: they are how a loaded registry is known to be up.
        .route(HEARTBEAT, post(take_heartbeat))
        .route(ROSTER, post(give_roster))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX));
    bug::http::misbehaving(calls, registry.bugs.clone(), registry.door.clone()).with_state(registry)
}

async fn take_heartbeat(
    State(registry): Central,
    body: Bytes,
) -> Result<Answer<HeartbeatAnswer>, CallRefusal> {
    let heartbeat: Signed<Heartbeat> = parse(&body)?;
    let at = now();
    heartbeat.verify(at)?;
    let view = registry.book.view();
    let founding = view.current().is_none();
    registry
        .peers
        .lock()
        .expect("no one panics while holding the peers")
        .hear(&heartbeat, at, founding)
        .map_err(|_| CallRefusal::Replay)?;
    let newer = view
        .signed()
        .filter(|roster| roster.body.epoch > heartbeat.body.epoch);
    if heartbeat.body.epoch > view.epoch() {
        rebuild::heard_newer(&registry, &heartbeat.body);
    }
    let interval_ms = u32::try_from(registry.interval.as_millis()).unwrap_or(u32::MAX);
    Ok(Answer(HeartbeatAnswer {
        epoch: view.epoch(),
        roster: newer.cloned(),
        interval_ms,
        store: registry.store,
    }))
}

async fn give_roster(State(registry): Central) -> Answer<Option<Signed<Roster>>> {
    Answer(registry.book.view().signed().cloned())
}

async fn take_register(
    State(registry): Central,
    body: Bytes,
) -> Result<Answer<RegisterAnswer>, CallRefusal> {
    let call: RegisterCall = parse(&body)?;
    to_its_end(async move { register::register(&registry, call).await }).await
}

async fn take_update(
    State(registry): Central,
    body: Bytes,
) -> Result<Answer<UpdateAnswer>, CallRefusal> {
    let record = parse(&body)?;
    to_its_end(async move { register::update(&registry, record).await }).await
}

async fn take_settle(
    State(registry): Central,
    body: Bytes,
) -> Result<Answer<SettleAnswer>, CallRefusal> {
    let call: SettleCall = parse(&body)?;
    to_its_end(async move { settle::settle(&registry, call).await }).await
}

async fn take_lookup(
    State(registry): Central,
    body: Bytes,
) -> Result<Answer<Option<Entry>>, CallRefusal> {
    let name: Name = parse(&body)?;
    let known = async |name: Name| {
        let read = registry
            .disk
            .read(move |connection| ledger::get(connection, &name));
        read.await
    };
    let mut entry = known(name.clone()).await?;
    if entry.is_none() && registry.rebuild.is_on() {
        let heard = rebuild::recover(&registry, &name).await;
        entry = known(name).await?;
        if entry.is_none() && !heard {
            return Err(CallRefusal::Rebuilding);
        }
    }
    Ok(Answer(entry))
}

/// An owner brings back what this store has lost: the certificate is this registry's own word.
async fn take_restored(
    State(registry): Central,
    body: Bytes,
) -> Result<Answer<UpdateAnswer>, CallRefusal> {
    let entry: Entry = parse(&body)?;
    let work = async move {
        let merged = outbox::adopt(&registry, entry.without_expired(now())).await;
        registry.push.notify_one();
        Ok(match merged {
            None => UpdateAnswer::Invalid,
            Some(merged) => match merged.verdict {
                Verdict::Accepted => UpdateAnswer::Stored,
                Verdict::Older => UpdateAnswer::Newer(merged.held),
                Verdict::Conflict => UpdateAnswer::NotOwner(merged.held),
            },
        })
    };
    to_its_end(work).await
}

/// Finishes what was begun even if the caller hangs up.
async fn to_its_end<A: Send + 'static>(
    work: impl Future<Output = Result<A, DiskError>> + Send + 'static,
) -> Result<Answer<A>, CallRefusal> {
    let ended = tokio::spawn(work).await;
    Ok(Answer(ended.unwrap_or(Err(DiskError::Closed))?))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Invalid> {
    wire::decode(body, CALL_BYTES_MAX)
}

struct Answer<A>(A);

impl<A: Serialize> IntoResponse for Answer<A> {
    fn into_response(self) -> Response {
        server::bytes(wire::encode(&self.0))
    }
}

impl IntoResponse for CallRefusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Replay => StatusCode::CONFLICT,
            Self::Rebuilding => StatusCode::SERVICE_UNAVAILABLE,
            Self::Disk(error) => {
                error!(%error, "a call failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        debug!(%self, "refused a call");
        (status, self.to_string()).into_response()
    }
}
