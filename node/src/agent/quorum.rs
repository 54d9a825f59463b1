//! Questions to a whole replica group at once.

use super::Agent;
use crate::{
    backoff::{Backoff, jitter},
    mirror,
    net::{AskError, Contact},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use wire::{
    Entry, PublicKey,
    message::{Envelope, Request, Response},
};

/// The first and the longest bound of the wait before a member is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// The answers of a group, as they come.
pub struct Answers {
    deadline: Instant,
    open: FuturesUnordered<BoxFuture<'static, (Contact, Result<Response, AskError>)>>,
}

/// Whether a member that fails at once is asked again until the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Its first failure is its answer.
    Once,
    /// Only the deadline ends it. The request must be idempotent; all of ours are.
    UntilDeadline,
}

/// Asks all members in parallel.
pub fn ask_all(
    agent: &Arc<Agent>,
    members: Vec<Contact>,
    request: &Request,
    patience: Patience,
    deadline: Instant,
) -> Answers {
    let ask = |member: Contact| {
        let (agent, request) = (agent.clone(), request.clone());
        async move {
            let answer = ask_one(&agent, &member, request, patience, deadline).await;
            (member, answer)
        }
        .boxed()
    };
    Answers {
        deadline,
        open: members.into_iter().map(ask).collect(),
    }
}

/// How a write to the group went.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// True if a majority holds it durably.
    pub mirrored: bool,
    /// Entries that members hold against it: newer records or other owners.
    pub against: Vec<Entry>,
}

impl Written {
    /// The other owner to whom the registry has certified the name, if a member proved it.
    #[must_use]
    pub fn winner(&self, agent: &Agent) -> Option<PublicKey> {
        let view = agent.book.view();
        let proved = |held: &&Entry| {
            let grant = &held.grant;
            held.owner() != agent.id && grant.is_certified() && grant.verify(view.trust()).is_ok()
        };
        self.against.iter().find(proved).map(Entry::owner)
    }
}

/// Stores an entry at its group; returns when a majority holds it, or cannot by the deadline.
pub async fn store(
    agent: &Arc<Agent>,
    entry: &Entry,
    patience: Patience,
    deadline: Instant,
) -> Written {
    let group = agent.book.view().group(entry.name());
    let (size, majority) = (group.len(), agent.majority_of(group.len()));
    let (mut stored, mut failed) = (0, 0);
    let mut against = Vec::new();
    let mut answers = ask_all(
        agent,
        group,
        &Request::Store(Box::new(entry.clone())),
        patience,
        deadline,
    );
    while stored < majority && failed + majority <= size {
        match answers.next().await {
            Some((_, Ok(Response::Stored))) => stored += 1,
            Some((_, Ok(Response::Newer(held) | Response::Conflict(held)))) => {
                failed += 1;
                against.push(*held);
            }
            Some(_) => failed += 1,
            None => break,
        }
    }
    Written {
        mirrored: size > 0 && stored >= majority,
        against,
    }
}

impl Answers {
    /// The next answer; `None` at the deadline, or when every member has answered or failed.
    pub async fn next(&mut self) -> Option<(Contact, Result<Response, AskError>)> {
        timeout_at(self.deadline, self.open.next())
            .await
            .ok()
            .flatten()
    }

    /// How many have neither answered nor failed.
    pub fn outstanding(&self) -> usize {
        self.open.len()
    }
}

/// Asks one member; this node asks itself without the network.
pub async fn ask_one(
    agent: &Arc<Agent>,
    member: &Contact,
    request: Request,
    patience: Patience,
    deadline: Instant,
) -> Result<Response, AskError> {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, &agent.bugs);
    agent.retries.tried();
    loop {
        let answer = ask_once(agent, member, request.clone(), deadline).await;
        let again = match &answer {
            Ok(Response::Busy { .. }) => true,
            Ok(_) => false,
            Err(_) => true,
        };
        if !again || patience == Patience::Once {
            return answer;
        }
        let mut wait = backoff.fail();
        if let Ok(Response::Busy { retry_after_ms }) = &answer {
            wait += jitter(Duration::from_millis((*retry_after_ms).into()));
        }
        if Instant::now() + wait >= deadline || !agent.may_retry() {
            return answer;
        }
        sleep(wait).await;
    }
}

async fn ask_once(
    agent: &Arc<Agent>,
    member: &Contact,
    request: Request,
    deadline: Instant,
) -> Result<Response, AskError> {
    let me: PublicKey = agent.id;
    if member.key == me {
        let envelope = Envelope {
            epoch: agent.book.view().epoch(),
            body: request,
        };
        return Ok(mirror::answer(agent, me, envelope).await);
    }
    let within = deadline.saturating_duration_since(Instant::now());
    agent.net.ask(member.clone(), request, within).await
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Answers({} open)", self.open.len())
    }
}
