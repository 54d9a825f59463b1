//! Every size limit of the protocol, in one place, so that a reader can add them up.
//!
//! A decoder checks the length of its input first, and `verify` checks the lengths inside, so a
//! stranger can neither fill a memory nor a disk with one message.

/// Shortest name, in bytes.
pub const NAME_BYTES_MIN: usize = 3;
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 32;
/// Longest profile (the `value` of the client API), in bytes.
pub const PROFILE_BYTES_MAX: usize = 1024;
/// Longest contact list, in bytes.
pub const CONTACTS_BYTES_MAX: usize = 4096;
/// Most addresses of one peer or record.
pub const ADDRESSES_MAX: usize = 8;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 128;
/// Most labels of one node.
pub const LABELS_MAX: usize = 16;
/// Longest key or value of a label, in bytes.
pub const LABEL_BYTES_MAX: usize = 64;
/// Most mirrors of one roster.
pub const MIRRORS_MAX: usize = 128;
/// Largest replica group.
pub const REPLICAS_MAX: usize = 16;
/// Most names in one offer between mirrors.
pub const OFFER_NAMES_MAX: usize = 512;
/// Buckets of a digest summary; one bit each fits a `u64`.
pub const DIGEST_BUCKETS: usize = 64;
/// Largest message between peers, in bytes: an offer (512 names) or a roster with its predecessor.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Largest body of a call to the registry, in bytes.
pub const CALL_BYTES_MAX: usize = 64 * 1024;
/// Longest life of a record, in milliseconds (30 days): bounds how long a replay stays possible.
pub const RECORD_LIFE_MS_MAX: u64 = 30 * 24 * 3600 * 1000;
