//! The list of planted bugs.

use super::BugError;
use clap::ValueEnum;
use std::{fmt, str::FromStr};

/// One planted bug; its name on the command line and in JSON is the same in kebab case.
///
/// Where nothing else is said, it bites in whatever a process answers others: a mirror and the
/// registry their peers, and the registry the nodes' calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Bug {
    /// Takes a request and never answers it, as a handler does whose error path forgets the reply;
    /// the asker runs into its time-out.
    DropReplies,
    /// Answers 1.5 s late, as a process does that swaps or collects garbage: later than most of its
    /// askers wait, and within the overlay's own time-out of 2 s, so that the reply does arrive.
    DelayReplies,
    /// Handles a write twice and answers with the second outcome, as a server does that takes a
    /// retransmission for a new request.
    DuplicateReplies,
    /// Flips one bit of the encoded reply, as bad memory does behind every checksum of the link.
    CorruptReplies,
    /// A mirror answers a look-up with the record before the newest, as a server does that reads
    /// from a replica which lags, or from a cache that nobody empties.
    StaleReplies,
    /// Ends the process with exit code 86 when a reply that it waited for took longer than a
    /// second, as the clients did that began the outage of 2010.
    CrashOnSlowReply,
    /// A mirror with more than eight requests under way hangs up on everybody for ten seconds, as
    /// the supernodes did in 2010; their load went to the others.
    StopServingWhenLoaded,
    /// A process that finds its store at its start answers nobody for its first minute, and says
    /// that it is ready, as the supernodes did that were rebooted together in 2007. It goes on to
    /// ask others for its own user: load without capacity.
    StayClosedAfterRestart,
    /// Retries after a millisecond instead of backing off, as the clients did that kept the outage
    /// of 2007 alive.
    RetryWithoutBackoff,
    /// Answers a write before its commit, which follows half a second later, as a store does that
    /// trusts a write cache.
    AckBeforeCommit,
    /// A mirror stores an older or conflicting record over the one it has, as a last-writer-wins
    /// store does whose clock is the order of arrival.
    SkipSeqCheck,
    /// A mirror stores, and a node believes, an entry whose signatures, expiry or owner do not
    /// hold, as software does that checks a certificate and ignores the outcome.
    SkipSignatureCheck,
    /// Believes the addresses of peers that speak another protocol, and passes them on, as overlays
    /// did that merged over one peer which was in both.
    JoinAnyProtocol,
    /// A mirror answers a write and keeps nothing of it, as a server does whose store is full and
    /// whose error path says "ok".
    ForgetWrites,
    /// A mirror answers a look-up with a record that it made itself, as an intruder does.
    ForgeReplies,
    /// A mirror commits a name to whoever asks, as a server does that reads before it writes and
    /// does both without a lock.
    CommitToAnyone,
    /// Takes the word of one member for the word of the group, in reads and in writes, as a client
    /// does that was tuned for speed.
    QuorumOfOne,
    /// A mirror compares its copies with nobody's, as a store does whose anti-entropy was switched
    /// off because it cost too much.
    SkipRepair,
    /// Brings nothing to the registry when that is back: neither what was granted meanwhile nor
    /// what was changed, as a client does that counts on somebody else to do it.
    SkipSettlement,
}

impl Bug {
    /// Every bug, in the order of the list.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The names of all, for a person.
    pub(super) fn names() -> String {
        let names: Vec<_> = Self::all().iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}

impl FromStr for Bug {
    type Err = BugError;

    fn from_str(text: &str) -> Result<Self, BugError> {
        <Self as ValueEnum>::from_str(text, false).map_err(|_| BugError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no bug is left out");
        out.write_str(value.get_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_is_known_by_its_name() {
        for bug in Bug::all() {
            assert_eq!(bug.to_string().parse(), Ok(*bug));
        }
        assert_eq!(Bug::AckBeforeCommit.to_string(), "ack-before-commit");
        assert!("Ack-Before-Commit".parse::<Bug>().is_err());
    }
}
