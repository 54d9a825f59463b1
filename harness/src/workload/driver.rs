//! The open-loop driver: operations start at their intended times, whatever happened to the
//! earlier ones, so a slow system cannot slow its own load down (no coordinated omission).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use fabric::HostIndex;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::arrivals::Arrivals;
use super::names::{NameBook, OwnedName};
use super::operate::{Operator, Request};
use super::pace::Pace;
use super::wanted::LoadNews;
use crate::history::{OperationKind, Outcome, Purpose};
use crate::host::{HostId, Inventory};
use crate::plan::Workload;
use crate::seed::{self, Stream};
use crate::system::Client;
use crate::world::Crowd;

/// Operations that may be under way at once. More than that means that the deadline times the
/// rate is beyond what one harness can hold; the run then slows and the recorded invocation times
/// show it.
const UNDER_WAY_MAX: usize = 20_000;

/// A client host.
#[derive(Clone, Debug)]
struct ClientHost<C> {
    index: HostIndex,
    id: HostId,
    client: C,
}

/// An operation that was drawn: who does what about which name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Drawn {
    kind: OperationKind,
    client: HostIndex,
    name: String,
}

/// What is to be driven, and where it is recorded.
#[derive(Debug)]
pub struct Load<'a> {
    /// What the clients do.
    pub workload: &'a Workload,
    /// The run's seed.
    pub seed: u64,
    /// The start of the clock.
    pub clock: Instant,
    /// How long operations arrive.
    pub length: Duration,
    /// All hosts.
    pub inventory: &'a Inventory,
    /// Does and records operations.
    pub operator: Arc<Operator>,
    /// The names known so far; names that are acknowledged meanwhile are added.
    pub book: Arc<Mutex<NameBook>>,
    /// How much the clients shall do; its times count from `origin`.
    pub news: LoadNews,
    /// The start of the run.
    pub origin: Instant,
}

/// Starts every operation at its time, then waits for those under way.
pub async fn drive<C: Client>(load: Load<'_>, clients: impl Fn(HostIndex) -> C) {
    let hosts = load
        .inventory
        .iter()
        .filter(|(_, host)| host.serves_clients)
        .map(|(index, host)| ClientHost {
            index,
            id: host.id.clone(),
            client: clients(index),
        })
        .collect();
    let Load { news, .. } = load;
    let LoadNews {
        load: mut wanted,
        mut crowds,
    } = news;
    let micros = |moment: Instant| {
        let since = moment.saturating_duration_since(load.origin);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    };
    let moment = |at_us: u64| load.origin + Duration::from_micros(at_us);
    let end_us = micros(load.clock + load.length);
    let mut pace = Pace::new(micros(load.clock));
    let mut arrivals = Arrivals::new(&load.workload.rates, load.seed).peekable();
    let mut crew = Crew {
        workload: load.workload,
        hosts,
        operator: load.operator,
        book: load.book,
        rng: seed::generator(load.seed, Stream::Choices),
        slots: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
        under_way: JoinSet::new(),
    };
    loop {
        let due_us = arrivals
            .peek()
            .map_or(u64::MAX, |next| pace.due(next.at_us));
        tokio::select! {
            biased;
            Ok(()) = wanted.changed() => {
                let now_us = micros(Instant::now());
                pace.change(now_us, wanted.borrow_and_update().clone());
            }
            Some(crowd) = crowds.recv() => {
                let since = moment(crowd.since_us);
                crew.gather(&crowd, since);
            }
            () = tokio::time::sleep_until(moment(due_us.min(end_us))) => {
                if due_us >= end_us {
                    break;
                }
                pace.reach(due_us);
                if let Some(arrival) = arrivals.next() {
                    crew.start(arrival.kind, moment(due_us)).await;
                }
            }
        }
    }
    crew.finish().await;
}

/// The clients, and what they have under way.
struct Crew<'a, C> {
    workload: &'a Workload,
    hosts: Vec<ClientHost<C>>,
    operator: Arc<Operator>,
    book: Arc<Mutex<NameBook>>,
    rng: ChaCha8Rng,
    slots: Arc<Semaphore>,
    under_way: JoinSet<()>,
}

