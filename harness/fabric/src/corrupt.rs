//! Flips one bit of a packet, so that its receiver notices, or so that it does not.
//!
//! The bit is one of the payload, behind the transport header; of a later fragment, which has no
//! transport header, one of anything behind the IP header. Headers stay whole, or the packet
//! would be another fault: lost, or sent astray.
//!
//! A checksum that the kernel only began is finished first. Until then the receiving kernel takes
//! the packet on trust, whatever is in it.

use crate::facts::is_later_fragment;
use crate::frame::{OFFLOAD_BYTES, complete_checksum, fold, ip_header_bytes, sum};
use crate::impairment::Corruption;
use crate::link::Flip;

/// Where a protocol has its checksum and how long its header is.
#[derive(Clone, Copy, Debug)]
struct Transport {
    start: usize,
    header_bytes: usize,
    /// From the start of the packet; none in a later fragment and for protocols not known here.
    checksum: Option<usize>,
    is_udp: bool,
}

/// Flips a bit of a frame that is one packet. False when there was none to flip, and then nothing
/// has changed, except that a begun checksum is finished.
pub(crate) fn corrupt(frame: &mut [u8], flip: Flip) -> bool {
    complete_checksum(frame);
    // Also takes back what the header may say of a checksum that needs no second look.
    frame[..OFFLOAD_BYTES].fill(0);
    let packet = &mut frame[OFFLOAD_BYTES..];
    let Some(transport) = Transport::of(packet) else {
        return false;
    };
    let payload = transport.start + transport.header_bytes;
    let bits = packet.len().saturating_sub(payload) as u64 * 8;
    if bits == 0 {
        return flip.how == Corruption::Detected && spoil_checksum(packet, transport, flip.place);
    }
    if is_later_fragment(packet) && flip.how == Corruption::Silent {
        // The checksum is in another fragment and cannot be repaired.
        return false;
    }
    if flip.how == Corruption::Detected {
        demand_checksum(packet, transport);
    }
    let bit = (bits * u64::from(flip.place)) >> 32;
    let at = payload + (bit / 8) as usize;
    let before = word(packet, transport.start, at);
    packet[at] ^= 1 << (bit % 8);
    if flip.how == Corruption::Silent {
        let after = word(packet, transport.start, at);
        repair_checksum(packet, transport, before, after);
    }
    true
}

impl Transport {
    fn of(packet: &[u8]) -> Option<Transport> {
        let start = ip_header_bytes(packet)?;
        let bytes = packet.len() - start;
        let of = |header_bytes: usize, checksum: usize| Transport {
            start,
            header_bytes,
            checksum: Some(start + checksum),
            is_udp: false,
        };
        let headless = Transport {
            start,
            header_bytes: 0,
            checksum: None,
            is_udp: false,
        };
        if is_later_fragment(packet) {
            return Some(headless);
        }
        let transport = match packet[9] {
            1 => of(8, 2),
            6 if bytes >= 20 => of(usize::from(packet[start + 12] >> 4) * 4, 16),
            17 => Transport {
                is_udp: true,
                ..of(8, 6)
            },
            _ => headless,
        };
        let whole = transport.header_bytes <= bytes
            && transport.checksum.is_none_or(|at| at + 2 <= packet.len());
        whole.then_some(transport)
    }
}

/// Makes the checksum wrong. One bit does, but must not leave the zero that means "none" in UDP.
fn spoil_checksum(packet: &mut [u8], transport: Transport, place: u32) -> bool {
    let Some(at) = transport.checksum else {
        return false;
    };
    demand_checksum(packet, transport);
    let right = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let bit = place >> 28;
    let wrong = right ^ (1 << bit);
    let wrong = if wrong == 0 {
        right ^ (3 << (bit & 14))
    } else {
        wrong
    };
    packet[at..at + 2].copy_from_slice(&wrong.to_be_bytes());
    true
}

