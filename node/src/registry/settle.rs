//! Settlement: what was granted while the registry was away becomes certified or rejected.
//!
//! A claim with a proved majority is certified unless the name is certified already. For a smaller
//! set of commits the group is asked first: another owner may have a majority. If that cannot be
//! told because members do not answer, the claim waits, but not for ever.

use super::{
    Registry, rebuild,
    register::{certificate, consistent},
    store,
};
use crate::{backoff::now, disk::DiskError, ledger};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use tracing::{info, warn};
use wire::{
    Certificate, Claim, Commitment, Entry, Grant, Name, ProvisionalGrant, PublicKey, Record,
    Signed,
    message::{Request, Response},
    registry_call::{SettleAnswer, SettleCall},
    roster::majority_of,
};

/// Members get so long to answer.
const ASK: Duration = Duration::from_secs(1);
/// When members stay silent for so long, the commits that are known decide.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a caller is told to wait.
const RETRY_AFTER_MS: u32 = 1000;

/// Settles one claim.
///
/// # Errors
/// [`DiskError`]; nothing was decided.
pub async fn settle(registry: &Arc<Registry>, call: SettleCall) -> Result<SettleAnswer, DiskError> {
    let record = call
        .record
        .as_ref()
        .filter(|record| record.body.expires_at > now());
    if !consistent(&call.claim, record, now()) {
        return Ok(SettleAnswer::Invalid);
    }
    let call = SettleCall {
        record: record.cloned(),
        ..call
    };
    let name = call.claim.body.name.clone();
    if registry.rebuild.is_on() && !rebuild::recover(registry, &name).await {
        return Ok(SettleAnswer::Later {
            retry_after_ms: RETRY_AFTER_MS,
        });
    }
    let key = name.clone();
    let held = registry
        .disk
        .read(move |connection| ledger::get(connection, &key))
        .await?;
    if held.is_some() || proved(registry, &call) {
        return decide(registry, &call).await;
    }
    match ask(registry, &call).await {
        Opinion::Ours(record) => {
            let record = newer(
                call.record,
                record.filter(|record| record.verify(now()).is_ok()),
            );
            decide(registry, &SettleCall { record, ..call }).await
        }
        Opinion::Others(other) => {
            decide(registry, &other).await?;
            decide(registry, &call).await
        }
        Opinion::Unclear if registry.out_of_patience(&name) => {
            warn!(%name, "settling without the silent members of the group");
            decide(registry, &call).await
        }
        Opinion::Unclear => Ok(SettleAnswer::Later {
            retry_after_ms: RETRY_AFTER_MS,
        }),
    }
}

/// Settles a claim that came up by the way.
pub async fn settle_in_background(registry: Arc<Registry>, call: SettleCall) {
    if let Err(error) = settle(&registry, call).await {
        warn!(%error, "cannot settle");
    }
}

/// Certifies a proved provisional grant; returns the certificate that holds if it is genuine.
///
/// # Errors
/// [`DiskError`]; nothing was decided.
pub async fn certify(
    registry: &Arc<Registry>,
    call: &SettleCall,
) -> Result<Option<Signed<Certificate>>, DiskError> {
    match settle(registry, call.clone()).await? {
        SettleAnswer::Certified(certificate) | SettleAnswer::Rejected(certificate) => {
            Ok(Some(certificate))
        }
        SettleAnswer::Later { .. } | SettleAnswer::Invalid => Ok(None),
    }
}

/// What is to be settled, put together from what mirrors committed to one owner.
///
/// # Panics
/// If there are none.
pub fn of_commitments(commitments: Vec<Commitment>) -> SettleCall {
    let claims = commitments.iter().map(|held| &held.claim);
    let votes = |claim: &&Signed<Claim>| {
        commitments
            .iter()
            .filter(|held| held.claim == **claim)
            .count()
    };
    let claim = claims
        .max_by_key(votes)
        .expect("somebody committed")
        .clone();
    let same = commitments.into_iter().filter(|held| held.claim == claim);
    let (mut commits, mut record) = (Vec::new(), None);
    for held in same {
        commits.push(held.commit);
        let unexpired = Some(held.record).filter(|record| record.verify(now()).is_ok());
        record = newer(record, unexpired);
    }
    SettleCall {
        claim,
        commits,
        record,
    }
}

