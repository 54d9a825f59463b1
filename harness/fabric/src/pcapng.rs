//! The capture file format: pcapng, as draft-ietf-opsawg-pcapng describes it.
//!
//! Pure: each function returns the bytes of one block. A file is one section header, one interface
//! description for each host, packets, and at the end one block of statistics for each host.
//! Numbers are little-endian, times are in microseconds, packets start with their IP header.
//!
//! Left out on purpose: name resolution, secrets, everything that needs looking into packets.

use crate::tap::{Direction, Tapped};

/// Packets start with an IP header: `LINKTYPE_RAW`.
const LINKTYPE_RAW: u16 = 101;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// The version of the format, 1.0.
const VERSION: [u16; 2] = [1, 0];
/// "Not said", so that a section needs no second pass.
const SECTION_LENGTH_UNKNOWN: u64 = u64::MAX;

const OPTION_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
/// Units of 10⁻⁶ seconds.
const MICROSECONDS: u8 = 6;
const EPB_FLAGS: u16 = 2;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;

/// The first block of a file; the comment says what it holds.
#[must_use]
pub fn section_header(comment: &str) -> Vec<u8> {
    let mut body = BYTE_ORDER_MAGIC.to_le_bytes().to_vec();
    body.extend(VERSION.into_iter().flat_map(u16::to_le_bytes));
    body.extend(SECTION_LENGTH_UNKNOWN.to_le_bytes());
    add_option(&mut body, OPTION_COMMENT, comment.as_bytes());
    add_option(&mut body, SHB_USERAPPL, b"harness");
    end_options(&mut body);
    block(SECTION_HEADER, &body)
}

/// Describes the next interface; interfaces are numbered in the order of these blocks.
#[must_use]
pub fn interface(name: &str) -> Vec<u8> {
    let mut body = LINKTYPE_RAW.to_le_bytes().to_vec();
    body.extend([0; 2]);
    // No limit of the captured length.
    body.extend(0u32.to_le_bytes());
    add_option(&mut body, IF_NAME, name.as_bytes());
    add_option(&mut body, IF_TSRESOL, &[MICROSECONDS]);
    end_options(&mut body);
    block(INTERFACE_DESCRIPTION, &body)
}

/// One packet; a dropped one has a comment with the cause.
#[must_use]
pub fn packet(tapped: &Tapped) -> Vec<u8> {
    let bytes = &tapped.packet;
    let length = u32::try_from(bytes.len()).expect("an IPv4 packet is below 64 KiB");
    let mut body = Vec::with_capacity(bytes.len() + 64);
    body.extend(u32::from(tapped.host.0).to_le_bytes());
    body.extend(timestamp(tapped.at_us));
    body.extend(length.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend_from_slice(bytes);
    pad(&mut body);
    let flags: u32 = match tapped.direction {
        Direction::Inbound => 1,
        Direction::Outbound => 2,
    };
    add_option(&mut body, EPB_FLAGS, &flags.to_le_bytes());
    if let Some(cause) = tapped.dropped {
        add_option(&mut body, OPTION_COMMENT, cause.as_bytes());
    }
    end_options(&mut body);
    block(ENHANCED_PACKET, &body)
}

/// How many packets of an interface are in the file, and how many were left out.
#[must_use]
pub fn statistics(interface: u16, at_us: u64, captured: u64, missed: u64) -> Vec<u8> {
    let mut body = u32::from(interface).to_le_bytes().to_vec();
    body.extend(timestamp(at_us));
    if missed > 0 {
        let words = format!("{missed} packets were not captured: the writer was behind");
        add_option(&mut body, OPTION_COMMENT, words.as_bytes());
    }
    add_option(&mut body, ISB_IFRECV, &(captured + missed).to_le_bytes());
    add_option(&mut body, ISB_IFDROP, &missed.to_le_bytes());
    end_options(&mut body);
    block(INTERFACE_STATISTICS, &body)
}

/// The upper half comes first, each half little-endian.
fn timestamp(at_us: u64) -> [u8; 8] {
    at_us.rotate_left(32).to_le_bytes()
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).expect("a block is one packet and few options");
    let mut block = Vec::with_capacity(body.len() + 12);
    block.extend(kind.to_le_bytes());
    block.extend(length.to_le_bytes());
    block.extend_from_slice(body);
    block.extend(length.to_le_bytes());
    block
}

fn add_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("options are short texts");
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

fn end_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

/// Everything starts at a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
