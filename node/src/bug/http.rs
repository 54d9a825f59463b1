//! Planting bugs over HTTP, and the bugs that bite in HTTP replies.

use super::{Bug, BugError, Bugs, Door, LATE_REPLY};
use crate::server::{DEADLINE_MAX, json, parse_json};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::{Instant, sleep};
use wire::{
    api::Problem,
    limits::CALL_BYTES_MAX,
    registry_call::{REGISTER, SETTLE, UPDATE},
};

/// `GET` and `PUT /v1/bugs`; for the Unix socket only.
pub fn router(bugs: Bugs) -> Router {
    Router::new()
        .route("/v1/bugs", get(show).put(plant))
        .with_state(bugs)
}

async fn show(State(bugs): State<Bugs>) -> Response {
    json(200, &bugs.report())
}

async fn plant(State(bugs): State<Bugs>, body: Bytes) -> Response {
    let chances: BTreeMap<String, f64> = match parse_json(&body) {
        Ok(chances) => chances,
        Err(response) => return response,
    };
    let (status, error) = match bugs.plant(&chances) {
        Ok(()) => return json(200, &bugs.report()),
        Err(error @ BugError::Disabled) => ((403, "disabled"), error),
        Err(error) => ((400, "invalid"), error),
    };
    json(
        status.0,
        &Problem {
            error: status.1.into(),
            detail: Some(error.to_string()),
            ..Problem::default()
        },
    )
}

/// Lets the bugs bite in the replies of the registry's calls.
pub fn misbehaving<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    bugs: Bugs,
    door: Arc<Door>,
) -> Router<S> {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let (bugs, door) = (bugs.clone(), door.clone());
        async move {
            if door.is_closed(Instant::now()) {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            let response = handle(&bugs, request, next).await;
            reply(&bugs, response).await
        }
    }))
}

/// Handles a request, and a write a second time if `duplicate-replies` bites.
async fn handle(bugs: &Bugs, request: Request, next: Next) -> Response {
    let is_write = [REGISTER, UPDATE, SETTLE].contains(&request.uri().path());
    if !is_write || !bugs.bites(Bug::DuplicateReplies) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, CALL_BYTES_MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let again = Request::from_parts(parts.clone(), Body::from(body.clone()));
    next.clone().run(again).await;
    next.run(Request::from_parts(parts, Body::from(body))).await
}

async fn reply(bugs: &Bugs, response: Response) -> Response {
    if bugs.bites(Bug::DropReplies) {
        // The caller hangs up before; that ends this, too.
        sleep(DEADLINE_MAX).await;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if bugs.bites(Bug::DelayReplies) {
        sleep(LATE_REPLY).await;
    }
    if bugs.on(Bug::CorruptReplies) {
        return corrupted(bugs, response).await;
    }
    response
}

async fn corrupted(bugs: &Bugs, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, CALL_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut body = body.to_vec();
    bugs.corrupt(&mut body);
    Response::from_parts(parts, Body::from(body))
}
