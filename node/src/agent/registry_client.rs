//! Calls to the registry, with a circuit breaker.
//!
//! After a call that failed, the registry is *suspect*: user operations no longer wait for it, and
//! only heartbeats find it back. A failed call says whether the registry may have acted on it.

use super::restraint::Throttle;
use crate::bug::Bugs;
use reqwest::{Client, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wire::limits::CALL_BYTES_MAX;

/// What a busy registry is given before the next try, when it does not say.
const RETRY_AFTER_MS: u64 = 200;

/// A call that had less time than this says nothing about the registry when it fails: two round
/// trips of a slow link.
const TELLING: Duration = Duration::from_millis(300);

/// A client of the one registry.
#[derive(Debug)]
pub struct RegistryClient {
    http: Client,
    base: String,
    healthy: watch::Sender<bool>,
    throttle: Throttle,
    bugs: Bugs,
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection: the registry saw nothing of the call.
    #[error("the registry cannot be reached")]
    Unreachable,
    /// The registry is alive and did nothing.
    #[error("the registry is busy")]
    Busy {
        /// When to call again.
        retry_after_ms: u64,
    },
    /// The call was refused as nonsense, and nothing was done.
    #[error("the registry refused the call")]
    Refused,
    /// Time-out or broken connection: the registry may have acted on the call.
    #[error("no answer from the registry")]
    Unknown,
}

impl CallError {
    /// True if the registry certainly did nothing.
    #[must_use]
    pub fn is_definite(self) -> bool {
        self != Self::Unknown
    }
}

impl RegistryClient {
    /// A client for the registry at `base`, such as `http://198.18.0.1:8080`.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(base: &str, bugs: Bugs) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .pool_max_idle_per_host(2)
            .pool_idle_timeout(Duration::from_secs(10))
            .tcp_nodelay(true)
            .no_proxy()
            .build()?;
        let (healthy, _) = watch::channel(true);
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            healthy,
            throttle: Throttle::new(Instant::now()),
            bugs,
        })
    }

    /// False while the registry is suspect.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        *self.healthy.borrow()
    }

    /// Wakes its holder when the breaker changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.healthy.subscribe()
    }

    /// Opens or closes the breaker.
    pub fn set_healthy(&self, healthy: bool) {
        self.healthy
            .send_if_modified(|now| std::mem::replace(now, healthy) != healthy);
    }

    /// Calls the registry, unless it answered "busy" too often, and opens the breaker if that fails
    /// and there was time for it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<Q, A>(
        &self,
        path: &str,
        question: &Q,
        within: Duration,
    ) -> Result<A, CallError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        if !self.throttle.admits(Instant::now(), rand::random()) {
            return Err(CallError::Busy {
                retry_after_ms: RETRY_AFTER_MS,
            });
        }
        let result = self.try_call(path, question, within).await;
        if !matches!(result, Err(CallError::Busy { .. })) {
            self.throttle.accepted();
        }
        let failed = match result {
            Err(CallError::Unreachable) => true,
            Err(CallError::Unknown) => within >= TELLING,
            _ => false,
        };
        if failed {
            self.set_healthy(false);
        }
        result
    }

    /// Calls the registry and leaves the breaker alone.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn try_call<Q, A>(
        &self,
        path: &str,
        question: &Q,
        within: Duration,
    ) -> Result<A, CallError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let url = format!("{}{path}", self.base);
        let request = self
            .http
            .post(url)
            .timeout(within)
            .body(wire::encode(question));
        let called_at = Instant::now();
        let response = request.send().await.map_err(|error| call_error(&error))?;
        self.bugs.judge_reply(called_at.elapsed());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE => {
                return Err(CallError::Busy {
                    retry_after_ms: RETRY_AFTER_MS,
                });
            }
            status if status.is_client_error() => return Err(CallError::Refused),
            _ => return Err(CallError::Unknown),
        }
        let bytes = response.bytes().await.map_err(|_| CallError::Unknown)?;
        wire::decode(&bytes, CALL_BYTES_MAX).map_err(|_| CallError::Unknown)
    }
}

fn call_error(error: &reqwest::Error) -> CallError {
    if error.is_connect() {
        CallError::Unreachable
    } else {
        CallError::Unknown
    }
}
