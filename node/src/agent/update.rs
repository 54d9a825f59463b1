//! Update: the next record to the group, and to the registry from the outbox.
//!
//! The new sequence number is on disk before the record leaves, so that no crash makes this node
//! sign two records with one number. From then on the update will reach the registry, sooner or
//! later: a failure to answer in time is "unknown", never "no".

use super::{
    Agent, Refusal,
    owned::{self, Owned, State},
    quorum::{self, Patience},
    register::{next_record, share},
};
use std::sync::Arc;
use tokio::time::Instant;
use wire::{
    Name,
    api::Updated,
    limits::PROFILE_BYTES_MAX,
    registry_call::{UPDATE, UpdateAnswer},
};

/// The group's share of the time before the registry's word is asked for.
const GROUP_SHARE: f64 = 0.5;

/// Updates a name of this node.
///
/// # Errors
/// [`Refusal`]; `Unknown` once the record was written down.
pub async fn update(
    agent: &Arc<Agent>,
    name: Name,
    value: String,
    deadline: Instant,
) -> Result<Updated, Refusal> {
    if value.len() > PROFILE_BYTES_MAX {
        return Err(Refusal::Invalid(format!(
            "a value has at most {PROFILE_BYTES_MAX} bytes"
        )));
    }
    let _turn = agent.names.lock(&name, deadline).await?;
    let mut owned = match owned::load(&agent.disk, name.clone()).await? {
        Some(owned) if owned.entry().is_some() => owned,
        Some(owned) if owned.state == State::Rejected => return Err(Refusal::NotOwner),
        Some(_) => {
            return Err(Refusal::Unreachable(
                "its registration is not settled yet".into(),
            ));
        }
        None => return Err(not_ours(agent, name, deadline).await),
    };
    owned.record = next_record(agent, &owned.record.body, value);
    publish(agent, owned, deadline).await
}

/// Writes a new record down, and to group and registry. The caller holds the name's turn.
pub(super) async fn publish(
    agent: &Arc<Agent>,
    owned: Owned,
    deadline: Instant,
) -> Result<Updated, Refusal> {
    owned::save(&agent.disk, owned.clone()).await?;
    agent.settle_soon();
    let entry = owned.entry().expect("only a granted name is updated");
    let seq = owned.record.body.seq;
    let updated = |mirrored| Updated {
        name: owned.name().to_string(),
        seq,
        mirrored,
    };
    let until = Instant::now() + share(deadline, GROUP_SHARE);
    let written = quorum::store(agent, &entry, Patience::UntilDeadline, until).await;
    if written.mirrored {
        agent.cache.put(&entry);
        return Ok(updated(true));
    }
    if written.winner(agent).is_some() {
        // The settling task learns it from the registry, too, and writes it down.
        return Err(Refusal::NotOwner);
    }
    if agent.registry.is_healthy() && owned.state == State::Certified {
        let within = share(deadline, 1.0);
        let answer = agent.registry.call(UPDATE, &owned.record, within).await;
        if matches!(answer, Ok(UpdateAnswer::Stored)) {
            owned::delivered(&agent.disk, owned.name().clone(), seq).await?;
            agent.cache.put(&entry);
            return Ok(updated(false));
        }
    } else {
        let again = quorum::store(agent, &entry, Patience::UntilDeadline, deadline).await;
        if again.mirrored {
            agent.cache.put(&entry);
            return Ok(updated(true));
        }
    }
    Err(Refusal::Unknown(
        "written down, but neither group nor registry confirmed it".into(),
    ))
}

/// Somebody else's name, or nobody's.
async fn not_ours(agent: &Arc<Agent>, name: Name, deadline: Instant) -> Refusal {
    match super::resolve::resolve(agent, name, deadline).await {
        Ok(_) => Refusal::NotOwner,
        Err(refusal) => refusal,
    }
}
