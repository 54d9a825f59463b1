//! Digests: every host is asked what it holds, once everything has settled.
//!
//! A system that has no such question answers none, and nothing is recorded then. A host that
//! does not answer is asked again, at most `ATTEMPTS` times; its silence is no event either: the
//! checker sees that its digest is missing.

use fabric::HostIndex;
use futures::stream::{self, StreamExt};

use super::Lab;
use crate::history::EventKind;
use crate::runtime::Runtime;
use crate::system::Client;

/// Hosts that are asked at once.
const CONCURRENT: usize = 32;

/// How often a host is asked that does not answer.
const ATTEMPTS: usize = 2;

/// Asks all hosts and records their answers, in the order of the inventory.
pub async fn digests<R: Runtime>(lab: &Lab<R>) {
    let mut answers = stream::iter(lab.joined())
        .map(|host| ask(lab, host))
        .buffered(CONCURRENT);
    while let Some(answer) = answers.next().await {
        if let Some(digest) = answer {
            lab.sink.emit(digest).await;
        }
    }
}

async fn ask<R: Runtime>(lab: &Lab<R>, index: HostIndex) -> Option<EventKind> {
    for _ in 0..ATTEMPTS {
        if let Ok(answer) = lab.runtime.client(index).digest().await {
            let host = lab.inventory.get(index).id.clone();
            return answer.map(|records| EventKind::Digest { host, records });
        }
    }
    None
}