impl<C: Client> Crew<'_, C> {
    /// Starts what one arrival stands for.
    async fn start(&mut self, kind: OperationKind, intended: Instant) {
        let drawn = {
            let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            draw(kind, self.workload, &mut book, &self.hosts, &mut self.rng)
        };
        for one in drawn {
            let slot = Arc::clone(&self.slots).acquire_owned().await;
            let slot = slot.expect("the semaphore is never closed");
            let host = self.hosts.iter().find(|host| host.index == one.client);
            let host = host.expect("drawn from these hosts").clone();
            let (operator, book) = (Arc::clone(&self.operator), Arc::clone(&self.book));
            let request = self.request(one.kind, one.name, intended);
            self.under_way.spawn(async move {
                run_one(request, &host, &operator, &book).await;
                drop(slot);
            });
        }
        while self.under_way.try_join_next().is_some() {}
    }

    fn request(&self, kind: OperationKind, name: String, intended: Instant) -> Request {
        Request {
            purpose: Purpose::Workload,
            kind,
            name,
            intended,
            deadline: self.workload.deadline.0,
        }
    }

    /// Lets every host of a crowd do something, each at a moment of its own.
    fn gather(&mut self, crowd: &Crowd, since: Instant) {
        let mut rng = ChaCha8Rng::seed_from_u64(crowd.draw);
        let members: Vec<ClientHost<C>> = self
            .hosts
            .iter()
            .filter(|host| crowd.hosts.contains(&host.index))
            .cloned()
            .collect();
        for host in members {
            for _ in 0..crowd.each {
                let later_us = rng.random_range(0..=crowd.within_us);
                let intended = since + Duration::from_micros(later_us);
                let drawn = {
                    let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
                    draw_for(crowd.operation, host.index, &mut book, &mut rng)
                };
                let Some((kind, name)) = drawn else { continue };
                let request = self.request(kind, name, intended);
                let (slots, host) = (Arc::clone(&self.slots), host.clone());
                let (operator, book) = (Arc::clone(&self.operator), Arc::clone(&self.book));
                self.under_way.spawn(async move {
                    tokio::time::sleep_until(intended).await;
                    let slot = slots.acquire_owned().await;
                    run_one(request, &host, &operator, &book).await;
                    drop(slot);
                });
            }
        }
    }

    async fn finish(mut self) {
        while self.under_way.join_next().await.is_some() {}
    }
}

/// What one host of a crowd does: an update of a name of its own where it has one, else it looks
/// one up.
fn draw_for(
    kind: OperationKind,
    host: HostIndex,
    book: &mut NameBook,
    rng: &mut ChaCha8Rng,
) -> Option<(OperationKind, String)> {
    let any = |book: &NameBook, rng: &mut ChaCha8Rng| {
        let one = book.names().choose(rng)?;
        Some((OperationKind::Resolve, one.name.clone()))
    };
    match kind {
        OperationKind::Register => Some((kind, book.fresh())),
        OperationKind::Resolve => any(book, rng),
        OperationKind::Update => {
            let own = |one: &&OwnedName| one.owner == host;
            let own: Vec<&OwnedName> = book.names().iter().filter(own).collect();
            match own.choose(rng) {
                Some(one) => Some((kind, one.name.clone())),
                None => any(book, rng),
            }
        }
    }
}

async fn run_one<C: Client>(
    request: Request,
    host: &ClientHost<C>,
    operator: &Operator,
    book: &Mutex<NameBook>,
) {
    let (kind, name) = (request.kind, request.name.clone());
    let outcome = operator.operate(request, &host.id, &host.client).await;
    if kind == OperationKind::Register && matches!(outcome, Outcome::Ok(_)) {
        book.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .acknowledge(name, host.index);
    }
}

/// Who does what: one operation, or two for a contended registration, or none when there is no
/// name yet to look up. The number of draws does not depend on what the system did, except
/// through the number of names acknowledged.
fn draw<C>(
    kind: OperationKind,
    workload: &Workload,
    book: &mut NameBook,
    hosts: &[ClientHost<C>],
    rng: &mut ChaCha8Rng,
) -> Vec<Drawn> {
    let mut any_host = || hosts.choose(rng).map(|host| host.index);
    let Some(client) = any_host() else {
        return vec![];
    };
    match kind {
        OperationKind::Register => {
            let rival = any_host().filter(|rival| *rival != client);
            let contended = rng.random::<f64>() < workload.contention.fraction();
            let name = book.fresh();
            let clients = [Some(client), rival.filter(|_| contended)];
            clients
                .into_iter()
                .flatten()
                .map(|client| Drawn {
                    kind,
                    client,
                    name: name.clone(),
                })
                .collect()
        }
        OperationKind::Resolve => {
            let name = book
                .pick(workload.popularity, rng)
                .map(|one| one.name.clone());
            name.into_iter()
                .map(|name| Drawn { kind, client, name })
                .collect()
        }
        OperationKind::Update => {
            let owned = book.pick(workload.popularity, rng).cloned();
            owned
                .into_iter()
                .map(|owned| Drawn {
                    kind,
                    client: owned.owner,
                    name: owned.name,
                })
                .collect()
        }
    }
}
