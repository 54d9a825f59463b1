//! Records: what a name resolves to. The owner alone signs them; sequence number and expiry stand
//! inside the signature, so that nobody can roll one back or keep one alive.

use crate::{
    clock::UnixMs,
    key::PublicKey,
    limits::{
        ADDRESS_BYTES_MAX, ADDRESSES_MAX, CONTACTS_BYTES_MAX, PROFILE_BYTES_MAX, RECORD_LIFE_MS_MAX,
    },
    name::Name,
    signed::{Body, Invalid, Signed, encode},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a name resolves to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name.
    pub name: Name,
    /// The owner, who signs.
    pub owner: PublicKey,
    /// The higher one wins.
    pub seq: u64,
    /// Not to be believed after this.
    pub expires_at: UnixMs,
    /// Where the owner can be reached, as multiaddresses.
    pub addresses: Vec<String>,
    /// The `value` of the client API; opaque.
    pub profile: String,
    /// Opaque.
    pub contacts: Vec<u8>,
}

impl Body for Record {
    const DOMAIN: &'static [u8] = b"directory/record/1\0";
}

impl Signed<Record> {
    /// Checks limits, expiry and signature.
    ///
    /// # Errors
    /// [`Invalid::Limit`], [`Invalid::Expired`], [`Invalid::Future`] or [`Invalid::Signature`].
    pub fn verify(&self, now: UnixMs) -> Result<(), Invalid> {
        let record = &self.body;
        let fits = record.profile.len() <= PROFILE_BYTES_MAX
            && record.contacts.len() <= CONTACTS_BYTES_MAX
            && addresses_fit(&record.addresses);
        if !fits {
            return Err(Invalid::Limit);
        }
        if record.expires_at <= now {
            return Err(Invalid::Expired);
        }
        if record.expires_at.0.saturating_sub(now.0) > RECORD_LIFE_MS_MAX {
            return Err(Invalid::Future);
        }
        self.signed_by(&record.owner)
    }

    /// SHA-256 of the record with its signature.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(encode(self)).into()
    }
}

/// True if a list of addresses is within its limits.
#[must_use]
pub fn addresses_fit(addresses: &[String]) -> bool {
    addresses.len() <= ADDRESSES_MAX
        && addresses
            .iter()
            .all(|address| address.len() <= ADDRESS_BYTES_MAX)
}
