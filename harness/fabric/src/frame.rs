//! The bytes that travel through the fabric: an IP packet behind a small header of offloads.
//!
//! A *frame* is what the kernel hands over at a TUN device opened with `IFF_VNET_HDR`: ten bytes
//! (`struct virtio_net_hdr`, section 5.1.6 of the VIRTIO specification, in the byte order of this
//! machine) and then the packet. The header says what the kernel has left undone: a checksum that
//! is only begun (*needs checksum*), or a TCP segment too large for the wire that should be cut up
//! (a *large segment*). When a frame goes straight to another kernel both can stay undone, which
//! is where the speed comes from. Devices without the header get the packet finished by us: see
//! [`complete_checksum`] and [`crate::segment`].
//!
//! Left out on purpose: IPv6 (hosts have none), UDP segmentation (not asked of the kernel).

use std::net::Ipv4Addr;

/// The length of the header of offloads.
pub(crate) const OFFLOAD_BYTES: usize = 10;

/// The longest frame: the header and the longest IPv4 packet.
pub(crate) const FRAME_BYTES_MAX: usize = OFFLOAD_BYTES + u16::MAX as usize;

/// The length of an IPv4 header without options.
const IP_HEADER_BYTES_MIN: usize = 20;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCP_V4: u8 = 1;

/// The header of offloads, read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offload {
    /// The checksum over everything from `checksum_start` is only begun.
    pub needs_checksum: bool,
    /// Not 0: a large TCP segment, to be cut into pieces with this much payload.
    pub segment_bytes: u16,
    /// Where the transport header starts, in the packet.
    pub checksum_start: u16,
    /// Where the checksum is, from the start of the transport header.
    pub checksum_offset: u16,
}

impl Offload {
    /// Reads the header of a frame. None when it asks for something that we did not offer.
    pub fn read(frame: &[u8]) -> Option<Offload> {
        let header = frame.first_chunk::<OFFLOAD_BYTES>()?;
        let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let segment_bytes = match header[1] {
            GSO_NONE => 0,
            GSO_TCP_V4 if word(4) > 0 => word(4),
            _ => return None,
        };
        Some(Offload {
            needs_checksum: header[0] & NEEDS_CHECKSUM != 0,
            segment_bytes,
            checksum_start: word(6),
            checksum_offset: word(8),
        })
    }

    /// Writes the header of a frame whose IP and transport headers have this length together.
    pub fn to_bytes(self, headers_bytes: u16) -> [u8; OFFLOAD_BYTES] {
        let mut header = [0; OFFLOAD_BYTES];
        if self.needs_checksum {
            header[0] = NEEDS_CHECKSUM;
            header[6..8].copy_from_slice(&self.checksum_start.to_ne_bytes());
            header[8..10].copy_from_slice(&self.checksum_offset.to_ne_bytes());
        }
        if self.segment_bytes > 0 {
            header[1] = GSO_TCP_V4;
            header[2..4].copy_from_slice(&headers_bytes.to_ne_bytes());
            header[4..6].copy_from_slice(&self.segment_bytes.to_ne_bytes());
        }
        header
    }
}

/// The packet of a frame.
pub(crate) fn packet(frame: &[u8]) -> &[u8] {
    &frame[OFFLOAD_BYTES..]
}

/// The length of the IPv4 header of a packet; none when it is not a whole IPv4 packet.
pub(crate) fn ip_header_bytes(packet: &[u8]) -> Option<usize> {
    let version_and_length = *packet.first()?;
    let header_bytes = usize::from(version_and_length & 0x0f) * 4;
    let whole = version_and_length >> 4 == 4
        && header_bytes >= IP_HEADER_BYTES_MIN
        && packet.len() >= header_bytes;
    whole.then_some(header_bytes)
}

/// Where an IPv4 packet wants to go; none when it is not IPv4.
pub(crate) fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    ip_header_bytes(packet)?;
    Some(Ipv4Addr::new(
        packet[16], packet[17], packet[18], packet[19],
    ))
}

/// Finishes a checksum that the kernel only began, so that the packet may leave without its
/// header of offloads. Does nothing when there is nothing to finish, and leaves a packet alone
/// whose header points outside of it.
pub(crate) fn complete_checksum(frame: &mut [u8]) {
    let Some(offload) = Offload::read(frame).filter(|offload| offload.needs_checksum) else {
        return;
    };
    let start = usize::from(offload.checksum_start);
    let field = start + usize::from(offload.checksum_offset);
    let packet = &mut frame[OFFLOAD_BYTES..];
    if field + 2 > packet.len() || start > field {
        return;
    }
    // The field holds the sum of the pseudo header, so it is summed along with the rest.
    let checksum = !fold(sum(&packet[start..]));
    // A UDP checksum of zero would mean "none", so RFC 768 sends the other zero instead.
    let checksum = if checksum == 0 { 0xffff } else { checksum };
    packet[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
    frame[..OFFLOAD_BYTES].fill(0);
}

/// The one's complement sum of 16-bit words of RFC 1071, not yet folded.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let whole: u64 = words
        .iter()
        .map(|&word| u64::from(u16::from_be_bytes(word)))
        .sum();
    whole + rest.first().map_or(0, |&last| u64::from(last) << 8)
}

/// Folds the carries of a [`sum`] back in.
pub(crate) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        // The worked example of section 3 of RFC 1071.
        assert_eq!(
            fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])),
            0xddf2
        );
        // An odd byte counts as the high half of a word.
        assert_eq!(fold(sum(&[0x12])), 0x1200);
    }

    #[test]
    fn a_begun_checksum_is_completed_once() {
        let mut frame = vec![0u8; OFFLOAD_BYTES + 28];
        let begun = Offload {
            needs_checksum: true,
            segment_bytes: 0,
            checksum_start: 20,
            checksum_offset: 6,
        };
        frame[..OFFLOAD_BYTES].copy_from_slice(&begun.to_bytes(28));
        frame[OFFLOAD_BYTES + 20..].copy_from_slice(&[1, 2, 3, 4, 0, 8, 0x55, 0xaa]);
        complete_checksum(&mut frame);
        // Summing data and a correct checksum gives all ones, when the pseudo header is added:
        // here 0x55aa stood for it.
        assert_eq!(fold(sum(&frame[OFFLOAD_BYTES + 20..]) + 0x55aa), 0xffff);
        let done = frame.clone();
        complete_checksum(&mut frame);
        assert_eq!(frame, done);
    }

    #[test]
    fn only_ipv4_has_a_destination() {
        let mut packet = [0u8; 20];
        packet[16..].copy_from_slice(&[198, 18, 0, 9]);
        packet[0] = 0x45;
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(198, 18, 0, 9)));
        assert_eq!(destination(&packet[..19]), None);
        packet[0] = 0x65;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&[]), None);
    }
}
