//! Resolve: the newest valid record of a majority of the group; the registry if there is none; what
//! single mirrors say if the registry is away; the cache last.
//!
//! An answer never goes back in time on one node, because the cache takes part as one more voice.
//! A name that a majority committed is there, even before its grant is stored: see `commits`.
//!
//! Until the next epoch, a name whose group has changed is looked up in both groups, and "majority"
//! means one of each: what was written to the old group is not overlooked.

use super::{
    Agent, Refusal,
    commits::Commits,
    quorum::{Patience, ask_all, ask_one},
    register::share,
};
use crate::{
    backoff::{Backoff, now},
    bug::Bug,
    net::Contact,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use wire::{
    Entry, Name, PublicKey, Version,
    api::{Resolved, Source},
    message::{Request, Response},
    registry_call::LOOKUP,
    roster::majority_of,
};

/// The group's share of the time before the registry is asked.
const GROUP_SHARE: f64 = 0.5;
/// With fewer than a majority connected, the group gets only so long.
const LONELY: Duration = Duration::from_millis(250);
/// The registry's share of the time left, to contradict a group that knows no such name.
const SECOND_OPINION_SHARE: f64 = 0.3;
/// The first and the longest bound of the wait before everything is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));
/// A member that missed a record gets so long to take it.
const REPAIR: Duration = Duration::from_secs(2);

/// What the groups said.
struct Poll {
    best: Option<Entry>,
    confirmed: bool,
    /// Nothing is granted as far as was heard, but silent members may hold the commits that are
    /// missing in a majority: "not found" would be a guess.
    perhaps: bool,
    answered: Vec<(Contact, Option<Version>)>,
}

/// What the registry said.
enum Word {
    Known(Box<Entry>),
    NotFound,
    Silence,
}

/// Resolves a name.
///
/// # Errors
/// [`Refusal::NotFound`] or [`Refusal::Unreachable`].
pub async fn resolve(
    agent: &Arc<Agent>,
    name: Name,
    deadline: Instant,
) -> Result<Resolved, Refusal> {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, &agent.bugs);
    loop {
        if let Some(result) = attempt(agent, &name, deadline).await {
            return result;
        }
        let wait = backoff.fail();
        if Instant::now() + wait >= deadline || !agent.may_retry() {
            return Err(Refusal::Unreachable(
                "no mirror and no registry answered in time".into(),
            ));
        }
        sleep(wait).await;
    }
}

/// One try; `None` if nothing can be said, and nothing is remembered.
async fn attempt(
    agent: &Arc<Agent>,
    name: &Name,
    deadline: Instant,
) -> Option<Result<Resolved, Refusal>> {
    let poll = poll(agent, name, deadline).await;
    if let Some(best) = &poll.best {
        agent.cache.put(best);
    }
    repair(agent, &poll);
    let found = |entry: &Entry, source, confirmed| Some(answer(agent, entry, source, confirmed));
    if poll.confirmed {
        if let Some(best) = &poll.best {
            return found(best, Source::Mirrors, true);
        }
        let within = share(deadline, SECOND_OPINION_SHARE);
        return match ask_registry(agent, name, within).await {
            Word::Known(entry) => found(&entry, Source::Registry, true),
            Word::NotFound | Word::Silence => match remembered(agent, name) {
                Some(resolved) => Some(Ok(resolved)),
                None if poll.perhaps => None,
                None => Some(Err(Refusal::NotFound)),
            },
        };
    }
    let word = ask_registry(agent, name, share(deadline, 0.9)).await;
    match (word, &poll.best) {
        (Word::Known(entry), best) => {
            let newest = best.iter().fold(*entry, Entry::newest);
            found(&newest, Source::Registry, false)
        }
        (_, Some(best)) => found(best, Source::Mirrors, false),
        (Word::NotFound, None) if !poll.perhaps => Some(Err(Refusal::NotFound)),
        (_, None) => remembered(agent, name).map(Ok),
    }
}

/// Asks the group, and the one before it if that differs, until a majority of each has answered.
async fn poll(agent: &Arc<Agent>, name: &Name, deadline: Instant) -> Poll {
    let view = agent.book.view();
    let (now_group, before) = (view.group(name), view.previous_group(name));
    let members = union(&now_group, &before);
    let connected = agent.net.connected();
    let here = |member: &&Contact| member.key == agent.id || connected.contains(&member.key);
    let lonely = now_group.iter().filter(here).count() < majority_of(now_group.len());
    let mut until = share(deadline, GROUP_SHARE);
    if lonely && agent.registry.is_healthy() {
        until = until.min(LONELY);
    }
    let until = Instant::now() + until;
    let lookup = Request::Lookup(name.clone());
    let mut answers = ask_all(agent, members, &lookup, Patience::Once, until);
    let mut poll = Poll {
        best: None,
        confirmed: false,
        perhaps: false,
        answered: Vec::new(),
    };
    let mut heard = BTreeSet::new();
    let mut commits = Commits::default();
    let groups = [&now_group, &before];
    let sizes = groups
        .iter()
        .map(|group| group.len())
        .filter(|size| *size > 0);
    let enough = sizes.map(majority_of).min().unwrap_or(1);
    let instant = now();
    while !poll.confirmed || poll.perhaps {
        let Some((member, answer)) = answers.next().await else {
            break;
        };
        let Ok(Response::Found { entry, commitment }) = answer else {
            continue;
        };
        heard.insert(member.key);
        let entry = entry
            .map(|entry| *entry)
            .filter(|entry| *entry.name() == *name);
        let entry = poll.take_in(entry, agent);
        if let Some(shown) = commitment.filter(|shown| shown.claim.body.name == *name) {
            commits.hear(member.key, *shown, instant);
            for assembled in commits.entries(enough) {
                poll.take_in(Some(assembled), agent);
            }
        }
        poll.perhaps = poll.best.is_none()
            && groups
                .iter()
                .any(|group| commits.may_be_majority(group, &heard));
        poll.answered.push((member, entry));
        poll.confirmed = (majority(&heard, &now_group) && majority(&heard, &before))
            || agent.bugs.bites(Bug::QuorumOfOne);
    }
    poll
}

