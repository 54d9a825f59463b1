//! Our identities as libp2p knows them: the same Ed25519 key, so neither needs a table.

use libp2p::{Multiaddr, PeerId, identity, multiaddr::Protocol};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use wire::{Mirror, PublicKey, SecretKey};

/// A peer and where to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub key: PublicKey,
    /// Where.
    pub addresses: Vec<Multiaddr>,
}

impl From<&Mirror> for Contact {
    fn from(mirror: &Mirror) -> Self {
        Self::new(mirror.key, &mirror.addresses)
    }
}

impl Contact {
    /// A contact from addresses as text; those that are none are left out.
    #[must_use]
    pub fn new(key: PublicKey, addresses: &[String]) -> Self {
        let addresses = addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        Self { key, addresses }
    }
}

/// The key pair for the swarm.
#[must_use]
pub fn keypair(key: &SecretKey) -> identity::Keypair {
    identity::Keypair::ed25519_from_bytes(key.seed()).expect("32 bytes are an Ed25519 seed")
}

/// libp2p's name of a peer; `None` if the bytes are no point of the curve.
#[must_use]
pub fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&key.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

/// The key behind libp2p's name of a peer; `None` unless it is an Ed25519 key.
///
/// A short key is not hashed in a peer id but stands in it whole (multihash "identity").
#[must_use]
pub fn public_key(peer: &PeerId) -> Option<PublicKey> {
    let protobuf = peer.as_ref().digest();
    let key = identity::PublicKey::try_decode_protobuf(protobuf).ok()?;
    Some(PublicKey(key.try_into_ed25519().ok()?.to_bytes()))
}

/// The first IPv4 address among multiaddresses as text.
#[must_use]
pub fn ipv4(addresses: &[String]) -> Option<Ipv4Addr> {
    let mut parsed = addresses
        .iter()
        .filter_map(|address| address.parse::<Multiaddr>().ok());
    parsed.find_map(|address| {
        address.iter().find_map(|part| match part {
            Protocol::Ip4(ip) => Some(ip),
            _ => None,
        })
    })
}

/// The multiaddress of a TCP listener.
#[must_use]
pub fn multiaddr(address: SocketAddr) -> Multiaddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => Protocol::Ip4(ip),
        IpAddr::V6(ip) => Protocol::Ip6(ip),
    };
    Multiaddr::empty()
        .with(ip)
        .with(Protocol::Tcp(address.port()))
}
