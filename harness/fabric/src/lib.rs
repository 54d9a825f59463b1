//! A virtual network in user space: hosts joined by links that do as they are told.
//!
//! Each *host* is a network namespace whose only way out is a TUN device; the *fabric* holds the
//! other end of every such device and routes packets between them on one thread. Each *link*, that
//! is one direction between two hosts, has a *policy* (blocked, latency, loss, bandwidth), a
//! seeded generator for its random choices, and *counters* that prove what it did. It needs no
//! firewall, no traffic control and no bridge of the kernel's, and when its process dies nothing
//! is left behind.
//!
//! The tour, from pure to impure:
//!
//! - [`policy`]: what a link does to packets, and how two such wishes compose;
//! - [`table`]: the policies of all links at one moment;
//! - [`link`]: the verdict on one packet, a pure function of seed, policy, time and length;
//! - [`counters`]: what happened on a link;
//! - `frame`, `segment`: packets as the kernel hands them over, with checksums and TCP segments
//!   left for the hardware to do;
//! - `tun`, [`host_net`]: a network namespace with a TUN device for each host;
//! - `port`, `in_flight`, `switch`, `router`: from one device to the other;
//! - [`tap`], [`pcapng`], [`capture`]: a look at the packets, and a file of them;
//! - [`handle`]: what a caller holds;
//! - [`measure`]: what all this costs.
//!
//! ```no_run
//! use fabric::{Fabric, HostIndex, HostNet, LinkPolicy, PolicyTable};
//!
//! let network = Fabric::start(7, 2)?;
//! let mut hosts = Vec::new();
//! for index in 0..2 {
//!     let address = [198, 18, 0, index as u8 + 1].into();
//!     let mut host = HostNet::create(address, 15, 1500)?;
//!     let tun = host.take_tun().expect("a new host has its device");
//!     network.attach(HostIndex(index), address, tun)?;
//!     hosts.push(host);
//! }
//! let mut table = PolicyTable::uniform(2, LinkPolicy::default());
//! table.set(HostIndex(0), HostIndex(1), LinkPolicy { blocked: true, ..LinkPolicy::default() });
//! let since = network.set_policies(table)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It knows nothing of plans, of faults with a start and an end, or of the programs on the hosts.

pub mod capture;
pub mod counters;
mod frame;
pub mod handle;
pub mod host_net;
mod in_flight;
pub mod link;
pub mod measure;
pub mod pcapng;
pub mod policy;
mod port;
mod router;
mod segment;
mod switch;
pub mod table;
pub mod tap;
mod tun;

pub use capture::{Capture, Captured};
pub use counters::{LinkCounters, LinkReport};
pub use handle::{Fabric, FabricError};
pub use host_net::{HostNet, HostNetError};
pub use policy::{Latency, LinkPolicy};
pub use table::{HostIndex, PolicyTable};
pub use tun::{INTERFACE, NETWORK};