impl Poll {
    /// Takes in what a member holds; returns its version, if it is valid.
    fn take_in(&mut self, entry: Option<Entry>, agent: &Agent) -> Option<Version> {
        let entry = entry?;
        let version = entry.version();
        // The same record was checked already, when another member brought it. Mirrors may prove
        // one provisional grant by different commits; one proof is enough.
        let known = self.best.as_ref().is_some_and(|best| {
            best.owner() == entry.owner()
                && best.record == entry.record
                && (*best == entry || !entry.grant.is_certified())
        });
        if !known {
            if entry.record.is_none() || agent.judge(&entry).is_err() {
                return None;
            }
            self.best = Some(match self.best.take() {
                Some(best) => best.newest(&entry),
                None => entry,
            });
        }
        Some(version)
    }
}

/// Asks the registry. A lookup that is late does not make it suspect: it got little time.
async fn ask_registry(agent: &Arc<Agent>, name: &Name, within: Duration) -> Word {
    if !agent.registry.is_healthy() {
        return Word::Silence;
    }
    let Ok(found) = agent
        .registry
        .try_call::<_, Option<Entry>>(LOOKUP, name, within)
        .await
    else {
        return Word::Silence;
    };
    let Some(entry) = found else {
        return Word::NotFound;
    };
    let valid = *entry.name() == *name && agent.judge(&entry).is_ok();
    if !valid || entry.record.is_none() {
        return Word::Silence;
    }
    agent.cache.put(&entry);
    Word::Known(Box::new(entry))
}

/// The answer, or what is remembered here if that is newer.
fn answer(
    agent: &Arc<Agent>,
    entry: &Entry,
    source: Source,
    confirmed: bool,
) -> Result<Resolved, Refusal> {
    let cached = agent.cache.get(entry.name());
    let newer = cached
        .filter(|cached| cached.entry.owner() == entry.owner() && cached.entry.seq() > entry.seq());
    match newer {
        Some(cached) => resolved(&cached.entry, Source::Cache, confirmed),
        None => resolved(entry, source, confirmed),
    }
    .ok_or(Refusal::NotFound)
}

fn remembered(agent: &Arc<Agent>, name: &Name) -> Option<Resolved> {
    let cached = agent.cache.get(name)?;
    let resolved = resolved(&cached.entry, Source::Cache, false)?;
    let age = now().since(cached.heard_at);
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Some(Resolved {
        stale: true,
        age_ms,
        ..resolved
    })
}

fn resolved(entry: &Entry, source: Source, confirmed: bool) -> Option<Resolved> {
    let record = &entry.record.as_ref()?.body;
    Some(Resolved {
        name: record.name.to_string(),
        owner: record.owner.to_string(),
        seq: record.seq,
        value: record.profile.clone(),
        addresses: record.addresses.clone(),
        certified: entry.grant.is_certified(),
        source,
        confirmed,
        stale: false,
        age_ms: 0,
    })
}

/// Sends the best entry to the members that answered with less, in the background.
fn repair(agent: &Arc<Agent>, poll: &Poll) {
    let Some(best) = &poll.best else { return };
    let version = best.version();
    for (member, held) in &poll.answered {
        let behind = held.is_none_or(|held| held.wants(&version));
        let Some(permit) = behind
            .then(|| agent.repairs.clone().try_acquire_owned().ok())
            .flatten()
        else {
            continue;
        };
        let (agent, member, best) = (agent.clone(), member.clone(), best.clone());
        tokio::spawn(async move {
            let until = Instant::now() + REPAIR;
            let store = Request::Store(Box::new(best));
            // The mirrors' own digests catch what this misses.
            let _ = ask_one(&agent, &member, store, Patience::Once, until).await;
            drop(permit);
        });
    }
}

fn majority(heard: &BTreeSet<PublicKey>, group: &[Contact]) -> bool {
    let heard = group
        .iter()
        .filter(|member| heard.contains(&member.key))
        .count();
    group.is_empty() || heard >= majority_of(group.len())
}

fn union(group: &[Contact], before: &[Contact]) -> Vec<Contact> {
    let new = |member: &&Contact| !group.iter().any(|other| other.key == member.key);
    group
        .iter()
        .chain(before.iter().filter(new))
        .cloned()
        .collect()
}
