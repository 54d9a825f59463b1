//! The plumbing of the HTTP servers: sockets, deadlines, refusals.

use crate::{ledger::Line, net};
use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequestParts, Request},
    http::{StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    convert::Infallible,
    fmt::Write,
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::Semaphore,
    time::Instant,
};
use tracing::info;
use wire::{
    Entry, Name, Roster,
    api::{DEADLINE_HEADER, DEADLINE_MS_DEFAULT, DigestList, NameStatus, Problem, Replicas},
};

/// Nobody is waited for longer than this, whatever the header says.
pub const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// The longest path of a Unix socket that the kernel takes.
const SOCKET_PATH_MAX: usize = 107;

/// Why a server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address or path cannot be bound.
    #[error("cannot listen on {place}: {error}")]
    Bind {
        /// Where.
        place: String,
        /// Why.
        error: io::Error,
    },
    /// Accepting failed for good.
    #[error("the server ended: {0}")]
    Ended(io::Error),
}

/// When the caller will stop waiting, less what the way back takes.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Serves one router on a Unix socket and, if given, another on a TCP address; never returns
/// without an error.
///
/// # Errors
/// [`ServerError`].
pub async fn serve(
    socket: &Path,
    on_socket: Router,
    on_tcp: Option<(SocketAddr, Router)>,
) -> Result<(), ServerError> {
    let unix = bind_unix(socket)?;
    info!(socket = %socket.display(), "serving");
    let unix = async { axum::serve(unix, on_socket).await };
    let Some((address, router)) = on_tcp else {
        return unix.await.map_err(ServerError::Ended);
    };
    let refused = |error| ServerError::Bind {
        place: address.to_string(),
        error,
    };
    let tcp = TcpListener::bind(address).await.map_err(refused)?;
    info!(%address, "serving");
    let tcp = tcp.tap_io(|stream| {
        // Without it only the latency is worse.
        let _ = stream.set_nodelay(true);
    });
    let tcp = async { axum::serve(tcp, router).await };
    tokio::try_join!(unix, tcp)
        .map(|_| ())
        .map_err(ServerError::Ended)
}

/// Refuses requests beyond the number of permits with 503 and a time to come back.
pub fn limited<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    permits: Arc<Semaphore>,
) -> Router<S> {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let permit = permits.clone().try_acquire_owned();
        async move {
            let Ok(_permit) = permit else { return busy() };
            next.run(request).await
        }
    }))
}

/// A JSON answer with a status.
pub fn json<T: Serialize>(status: u16, body: &T) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

/// Reads a JSON body whatever its content type says; `curl -d` should just work.
///
/// # Errors
/// The refusal to send back.
#[expect(
    clippy::result_large_err,
    reason = "the refusal is the response, built once a request"
)]
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = Some(error.to_string());
        json(
            400,
            &Problem {
                error: "invalid".into(),
                detail,
                ..Problem::default()
            },
        )
    })
}

/// Prometheus's text format for plain gauges.
pub fn metrics(prefix: &str, values: impl IntoIterator<Item = (String, u64)>) -> Response {
    let mut text = String::new();
    for (name, value) in values {
        let line = writeln!(
            text,
            "# TYPE {prefix}_{name} gauge\n{prefix}_{name} {value}"
        );
        line.expect("writing to a string cannot fail");
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, text).into_response()
}

impl<S: Sync> FromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let given = parts
            .headers
            .get(DEADLINE_HEADER)
            .and_then(|value| value.to_str().ok());
        let ms = given
            .and_then(|text| text.parse().ok())
            .unwrap_or(DEADLINE_MS_DEFAULT);
        let wait = Duration::from_millis(ms).min(DEADLINE_MAX);
        let way_back = (wait / 20).clamp(Duration::from_millis(10), Duration::from_millis(100));
        Ok(Self(Instant::now() + wait.saturating_sub(way_back)))
    }
}

/// What a process knows of one name.
pub fn name_status(entry: Option<&Entry>, rejected: bool) -> NameStatus {
    let grant = match entry {
        Some(entry) if entry.grant.is_certified() => "certified",
        Some(_) => "provisional",
        None => "none",
    };
    NameStatus {
        grant: grant.into(),
        owner: entry.map(|entry| entry.owner().to_string()),
        seq: entry.map_or(0, Entry::seq),
        rejected,
    }
}

/// The digest of a store.
pub fn digest(lines: &[Line]) -> DigestList {
    let text = |line: &Line| {
        let version = format!(
            "{}:{}",
            line.version.seq,
            hex::encode(&line.version.hash[..4])
        );
        (line.name.to_string(), version)
    };
    DigestList {
        records: lines.iter().map(text).collect(),
    }
}

/// Who holds a name by a roster.
pub fn replicas(roster: Option<&Roster>, name: &Name) -> Replicas {
    let group = roster.map_or_else(Vec::new, |roster| roster.group(name));
    let hosts = group
        .iter()
        .filter_map(|mirror| net::peer::ipv4(&mirror.addresses));
    Replicas {
        hosts: hosts.map(|address| address.to_string()).collect(),
    }
}

/// The wall clock, in microseconds since 1970.
pub fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_micros();
    u64::try_from(since).unwrap_or(u64::MAX)
}

fn busy() -> Response {
    let retry_after_ms = Some(100);
    json(
        503,
        &Problem {
            error: "busy".into(),
            retry_after_ms,
            ..Problem::default()
        },
    )
}

fn bind_unix(path: &Path) -> Result<UnixListener, ServerError> {
    let refused = |error| ServerError::Bind {
        place: path.display().to_string(),
        error,
    };
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        let long = "longer than 107 bytes; give a path relative to the working directory";
        return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, long)));
    }
    if let Some(parent) = path.parent().filter(|parent| *parent != PathBuf::new()) {
        fs::create_dir_all(parent).map_err(refused)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(refused)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(refused)?;
    Ok(listener)
}

/// An answer in the wire encoding.
pub fn bytes(body: Vec<u8>) -> Response {
    Response::new(Body::from(body))
}
