//! The open-loop driver: operations start at their intended times, whatever happened to the
//! earlier ones, so a slow system cannot slow its own load down (no coordinated omission).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use fabric::HostIndex;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::arrivals::Arrivals;
use super::names::NameBook;
use super::operate::{Operator, Request};
use crate::history::{OperationKind, Outcome, Purpose};
use crate::host::{HostId, Inventory};
use crate::plan::Workload;
use crate::seed::{self, Stream};
use crate::system::Client;

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
}

/// Starts every operation at its time, then waits for those under way.
pub async fn drive<C: Client>(load: Load<'_>, clients: impl Fn(HostIndex) -> C) {
    let Load {
        workload,
        seed,
        clock,
        length,
        inventory,
        operator,
        book,
    } = load;
    let hosts: Vec<ClientHost<C>> = inventory
        .iter()
        .filter(|(_, host)| host.serves_clients)
        .map(|(index, host)| ClientHost {
            index,
            id: host.id.clone(),
            client: clients(index),
        })
        .collect();
    let mut rng = seed::generator(seed, Stream::Choices);
    let slots = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut under_way = JoinSet::new();
    let within = |at_us: &u64| Duration::from_micros(*at_us) < length;
    for arrival in Arrivals::new(&workload.rates, seed).take_while(|one| within(&one.at_us)) {
        let intended = clock + Duration::from_micros(arrival.at_us);
        tokio::time::sleep_until(intended).await;
        let drawn = {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            draw(arrival.kind, workload, &mut book, &hosts, &mut rng)
        };
        for one in drawn {
            let slot = Arc::clone(&slots).acquire_owned().await;
            let slot = slot.expect("the semaphore is never closed");
            let host = hosts.iter().find(|host| host.index == one.client);
            let host = host.expect("drawn from these hosts").clone();
            let (operator, book) = (Arc::clone(&operator), Arc::clone(&book));
            let request = Request {
                purpose: Purpose::Workload,
                kind: one.kind,
                name: one.name,
                intended,
                deadline: workload.deadline.0,
            };
            under_way.spawn(async move {
                run_one(request, &host, &operator, &book).await;
                drop(slot);
            });
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
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
