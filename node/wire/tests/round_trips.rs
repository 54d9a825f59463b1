//! What is sent is what arrives, and what was damaged on the road is refused or harmless.
//!
//! Goal: every type that travels between processes is read as it was written, and no bytes make a
//! decoder panic. Method: values of every kind are written and read, with arbitrary bytes for keys
//! and signatures, because reading judges none of them; then their bytes are cut off, added to and
//! flipped, and read again, as are bytes that never were a value.
//!
//! Left out on purpose: that a value has one encoding only. The decoder also takes a number that is
//! padded with zeros, and nothing depends on it, because a body is encoded again before its
//! signature is checked. What is read from damaged bytes may thus be a value, but one that is
//! written as those very bytes or as fewer, and is read back equal.

mod drawn;

use std::fmt::Debug;

use drawn::{
    any_certificate, any_claim, any_commit, any_commitment, any_entry, any_grant, any_heartbeat,
    any_heartbeat_answer, any_name, any_record, any_register_answer, any_register_call,
    any_request, any_response, any_roster, any_settle_answer, any_settle_call, any_time,
    any_update_answer, enveloped, signed,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    Claim, Invalid, PublicKey, SecretKey, Signed, Trust, UnixMs, decode, encode,
    limits::MESSAGE_BYTES_MAX,
};

/// What can be sent, and looked at in a test.
trait Travels: Serialize + DeserializeOwned + PartialEq + Debug {}

impl<T: Serialize + DeserializeOwned + PartialEq + Debug> Travels for T {}

#[test]
fn messages_between_peers_arrive_whole_or_not_at_all() {
    arrives_whole_or_not_at_all(enveloped(any_request()));
    arrives_whole_or_not_at_all(enveloped(any_response()));
}

#[test]
fn calls_to_the_registry_and_its_answers_arrive_whole_or_not_at_all() {
    arrives_whole_or_not_at_all(any_register_call());
    arrives_whole_or_not_at_all(any_register_answer());
    arrives_whole_or_not_at_all(any_update_answer());
    arrives_whole_or_not_at_all(any_settle_call());
    arrives_whole_or_not_at_all(any_settle_answer());
    arrives_whole_or_not_at_all(any_heartbeat_answer());
    arrives_whole_or_not_at_all(any_name());
    arrives_whole_or_not_at_all(option::of(any_entry()));
    arrives_whole_or_not_at_all(option::of(signed(any_roster())));
}

#[test]
fn what_is_signed_and_what_is_granted_arrive_whole_or_not_at_all() {
    arrives_whole_or_not_at_all(signed(any_heartbeat()));
    arrives_whole_or_not_at_all(signed(any_claim()));
    arrives_whole_or_not_at_all(signed(any_commit()));
    arrives_whole_or_not_at_all(signed(any_record()));
    arrives_whole_or_not_at_all(signed(any_certificate()));
    arrives_whole_or_not_at_all(any_roster());
    arrives_whole_or_not_at_all(any_grant());
    arrives_whole_or_not_at_all(any_commitment());
}

#[test]
fn a_padded_number_changes_nothing() {
    let owner = SecretKey::from_seed([1; 32]);
    let body = Claim {
        name: "alice".parse().expect("a valid name"),
        owner: owner.public(),
        nonce: [7; 16],
        made_at: UnixMs(1),
    };
    let sent = Signed::new(body, &owner);
    let mut bytes = encode(&sent);
    // The time is the body's last field and one byte long; the signature of 64 bytes follows.
    let time = bytes.len() - 65;
    assert_eq!(bytes[time], 1);
    bytes[time] |= 0x80;
    bytes.insert(time + 1, 0);
    let read = decode::<Signed<Claim>>(&bytes, MESSAGE_BYTES_MAX).expect("it may be padded");
    assert_eq!(read, sent);
    assert_eq!(read.verify(), Ok(()));
}

proptest! {
    #[test]
    fn nothing_that_nobody_signed_is_believed(
        entry in any_entry(),
        commitment in any_commitment(),
        beat in signed(any_heartbeat()),
        roster in signed(any_roster()),
        now in any_time(),
    ) {
        let rosters = std::slice::from_ref(&roster);
        let trust = Trust { registry: PublicKey([9; 32]), rosters };
        prop_assert!(entry.verify(trust, now).is_err());
        prop_assert!(commitment.verify().is_err());
        prop_assert!(beat.verify(now).is_err());
        prop_assert!(roster.verify(&trust.registry).is_err());
        let group = roster.body.group(entry.name());
        prop_assert!(group.len() <= usize::from(roster.body.replicas));
    }
}

/// Checks drawn values of one type: a value is read as it was written, within its exact length; a
/// part of it, or more than it, is refused; and any other bytes are harmless.
fn arrives_whole_or_not_at_all<T: Travels>(drawn: impl Strategy<Value = T>) {
    let flips = vec((any::<Index>(), 0..8_u8), 1..4);
    // Small numbers are tags and lengths that make sense, so such bytes get further.
    let noise = vec(prop_oneof![0..4_u8, any::<u8>()], 1..256);
    proptest!(|(sent in drawn, cut in any::<Index>(), flips in flips, noise in noise)| {
        let whole = encode(&sent);
        let part = &whole[..cut.index(whole.len())];
        let longer = [whole.as_slice(), noise.as_slice()].concat();
        let too_long = decode::<T>(&whole, whole.len() - 1);
        prop_assert_eq!(too_long, Err(Invalid::TooLong));
        prop_assert_eq!(decode::<T>(part, MESSAGE_BYTES_MAX), Err(Invalid::Encoding));
        prop_assert_eq!(decode::<T>(&longer, MESSAGE_BYTES_MAX), Err(Invalid::Encoding));
        prop_assert_eq!(decode::<T>(&whole, whole.len()), Ok(sent));
        is_harmless::<T>(&flipped(&whole, &flips))?;
        is_harmless::<T>(&[part, noise.as_slice()].concat())?;
        is_harmless::<T>(&noise)?;
    });
}

/// Checks that bytes are refused or read as a value that is written as them or as fewer, so that
/// whoever could take it can also send it on, and that is then read as the same.
fn is_harmless<T: Travels>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(read) = decode::<T>(bytes, MESSAGE_BYTES_MAX) else {
        return Ok(());
    };
    let written = encode(&read);
    let no_longer = written == bytes || written.len() < bytes.len();
    prop_assert!(no_longer, "{bytes:?} are written as {written:?}");
    prop_assert_eq!(decode::<T>(&written, bytes.len()), Ok(read));
    Ok(())
}

fn flipped(bytes: &[u8], flips: &[(Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, bit) in flips {
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << *bit;
    }
    bytes
}
