//! Goal: addresses of a peer of another overlay are believed, and passed on, only with the planted
//! bug `join-any-protocol`. Method: a foreigner connects to our peer and introduces itself; then an
//! asker asks our peer's kad for the foreigner, and either meets it or not.

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, kad, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use node::{
    bug::{Bug, Bugs},
    net::{self, peer},
};
use std::time::Duration;
use tokio::time::timeout;
use wire::{SecretKey, message::PROTOCOL};

/// As `net` calls it.
const KAD_PROTOCOL: &str = "/directory/kad/1";
/// Only the point at which the test is given up.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(NetworkBehaviour)]
struct Introduced {
    identify: identify::Behaviour,
    kad: kad::Behaviour<kad::store::MemoryStore>,
}

/// A listening peer of an overlay with these two protocol names.
fn swarm(seed: u8, protocol: &str, kad_protocol: &'static str) -> Swarm<Introduced> {
    let key = peer::keypair(&SecretKey::from_seed([seed; 32]));
    let local = key.public().to_peer_id();
    let identify = identify::Config::new(protocol.into(), key.public());
    let config = kad::Config::new(StreamProtocol::new(kad_protocol));
    let store = kad::store::MemoryStore::new(local);
    let behaviour = Introduced {
        identify: identify::Behaviour::new(identify),
        kad: kad::Behaviour::with_config(local, store, config),
    };
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::new(),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("noise")
        .with_behaviour(|_| behaviour)
        .expect("a behaviour")
        .build();
    swarm.listen_on(address(seed)).expect("an address of ours");
    swarm
}

fn ip(host: u8) -> String {
    format!("127.{}.210.{host}", std::process::id() % 250 + 1)
}

fn address(host: u8) -> Multiaddr {
    let address = format!("/ip4/{}/tcp/4001", ip(host));
    address.parse().expect("a multiaddress")
}

/// Connects to our peer and introduces itself; then goes on in the background.
async fn introduce(mut foreigner: Swarm<Introduced>, to: u8) {
    let mut listening = false;
    loop {
        match foreigner.select_next_some().await {
            SwarmEvent::NewListenAddr { .. } if !listening => {
                listening = true;
                foreigner.dial(address(to)).expect("a dial");
            }
            SwarmEvent::Behaviour(IntroducedEvent::Identify(identify::Event::Sent { .. })) => {
                break;
            }
            _ => {}
        }
    }
    tokio::spawn(async move {
        loop {
            foreigner.select_next_some().await;
        }
    });
}

/// Asks our peer's kad for somebody; true if that somebody was met.
async fn meets(mut asker: Swarm<Introduced>, ours: (PeerId, u8), sought: PeerId) -> bool {
    asker.dial(address(ours.1)).expect("a dial");
    loop {
        match asker.select_next_some().await {
            SwarmEvent::Behaviour(IntroducedEvent::Identify(identify::Event::Received {
                ..
            })) => {
                let kad = &mut asker.behaviour_mut().kad;
                kad.add_address(&ours.0, address(ours.1));
                kad.get_closest_peers(sought);
            }
            SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == sought => return true,
            SwarmEvent::Behaviour(IntroducedEvent::Kad(kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::GetClosestPeers(_),
                ..
            })) => return false,
            _ => {}
        }
    }
}

/// One round in a world of its own; `first` is its first host.
async fn passes_a_foreigner_on(bugs: &Bugs, first: u8) -> bool {
    let key = SecretKey::from_seed([first; 32]);
    let listen = format!("{}:4001", ip(first)).parse().expect("an address");
    let (net, _inbound) = net::start(&key, listen, bugs.clone())
        .await
        .expect("our peer listens");
    net.serve_kad(true).await;
    let foreigner = swarm(first + 1, "/foreign/1", "/foreign/kad/1");
    let sought = *foreigner.local_peer_id();
    introduce(foreigner, first).await;
    let asker = swarm(first + 2, PROTOCOL, KAD_PROTOCOL);
    let ours = peer::peer_id(&key.public()).expect("a point of the curve");
    meets(asker, (ours, first), sought).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreigner_is_passed_on_only_with_the_bug() {
    for (planted, first) in [(false, 1), (true, 11)] {
        let all = ["join-any-protocol".parse().expect("a bug")];
        let bugs = if planted { &all[..] } else { &[] };
        let bugs = Bugs::new(true, bugs, SecretKey::from_seed([first; 32]).public());
        let passed = timeout(PATIENCE, passes_a_foreigner_on(&bugs, first)).await;
        assert_eq!(passed, Ok(planted));
        assert_eq!(bugs.bitten(Bug::JoinAnyProtocol), u64::from(planted));
    }
}
