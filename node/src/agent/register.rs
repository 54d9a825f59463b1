//! Register: by the registry, and by the replica group when the registry does not answer.
//!
//! The claim is on this node's disk before anyone hears of it, and it stays there until its fate is
//! known. So the client may repeat what was "unknown", and it is settled later in any case.

use super::{
    Agent, Refusal,
    owned::{self, Owned, State},
    provisional::{self, Attempt},
    quorum::{self, Patience},
};
use crate::backoff::now;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::debug;
use wire::{
    Claim, Entry, Grant, Name, Record, Signed,
    api::Registered,
    limits::PROFILE_BYTES_MAX,
    registry_call::{REGISTER, RegisterAnswer, RegisterCall},
};

/// The registry's share of the time that the client waits.
const REGISTRY_SHARE: f64 = 0.4;
/// The share of the time left that the group gets once the registry has certified the name.
const GROUP_SHARE: f64 = 0.5;
/// How long the group is asked to store a provisional grant that is acknowledged already.
const BACKGROUND: Duration = Duration::from_secs(30);

/// What the registry said to a claim.
enum Word {
    Certified,
    No(Refusal),
    /// It did not answer; true if it may have acted all the same.
    Silence(bool),
}

/// Registers a name for this node.
///
/// # Errors
/// [`Refusal`]; all but `Unknown` mean that nothing was or will be accepted.
pub async fn register(
    agent: &Arc<Agent>,
    name: Name,
    value: String,
    deadline: Instant,
) -> Result<Registered, Refusal> {
    if value.len() > PROFILE_BYTES_MAX {
        return Err(Refusal::Invalid(format!(
            "a value has at most {PROFILE_BYTES_MAX} bytes"
        )));
    }
    let _turn = agent.names.lock(&name, deadline).await?;
    let known = owned::load(&agent.disk, name.clone()).await?;
    let (mut owned, resumed) = match known {
        Some(owned) => match owned.state {
            State::Provisional | State::Certified => return Ok(registered(&owned, true)),
            State::Rejected => return Err(taken(&owned)),
            State::Claiming => (renewed_value(agent, owned, value), true),
        },
        None => (new_claim(agent, name, value), false),
    };
    owned::save(&agent.disk, owned.clone()).await?;
    let refusal = match ask_registry(agent, &mut owned, deadline).await {
        Word::Certified => return finish_certified(agent, owned, deadline).await,
        Word::No(refusal) => refusal,
        Word::Silence(maybe) => match ask_group(agent, &mut owned, deadline, maybe).await? {
            Ok(registered) => return Ok(registered),
            Err(refusal) => refusal,
        },
    };
    give_up(agent, &owned, refusal, resumed).await
}

/// The next record of a name.
pub fn next_record(agent: &Agent, last: &Record, value: String) -> Signed<Record> {
    let record = Record {
        seq: last.seq + 1,
        expires_at: now().plus(agent.record_life),
        addresses: agent.addresses.clone(),
        profile: value,
        ..last.clone()
    };
    Signed::new(record, &agent.key)
}

fn new_claim(agent: &Agent, name: Name, value: String) -> Owned {
    let made_at = now();
    let claim = Claim {
        name: name.clone(),
        owner: agent.id,
        nonce: rand::random(),
        made_at,
    };
    let record = Record {
        name,
        owner: agent.id,
        seq: 1,
        expires_at: made_at.plus(agent.record_life),
        addresses: agent.addresses.clone(),
        profile: value,
        contacts: Vec::new(),
    };
    Owned {
        state: State::Claiming,
        claim: Signed::new(claim, &agent.key),
        grant: None,
        record: Signed::new(record, &agent.key),
        registry_seq: 0,
    }
}

/// A repeated register with another value is another record: the first one may be out there.
fn renewed_value(agent: &Agent, mut owned: Owned, value: String) -> Owned {
    if owned.record.body.profile != value {
        owned.record = next_record(agent, &owned.record.body, value);
    }
    owned
}

async fn ask_registry(agent: &Arc<Agent>, owned: &mut Owned, deadline: Instant) -> Word {
    if !agent.registry.is_healthy() {
        return Word::Silence(false);
    }
    let within = share(deadline, REGISTRY_SHARE);
    let call = RegisterCall {
        claim: owned.claim.clone(),
        record: owned.record.clone(),
    };
    match agent.registry.call(REGISTER, &call, within).await {
        Ok(RegisterAnswer::Granted(certificate)) => {
            let grant = Grant::Certified(certificate);
            let ours = grant.owner() == agent.id && grant.name() == owned.name();
            if !ours || grant.verify(agent.book.view().trust()).is_err() {
                return Word::Silence(true);
            }
            owned.granted(grant);
            owned.registry_seq = owned.record.body.seq;
            Word::Certified
        }
        Ok(RegisterAnswer::Taken {
            owner, certified, ..
        }) => Word::No(Refusal::Taken { owner, certified }),
        // It has too much to do, or has lost its store: the group can grant without it.
        Ok(RegisterAnswer::Busy { .. }) => Word::Silence(false),
        Ok(RegisterAnswer::Invalid) => Word::No(Refusal::Invalid("refused by the registry".into())),
        Err(error) => {
            debug!(%error, "registering without the registry");
            Word::Silence(!error.is_definite())
        }
    }
}

