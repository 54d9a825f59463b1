//! Cuts a large TCP segment into the packets that a wire would have seen.
//!
//! The kernel of a sending host hands over up to 64 KiB of one TCP stream as one frame (TCP
//! segmentation offload). A link with a fault must lose and delay each packet on its own, so the
//! frame is seen as *pieces*: every piece repeats the IP and TCP headers, with its own lengths,
//! identification and sequence number. Neighbouring pieces with the same fate are written as one
//! frame again, which the receiving kernel takes as if they had come at the same moment.
//!
//! FIN and PSH belong to the last piece, CWR to the first (RFC 3168, section 6.1.2). The TCP
//! checksum of a piece is left begun, as the kernel leaves its own; the receiving kernel, or
//! [`crate::frame::complete_checksum`], does the rest.

use std::ops::Range;

use crate::frame::{OFFLOAD_BYTES, Offload, fold, ip_header_bytes, packet, sum};

const TCP_HEADER_BYTES_MIN: usize = 20;
const TCP_CHECKSUM_OFFSET: usize = 16;
const TCP_FLAGS_OFFSET: usize = 13;
const TCP_PROTOCOL: u8 = 6;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The pieces of one large segment.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    ip_bytes: usize,
    piece_bytes: usize,
}

impl<'a> Pieces<'a> {
    /// The pieces of a frame; none when it is not a large segment, or not one that holds together.
    pub fn of(frame: &'a [u8]) -> Option<Self> {
        let piece_bytes = usize::from(Offload::read(frame)?.segment_bytes);
        let packet = packet(frame);
        let ip_bytes = ip_header_bytes(packet)?;
        let tcp = packet
            .get(ip_bytes..)
            .filter(|tcp| tcp.len() >= TCP_HEADER_BYTES_MIN)?;
        let tcp_bytes = usize::from(tcp[12] >> 4) * 4;
        if piece_bytes == 0
            || packet[9] != TCP_PROTOCOL
            || !(TCP_HEADER_BYTES_MIN..=tcp.len()).contains(&tcp_bytes)
        {
            return None;
        }
        let (headers, payload) = packet.split_at(ip_bytes + tcp_bytes);
        Some(Pieces {
            headers,
            payload,
            ip_bytes,
            piece_bytes,
        })
    }

    /// How many pieces there are. At least one.
    pub fn count(&self) -> usize {
        self.payload.len().div_ceil(self.piece_bytes).max(1)
    }

    /// The length of each packet on a wire, added up.
    pub fn bytes_on_wire(&self) -> usize {
        self.payload.len() + self.count() * self.headers.len()
    }

    /// The length of some neighbouring pieces as one packet.
    pub fn bytes(&self, pieces: Range<usize>) -> usize {
        self.headers.len() + self.part(pieces).len()
    }

    /// Writes some neighbouring pieces as a frame: one packet, or a smaller large segment.
    pub fn write(&self, pieces: Range<usize>, into: &mut Vec<u8>) {
        let part = self.part(pieces.clone());
        let offload = Offload {
            needs_checksum: true,
            segment_bytes: if pieces.len() > 1 {
                self.piece_bytes as u16
            } else {
                0
            },
            checksum_start: self.ip_bytes as u16,
            checksum_offset: TCP_CHECKSUM_OFFSET as u16,
        };
        into.clear();
        into.extend_from_slice(&offload.to_bytes(self.headers.len() as u16));
        into.extend_from_slice(self.headers);
        into.extend_from_slice(&self.payload[part.clone()]);
        let (ip, tcp) = into[OFFLOAD_BYTES..].split_at_mut(self.ip_bytes);
        number_ip(ip, tcp.len(), pieces.start as u16);
        number_tcp(
            tcp,
            part.start as u32,
            pieces.start == 0,
            part.end == self.payload.len(),
        );
        begin_checksum(ip, tcp);
    }

    /// The part of the payload that some neighbouring pieces carry.
    fn part(&self, pieces: Range<usize>) -> Range<usize> {
        let end_of = |pieces: usize| (pieces * self.piece_bytes).min(self.payload.len());
        end_of(pieces.start)..end_of(pieces.end)
    }
}

/// Gives an IP header the length and identification of its piece.
fn number_ip(ip: &mut [u8], tcp_bytes: usize, index: u16) {
    let total = (ip.len() + tcp_bytes) as u16;
    let identification = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(index);
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip[4..6].copy_from_slice(&identification.to_be_bytes());
    ip[10..12].fill(0);
    let checksum = !fold(sum(ip));
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Gives a TCP header the sequence number and flags of its piece.
fn number_tcp(tcp: &mut [u8], offset: u32, first: bool, last: bool) {
    let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]).wrapping_add(offset);
    tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
    if !first {
        tcp[TCP_FLAGS_OFFSET] &= !CWR;
    }
    if !last {
        tcp[TCP_FLAGS_OFFSET] &= !(FIN | PSH);
    }
}

