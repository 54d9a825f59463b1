//! The UDP flows that the fabric has seen, so that new ones can be told from old ones.
//!
//! A *flow* is a pair of addresses with their ports, in either direction: an answer belongs to
//! the flow of its question, as in a firewall that tracks connections. TCP needs none of this,
//! because its segments say whether they open a connection.
//!
//! The memory is bounded: [`UDP_FLOWS_MAX`] flows in sets of [`FLOWS_A_SET`], each with the least
//! recently used one last, which makes room for a new one. So of very many flows an old one that
//! has long been silent may be forgotten and then counts as new. A flow is known by 31 bits of a
//! hash besides its set, so a new flow passes for one of eight old ones once in 268 million.

use crate::facts::is_later_fragment;
use crate::frame::ip_header_bytes;

/// How many UDP flows are remembered, over all links.
pub const UDP_FLOWS_MAX: usize = 65_536;

const FLOWS_A_SET: usize = 8;
const SETS: usize = UDP_FLOWS_MAX / FLOWS_A_SET;
const UDP: u8 = 17;

/// The UDP flows seen lately.
#[derive(Debug)]
pub(crate) struct Flows {
    sets: Vec<[u32; FLOWS_A_SET]>,
}

/// One flow, as its set and the mark that it is known by there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    set: usize,
    mark: u32,
}

impl Flow {
    /// The flow of an IP packet; none when it is not UDP or does not show its ports.
    #[inline]
    pub fn of(packet: &[u8]) -> Option<Flow> {
        if *packet.get(9)? != UDP {
            return None;
        }
        let start = ip_header_bytes(packet)?;
        let ports = packet.get(start..start + 4)?;
        if is_later_fragment(packet) {
            return None;
        }
        let end = |address: usize, port: usize| {
            let bytes = &packet[address..address + 4];
            let address = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let port = u16::from_be_bytes([ports[port], ports[port + 1]]);
            u64::from(address) << 16 | u64::from(port)
        };
        let (from, to) = (end(12, 0), end(16, 2));
        let hash = mix(mix(from.min(to)) ^ from.max(to));
        Some(Flow {
            set: (hash >> 32) as usize % SETS,
            // Zero marks an empty place.
            mark: hash as u32 | 1,
        })
    }
}

impl Flows {
    /// No flow was seen.
    pub fn new() -> Flows {
        Flows {
            sets: vec![[0; FLOWS_A_SET]; SETS],
        }
    }

    /// Remembers a flow, as the one used last.
    #[inline]
    pub fn note(&mut self, flow: Flow) {
        let set = &mut self.sets[flow.set];
        if set[0] == flow.mark {
            return;
        }
        let place = set.iter().position(|&mark| mark == flow.mark);
        set[..=place.unwrap_or(FLOWS_A_SET - 1)].rotate_right(1);
        set[0] = flow.mark;
    }

    /// True when a flow was seen, and then it is the one used last.
    pub fn knows(&mut self, flow: Flow) -> bool {
        let known = self.sets[flow.set].contains(&flow.mark);
        if known {
            self.note(flow);
        }
        known
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number
/// generators, 2014): every bit of the result depends on every bit of the input.
fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(from: (u8, u16), to: (u8, u16)) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, UDP, 0, 0];
        packet.extend_from_slice(&[198, 18, 0, from.0, 198, 18, 0, to.0]);
        packet.extend_from_slice(&from.1.to_be_bytes());
        packet.extend_from_slice(&to.1.to_be_bytes());
        packet.extend_from_slice(&[0, 8, 0, 0]);
        packet
    }

    #[test]
    fn an_answer_belongs_to_its_question_and_another_port_does_not() {
        let mut flows = Flows::new();
        let question = Flow::of(&datagram((1, 4_000), (2, 53))).expect("UDP");
        assert!(!flows.knows(question));
        flows.note(question);
        let answer = Flow::of(&datagram((2, 53), (1, 4_000))).expect("UDP");
        assert!(flows.knows(answer));
        let other = Flow::of(&datagram((1, 4_001), (2, 53))).expect("UDP");
        assert!(!flows.knows(other));
        let crossed = Flow::of(&datagram((1, 53), (2, 4_000))).expect("UDP");
        assert!(!flows.knows(crossed));
    }

    /// A flow in use outlives any number of others, and the memory does not grow.
    #[test]
    fn the_flow_in_use_is_kept() {
        let mut flows = Flows::new();
        let kept = Flow::of(&datagram((1, 1), (2, 2))).expect("UDP");
        for number in 0..200_000u32 {
            flows.note(kept);
            let from = ((number >> 16) as u8 + 3, number as u16);
            flows.note(Flow::of(&datagram(from, (2, 2))).expect("UDP"));
        }
        assert!(flows.knows(kept));
        assert_eq!(flows.sets.len() * FLOWS_A_SET, UDP_FLOWS_MAX);
    }

    #[test]
    fn what_is_not_udp_has_no_flow() {
        let mut packet = datagram((1, 1), (2, 2));
        packet[9] = 6;
        assert_eq!(Flow::of(&packet), None);
        assert_eq!(Flow::of(&datagram((1, 1), (2, 2))[..22]), None);
        assert_eq!(Flow::of(&[]), None);
    }
}