async fn finish_certified(
    agent: &Arc<Agent>,
    owned: Owned,
    deadline: Instant,
) -> Result<Registered, Refusal> {
    owned::save(&agent.disk, owned.clone()).await?;
    let entry = owned.entry().expect("a certified name has an entry");
    agent.cache.put(&entry);
    let until = Instant::now() + share(deadline, GROUP_SHARE);
    let written = quorum::store(agent, &entry, Patience::UntilDeadline, until).await;
    Ok(registered(&owned, written.mirrored))
}

/// The outer error is a broken disk, the inner one a refusal of the group.
async fn ask_group(
    agent: &Arc<Agent>,
    owned: &mut Owned,
    deadline: Instant,
    registry_may_have_acted: bool,
) -> Result<Result<Registered, Refusal>, Refusal> {
    let unknown = |why: &str| Ok(Err(Refusal::Unknown(why.into())));
    let attempt = provisional::attempt(agent, &owned.claim, &owned.record, deadline).await;
    let (grant, kept) = match attempt {
        Attempt::Granted(grant) => (grant, true),
        Attempt::Ours(grant) => (grant, false),
        Attempt::Taken { owner, certified } => {
            return Ok(Err(Refusal::Taken { owner, certified }));
        }
        Attempt::Nothing { left_commits, .. } if left_commits || registry_may_have_acted => {
            return unknown("neither the registry nor a majority of the group answered in time");
        }
        Attempt::Nothing { why, .. } => return Ok(Err(Refusal::Unreachable(why.into()))),
    };
    owned.granted(grant);
    owned::save(&agent.disk, owned.clone()).await?;
    agent.settle_soon();
    let entry = owned.entry().expect("a granted name has an entry");
    if kept {
        // A majority keeps commits and record; the grant that joins them may come later.
        agent.cache.put(&entry);
        store_in_background(agent, entry);
        return Ok(Ok(registered(owned, true)));
    }
    let written = quorum::store(agent, &entry, Patience::UntilDeadline, deadline).await;
    if written.mirrored {
        agent.cache.put(&entry);
        return Ok(Ok(registered(owned, true)));
    }
    if let Some(owner) = written.winner(agent) {
        return Ok(Err(Refusal::Taken {
            owner,
            certified: true,
        }));
    }
    unknown("granted, but a majority of the group did not store it in time")
}

/// Stores a new grant at its group. If that fails, readers put it together from the commits, and it
/// is settled when the registry is back.
fn store_in_background(agent: &Arc<Agent>, entry: Entry) {
    let Ok(permit) = agent.stores.clone().try_acquire_owned() else {
        return;
    };
    let agent = agent.clone();
    tokio::spawn(async move {
        let until = Instant::now() + BACKGROUND;
        quorum::store(&agent, &entry, Patience::UntilDeadline, until).await;
        drop(permit);
    });
}

/// Forgets the claim if certainly nobody accepted it; else the refusal is not certain, either.
async fn give_up(
    agent: &Arc<Agent>,
    owned: &Owned,
    refusal: Refusal,
    resumed: bool,
) -> Result<Registered, Refusal> {
    let certain = match &refusal {
        Refusal::Unknown(_) => false,
        // Someone else has it, so an earlier attempt of ours cannot win any more.
        Refusal::Taken { certified, .. } => *certified || !resumed,
        _ => !resumed,
    };
    if certain {
        owned::forget(&agent.disk, owned.name().clone()).await?;
        return Err(refusal);
    }
    agent.settle_soon();
    match refusal {
        Refusal::Unreachable(why) => Err(Refusal::Unknown(why)),
        Refusal::Busy { .. } => Err(Refusal::Unknown("an earlier attempt may succeed".into())),
        other => Err(other),
    }
}

fn registered(owned: &Owned, mirrored: bool) -> Registered {
    Registered {
        name: owned.name().to_string(),
        owner: owned.owner().to_string(),
        seq: owned.record.body.seq,
        certified: owned.state == State::Certified,
        mirrored,
    }
}

fn taken(owned: &Owned) -> Refusal {
    let owner = owned.grant.as_ref().map_or(owned.owner(), Grant::owner);
    Refusal::Taken {
        owner,
        certified: true,
    }
}

/// A share of the time that is left.
pub(super) fn share(deadline: Instant, share: f64) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .mul_f64(share)
}
