//! Canonical encoding, and signatures over it.
//!
//! What is signed is a domain tag followed by the postcard encoding of the body. The tag keeps a
//! signature over one kind of thing from being shown as a signature over another. The body is
//! encoded again before a signature is checked, so a non-canonical encoding changes nothing.

use crate::key::{PublicKey, SecretKey, Signature};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Why something received is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// More bytes than the limit of this message.
    #[error("longer than the limit")]
    TooLong,
    /// Bytes that are no encoding of the expected type.
    #[error("not a valid encoding")]
    Encoding,
    /// The signature is not the expected signer's.
    #[error("signature does not match")]
    Signature,
    /// Too late.
    #[error("expired")]
    Expired,
    /// A time further ahead than any honest clock.
    #[error("dated in the future")]
    Future,
    /// Lengths inside are over their limits.
    #[error("a field is over its limit")]
    Limit,
    /// Parts that do not belong together, such as a record under another owner's grant.
    #[error("parts do not belong together")]
    Mismatch,
    /// A provisional grant without a majority of the replica group.
    #[error("no majority of the replica group")]
    NoMajority,
    /// A provisional grant of an epoch whose roster is not known here.
    #[error("the roster of that epoch is not known here")]
    UnknownEpoch,
}

/// A thing that can be signed.
pub trait Body: Serialize {
    /// What a signature over this kind of thing starts with.
    const DOMAIN: &'static [u8];
}

/// A body with a signature over it. Who must have signed is the business of each body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What is signed.
    pub body: T,
    /// The signature over the domain tag and the body.
    pub signature: Signature,
}

impl<T: Body> Signed<T> {
    /// Signs a body.
    #[must_use]
    pub fn new(body: T, key: &SecretKey) -> Self {
        let signature = key.sign(&signing_bytes(&body));
        Self { body, signature }
    }

    /// Checks the signature alone.
    ///
    /// # Errors
    /// [`Invalid::Signature`] if it is not `signer`'s.
    pub fn signed_by(&self, signer: &PublicKey) -> Result<(), Invalid> {
        let good = signer.verifies(&signing_bytes(&self.body), &self.signature);
        if good {
            Ok(())
        } else {
            Err(Invalid::Signature)
        }
    }
}

/// The canonical encoding.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("the wire types have known lengths and no failing serializer")
}

/// Decodes one value that must fill all the bytes.
///
/// # Errors
/// [`Invalid::TooLong`] over `bytes_max`, [`Invalid::Encoding`] for anything that is not one value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], bytes_max: usize) -> Result<T, Invalid> {
    if bytes.len() > bytes_max {
        return Err(Invalid::TooLong);
    }
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Invalid::Encoding),
    }
}

fn signing_bytes<T: Body>(body: &T) -> Vec<u8> {
    let mut bytes = T::DOMAIN.to_vec();
    bytes.extend(encode(body));
    bytes
}
