//! Register and update at the registry.
//!
//! Before it certifies a name, the registry reserves it at the part of the name's group that it
//! reaches: a provisional grant given while it was away is found there and comes first.

use super::{Registry, rebuild, settle, store};
use crate::{backoff::now, disk::DiskError, ledger};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use wire::{
    Certificate, Claim, Commitment, Entry, Grant, Name, PublicKey, Record, Signed, UnixMs, Verdict,
    message::{Request, Response},
    registry_call::{RegisterAnswer, RegisterCall, SettleCall, UpdateAnswer},
    roster::majority_of,
};

/// A member that does not answer within this is taken as unreachable.
const RESERVE: Duration = Duration::from_millis(150);
/// When a caller is told to come back while the store is being rebuilt.
const REBUILDING_RETRY_MS: u32 = 500;

/// Certifies a claim, or says whose the name is.
///
/// # Errors
/// [`DiskError`]; nothing was certified.
pub async fn register(
    registry: &Arc<Registry>,
    call: RegisterCall,
) -> Result<RegisterAnswer, DiskError> {
    let RegisterCall { claim, record } = call;
    if !consistent(&claim, Some(&record), now()) {
        return Ok(RegisterAnswer::Invalid);
    }
    let (name, owner) = (claim.body.name.clone(), claim.body.owner);
    if registry.rebuild.is_on() && !rebuild::recover(registry, &name).await {
        return Ok(RegisterAnswer::Busy {
            retry_after_ms: REBUILDING_RETRY_MS,
        });
    }
    let key = name.clone();
    let held = registry
        .disk
        .read(move |connection| ledger::get(connection, &key))
        .await?;
    if let Some(Entry {
        grant: Grant::Certified(certificate),
        ..
    }) = held
        && certificate.body.owner != owner
    {
        return Ok(taken(certificate));
    }
    match reserve(registry, &name, owner).await {
        Reserved::Free => {}
        Reserved::Granted(call) => {
            // It was granted while the registry was away: settle that first.
            if let Some(certificate) = settle::certify(registry, &call).await? {
                return Ok(taken(certificate));
            }
        }
        Reserved::Perhaps(call) => {
            let owner = call.claim.body.owner;
            tokio::spawn(settle::settle_in_background(registry.clone(), *call));
            return Ok(RegisterAnswer::Taken {
                owner,
                certified: false,
                certificate: None,
            });
        }
    }
    let certificate = certificate(registry, &name, owner);
    let certificate = registry
        .disk
        .write(move |connection| store::certify(connection, certificate, Some(record), now()))
        .await?;
    registry.push.notify_one();
    Ok(if certificate.body.owner == owner {
        RegisterAnswer::Granted(certificate)
    } else {
        taken(certificate)
    })
}

/// Takes in a newer record of a certified name.
///
/// # Errors
/// [`DiskError`]; nothing was stored.
pub async fn update(
    registry: &Arc<Registry>,
    record: Signed<Record>,
) -> Result<UpdateAnswer, DiskError> {
    let at = now();
    if record.verify(at).is_err() {
        return Ok(UpdateAnswer::Invalid);
    }
    let answer = registry
        .disk
        .write(move |connection| {
            let Some(held) = ledger::get(connection, &record.body.name)? else {
                return Ok(UpdateAnswer::Unknown);
            };
            if held.owner() != record.body.owner {
                return Ok(UpdateAnswer::NotOwner(held));
            }
            let entry = Entry {
                grant: held.grant,
                record: Some(record),
            };
            let merged = store::take_in(connection, entry, at)?;
            Ok(match merged.verdict {
                Verdict::Accepted => UpdateAnswer::Stored,
                Verdict::Older | Verdict::Conflict => UpdateAnswer::Newer(merged.held),
            })
        })
        .await?;
    registry.push.notify_one();
    Ok(answer)
}

/// True if claim and record are genuine and belong together.
pub fn consistent(claim: &Signed<Claim>, record: Option<&Signed<Record>>, now: UnixMs) -> bool {
    let belongs = |record: &Signed<Record>| claim.goes_with(record) && record.verify(now).is_ok();
    record.is_none_or(belongs) && claim.verify().is_ok()
}

/// A new certificate.
pub fn certificate(registry: &Registry, name: &Name, owner: PublicKey) -> Signed<Certificate> {
    let body = Certificate {
        name: name.clone(),
        owner,
        certified_at: now(),
    };
    Signed::new(body, &registry.key)
}

enum Reserved {
    Free,
    /// A proved provisional grant to another.
    Granted(Box<SettleCall>),
    /// Commits to another that may be a majority.
    Perhaps(Box<SettleCall>),
}

async fn reserve(registry: &Arc<Registry>, name: &Name, owner: PublicKey) -> Reserved {
    let request = Request::Reserve {
        name: name.clone(),
        owner,
    };
    let answers = registry.ask_group(name, &request, RESERVE, true).await;
    let view = registry.book.view();
    let group = view.group(name);
    let mut answered = 0;
    let mut others: BTreeMap<PublicKey, Vec<Commitment>> = BTreeMap::new();
    for (member, answer) in answers {
        let Response::Found { entry, commitment } = answer else {
            continue;
        };
        answered += usize::from(group.iter().any(|contact| contact.key == member.key));
        let other = entry
            .map(|entry| *entry)
            .filter(|entry| entry.owner() != owner);
        if let Some(Entry {
            grant: Grant::Provisional(grant),
            record,
        }) = other
            && Grant::Provisional(grant.clone())
                .verify(view.trust())
                .is_ok()
        {
            let call = SettleCall {
                claim: grant.claim,
                commits: grant.commits,
                record,
            };
            return Reserved::Granted(Box::new(call));
        }
        if let Some(commitment) = commitment.filter(|held| held.verify().is_ok())
            && commitment.claim.body.owner != owner
        {
            others
                .entry(commitment.claim.body.owner)
                .or_default()
                .push(*commitment);
        }
    }
    let unheard = group.len().saturating_sub(answered);
    let perhaps = others
        .into_values()
        .find(|commitments| commitments.len() + unheard >= majority_of(group.len()));
    perhaps.map_or(Reserved::Free, |commitments| {
        Reserved::Perhaps(Box::new(settle::of_commitments(commitments)))
    })
}

fn taken(certificate: Signed<Certificate>) -> RegisterAnswer {
    let owner = certificate.body.owner;
    RegisterAnswer::Taken {
        owner,
        certified: true,
        certificate: Some(certificate),
    }
}
