//! A grant without the registry: claim, then commit, at the name's replica group.
//!
//! Claims are leases: a claimant goes on to commit only when a majority leased the name to it, so
//! that two contenders do not scatter commits, which never expire. Commits are durable, and each
//! mirror gives one owner a name at most: a majority of them is the grant. The first record travels
//! with the commit, so that a majority of commits is a whole registration after two round trips. A
//! contender that finds
//! the name leased gives its own leases back and tries again, with jitter.

use super::{
    Agent,
    quorum::{Patience, ask_all},
};
use crate::backoff::Backoff;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use wire::{
    Claim, Commit, Epoch, Grant, ProvisionalGrant, PublicKey, Record, Signed,
    message::{Denial, Request, Response},
    roster::majority_of,
};

/// The first and the longest bound of the wait between two rounds.
const CONTENTION: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(300));
/// Giving leases back is a courtesy; it gets so long.
const RELEASE: Duration = Duration::from_millis(500);

/// How an attempt ended.
#[derive(Debug)]
pub enum Attempt {
    /// A majority committed, and keeps the record.
    Granted(Grant),
    /// The name turned out to be ours already; who has the record is not known.
    Ours(Grant),
    /// The name is another's.
    Taken {
        /// Whose.
        owner: PublicKey,
        /// Whether that is final.
        certified: bool,
    },
    /// No decision before the deadline.
    Nothing {
        /// True if some mirror may have committed the name to us.
        left_commits: bool,
        /// For the user.
        why: &'static str,
    },
}

/// What one round of questions brought.
#[derive(Default)]
struct Tally {
    yes: BTreeSet<PublicKey>,
    commits: Vec<Signed<Commit>>,
    others: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    granted: Option<Grant>,
    leased: bool,
    unsure: BTreeSet<PublicKey>,
}

/// Tries to get a provisional grant before the deadline.
pub async fn attempt(
    agent: &Arc<Agent>,
    claim: &Signed<Claim>,
    record: &Signed<Record>,
    deadline: Instant,
) -> Attempt {
    let mut backoff = Backoff::new(CONTENTION.0, CONTENTION.1, &agent.bugs);
    let mut maybe_committed: BTreeSet<PublicKey> = BTreeSet::new();
    let mut why = "neither the registry nor a majority of the group can be reached";
    loop {
        let group = agent.book.view().group(&claim.body.name).len();
        if group == 0 {
            return Attempt::Nothing {
                left_commits: false,
                why: "there are no mirrors",
            };
        }
        let majority = majority_of(group);
        let tally = round(agent, claim, &Request::Claim(claim.clone()), deadline).await;
        if let Some(end) = decided(agent, &tally, group) {
            return end;
        }
        if tally.yes.len() >= majority {
            let commit = Request::Commit {
                claim: claim.clone(),
                record: Box::new(record.clone()),
            };
            let tally = round(agent, claim, &commit, deadline).await;
            maybe_committed.extend(tally.yes.union(&tally.unsure));
            if tally.commits.len() >= majority {
                let commits = tally.commits;
                let grant = ProvisionalGrant {
                    claim: claim.clone(),
                    commits,
                };
                return Attempt::Granted(Grant::Provisional(grant));
            }
            if let Some(end) = decided(agent, &tally, group) {
                return end;
            }
        } else if tally.leased {
            why = "others are registering the name, too";
            release(agent, claim);
        }
        let wait = backoff.fail();
        if Instant::now() + wait >= deadline {
            release(agent, claim);
            return Attempt::Nothing {
                left_commits: !maybe_committed.is_empty(),
                why,
            };
        }
        sleep(wait).await;
    }
}

/// Asks the group and stops as soon as a majority said yes, or can no longer.
async fn round(
    agent: &Arc<Agent>,
    claim: &Signed<Claim>,
    request: &Request,
    deadline: Instant,
) -> Tally {
    let view = agent.book.view();
    let group = view.group(&claim.body.name);
    let majority = majority_of(group.len());
    let mut tally = Tally {
        unsure: group.iter().map(|member| member.key).collect(),
        ..Tally::default()
    };
    let mut answers = ask_all(agent, group, request, Patience::Once, deadline);
    while tally.yes.len() < majority && tally.yes.len() + answers.outstanding() >= majority {
        let Some((member, answer)) = answers.next().await else {
            break;
        };
        // Unless the answer says that nothing was done, the member may have done it.
        let nothing_done = match answer {
            Ok(Response::Claimed) => tally.yes.insert(member.key),
            Ok(Response::Committed(commit)) => {
                tally.committed(member.key, commit, claim, view.epoch())
            }
            Ok(Response::Denied(denial)) => {
                tally.denied(member.key, denial, view.trust());
                true
            }
            Ok(_) | Err(crate::net::AskError::Unreachable) => true,
            Err(_) => false,
        };
        if nothing_done {
            tally.unsure.remove(&member.key);
        }
    }
    tally
}

impl Tally {
    fn committed(
        &mut self,
        from: PublicKey,
        commit: Signed<Commit>,
        claim: &Signed<Claim>,
        epoch: Epoch,
    ) -> bool {
        let genuine = commit.body.mirror == from && commit.answers(claim).is_ok();
        // Commits of another epoch are promises, but count in no majority of this one.
        let counts = genuine && commit.body.epoch == epoch;
        if counts {
            self.commits.push(commit);
            self.yes.insert(from);
        }
        counts || !genuine
    }

    fn denied(&mut self, from: PublicKey, denial: Denial, trust: wire::Trust<'_>) {
        match denial {
            Denial::Leased { .. } => self.leased = true,
            Denial::Committed(proof) => {
                if proof.commit.body.mirror == from && proof.verify().is_ok() {
                    self.others
                        .entry(proof.claim.body.owner)
                        .or_default()
                        .insert(from);
                }
            }
            Denial::Taken(entry) => {
                let stronger = self
                    .granted
                    .as_ref()
                    .is_none_or(|known| !known.is_certified());
                if stronger && entry.grant.verify(trust).is_ok() {
                    self.granted = Some(entry.grant);
                }
            }
        }
    }
}

/// True answers that end the attempt: somebody proved to have the name.
fn decided(agent: &Agent, tally: &Tally, group: usize) -> Option<Attempt> {
    if let Some(grant) = &tally.granted {
        let (owner, certified) = (grant.owner(), grant.is_certified());
        return Some(if owner == agent.id {
            Attempt::Ours(grant.clone())
        } else {
            Attempt::Taken { owner, certified }
        });
    }
    let majority = majority_of(group);
    let winner = tally
        .others
        .iter()
        .find(|(_, members)| members.len() >= majority);
    winner.map(|(owner, _)| Attempt::Taken {
        owner: *owner,
        certified: false,
    })
}

fn release(agent: &Arc<Agent>, claim: &Signed<Claim>) {
    let (agent, claim) = (agent.clone(), claim.clone());
    tokio::spawn(async move {
        let group = agent.book.view().group(&claim.body.name);
        let until = Instant::now() + RELEASE;
        let mut answers = ask_all(
            &agent,
            group,
            &Request::Release(claim),
            Patience::Once,
            until,
        );
        while answers.next().await.is_some() {}
    });
}
