//! The trial: the parts of the local runtime, really used, inside the enclosure.
//!
//! Two hosts' networks are made and joined by a fabric, and a datagram is sent through it. What
//! is not tried: the system under test.

use std::net::Ipv4Addr;

use fabric::measure::{MeasureError, Pair};

use crate::exit::Exit;
use crate::runtime::local::enclosure::{self, Enclosed};

/// Tries everything, and says on standard error what did not work.
///
/// Must be called before any thread is started.
#[must_use]
pub fn probe() -> Exit {
    match enclosure::enter() {
        Ok(Enclosed::Inside) => match send_a_datagram() {
            Ok(()) => Exit::Pass,
            Err(error) => trouble(&error),
        },
        Ok(Enclosed::Ended(exit)) => exit,
        Err(error) => trouble(&error),
    }
}

fn send_a_datagram() -> Result<(), MeasureError> {
    let pair = Pair::on_fabric(&fabric::LinkPolicy::default())?;
    let trips = pair.udp_round_trips(1, fabric::measure::PATIENCE)?;
    if trips.is_empty() {
        let addresses = [Pair::NEAR, Pair::FAR].map(|address: Ipv4Addr| address.to_string());
        return Err(MeasureError::NothingArrived {
            hosts: addresses.join(" and "),
        });
    }
    Ok(())
}

fn trouble(error: &impl std::error::Error) -> Exit {
    crate::cli::output::say(format_args!("harness: {error}"));
    Exit::Trouble
}
