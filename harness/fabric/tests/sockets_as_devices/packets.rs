//! The packets that the tests send.

use std::net::Ipv4Addr;

use crate::device::{A, B, address};

const TCP: u8 = 6;
const UDP: u8 = 17;

pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// A packet of 28 bytes with a number in it.
pub fn packet(to: Ipv4Addr, number: u64) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 253, 0, 0, 198, 18, 0, 1];
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(&number.to_be_bytes());
    packet
}

pub fn ip(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, transport: &[u8]) -> Vec<u8> {
    let bytes = 20 + transport.len() as u16;
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet[2..4].copy_from_slice(&bytes.to_be_bytes());
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(transport);
    packet
}

/// A datagram without checksum.
pub fn datagram(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let mut udp = from.1.to_be_bytes().to_vec();
    udp.extend_from_slice(&to.1.to_be_bytes());
    udp.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    udp.extend_from_slice(&[0, 0]);
    udp.extend_from_slice(payload);
    ip(UDP, from.0, to.0, &udp)
}

/// A segment from A to B, of which only the flags matter.
pub fn segment(flags: u8) -> Vec<u8> {
    let mut tcp = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 5 << 4, flags];
    tcp.extend_from_slice(&[0; 6]);
    ip(TCP, address(A), address(B), &tcp)
}
