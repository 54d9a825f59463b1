//! A stranger that speaks the overlay's protocol: it asks one mirror, and sees each answer as it
//! comes.

use crate::world::World;
use futures::future::join_all;
use node::{
    backoff::now,
    bug::Bugs,
    net::{self, AskError, Contact, Inbound, Net},
};
use std::time::Duration;
use tokio::sync::mpsc;
use wire::{
    Certificate, Entry, Grant, Name, Record, SecretKey, Signed,
    message::{Request, Response},
};

/// Longer than a late reply, and shorter than the overlay's own time-out.
const WITHIN: Duration = Duration::from_millis(1900);

pub type Answer = Result<Response, AskError>;

pub struct Probe {
    net: Net,
    key: SecretKey,
    mirror: Contact,
    _inbound: mpsc::Receiver<Inbound>,
}

impl Probe {
    /// A probe of a node; `number` is its own in this world.
    pub async fn of(world: &World, node: usize, number: usize) -> Self {
        let key = SecretKey::from_seed([u8::try_from(number).expect("small"); 32]);
        let listen = format!("{}:4001", world.ip(number));
        let listen = listen.parse().expect("an address");
        let (net, inbound) = net::start(&key, listen, Bugs::default())
            .await
            .expect("the probe listens");
        let status = world.node(node).get("/v1/status").await.expect("an answer");
        let id = status.body["id"].as_str().expect("a key");
        let address = format!("/ip4/{}/tcp/4001", world.ip(node + 10));
        Self {
            net,
            key,
            mirror: Contact::new(id.parse().expect("a key"), &[address]),
            _inbound: inbound,
        }
    }

    pub async fn ask(&self, request: Request) -> Answer {
        self.net.ask(self.mirror.clone(), request, WITHIN).await
    }

    pub async fn lookup(&self, name: &str) -> Answer {
        self.ask(Request::Lookup(parse(name))).await
    }

    pub async fn store(&self, entry: Entry) -> Answer {
        self.ask(Request::Store(Box::new(entry))).await
    }

    /// So many look-ups at once.
    pub async fn burst(&self, name: &str, count: usize) -> Vec<Answer> {
        join_all((0..count).map(|_| self.lookup(name))).await
    }

    /// What the mirror has for a name.
    pub async fn held(&self, name: &str) -> Option<Entry> {
        match self.lookup(name).await {
            Ok(Response::Found { entry, .. }) => entry.map(|entry| *entry),
            _ => None,
        }
    }

    /// An entry that the registry never signed.
    pub fn forged(&self, name: &str) -> Entry {
        let certificate = Certificate {
            name: parse(name),
            owner: self.key.public(),
            certified_at: now(),
        };
        let record = Record {
            name: parse(name),
            owner: self.key.public(),
            seq: 1,
            expires_at: now().plus(Duration::from_secs(3600)),
            addresses: Vec::new(),
            profile: "forged".into(),
            contacts: Vec::new(),
        };
        Entry {
            grant: Grant::Certified(Signed::new(certificate, &self.key)),
            record: Some(Signed::new(record, &self.key)),
        }
    }
}

fn parse(name: &str) -> Name {
    name.parse().expect("a valid name")
}
