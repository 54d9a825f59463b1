//! The answer of a closed port: a TCP reset.
//!
//! RFC 9293, section 3.10.7.1: a segment with ACK is answered with a reset at the sequence number
//! that it acknowledges, `<SEQ=SEG.ACK><CTL=RST>`; one without ACK with
//! `<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>`, where SYN and FIN count as one byte each; a reset
//! is not answered. The first form is also what an established connection accepts without doubt,
//! because it is exactly the next byte that it waits for (section 3.10.7.4).

use crate::facts::is_later_fragment;
use crate::frame::{OFFLOAD_BYTES, fold, ip_header_bytes, sum};

const TCP: u8 = 6;
const TCP_HEADER_BYTES: usize = 20;
const IP_HEADER_BYTES: usize = 20;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
/// How far the answer may travel, as RFC 1700 recommends.
const TIME_TO_LIVE: u8 = 64;
/// The second word of the IP header: not to be cut up.
const DO_NOT_FRAGMENT: u8 = 0x40;

/// A frame with nothing but headers.
pub(crate) type ResetFrame = [u8; OFFLOAD_BYTES + IP_HEADER_BYTES + TCP_HEADER_BYTES];

/// The frame that answers an IP packet, from its receiver to its sender; none when it is not a
/// TCP segment, or a reset.
pub(crate) fn answer(packet: &[u8]) -> Option<ResetFrame> {
    let tcp = packet.get(ip_header_bytes(packet)?..)?;
    if packet[9] != TCP || is_later_fragment(packet) || tcp.len() < TCP_HEADER_BYTES {
        return None;
    }
    let flags = tcp[13];
    if flags & RST != 0 {
        return None;
    }
    let mut frame = [0; OFFLOAD_BYTES + IP_HEADER_BYTES + TCP_HEADER_BYTES];
    let (ip, answer) = frame[OFFLOAD_BYTES..].split_at_mut(IP_HEADER_BYTES);
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&((IP_HEADER_BYTES + TCP_HEADER_BYTES) as u16).to_be_bytes());
    ip[6] = DO_NOT_FRAGMENT;
    ip[8] = TIME_TO_LIVE;
    ip[9] = TCP;
    ip[12..16].copy_from_slice(&packet[16..20]);
    ip[16..20].copy_from_slice(&packet[12..16]);
    let checksum = !fold(sum(ip));
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());

    answer[..2].copy_from_slice(&tcp[2..4]);
    answer[2..4].copy_from_slice(&tcp[..2]);
    answer[12] = (TCP_HEADER_BYTES as u8 / 4) << 4;
    if flags & ACK != 0 {
        answer[4..8].copy_from_slice(&tcp[8..12]);
        answer[13] = RST;
    } else {
        let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let acknowledged = sequence.wrapping_add(segment_length(tcp));
        answer[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        answer[13] = RST | ACK;
    }
    let pseudo = sum(&ip[12..20]) + u64::from(TCP) + TCP_HEADER_BYTES as u64;
    let checksum = !fold(sum(answer) + pseudo);
    answer[16..18].copy_from_slice(&checksum.to_be_bytes());
    Some(frame)
}

/// SEG.LEN: the payload, and one each for SYN and FIN.
fn segment_length(tcp: &[u8]) -> u32 {
    let payload = tcp.len().saturating_sub(usize::from(tcp[12] >> 4) * 4);
    let flags = tcp[13];
    payload as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(flags: u8, sequence: u32, acknowledged: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, TCP, 0, 0];
        packet.extend_from_slice(&[198, 18, 0, 1, 198, 18, 0, 2, 0x9c, 0x40, 0, 80]);
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&acknowledged.to_be_bytes());
        packet.extend_from_slice(&[5 << 4, flags, 0, 0, 0, 0, 0, 0]);
        packet.extend_from_slice(payload);
        packet
    }

    fn field(packet: &[u8], at: usize) -> u32 {
        u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
    }

    proptest! {
        #[test]
        fn the_answer_is_a_valid_reset_as_rfc_9293_says(
            flags in any::<u8>(),
            sequence in any::<u32>(),
            acknowledged in any::<u32>(),
            payload in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let sent = segment(flags, sequence, acknowledged, &payload);
            let Some(frame) = answer(&sent) else {
                prop_assert!(flags & RST != 0);
                return Ok(());
            };
            prop_assert!(flags & RST == 0);
            let packet = &frame[OFFLOAD_BYTES..];
            // Back to where it came from, with right checksums.
            prop_assert_eq!(&packet[12..20], &[198, 18, 0, 2, 198, 18, 0, 1]);
            prop_assert_eq!(&packet[20..24], &[0, 80, 0x9c, 0x40]);
            prop_assert_eq!(fold(sum(&packet[..20])), 0xffff);
            prop_assert_eq!(fold(sum(&packet[12..]) + 6 + 20), 0xffff);
            if flags & ACK != 0 {
                prop_assert_eq!((field(packet, 24), packet[33]), (acknowledged, RST));
            } else {
                let length = payload.len() as u32 + u32::from(flags & SYN != 0)
                    + u32::from(flags & FIN != 0);
                prop_assert_eq!(field(packet, 24), 0);
                prop_assert_eq!(field(packet, 28), sequence.wrapping_add(length));
                prop_assert_eq!(packet[33], RST | ACK);
            }
        }
    }

    #[test]
    fn what_is_no_tcp_segment_is_not_answered() {
        let mut datagram = segment(SYN, 1, 2, &[]);
        datagram[9] = 17;
        assert_eq!(answer(&datagram), None);
        assert_eq!(answer(&segment(SYN, 1, 2, &[])[..30]), None);
        assert_eq!(answer(&[]), None);
    }
}