fn newer(one: Option<Signed<Record>>, two: Option<Signed<Record>>) -> Option<Signed<Record>> {
    one.into_iter()
        .chain(two)
        .max_by_key(|record| record.body.seq)
}

enum Opinion {
    /// With the newest record of the owner that the group has.
    Ours(Option<Signed<Record>>),
    Others(Box<SettleCall>),
    Unclear,
}

impl Registry {
    fn out_of_patience(&self, name: &Name) -> bool {
        let mut undecided = self
            .undecided
            .lock()
            .expect("no one panics while holding the undecided");
        undecided.retain(|_, since| since.elapsed() < PATIENCE * 3);
        undecided
            .entry(name.clone())
            .or_insert_with(Instant::now)
            .elapsed()
            >= PATIENCE
    }
}

fn proved(registry: &Registry, call: &SettleCall) -> bool {
    let (claim, commits) = (call.claim.clone(), call.commits.clone());
    let grant = Grant::Provisional(ProvisionalGrant { claim, commits });
    grant.verify(registry.book.view().trust()).is_ok()
}

/// What the group has for the name of a claim that is not proved.
async fn ask(registry: &Arc<Registry>, call: &SettleCall) -> Opinion {
    let (name, owner) = (&call.claim.body.name, call.claim.body.owner);
    let view = registry.book.view();
    let group = view.group(name);
    let answers = registry
        .ask_group(name, &Request::Lookup(name.clone()), ASK, false)
        .await;
    let mut answered = 0;
    let mut known = None;
    let mut others: BTreeMap<PublicKey, Vec<Commitment>> = BTreeMap::new();
    for (member, answer) in answers {
        let Response::Found { entry, commitment } = answer else {
            continue;
        };
        answered += usize::from(group.iter().any(|contact| contact.key == member.key));
        if let Some(Entry {
            grant: Grant::Provisional(grant),
            record,
        }) = entry.map(|entry| *entry)
            && Grant::Provisional(grant.clone())
                .verify(view.trust())
                .is_ok()
        {
            let same = grant.claim.body.owner == owner;
            let found = SettleCall {
                claim: grant.claim,
                commits: grant.commits,
                record,
            };
            return if same {
                Opinion::Ours(newer(known, found.record))
            } else {
                Opinion::Others(Box::new(found))
            };
        }
        let Some(commitment) = commitment.filter(|held| held.verify().is_ok()) else {
            continue;
        };
        if commitment.claim.body.owner == owner {
            known = newer(known, Some(commitment.record));
        } else {
            others
                .entry(commitment.claim.body.owner)
                .or_default()
                .push(*commitment);
        }
    }
    let majority = majority_of(group.len());
    let unheard = group.len().saturating_sub(answered);
    let Some(strongest) = others.into_values().max_by_key(Vec::len) else {
        return if unheard < majority {
            Opinion::Ours(known)
        } else {
            Opinion::Unclear
        };
    };
    if strongest.len() >= majority {
        return Opinion::Others(Box::new(of_commitments(strongest)));
    }
    if strongest.len() + unheard < majority {
        Opinion::Ours(known)
    } else {
        Opinion::Unclear
    }
}

/// Certifies the claim unless the name is another's; the loser is kept among the rejected.
async fn decide(registry: &Arc<Registry>, call: &SettleCall) -> Result<SettleAnswer, DiskError> {
    let (name, owner) = (call.claim.body.name.clone(), call.claim.body.owner);
    let certificate = certificate(registry, &name, owner);
    let (record, proof) = (call.record.clone(), wire::encode(call));
    let key = name.clone();
    let certificate = registry
        .disk
        .write(move |connection| {
            let holds = store::certify(connection, certificate, record, now())?;
            if holds.body.owner != owner {
                ledger::reject(connection, &key, owner, &proof, now())?;
            }
            Ok(holds)
        })
        .await?;
    registry.push.notify_one();
    registry
        .undecided
        .lock()
        .expect("no one panics while holding the undecided")
        .remove(&name);
    Ok(if certificate.body.owner == owner {
        SettleAnswer::Certified(certificate)
    } else {
        info!(%name, "a provisional grant is rejected");
        SettleAnswer::Rejected(certificate)
    })
}
