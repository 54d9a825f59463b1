//! What the swarm speaks: our own requests, identify, ping, and kad for peers and addresses only.
//!
//! Kad stores no records here: it acknowledges a put before anyone validated it, and its quorum
//! counts answers, not stored copies. Its name is our own, and identify's addresses are believed
//! only from peers that speak it, so that two overlays never merge over one bridging peer.

use super::codec::Codec;
use crate::bug::Bugs;
use libp2p::core::upgrade;
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, identity::Keypair, kad, noise, ping,
    request_response, swarm::NetworkBehaviour, tcp, yamux,
};
use std::time::Duration;
use wire::message::PROTOCOL;

/// Kad's protocol name.
pub const KAD_PROTOCOL: &str = "/directory/kad/1";
/// A request that is not answered by then failed; a link slower than this serves nobody.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Five round trips of a slow link: TCP, noise, yamux.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Rosters are small, so connections stay.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(3600);
const KAD_QUERY_TIMEOUT: Duration = Duration::from_secs(10);
const STREAMS_MAX: usize = 256;

/// The protocols together.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub requests: request_response::Behaviour<Codec>,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub kad: kad::Behaviour<kad::store::MemoryStore>,
}

/// A swarm that does not listen yet.
pub fn swarm(key: Keypair, bugs: Bugs) -> Result<Swarm<Behaviour>, noise::Error> {
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::new().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|key| behaviour(key, Codec { bugs }))
        .expect("building the behaviour cannot fail")
        .with_swarm_config(|config| {
            // Every question is a stream of its own. Lazy negotiation sends the protocol's name and
            // the question together, which saves a round trip for each.
            config
                .with_idle_connection_timeout(IDLE_TIMEOUT)
                .with_substream_upgrade_protocol_override(upgrade::Version::V1Lazy)
        })
        .with_connection_timeout(DIAL_TIMEOUT)
        .build();
    Ok(swarm)
}

fn behaviour(key: &Keypair, codec: Codec) -> Behaviour {
    let protocol = [(
        StreamProtocol::new(PROTOCOL),
        request_response::ProtocolSupport::Full,
    )];
    let requests = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(STREAMS_MAX);
    let identify = identify::Config::new(PROTOCOL.into(), key.public())
        .with_agent_version(format!("directory/{}", env!("CARGO_PKG_VERSION")))
        .with_interval(IDENTIFY_INTERVAL)
        .with_push_listen_addr_updates(false)
        .with_cache_size(0);
    let ping = ping::Config::new()
        .with_interval(PING_INTERVAL)
        .with_timeout(PING_TIMEOUT);
    Behaviour {
        requests: request_response::Behaviour::with_codec(codec, protocol, requests),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        kad: kademlia(key.public().to_peer_id()),
    }
}

fn kademlia(local: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(StreamProtocol::new(KAD_PROTOCOL));
    config
        .set_query_timeout(KAD_QUERY_TIMEOUT)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(None);
    let mut kad = kad::Behaviour::with_config(local, kad::store::MemoryStore::new(local), config);
    // Without a confirmed external address kad would stay a client for ever; the roster decides.
    kad.set_mode(Some(kad::Mode::Client));
    kad
}
