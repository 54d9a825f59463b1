//! Load and company: every host is asked, again and again, how many requests of others it has
//! handled and how many strangers it believes.
//!
//! A system that does not count answers neither, and nothing is recorded then. A host that does not
//! answer in time is left out of a round; its next answer closes the gap, because what it counts
//! only grows.

use std::convert::Infallible;
use std::time::Duration;

use fabric::HostIndex;
use futures::stream::{self, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::measure::answered;
use crate::history::{EventKind, EventSink, Served};
use crate::host::HostId;
use crate::runtime::Runtime;
use crate::system::Client;

use super::Lab;

/// How often all hosts are asked, unless the timeline is so long that it would be too often.
const INTERVAL: Duration = Duration::from_secs(5);

/// Rounds within a timeline, at most.
const ROUNDS_MAX: u32 = 100;

/// How long a round may take: one in which many hosts are frozen must not hold the run up.
const ROUND_PATIENCE: Duration = Duration::from_secs(2);

/// Hosts that are asked at once.
const CONCURRENT: usize = 32;

/// Asks the hosts; keeps nothing but whom to ask, so that it can go on beside the timeline.
pub struct Sampler<C> {
    hosts: Vec<(HostId, C)>,
    sink: EventSink,
}

impl<C: Client> Sampler<C> {
    /// A sampler of all hosts, also of those that have not joined yet.
    pub fn new<R: Runtime<Client = C>>(lab: &Lab<R>) -> Sampler<C> {
        let host = |index: HostIndex| {
            let id = lab.inventory.get(index).id.clone();
            (id, lab.runtime.client(index).clone())
        };
        Sampler {
            hosts: lab.inventory.indexes().map(host).collect(),
            sink: lab.sink.clone(),
        }
    }

    /// Asks at the start of the timeline and then again and again, until it is dropped.
    pub async fn go_on(&self, timeline: Duration) -> Infallible {
        let every = INTERVAL.max(timeline / ROUNDS_MAX);
        let mut rounds = interval_at(Instant::now(), every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.ask_all().await;
        }
    }

    /// Asks every host once, and records what each says in time.
    pub async fn ask_all(&self) {
        // Who has not answered by then is left out of this round.
        let _ = timeout(ROUND_PATIENCE, self.round()).await;
    }

    async fn round(&self) {
        let mut answers = stream::iter(&self.hosts)
            .map(|(host, client)| async move {
                let status = answered(client.status()).await?;
                Some((host, status))
            })
            .buffer_unordered(CONCURRENT);
        while let Some(answer) = answers.next().await {
            let Some((host, status)) = answer else {
                continue;
            };
            if let Some(requests) = status.served {
                let served = Served {
                    host: host.clone(),
                    requests,
                    roles: status.roles,
                };
                self.sink.emit(EventKind::Served(served)).await;
            }
            if let Some(peers) = status.strangers {
                let host = host.clone();
                self.sink.emit(EventKind::Strangers { host, peers }).await;
            }
        }
    }
}
