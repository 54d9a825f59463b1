//! A virtual network in user space: hosts joined by links that do as they are told.
//!
//! Each *host* is a network namespace whose only way out is a TUN device; the *fabric* holds the
//! other end of every such device and routes packets between them on one thread. Each *link*, that
//! is one direction between two hosts, has a *policy* (blocked, latency, loss, bandwidth and the
//! rest of the vocabulary of tc-netem(8), and more), a seeded generator for its random choices,
//! and *counters* that prove what it did. It needs no firewall, no traffic control and no bridge
//! of the kernel's, and when its process dies nothing is left behind.
//!
//! The tour, from pure to impure:
//!
//! - [`policy`]: what a link does to packets, and how two such wishes compose;
//! - [`latency`], [`impairment`], [`filter`]: the parts of a policy;
//! - [`table`]: the policies of all links at one moment;
//! - [`facts`], [`link`], `dice`: the verdict on one packet, a pure function of seed, policy, time
//!   and what its headers say;
//! - [`counters`]: what happened on a link;
//! - `frame`, `segment`: packets as the kernel hands them over, with checksums and TCP segments
//!   left for the hardware to do;
//! - `corrupt`, `reset`, `flows`: a wrong bit, the answer of a closed port, the UDP flows seen;
//! - `tun`, [`host_net`]: a network namespace with a TUN device for each host;
//! - `port`, `in_flight`, `weight`, `switch`, `router`: from one device to the other;
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
mod corrupt;
pub mod counters;
mod dice;
pub mod facts;
pub mod filter;
mod flows;
mod frame;
pub mod handle;
pub mod host_net;
pub mod impairment;
mod in_flight;
pub mod latency;
pub mod link;
pub mod measure;
pub mod pcapng;
pub mod policy;
mod port;
mod reset;
mod router;
mod segment;
mod switch;
pub mod table;
pub mod tap;
mod tun;
mod weight;

pub use capture::{Capture, Captured};
pub use counters::{LinkCounters, LinkReport};
pub use filter::{Filter, Filtered, Protocol};
pub use flows::UDP_FLOWS_MAX;
pub use handle::{Fabric, FabricError};
pub use host_net::{HostNet, HostNetError};
pub use impairment::{Corrupt, Corruption, GilbertElliott, Reorder};
pub use in_flight::JAMMED_ON_LINK_MAX;
pub use latency::{Distribution, Latency};
pub use policy::LinkPolicy;
pub use table::{HostIndex, PolicyTable};
pub use tun::{INTERFACE, NETWORK};
