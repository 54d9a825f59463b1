//! Measures what the fabric costs: one TCP flow for three seconds, and the round trip of a UDP
//! ping-pong, between two hosts on a healthy link and on links with faults.
//!
//! `cargo run --release -p fabric --example throughput`, as root. With the argument `veth` it also
//! measures a pair of kernel interfaces, which it makes with the `ip` program.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fabric::{Fabric, HostIndex, HostNet, Latency, LinkPolicy, PolicyTable};
use nix::sched::{CloneFlags, setns};

const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
const FLOW: Duration = Duration::from_secs(3);
const PINGS: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let one_way = |latency, loss_ppm| LinkPolicy {
        latency,
        loss_ppm,
        ..LinkPolicy::default()
    };
    let millisecond = Latency::Constant { mean_us: 1_000 };
    measure_fabric("fabric, healthy", &LinkPolicy::default())?;
    measure_fabric("fabric, loss 0.0001 %", &one_way(vec![], vec![1]))?;
    measure_fabric("fabric, latency 1 ms", &one_way(vec![millisecond], vec![]))?;
    if std::env::args().any(|argument| argument == "veth") {
        measure_veth()?;
    }
    Ok(())
}

fn measure_fabric(name: &str, policy: &LinkPolicy) -> Result<(), Box<dyn Error>> {
    let fabric = Fabric::start(1, 2)?;
    let mut hosts = [HostNet::create(A, 15, 1500)?, HostNet::create(B, 15, 1500)?];
    for ((index, address), host) in (0..).zip([A, B]).zip(&mut hosts) {
        let tun = host.take_tun().ok_or("a new host has its device")?;
        fabric.attach(HostIndex(index), address, tun)?;
    }
    fabric.set_policies(PolicyTable::uniform(2, policy.clone()))?;
    let before = fabric.cpu_time();
    measure(name, hosts[0].netns(), hosts[1].netns())?;
    println!(
        "    router: {:.2} s of processor time",
        (fabric.cpu_time() - before).as_secs_f64()
    );
    for report in fabric.counters()? {
        println!(
            "    {} -> {}: {:?}",
            report.from.0, report.to.0, report.counters
        );
    }
    Ok(())
}

fn measure(name: &str, a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<(), Box<dyn Error>> {
    let bits_per_second = tcp_flow(a, b)?;
    let (median, tail) = udp_round_trip(a, b)?;
    println!(
        "{name}: {:.2} Gbit/s, round trip {median:?} (p99 {tail:?})",
        bits_per_second / 1e9
    );
    Ok(())
}

/// The rate at which one TCP flow arrives.
fn tcp_flow(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<f64, Box<dyn Error>> {
    let listener = inside(b, || TcpListener::bind((B, 4_000)))?;
    let mut sender = inside(a, || TcpStream::connect((B, 4_000)))?;
    let (mut receiver, _) = listener.accept()?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || -> std::io::Result<()> {
            let block = vec![7; 128 << 10];
            let start = Instant::now();
            while start.elapsed() < FLOW {
                sender.write_all(&block)?;
            }
            Ok(())
        });
        let mut block = vec![0; 256 << 10];
        let (start, mut bytes) = (Instant::now(), 0);
        while start.elapsed() < FLOW {
            match receiver.read(&mut block)? {
                0 => break,
                count => bytes += count,
            }
        }
        let rate = bytes as f64 * 8.0 / start.elapsed().as_secs_f64();
        drop(receiver);
        // The sender may find the connection reset, now that nobody reads it.
        let _ = sending.join();
        Ok(rate)
    })
}

/// The median and the 99th percentile of a ping-pong.
fn udp_round_trip(
    a: BorrowedFd<'_>,
    b: BorrowedFd<'_>,
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let near = inside(a, || UdpSocket::bind((A, 4_000)))?;
    let far = inside(b, || UdpSocket::bind((B, 4_000)))?;
    near.connect((B, 4_000))?;
    near.set_read_timeout(Some(Duration::from_millis(500)))?;
    far.set_read_timeout(Some(Duration::from_millis(500)))?;
    let echo = thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((bytes, peer)) = far.recv_from(&mut buffer) {
            if far.send_to(&buffer[..bytes], peer).is_err() {
                return;
            }
        }
    });
    let mut times = Vec::with_capacity(PINGS);
    let mut buffer = [0; 64];
    let start = Instant::now();
    while times.len() < PINGS && start.elapsed() < FLOW {
        let start = Instant::now();
        near.send(&buffer)?;
        if near.recv(&mut buffer).is_ok() {
            times.push(start.elapsed());
        }
    }
    let _ = echo.join();
    times.sort_unstable();
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

/// The same between two namespaces joined by the kernel.
fn measure_veth() -> Result<(), Box<dyn Error>> {
    let [a, b] = [empty_namespace()?, empty_namespace()?];
    let ip = |netns: &OwnedFd, line: &str| -> Result<(), Box<dyn Error>> {
        let status = inside(netns.as_fd(), || {
            Command::new("ip").args(line.split(' ')).status()
        })?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("ip {line}: {status}").into())
        }
    };
    let peer = {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), b.as_raw_fd())
    };
    ip(
        &a,
        &format!("link add va type veth peer name vb netns {peer}"),
    )?;
    for (netns, name, address) in [(&a, "va", A), (&b, "vb", B)] {
        ip(netns, &format!("addr add {address}/15 dev {name}"))?;
        ip(netns, &format!("link set {name} up"))?;
    }
    measure("veth pair", a.as_fd(), b.as_fd())
}

fn empty_namespace() -> Result<OwnedFd, Box<dyn Error>> {
    let host = HostNet::create(Ipv4Addr::new(198, 18, 255, 1), 32, 1500)?;
    // Without its device, only the loopback interface is left in it.
    Ok(host.netns().try_clone_to_owned()?)
}

fn inside<T: Send>(
    netns: BorrowedFd<'_>,
    work: impl FnOnce() -> std::io::Result<T> + Send,
) -> std::io::Result<T> {
    thread::scope(|scope| {
        let enter = || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            work()
        };
        scope.spawn(enter).join().expect("the work does not panic")
    })
}