/// Writes the sum of the pseudo header (RFC 9293, section 3.1) where the checksum belongs.
fn begin_checksum(ip: &[u8], tcp: &mut [u8]) {
    let pseudo = sum(&ip[12..20]) + u64::from(TCP_PROTOCOL) + tcp.len() as u64;
    tcp[TCP_CHECKSUM_OFFSET..TCP_CHECKSUM_OFFSET + 2].copy_from_slice(&fold(pseudo).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::complete_checksum;
    use proptest::prelude::*;

    /// A frame with a large TCP segment, as the kernel builds it.
    fn large_frame(payload: &[u8], piece_bytes: u16, flags: u8) -> Vec<u8> {
        let mut frame = vec![0u8; OFFLOAD_BYTES];
        frame[0] = 1;
        frame[1] = 1;
        frame[4..6].copy_from_slice(&piece_bytes.to_ne_bytes());
        frame[6..8].copy_from_slice(&20u16.to_ne_bytes());
        frame[8..10].copy_from_slice(&16u16.to_ne_bytes());
        let total = (20 + 32 + payload.len()) as u16;
        let mut ip = [
            0x45, 0, 0, 0, 0xff, 0xff, 0x40, 0, 64, 6, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2,
        ];
        ip[2..4].copy_from_slice(&total.to_be_bytes());
        frame.extend_from_slice(&ip);
        let mut tcp = [7u8; 32];
        tcp[4..8].copy_from_slice(&(u32::MAX - 100).to_be_bytes());
        tcp[12] = 8 << 4;
        tcp[13] = flags;
        frame.extend_from_slice(&tcp);
        frame.extend_from_slice(payload);
        frame
    }

    fn all_pieces(frame: &[u8]) -> Vec<Vec<u8>> {
        let pieces = Pieces::of(frame).expect("a large segment");
        (0..pieces.count())
            .map(|index| {
                let mut piece = Vec::new();
                pieces.write(index..index + 1, &mut piece);
                piece
            })
            .collect()
    }

    proptest! {
        /// The pieces hold the stream, in order, without gap or overlap, and each has correct
        /// checksums once completed.
        #[test]
        fn pieces_carry_the_same_stream(
            payload in prop::collection::vec(any::<u8>(), 1..9000),
            piece_bytes in 1u16..3000,
        ) {
            let frame = large_frame(&payload, piece_bytes, 0x10 | FIN | PSH | CWR);
            let whole = Pieces::of(&frame).expect("a large segment");
            let pieces = all_pieces(&frame);
            let mut stream = Vec::new();
            let mut wire_bytes = 0;
            for (index, mut piece) in pieces.clone().into_iter().enumerate() {
                complete_checksum(&mut piece);
                let packet = packet(&piece);
                prop_assert_eq!(whole.bytes(index..index + 1), packet.len());
                wire_bytes += packet.len();
                prop_assert_eq!(fold(sum(&packet[..20])), 0xffff);
                let total = u16::from_be_bytes([packet[2], packet[3]]);
                prop_assert_eq!(usize::from(total), packet.len());
                let tcp = &packet[20..];
                let pseudo = sum(&packet[12..20]) + 6 + tcp.len() as u64;
                prop_assert_eq!(fold(sum(tcp) + pseudo), 0xffff);
                let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
                prop_assert_eq!(sequence, (u32::MAX - 100).wrapping_add(stream.len() as u32));
                let last = index + 1 == pieces.len();
                prop_assert_eq!(tcp[13] & (FIN | PSH) != 0, last);
                prop_assert_eq!(tcp[13] & CWR != 0, index == 0);
                prop_assert!(tcp.len() - 32 <= usize::from(piece_bytes));
                stream.extend_from_slice(&tcp[32..]);
            }
            prop_assert_eq!(stream, payload);
            prop_assert_eq!(whole.bytes_on_wire(), wire_bytes);
        }

        /// Pieces that travelled together are the same packets as pieces that travelled alone.
        #[test]
        fn regrouped_pieces_are_the_same_packets(
            payload in prop::collection::vec(any::<u8>(), 1..9000),
            piece_bytes in 1u16..3000,
            cut in any::<prop::sample::Index>(),
        ) {
            let frame = large_frame(&payload, piece_bytes, 0x10 | FIN | PSH | CWR);
            let pieces = Pieces::of(&frame).expect("a large segment");
            let cut = cut.index(pieces.count() + 1);
            let mut regrouped = Vec::new();
            for range in [0..cut, cut..pieces.count()] {
                let mut group = Vec::new();
                pieces.write(range.clone(), &mut group);
                match range.len() {
                    0 => {}
                    1 => regrouped.push(group),
                    _ => regrouped.extend(all_pieces(&group)),
                }
            }
            prop_assert_eq!(regrouped, all_pieces(&frame));
        }

        /// Whatever a host sends, cutting it up cannot bring the router down.
        #[test]
        fn no_bytes_panic(
            mut frame in prop::collection::vec(any::<u8>(), 0..200),
            tcp in any::<bool>(),
        ) {
            if tcp && frame.len() > OFFLOAD_BYTES + 10 {
                frame[1] = 1;
                frame[OFFLOAD_BYTES] = 0x45;
                frame[OFFLOAD_BYTES + 9] = TCP_PROTOCOL;
            }
            if let Some(pieces) = Pieces::of(&frame) {
                let mut piece = Vec::new();
                (0..pieces.count()).for_each(|index| pieces.write(index..index + 1, &mut piece));
            }
            complete_checksum(&mut frame);
        }
    }

    #[test]
    fn an_ordinary_frame_has_no_pieces() {
        assert!(Pieces::of(&large_frame(&[1; 100], 0, 0)).is_none());
    }
}
