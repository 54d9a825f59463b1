//! What the parts of the registry share.

use super::{rebuild::Rebuild, uptime::Peers};
use crate::{
    agent::book::Book,
    bug::{Bugs, Door},
    disk::Disk,
    net::{AskError, Contact, Net},
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout_at},
};
use wire::{
    Name, PublicKey, SecretKey,
    message::{Request, Response},
};

/// The registry.
#[derive(Debug)]
pub struct Registry {
    /// Its signing key, which every node has pinned.
    pub key: SecretKey,
    /// The public half.
    pub id: PublicKey,
    /// How many mirrors it wants.
    pub mirrors: usize,
    /// How many of them hold a name.
    pub replicas: u8,
    /// How often it wants to hear from nodes.
    pub interval: Duration,
    /// Where it listens for peers.
    pub addresses: Vec<String>,
    /// The store.
    pub disk: Disk,
    /// The overlay.
    pub net: Net,
    /// The number of that store.
    pub store: u64,
    /// What a lost store still misses.
    pub rebuild: Rebuild,
    /// Mirrors to which is being sent what they miss.
    pub refills: Mutex<HashSet<PublicKey>>,
    /// The label over which mirrors and groups are spread.
    pub spread: Option<String>,
    /// The rosters it issued.
    pub book: Book,
    /// Who is up.
    pub peers: Mutex<Peers>,
    /// Planted bugs.
    pub bugs: Bugs,
    /// Whether it serves, as far as planted bugs let it.
    pub door: Arc<Door>,
    /// Calls under way.
    pub calls: Arc<Semaphore>,
    /// Wakes the outbox.
    pub push: Notify,
    /// Names whose settlement waits for members that do not answer, and since when.
    pub undecided: Mutex<HashMap<Name, Instant>>,
}

impl Registry {
    /// Asks the members of a name's group, old and new, in parallel; those that do not answer in
    /// time are not in the result.
    pub async fn ask_group(
        &self,
        name: &Name,
        request: &Request,
        within: Duration,
        connected_only: bool,
    ) -> Vec<(Contact, Response)> {
        let view = self.book.view();
        let connected = self.net.connected();
        let mut members = view.group(name);
        for member in view.previous_group(name) {
            if !members.iter().any(|known| known.key == member.key) {
                members.push(member);
            }
        }
        let deadline = Instant::now() + within;
        let mut open: FuturesUnordered<_> = members
            .into_iter()
            .filter(|member| !connected_only || connected.contains(&member.key))
            .map(|member| async {
                let answer: Result<Response, AskError> =
                    self.net.ask(member.clone(), request.clone(), within).await;
                (member, answer)
            })
            .collect();
        let mut answers = Vec::new();
        while let Ok(Some((member, answer))) = timeout_at(deadline, open.next()).await {
            if let Ok(answer) = answer {
                answers.push((member, answer));
            }
        }
        answers
    }
}
