//! The client of one host: HTTP and JSON over the host's Unix socket.
//!
//! Control traffic never crosses the fabric, so a fault on the network never hides what a host
//! says. Definite and indefinite errors are told apart here: a refused connection means that
//! nothing was sent; a reset or a time-out means that the operation may have happened.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{BugsError, Client, Status, StatusError};
use crate::cause::innermost;
use crate::history::{Answer, ErrorKind, OperationKind, Outcome};

/// The header that tells the system how long the client will wait, milliseconds.
const DEADLINE_HEADER: &str = "x-deadline-ms";

/// How long a host may take to say how it is.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a host may take to say what it holds.
const DIGEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest digest that is read, bytes: enough for half a million names.
const DIGEST_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The longest answer to an operation that is read, bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The client of one host. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    http: reqwest::Client,
}

#[derive(Serialize)]
struct Write<'a> {
    name: &'a str,
    value: &'a str,
}

impl HttpClient {
    /// A client for the socket at this path.
    ///
    /// # Panics
    /// When the HTTP client cannot be built, which has no cause outside this program: there is
    /// no TLS and no resolver in it.
    #[must_use]
    pub fn new(socket: &Path) -> HttpClient {
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .build()
            .expect("a client without TLS has nothing to load");
        HttpClient { http }
    }
}

impl Client for HttpClient {
    async fn operate(
        &self,
        kind: OperationKind,
        name: &str,
        value: &str,
        patience: Duration,
    ) -> Outcome {
        let request = match kind {
            OperationKind::Register => self
                .http
                .post("http://host/v1/register")
                .json(&Write { name, value }),
            OperationKind::Update => self
                .http
                .post("http://host/v1/update")
                .json(&Write { name, value }),
            OperationKind::Resolve => self.http.get(format!("http://host/v1/resolve/{name}")),
        };
        let request = request
            .header(DEADLINE_HEADER, patience.as_millis().to_string())
            .timeout(patience);
        match request.send().await {
            Ok(response) => read_outcome(response).await,
            Err(error) => outcome_of_failure(&error),
        }
    }

    async fn status(&self) -> Result<Status, StatusError> {
        let response = self
            .http
            .get("http://host/v1/status")
            .timeout(STATUS_TIMEOUT)
            .send()
            .await
            .map_err(|error| StatusError(innermost(&error)))?;
        response
            .json()
            .await
            .map_err(|error| StatusError(innermost(&error)))
    }

    async fn set_bugs(&self, bugs: &BTreeMap<String, f64>) -> Result<(), BugsError> {
        let response = self
            .http
            .put("http://host/v1/bugs")
            .json(bugs)
            .timeout(STATUS_TIMEOUT)
            .send()
            .await
            .map_err(|error| BugsError::Silent(innermost(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body: Result<Body, String> = read_json(response, ANSWER_BYTES_MAX).await;
        let detail = body.ok().and_then(|body| body.detail.or(body.error));
        Err(BugsError::Refused(match detail {
            Some(detail) => format!("{status}: {detail}"),
            None => status.to_string(),
        }))
    }

    async fn bug_bites(&self) -> Result<u64, StatusError> {
        let bugs: Option<Bugs> = self.optional("bugs", ANSWER_BYTES_MAX).await?;
        Ok(bugs.map_or(0, |bugs| bugs.bitten.values().sum()))
    }

    async fn replicas(&self, name: &str) -> Result<Option<Vec<Ipv4Addr>>, StatusError> {
        let path = format!("replicas/{name}");
        let replicas: Option<Replicas> = self.optional(&path, ANSWER_BYTES_MAX).await?;
        Ok(replicas.map(|replicas| replicas.hosts))
    }

    async fn digest(&self) -> Result<Option<BTreeMap<String, String>>, StatusError> {
        let digest: Option<Digest> = self.optional("digest", DIGEST_BYTES_MAX).await?;
        Ok(digest.map(|digest| digest.records))
    }
}

impl HttpClient {
    /// The answer to a question that not every system answers; none when this one does not.
    async fn optional<T: DeserializeOwned>(
        &self,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<T>, StatusError> {
        let response = self
            .http
            .get(format!("http://host/v1/{path}"))
            .timeout(DIGEST_TIMEOUT)
            .send()
            .await
            .map_err(|error| StatusError(innermost(&error)))?;
        match response.status() {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(None),
            StatusCode::OK => read_json(response, bytes_max)
                .await
                .map(Some)
                .map_err(StatusError),
            other => Err(StatusError(other.to_string())),
        }
    }
}

/// The body of every answer; what an answer does not have is absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    owner: Option<String>,
    seq: Option<u64>,
    value: Option<String>,
    certified: bool,
    mirrored: bool,
    confirmed: bool,
    stale: bool,
    source: Option<String>,
    error: Option<String>,
    detail: Option<String>,
}

/// The bugs that a host's program has.
#[derive(Debug, Deserialize)]
struct Bugs {
    /// How often each has bitten.
    #[serde(default)]
    bitten: BTreeMap<String, u64>,
}

/// Who holds a name.
#[derive(Debug, Deserialize)]
struct Replicas {
    hosts: Vec<Ipv4Addr>,
}

/// What a host holds.
#[derive(Debug, Deserialize)]
struct Digest {
    records: BTreeMap<String, String>,
}

async fn read_outcome(response: Response) -> Outcome {
    let status = response.status();
    match read_json::<Body>(response, ANSWER_BYTES_MAX).await {
        Ok(body) if status.is_success() => Outcome::Ok(Answer {
            owner: body.owner,
            seq: body.seq,
            value: body.value,
            certified: body.certified,
            mirrored: body.mirrored,
            confirmed: body.confirmed,
            stale: body.stale,
            source: body.source,
        }),
        Ok(body) => refusal(status, body),
        // The head of the answer came, its body did not: what it said is not known.
        Err(detail) => Outcome::Unknown { detail },
    }
}

/// The body of an answer, when it is JSON of the wanted form and not longer than this.
async fn read_json<T: DeserializeOwned>(
    mut response: Response,
    bytes_max: usize,
) -> Result<T, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| innermost(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > bytes_max {
            return Err(format!("the answer is longer than {bytes_max} bytes"));
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("the answer is no JSON: {error}"))
}

fn refusal(status: StatusCode, body: Body) -> Outcome {
    let word = body.error.unwrap_or_else(|| status.to_string());
    let detail = match body.detail {
        Some(detail) => format!("{word}: {detail}"),
        None => word,
    };
    let error = match status {
        StatusCode::CONFLICT => ErrorKind::Taken,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::FORBIDDEN => ErrorKind::NotOwner,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unavailable,
        StatusCode::BAD_REQUEST => ErrorKind::Invalid,
        _ => return Outcome::Unknown { detail },
    };
    Outcome::Fail { error, detail }
}

fn outcome_of_failure(error: &reqwest::Error) -> Outcome {
    if error.is_timeout() {
        return Outcome::Unknown {
            detail: "no answer within the deadline".into(),
        };
    }
    let detail = innermost(error);
    if error.is_connect() {
        return Outcome::Fail {
            error: ErrorKind::Refused,
            detail,
        };
    }
    Outcome::Unknown { detail }
}
