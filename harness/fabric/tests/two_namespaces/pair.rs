//! Two hosts, each a namespace with a TUN device, and the fabric between them.

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use fabric::{Fabric, HostIndex, HostNet, LinkCounters, LinkPolicy, LinkReport, PolicyTable};
use nix::sched::{CloneFlags, setns};

pub const A: HostIndex = HostIndex(0);
pub const B: HostIndex = HostIndex(1);
pub const PORT: u16 = 4_000;
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Two hosts and the fabric between them.
pub struct Pair {
    pub fabric: Fabric,
    pub hosts: [HostNet; 2],
}

pub fn address(host: HostIndex) -> Ipv4Addr {
    Ipv4Addr::from(0xc612_0001 + u32::from(host.0))
}

/// Two hosts, or none when this machine does not allow them.
pub fn pair(test: &str) -> Option<Pair> {
    let create = |host| HostNet::create(address(host), 15, 1500);
    let mut hosts = match create(A).and_then(|a| Ok([a, create(B)?])) {
        Ok(hosts) => hosts,
        Err(error) if std::env::var("HARNESS_REQUIRE_LOCAL").is_ok_and(|value| value == "1") => {
            panic!("HARNESS_REQUIRE_LOCAL=1, but: {error}")
        }
        Err(error) => {
            // Written past the capture of test output, so that it is seen.
            let line = format!("SKIPPED: {test}: {error}\n");
            std::io::stderr()
                .write_all(line.as_bytes())
                .expect("standard error");
            return None;
        }
    };
    let fabric = Fabric::start(42, 2).expect("a fabric");
    for (host, net) in [A, B].into_iter().zip(&mut hosts) {
        let tun = net.take_tun().expect("a new host has its device");
        fabric.attach(host, address(host), tun).expect("attached");
    }
    Some(Pair { fabric, hosts })
}

impl Pair {
    /// Does something inside a host's namespace, on a thread that ends with it. Sockets stay in
    /// the namespace in which they were opened, so they may be brought out.
    pub fn inside<T: Send>(&self, host: HostIndex, work: impl FnOnce() -> T + Send) -> T {
        inside(self.hosts[usize::from(host.0)].netns(), work)
    }

    pub fn udp(&self, host: HostIndex) -> UdpSocket {
        let open = || UdpSocket::bind((address(host), PORT)).expect("a UDP socket");
        let socket = self.inside(host, open);
        let peer = if host == A { B } else { A };
        socket
            .connect((address(peer), PORT))
            .expect("a route to the peer");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        socket
    }

    pub fn set(&self, a_to_b: LinkPolicy, b_to_a: LinkPolicy) {
        let mut table = PolicyTable::uniform(2, LinkPolicy::default());
        table.set(A, B, a_to_b);
        table.set(B, A, b_to_a);
        self.fabric.set_policies(table).expect("policies set");
    }

    pub fn counters(&self, from: HostIndex, to: HostIndex) -> LinkCounters {
        let report = self.report(from, to);
        report.map(|report| report.counters).unwrap_or_default()
    }

    /// What a link has to say; none before its first packet.
    pub fn report(&self, from: HostIndex, to: HostIndex) -> Option<LinkReport> {
        let reports = self.fabric.counters().expect("counters");
        let mut reports = reports.into_iter();
        reports.find(|report| (report.from, report.to) == (from, to))
    }

    /// Waits until so many packets of a link are settled. Each question waits for the router.
    pub fn settled(&self, from: HostIndex, to: HostIndex, packets: u64) -> LinkCounters {
        let start = Instant::now();
        loop {
            let counters = self.counters(from, to);
            if counters.settled() >= packets {
                return counters;
            }
            assert!(start.elapsed() < DEADLINE, "still {counters:?}");
        }
    }
}

fn inside<T: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let enter = || {
            setns(netns, CloneFlags::CLONE_NEWNET).expect("the namespace is ours");
            work()
        };
        scope.spawn(enter).join().expect("the work does not panic")
    })
}
