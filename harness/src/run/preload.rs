//! Preload: the names that exist before the clock starts.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use futures::stream::{self, StreamExt};
use rand::seq::IndexedRandom;

use super::Lab;
use crate::history::{EventKind, OperationKind, Outcome, Purpose};
use crate::runtime::Runtime;
use crate::seed::{self, Stream};
use crate::workload::{NameBook, Request};

/// Registrations under way at once.
const CONCURRENT: usize = 16;

/// Attempts per name; the system is healthy now, so a second one is rare.
const ATTEMPTS: usize = 5;

/// How long one attempt may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Registers `count` names through hosts drawn with the seed.
pub async fn preload<R: Runtime>(lab: &Lab<R>, count: u32, seed: u64) -> NameBook {
    let book = Mutex::new(NameBook::default());
    let clients: Vec<_> = lab
        .inventory
        .iter()
        .filter(|(_, host)| host.serves_clients && !host.joins)
        .map(|(index, _)| index)
        .collect();
    let mut rng = seed::numbered(seed, Stream::Choices, 0);
    let jobs: Vec<_> = (0..count)
        .filter_map(|_| {
            let name = lock(&book).fresh();
            clients.choose(&mut rng).map(|client| (name, *client))
        })
        .collect();
    stream::iter(jobs)
        .for_each_concurrent(CONCURRENT, |(name, client)| {
            let book = &book;
            async move {
                if register(lab, &name, client).await {
                    lock(book).acknowledge(name, client);
                } else {
                    let message =
                        format!("{name} could not be registered before the clock started");
                    lab.sink.emit(EventKind::Trouble { message }).await;
                }
            }
        })
        .await;
    book.into_inner().unwrap_or_else(PoisonError::into_inner)
}

async fn register<R: Runtime>(lab: &Lab<R>, name: &str, client: fabric::HostIndex) -> bool {
    for _ in 0..ATTEMPTS {
        let request = Request {
            purpose: Purpose::Preload,
            kind: OperationKind::Register,
            name: name.to_owned(),
            intended: Instant::now(),
            deadline: DEADLINE,
        };
        if let Outcome::Ok(_) = lab.operate(request, client).await {
            return true;
        }
    }
    false
}

fn lock(book: &Mutex<NameBook>) -> std::sync::MutexGuard<'_, NameBook> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
