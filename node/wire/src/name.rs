//! Names: `[a-z0-9][a-z0-9._-]{2,31}`. A value of type [`Name`] is always valid.

use crate::limits::{NAME_BYTES_MAX, NAME_BYTES_MIN};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// A name that can be registered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too short or too long.
    #[error("a name has {NAME_BYTES_MIN} to {NAME_BYTES_MAX} characters")]
    Length,
    /// A character outside the alphabet.
    #[error("a name starts with a-z or 0-9, and goes on with a-z, 0-9, '.', '_' or '-'")]
    Character,
}

impl Name {
    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place of the name on the ring: SHA-256 of its text.
    #[must_use]
    pub fn position(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if !(NAME_BYTES_MIN..=NAME_BYTES_MAX).contains(&text.len()) {
            return Err(NameError::Length);
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let first = text.bytes().next().is_some_and(plain);
        let rest = text
            .bytes()
            .all(|byte| plain(byte) || b"._-".contains(&byte));
        if first && rest {
            Ok(Self(text))
        } else {
            Err(NameError::Character)
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
