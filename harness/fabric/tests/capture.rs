//! Goal: a capture file says what happened to each packet, and a reader that is not ours agrees.
//! Method: socket pairs stand in for devices; the file is read back with another implementation
//! of the format.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use fabric::tap::{RECORDS_MAX, Tap};
use fabric::{Capture, Captured, Fabric, HostIndex, LinkPolicy, PolicyTable};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgReader};

const A: HostIndex = HostIndex(0);
const B: HostIndex = HostIndex(1);

/// What the other reader found.
#[derive(Debug, Default, PartialEq)]
struct Found {
    interfaces: Vec<String>,
    /// Interface, packet, direction (1 in, 2 out), comment.
    packets: Vec<(u32, Vec<u8>, u32, Option<String>)>,
    /// Packets that each interface left out.
    left_out: Vec<u64>,
}

fn address(host: HostIndex) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, host.0 as u8 + 1)
}

/// A packet of an odd length, so that padding matters.
fn packet(to: Ipv4Addr, number: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 21, 0, 0, 0, 0, 64, 253, 0, 0, 198, 18, 0, 1];
    packet.extend_from_slice(&to.octets());
    packet.push(number);
    packet
}

fn attach(fabric: &Fabric, host: HostIndex) -> TcpStream {
    let flags = SockFlag::SOCK_CLOEXEC;
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
    let (ours, theirs) = pair.expect("a socket pair");
    fabric
        .attach(host, address(host), theirs)
        .expect("attached");
    let device = TcpStream::from(ours);
    let timeout = Some(Duration::from_secs(30));
    device.set_read_timeout(timeout).expect("a timeout");
    device
}

fn blocked_a_to_b(blocked: bool) -> PolicyTable {
    let mut table = PolicyTable::uniform(2, LinkPolicy::default());
    let policy = LinkPolicy {
        blocked,
        ..LinkPolicy::default()
    };
    table.set(A, B, policy);
    table
}

fn read_back(path: &std::path::Path) -> Found {
    let mut reader = PcapNgReader::new(File::open(path).expect("a file")).expect("a section");
    let mut found = Found::default();
    while let Some(block) = reader.next_block() {
        match block.expect("a valid block").into_owned() {
            Block::InterfaceDescription(block) => {
                for option in block.options {
                    if let InterfaceDescriptionOption::IfName(name) = option {
                        found.interfaces.push(name.into_owned());
                    }
                }
            }
            Block::EnhancedPacket(block) => {
                let (mut direction, mut comment) = (0, None);
                for option in &block.options {
                    match option {
                        EnhancedPacketOption::Flags(flags) => direction = *flags,
                        EnhancedPacketOption::Comment(text) => comment = Some(text.to_string()),
                        _ => {}
                    }
                }
                let data = block.data.to_vec();
                found
                    .packets
                    .push((block.interface_id, data, direction, comment));
            }
            Block::InterfaceStatistics(block) => {
                for option in &block.options {
                    if let InterfaceStatisticsOption::IsbIfDrop(count) = option {
                        found.left_out.push(*count);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// A name of its own for each test's file, removed in the end.
struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    fn new(name: &str) -> Self {
        let name = format!("fabric-{name}-{}.pcapng", std::process::id());
        TemporaryFile(std::env::temp_dir().join(name))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_stranger_reads_which_packets_passed_and_why_others_did_not() {
    let file = TemporaryFile::new("passed");
    let (tap, capture) = Capture::start(&file.0, &["registry", "node-1"]).expect("a file");
    let fabric = Fabric::start(1, 2).expect("a fabric");
    let (mut a, mut b) = (attach(&fabric, A), attach(&fabric, B));
    fabric.set_tap(Some(tap)).expect("tapped");
    let (passes, blocked, back) = (
        packet(address(B), 1),
        packet(address(B), 2),
        packet(address(A), 3),
    );
    let lost = packet(Ipv4Addr::new(198, 19, 0, 9), 4);
    let mut buffer = [0; 100];
    a.write_all(&passes).expect("sent");
    assert_eq!(b.read(&mut buffer).expect("received"), passes.len());
    fabric.set_policies(blocked_a_to_b(true)).expect("blocked");
    a.write_all(&blocked).expect("sent");
    a.write_all(&lost).expect("sent");
    // A link is reported from its first packet on, so this waits for the last of the three.
    while fabric.counters().expect("counters").len() < 2 {}
    b.write_all(&back).expect("sent");
    assert_eq!(a.read(&mut buffer).expect("received"), back.len());
    drop(fabric);
    let captured = capture.finish().expect("written");
    assert_eq!(
        captured,
        Captured {
            written: 6,
            missed: 0
        }
    );
    let comment = |text: &str| Some(text.to_owned());
    let expected = Found {
        interfaces: vec!["registry".into(), "node-1".into()],
        packets: vec![
            (0, passes.clone(), 2, None),
            (1, passes, 1, None),
            (0, blocked, 2, comment("dropped: the link is blocked")),
            (0, lost, 2, comment("dropped: no host has this address")),
            (1, back.clone(), 2, None),
            (0, back, 1, None),
        ],
        left_out: vec![0, 0],
    };
    assert_eq!(read_back(&file.0), expected);
}

/// Nobody reads the records, so the channel fills up: packets still pass, and the rest is counted.
#[test]
fn a_slow_writer_does_not_slow_the_router_and_is_counted() {
    let (tap, records, missed) = Tap::new(2);
    let fabric = Fabric::start(1, 2).expect("a fabric");
    let (mut a, mut b) = (attach(&fabric, A), attach(&fabric, B));
    fabric.set_tap(Some(tap)).expect("tapped");
    let sent = packet(address(B), 1);
    let (mut buffer, packets) = ([0; 100], RECORDS_MAX as u64 / 2 + 10);
    for _ in 0..packets {
        a.write_all(&sent).expect("sent");
        assert_eq!(b.read(&mut buffer).expect("received"), sent.len());
    }
    drop(fabric);
    assert_eq!(missed.total(), 20);
    assert_eq!((missed.of(A), missed.of(B)), (10, 10));
    assert_eq!(records.iter().count(), RECORDS_MAX);
}
