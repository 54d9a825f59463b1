//! Final reads: every acknowledged name is read once all faults are over.
//!
//! Read from a host that is not the owner's, drawn with the seed, so that the answer comes from
//! the system and not from what the owner remembers. A read that fails is tried at other hosts:
//! what matters here is what the system holds, not how available it is.

use std::time::Duration;

use tokio::time::Instant;

use fabric::HostIndex;
use futures::stream::{self, StreamExt};
use rand::seq::SliceRandom;

use super::Lab;
use crate::history::{OperationKind, Outcome, Purpose};
use crate::runtime::Runtime;
use crate::seed::{self, Stream};
use crate::workload::{NameBook, Request};

/// Reads under way at once.
const CONCURRENT: usize = 16;

/// Hosts that are asked until one answers for good.
const ATTEMPTS: usize = 3;

/// How long one read may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads every name of the book.
pub async fn final_reads<R: Runtime>(lab: &Lab<R>, book: &NameBook, seed: u64) {
    let clients: Vec<HostIndex> = lab
        .inventory
        .iter()
        .filter(|(index, host)| host.serves_clients && !lab.world().host(*index).absent)
        .map(|(index, _)| index)
        .collect();
    let mut rng = seed::generator(seed, Stream::FinalReads);
    let jobs: Vec<(String, Vec<HostIndex>)> = book
        .names()
        .iter()
        .map(|owned| {
            let mut others: Vec<HostIndex> = clients
                .iter()
                .copied()
                .filter(|host| *host != owned.owner)
                .collect();
            others.shuffle(&mut rng);
            others.truncate(ATTEMPTS);
            // With a single client host the owner is the only one to ask.
            let readers = if others.is_empty() {
                clients.clone()
            } else {
                others
            };
            (owned.name.clone(), readers)
        })
        .collect();
    stream::iter(jobs)
        .for_each_concurrent(CONCURRENT, |(name, readers)| read(lab, name, readers))
        .await;
}

async fn read<R: Runtime>(lab: &Lab<R>, name: String, readers: Vec<HostIndex>) {
    for reader in readers {
        let request = Request {
            purpose: Purpose::FinalRead,
            kind: OperationKind::Resolve,
            name: name.clone(),
            intended: Instant::now(),
            deadline: DEADLINE,
        };
        match lab.operate(request, reader).await {
            Outcome::Ok(answer) if !answer.stale => return,
            _ => {}
        }
    }
}