/// A UDP datagram may come without a checksum, and then nobody would notice: gives it one.
fn demand_checksum(packet: &mut [u8], transport: Transport) {
    let Some(at) = transport.checksum.filter(|_| transport.is_udp) else {
        return;
    };
    if packet[at..at + 2] == [0, 0] {
        // The pseudo header of RFC 768: addresses, protocol, length.
        let udp = &packet[transport.start..];
        let pseudo = sum(&packet[12..20]) + 17 + udp.len() as u64;
        let checksum = udp_checksum(!fold(sum(udp) + pseudo));
        packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Repairs a checksum after one word has changed: equation 3 of RFC 1624,
/// `HC' = ~(~HC + ~m + m')`.
fn repair_checksum(packet: &mut [u8], transport: Transport, before: u16, after: u16) {
    let Some(at) = transport.checksum else {
        return;
    };
    let checksum = u16::from_be_bytes([packet[at], packet[at + 1]]);
    if transport.is_udp && checksum == 0 {
        return;
    }
    let sum = u64::from(!checksum) + u64::from(!before) + u64::from(after);
    let repaired = !fold(sum);
    let repaired = if transport.is_udp {
        udp_checksum(repaired)
    } else {
        repaired
    };
    packet[at..at + 2].copy_from_slice(&repaired.to_be_bytes());
}

/// A UDP checksum of zero would mean "none", so RFC 768 sends the other zero instead.
fn udp_checksum(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// The 16-bit word of the checksum that a byte is part of; a last odd byte is its high half.
fn word(packet: &[u8], start: usize, at: usize) -> u16 {
    let even = start + (at - start) / 2 * 2;
    let low = packet.get(even + 1).copied().unwrap_or(0);
    u16::from_be_bytes([packet[even], low])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with a right checksum, and where its payload starts.
    fn frame(protocol: u8, payload: &[u8]) -> (Vec<u8>, usize) {
        let (header_bytes, checksum) = match protocol {
            1 => (8, 2),
            6 => (20, 16),
            _ => (8, 6),
        };
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        packet.extend_from_slice(&[198, 18, 0, 1, 198, 18, 0, 2]);
        packet.extend((0..header_bytes).map(|index| index as u8));
        packet[20 + checksum..22 + checksum].fill(0);
        if protocol == 6 {
            packet[32] = 5 << 4;
        }
        packet.extend_from_slice(payload);
        let right = !fold(total(&packet));
        packet[20 + checksum..22 + checksum].copy_from_slice(&right.to_be_bytes());
        let mut frame = vec![0; OFFLOAD_BYTES];
        frame.extend_from_slice(&packet);
        (frame, OFFLOAD_BYTES + 20 + header_bytes)
    }

    /// The sum that a receiver makes over a packet: all ones when the checksum is right.
    fn total(packet: &[u8]) -> u64 {
        let pseudo = match packet[9] {
            1 => 0,
            protocol => sum(&packet[12..20]) + u64::from(protocol) + (packet.len() - 20) as u64,
        };
        sum(&packet[20..]) + pseudo
    }

    fn passes(frame: &[u8]) -> bool {
        fold(total(&frame[OFFLOAD_BYTES..])) == 0xffff
    }

    fn wrong_bits(one: &[u8], other: &[u8]) -> u32 {
        one.iter()
            .zip(other)
            .map(|(one, other)| (one ^ other).count_ones())
            .sum()
    }

    proptest! {
        #[test]
        fn a_corrupted_packet_has_one_wrong_bit_and_the_checksum_that_was_promised(
            protocol in prop::sample::select(vec![1u8, 6, 17]),
            payload in prop::collection::vec(any::<u8>(), 1..100),
            place in any::<u32>(),
        ) {
            let (right, start) = frame(protocol, &payload);
            prop_assert!(passes(&right));
            for how in [Corruption::Silent, Corruption::Detected] {
                let mut wrong = right.clone();
                let flip = Flip { how, place };
                prop_assert!(corrupt(&mut wrong, flip));
                prop_assert_eq!(wrong_bits(&right[start..], &wrong[start..]), 1);
                prop_assert_eq!(passes(&wrong), how == Corruption::Silent);
                if how == Corruption::Detected {
                    prop_assert_eq!(&right[..start], &wrong[..start]);
                }
            }
        }

        #[test]
        fn without_payload_only_a_detected_corruption_happens(
            protocol in prop::sample::select(vec![1u8, 6, 17]),
            place in any::<u32>(),
        ) {
            let (right, _) = frame(protocol, &[]);
            let mut same = right.clone();
            let silent = Flip { how: Corruption::Silent, place };
            prop_assert!(!corrupt(&mut same, silent));
            prop_assert_eq!(&same, &right);
            let detected = Flip { how: Corruption::Detected, place };
            prop_assert!(corrupt(&mut same, detected));
            prop_assert!(!passes(&same));
            prop_assert!(protocol != 17 || same[OFFLOAD_BYTES + 26..OFFLOAD_BYTES + 28] != [0, 0]);
        }

        /// Whatever a host sends, spoiling it cannot bring the router down.
        #[test]
        fn no_bytes_panic(
            mut frame in prop::collection::vec(any::<u8>(), OFFLOAD_BYTES..200),
            protocol in prop::sample::select(vec![1u8, 6, 17, 99]),
            place in any::<u32>(),
        ) {
            if frame.len() > OFFLOAD_BYTES + 10 {
                frame[OFFLOAD_BYTES] = 0x45;
                frame[OFFLOAD_BYTES + 9] = protocol;
            }
            for how in [Corruption::Silent, Corruption::Detected] {
                corrupt(&mut frame, Flip { how, place });
            }
        }
    }

    /// A checksum that is only begun is trusted by the receiver, so it must be finished.
    #[test]
    fn a_begun_checksum_is_finished_before_the_bit_is_flipped() {
        for how in [Corruption::Silent, Corruption::Detected] {
            let (mut begun, _) = frame(17, &[1, 2, 3]);
            let packet = &begun[OFFLOAD_BYTES..];
            let pseudo = fold(sum(&packet[12..20]) + 17 + (packet.len() - 20) as u64);
            begun[OFFLOAD_BYTES + 26..OFFLOAD_BYTES + 28].copy_from_slice(&pseudo.to_be_bytes());
            begun[0] = 1;
            begun[6..8].copy_from_slice(&20u16.to_ne_bytes());
            begun[8..10].copy_from_slice(&6u16.to_ne_bytes());
            assert!(corrupt(
                &mut begun,
                Flip {
                    how,
                    place: 7 << 28
                }
            ));
            assert_eq!(begun[..OFFLOAD_BYTES], [0; OFFLOAD_BYTES]);
            assert_eq!(passes(&begun), how == Corruption::Silent);
        }
    }

    #[test]
    fn a_datagram_without_checksum_gets_one_only_to_be_detected() {
        let (mut bare, _) = frame(17, &[1, 2, 3]);
        let field = OFFLOAD_BYTES + 26..OFFLOAD_BYTES + 28;
        bare[field.clone()].fill(0);
        let mut silent = bare.clone();
        let place = 0;
        assert!(corrupt(
            &mut silent,
            Flip {
                how: Corruption::Silent,
                place
            }
        ));
        assert_eq!(silent[field.clone()], [0, 0]);
        assert!(corrupt(
            &mut bare,
            Flip {
                how: Corruption::Detected,
                place
            }
        ));
        assert!(bare[field] != [0, 0] && !passes(&bare));
    }
}
