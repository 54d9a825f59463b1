//! How a mirror answers. Each answer that promises something is sent after it is on disk.

use super::{index, leases::LEASE, shelf};
use crate::{
    agent::{Agent, fetch_roster},
    backoff::now,
    bug::Bug,
    disk::DiskError,
    net::{Inbound, Responder},
};
use std::{sync::Arc, time::Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::debug;
use wire::{
    Claim, Commitment, Entry, Name, PublicKey, Record, SecretKey, Signed, Verdict,
    heartbeat::CLOCK_SKEW_MAX,
    message::{Denial, Envelope, Refusal, Request, Response},
};

/// Commits in one answer: so many fit into a message, however long their records are.
const PROMISES_MAX: usize = 16;

/// Takes what the overlay brings, for ever.
pub async fn attend(agent: Arc<Agent>, mut inbound: mpsc::Receiver<Inbound>) {
    while let Some(event) = inbound.recv().await {
        match event {
            Inbound::Request {
                from,
                request,
                responder,
            } => {
                let under_way = agent.mirror.under_way() + 1;
                if agent
                    .door
                    .turns_away(under_way, tokio::time::Instant::now())
                {
                    // Dropping the responder hangs up on the peer.
                    continue;
                }
                // With all handlers busy, the overlay's queue fills, and the overlay sheds.
                let permit = agent.mirror.handlers.clone().acquire_owned().await;
                let permit = permit.expect("nobody closes the semaphore");
                tokio::spawn(handle(agent.clone(), from, request, responder, permit));
            }
            Inbound::NewerEpoch(peer) => {
                tokio::spawn(fetch_roster(agent.clone(), peer));
            }
            Inbound::Connected(_) => agent.mirror.wake(),
        }
    }
}

async fn handle(
    agent: Arc<Agent>,
    from: PublicKey,
    request: Envelope<Request>,
    responder: Responder,
    permit: OwnedSemaphorePermit,
) {
    if request.body.is_write() && agent.bugs.bites(Bug::DuplicateReplies) {
        answer(&agent, from, request.clone()).await;
    }
    let response = answer(&agent, from, request).await;
    responder.answer(response).await;
    drop(permit);
}

/// Answers one request of a peer, or of this node itself.
pub async fn answer(agent: &Arc<Agent>, from: PublicKey, request: Envelope<Request>) -> Response {
    let same_epoch = request.epoch == agent.book.view().epoch();
    let result = match request.body {
        Request::Claim(claim) => claim_name(agent, claim, same_epoch).await,
        Request::Release(claim) => Ok(release(agent, &claim)),
        Request::Commit { claim, record } => commit_name(agent, claim, *record, same_epoch).await,
        Request::Store(entry) => store(agent, *entry).await,
        Request::Lookup(name) => lookup(agent, name).await,
        Request::Reserve { name, owner } => reserve(agent, from, name, owner).await,
        Request::Summary(buckets) => summary(agent, from, &buckets).await,
        Request::Offer(versions) => index::wanted(agent, &versions).await.map(Response::Wanted),
        Request::Promises(after) => promises(agent, after).await,
        Request::GetRoster => Ok(Response::Roster(
            agent.book.view().signed().cloned().map(Box::new),
        )),
        Request::PutRoster(roster) => agent.book.adopt(*roster).await.map(|_| Response::Done),
    };
    result.unwrap_or_else(|error| {
        debug!(%error, "cannot serve");
        Response::Refused(Refusal::Broken)
    })
}

async fn claim_name(
    agent: &Arc<Agent>,
    claim: Signed<Claim>,
    same_epoch: bool,
) -> Result<Response, DiskError> {
    if let Err(refusal) = admissible(agent, &claim, same_epoch) {
        return Ok(Response::Refused(refusal));
    }
    if agent.bugs.on(Bug::CommitToAnyone) {
        return Ok(Response::Claimed);
    }
    let name = claim.body.name.clone();
    let held = agent
        .disk
        .read(move |connection| shelf::held(connection, &name))
        .await?;
    if let Some(denial) = denial(held, claim.body.owner) {
        return Ok(Response::Denied(denial));
    }
    Ok(match lease(agent, &claim) {
        Ok(()) => Response::Claimed,
        Err(denial) => Response::Denied(denial),
    })
}

fn release(agent: &Agent, claim: &Signed<Claim>) -> Response {
    if claim.verify().is_err() {
        return Response::Refused(Refusal::Invalid);
    }
    let mut leases = agent
        .mirror
        .leases
        .lock()
        .expect("no one panics while holding the leases");
    leases.release(&claim.body.name, claim.body.owner);
    Response::Done
}

async fn commit_name(
    agent: &Arc<Agent>,
    claim: Signed<Claim>,
    record: Signed<Record>,
    same_epoch: bool,
) -> Result<Response, DiskError> {
    if let Err(refusal) = admissible(agent, &claim, same_epoch) {
        return Ok(Response::Refused(refusal));
    }
    if !claim.goes_with(&record) || record.verify(now()).is_err() {
        return Ok(Response::Refused(Refusal::Invalid));
    }
    if !agent.bugs.on(Bug::CommitToAnyone)
        && let Err(denial) = lease(agent, &claim)
    {
        return Ok(Response::Denied(denial));
    }
    let owner = claim.body.owner;
    let commit = claim.commit(agent.book.view().epoch(), &agent.key);
    if agent.bugs.bites(Bug::ForgetWrites) || agent.bugs.bites(Bug::CommitToAnyone) {
        return Ok(Response::Committed(commit));
    }
    let commitment = Commitment {
        claim,
        commit: commit.clone(),
        record,
    };
    let held = agent
        .disk
        .write(move |connection| shelf::commit(connection, commitment))
        .await?;
    if let Some(denial) = denial(held, owner) {
        return Ok(Response::Denied(denial));
    }
    agent.mirror.settle.notify_one();
    Ok(Response::Committed(commit))
}

async fn store(agent: &Arc<Agent>, entry: Entry) -> Result<Response, DiskError> {
    if !agent.book.view().holds(&agent.id, entry.name()) {
        return Ok(Response::Refused(Refusal::NotMember));
    }
    match agent.judge(&entry) {
        Ok(()) => {}
        Err(wire::Invalid::UnknownEpoch) => return Ok(Response::Refused(Refusal::OtherEpoch)),
        Err(_) => return Ok(Response::Refused(Refusal::Invalid)),
    }
    if agent.bugs.bites(Bug::ForgetWrites) {
        return Ok(Response::Stored);
    }
    let (at, bugs) = (now(), agent.bugs.clone());
    let merged = agent
        .disk
        .write(move |connection| shelf::store(connection, entry, &bugs, at))
        .await?;
    agent.mirror.past.keep(merged.replaced, &agent.bugs);
    if merged.changed {
        agent.mirror.changed();
        if !merged.held.grant.is_certified() {
            agent.mirror.settle.notify_one();
        }
    }
    Ok(match merged.verdict {
        Verdict::Accepted => Response::Stored,
        Verdict::Older => Response::Newer(Box::new(merged.held)),
        Verdict::Conflict => Response::Conflict(Box::new(merged.held)),
    })
}

async fn lookup(agent: &Arc<Agent>, name: Name) -> Result<Response, DiskError> {
    if !agent.book.view().holds(&agent.id, &name) {
        return Ok(Response::Refused(Refusal::NotMember));
    }
    let stale = agent.mirror.past.instead(&name, &agent.bugs);
    let mut held = agent
        .disk
        .read(move |connection| shelf::held(connection, &name))
        .await?;
    held.entry = stale.or(held.entry);
    if let Some(entry) = &mut held.entry
        && agent.bugs.bites(Bug::ForgeReplies)
    {
        forge(entry, &agent.key);
    }
    Ok(found(agent, held))
}

/// What an intruder would answer: the newest record of all, by nobody who owns the name.
fn forge(entry: &mut Entry, key: &SecretKey) {
    if let Some(record) = &mut entry.record {
        record.body.seq += 1;
        record.body.profile = "forged".into();
        *record = Signed::new(record.body.clone(), key);
    }
}

/// A mirror that is catching up shows what it has; that it has nothing means nothing.
fn found(agent: &Agent, held: shelf::Held) -> Response {
    let nothing = held.entry.is_none() && held.commitment.is_none();
    if nothing && !agent.mirror.has_caught_up() {
        return Response::Refused(Refusal::CatchingUp);
    }
    Response::Found {
        entry: held.entry.map(Box::new),
        commitment: held.commitment.map(Box::new),
    }
}

async fn reserve(
    agent: &Arc<Agent>,
    from: PublicKey,
    name: Name,
    owner: PublicKey,
) -> Result<Response, DiskError> {
    if from != agent.book.view().registry() {
        return Ok(Response::Refused(Refusal::NotAllowed));
    }
    {
        let mut leases = agent
            .mirror
            .leases
            .lock()
            .expect("no one panics while holding the leases");
        leases.seize(&name, owner, Instant::now());
    }
    if !agent.book.view().holds(&agent.id, &name) {
        return Ok(Response::Refused(Refusal::NotMember));
    }
    // On the writers' road, behind every commit whose lease came before this one.
    let held = agent
        .disk
        .write(move |connection| shelf::held(connection, &name))
        .await?;
    Ok(found(agent, held))
}

/// Commits that no grant has made moot, for a mirror that is catching up.
async fn promises(agent: &Arc<Agent>, after: Option<Name>) -> Result<Response, DiskError> {
    if !agent.mirror.has_caught_up() {
        return Ok(Response::Refused(Refusal::CatchingUp));
    }
    let page = agent
        .disk
        .read(move |connection| shelf::orphans(connection, after.as_ref(), PROMISES_MAX))
        .await?;
    Ok(Response::Promises(page))
}

async fn summary(
    agent: &Arc<Agent>,
    from: PublicKey,
    buckets: &[u64],
) -> Result<Response, DiskError> {
    let differs = index::differing(agent, from, buckets).await?;
    if differs != 0 {
        agent.mirror.asked_for_round(from);
    }
    Ok(Response::Differs(differs))
}

/// A claim is considered if we know what was promised before, and it is genuine, not from the
/// future, made under our roster, and ours to decide.
fn admissible(agent: &Agent, claim: &Signed<Claim>, same_epoch: bool) -> Result<(), Refusal> {
    if !agent.mirror.has_caught_up() {
        return Err(Refusal::CatchingUp);
    }
    if !same_epoch {
        return Err(Refusal::OtherEpoch);
    }
    let view = agent.book.view();
    let member = view
        .current()
        .is_some_and(|roster| roster.holds(&agent.id, &claim.body.name));
    if !member {
        return Err(Refusal::NotMember);
    }
    let ahead = claim.body.made_at.since(now()) > CLOCK_SKEW_MAX;
    if ahead || claim.verify().is_err() {
        return Err(Refusal::Invalid);
    }
    Ok(())
}

fn lease(agent: &Agent, claim: &Signed<Claim>) -> Result<(), Denial> {
    let mut leases = agent
        .mirror
        .leases
        .lock()
        .expect("no one panics while holding the leases");
    leases
        .take(&claim.body.name, claim.body.owner, Instant::now())
        .map_err(|left| {
            let for_ms = u32::try_from(left.min(LEASE).as_millis()).expect("a lease is short");
            Denial::Leased { for_ms }
        })
}

/// A grant is shown to everyone, its owner included; a commit only to others.
fn denial(held: shelf::Held, owner: PublicKey) -> Option<Denial> {
    if let Some(entry) = held.entry {
        return Some(Denial::Taken(Box::new(entry)));
    }
    let other = held
        .commitment
        .filter(|commitment| commitment.claim.body.owner != owner)?;
    Some(Denial::Committed(Box::new(other)))
}
