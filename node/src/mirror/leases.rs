//! Leases: for some seconds, one claimant a name. In memory only: they keep contenders from
//! scattering commits, and losing them in a crash costs a retry, never a promise.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use wire::{Name, PublicKey};

/// How long a lease holds.
pub const LEASE: Duration = Duration::from_secs(5);
/// Leases at the same time; beyond it, new ones wait for old ones to end.
const LEASES_MAX: usize = 10_000;

/// The leases of one mirror.
#[derive(Debug, Default)]
pub struct Leases {
    held: HashMap<Name, Lease>,
}

#[derive(Debug)]
struct Lease {
    owner: PublicKey,
    until: Instant,
}

impl Leases {
    /// Leases the name, or tells how long another has it.
    pub fn take(&mut self, name: &Name, owner: PublicKey, now: Instant) -> Result<(), Duration> {
        if let Some(lease) = self.held.get(name)
            && lease.owner != owner
            && lease.until > now
        {
            return Err(lease.until - now);
        }
        if self.held.len() >= LEASES_MAX {
            self.held.retain(|_, lease| lease.until > now);
            if self.held.len() >= LEASES_MAX {
                return Err(LEASE);
            }
        }
        self.held.insert(
            name.clone(),
            Lease {
                owner,
                until: now + LEASE,
            },
        );
        Ok(())
    }

    /// Leases the name whoever has it: the registry's reservations come first.
    pub fn seize(&mut self, name: &Name, owner: PublicKey, now: Instant) {
        self.held.insert(
            name.clone(),
            Lease {
                owner,
                until: now + LEASE,
            },
        );
    }

    /// Ends a lease, if it is this owner's.
    pub fn release(&mut self, name: &Name, owner: PublicKey) {
        if self
            .held
            .get(name)
            .is_some_and(|lease| lease.owner == owner)
        {
            self.held.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claimant_a_name_until_the_lease_ends() {
        let (mut leases, now) = (Leases::default(), Instant::now());
        let name: Name = "alice".parse().expect("a valid name");
        let (one, two) = (PublicKey([1; 32]), PublicKey([2; 32]));
        assert_eq!(leases.take(&name, one, now), Ok(()));
        assert_eq!(leases.take(&name, two, now), Err(LEASE));
        assert_eq!(
            leases.take(&name, one, now),
            Ok(()),
            "the same claimant may ask again"
        );
        assert_eq!(leases.take(&name, two, now + LEASE), Ok(()));
        leases.release(&name, one);
        assert!(
            leases.take(&name, one, now + LEASE).is_err(),
            "only its holder ends a lease"
        );
        leases.seize(&name, one, now);
        assert!(leases.take(&name, two, now).is_err());
    }
}
