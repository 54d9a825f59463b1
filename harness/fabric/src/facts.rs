//! What a link needs to know about a packet before it can judge it.
//!
//! Read from the headers, without copying. What the headers do not say stays unknown: of a
//! datagram that IP has cut up, only the first fragment has a transport header.

use crate::filter::Protocol;
use crate::frame::ip_header_bytes;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

const TCP_HEADER_BYTES_MIN: usize = 20;
const TCP_FLAGS_OFFSET: usize = 13;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The part of an IP header's third word that says where in its datagram a fragment starts.
const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;

/// What is known about one packet. A length alone makes the facts of a packet of no protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The length of the IP packet.
    pub bytes: usize,
    /// Its protocol; none when it is one that no filter can name.
    pub protocol: Option<Protocol>,
    /// The ports that a TCP segment or UDP datagram comes from and goes to.
    pub ports: Option<(u16, u16)>,
    /// True when it would begin something new: a TCP segment with SYN and without ACK, or a
    /// datagram of a UDP flow that was not seen before.
    pub opens: bool,
    /// True for a TCP segment that can be answered with a reset: every one but a reset.
    pub resettable: bool,
}

impl Facts {
    /// The facts of an IP packet. `opens` is left false for UDP, because it takes a memory.
    pub(crate) fn of(packet: &[u8]) -> Facts {
        let unknown = Facts::from(packet.len());
        let Some(transport) = transport(packet) else {
            return unknown;
        };
        let ports = || {
            let bytes = transport.first_chunk::<4>()?;
            let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            Some((word(0), word(2)))
        };
        match packet[9] {
            TCP if transport.len() >= TCP_HEADER_BYTES_MIN => {
                let flags = transport[TCP_FLAGS_OFFSET];
                Facts {
                    protocol: Some(Protocol::Tcp),
                    ports: ports(),
                    opens: flags & (SYN | ACK) == SYN,
                    resettable: flags & RST == 0,
                    ..unknown
                }
            }
            TCP => Facts {
                protocol: Some(Protocol::Tcp),
                ..unknown
            },
            UDP => Facts {
                protocol: Some(Protocol::Udp),
                ports: ports(),
                ..unknown
            },
            ICMP => Facts {
                protocol: Some(Protocol::Icmp),
                ..unknown
            },
            _ => unknown,
        }
    }
}

impl From<usize> for Facts {
    fn from(bytes: usize) -> Facts {
        Facts {
            bytes,
            protocol: None,
            ports: None,
            opens: false,
            resettable: false,
        }
    }
}

/// What follows the IP header; empty in a fragment that is not the first, which holds no
/// transport header.
fn transport(packet: &[u8]) -> Option<&[u8]> {
    let header_bytes = ip_header_bytes(packet)?;
    if is_later_fragment(packet) {
        return Some(&[]);
    }
    packet.get(header_bytes..)
}

/// True for a fragment that is not the first of its datagram, of a whole IPv4 packet.
pub(crate) fn is_later_fragment(packet: &[u8]) -> bool {
    u16::from_be_bytes([packet[6], packet[7]]) & FRAGMENT_OFFSET_MASK != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45; 20];
        packet[6..8].fill(0);
        packet[9] = protocol;
        packet.extend_from_slice(transport);
        packet
    }

    fn segment(flags: u8) -> Vec<u8> {
        let mut tcp = vec![0; 20];
        tcp[..4].copy_from_slice(&[0x10, 0, 0, 80]);
        tcp[TCP_FLAGS_OFFSET] = flags;
        packet(TCP, &tcp)
    }

    #[test]
    fn only_a_syn_without_ack_opens_and_a_reset_is_not_answered() {
        let of = |flags| {
            let facts = Facts::of(&segment(flags));
            assert_eq!(facts.ports, Some((0x1000, 80)));
            (facts.opens, facts.resettable)
        };
        assert_eq!(of(SYN), (true, true));
        assert_eq!(of(SYN | ACK), (false, true));
        assert_eq!(of(ACK), (false, true));
        assert_eq!(of(RST | ACK), (false, false));
    }

    #[test]
    fn a_later_fragment_has_no_ports() {
        let mut datagram = packet(UDP, &[0, 53, 0, 54, 0, 8, 0, 0]);
        assert_eq!(Facts::of(&datagram).ports, Some((53, 54)));
        datagram[7] = 1;
        let facts = Facts::of(&datagram);
        assert_eq!((facts.protocol, facts.ports), (Some(Protocol::Udp), None));
    }

    #[test]
    fn what_is_cut_short_is_of_no_port() {
        for length in 0..40 {
            let mut cut = segment(SYN);
            cut.truncate(length);
            assert_eq!(Facts::of(&cut).ports, None);
        }
    }
}
