//! Why an operation was not done, and whether that is certain.

use wire::{PublicKey, api::Problem};

/// A refused operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name has another owner.
    #[error("the name is taken")]
    Taken {
        /// Who.
        owner: PublicKey,
        /// Whether that is final.
        certified: bool,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Certainly nothing was or will be accepted.
    #[error("{0}")]
    Unreachable(String),
    /// Certainly nothing was or will be accepted: too much to do.
    #[error("too much to do")]
    Busy {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// It may have happened.
    #[error("{0}")]
    Unknown(String),
    /// No such name, by the word of a majority or of the registry.
    #[error("no such name")]
    NotFound,
    /// The name is not this node's.
    #[error("the name is not this node's")]
    NotOwner,
}

impl Refusal {
    /// The HTTP status and the body.
    #[must_use]
    pub fn problem(&self) -> (u16, Problem) {
        let problem = |error: &str| Problem {
            error: error.into(),
            ..Problem::default()
        };
        let because = |error: &str| Problem {
            detail: Some(self.to_string()),
            ..problem(error)
        };
        match self {
            Self::Taken { owner, certified } => {
                let (owner, certified) = (Some(owner.to_string()), Some(*certified));
                (
                    409,
                    Problem {
                        owner,
                        certified,
                        ..problem("taken")
                    },
                )
            }
            Self::Invalid(_) => (400, because("invalid")),
            Self::Unreachable(_) => (503, because("unreachable")),
            Self::Busy { retry_after_ms } => (
                503,
                Problem {
                    retry_after_ms: Some(*retry_after_ms),
                    ..because("busy")
                },
            ),
            Self::Unknown(_) => (504, because("unknown")),
            Self::NotFound => (404, problem("not_found")),
            Self::NotOwner => (403, problem("not_owner")),
        }
    }
}

impl From<crate::disk::DiskError> for Refusal {
    /// A failing disk: what was sent before may have been accepted.
    fn from(error: crate::disk::DiskError) -> Self {
        Self::Unknown(error.to_string())
    }
}
