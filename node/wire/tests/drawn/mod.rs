//! Values of every type that travels, drawn.
//!
//! Keys, hashes and signatures are arbitrary bytes, and numbers have every encoded length: whoever
//! reads them has not judged them yet. Lists are short, so that a failing value can be looked at.

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use wire::{
    Certificate, Claim, Commit, Commitment, Entry, Epoch, Grant, Heartbeat, Mirror, Name,
    ProvisionalGrant, PublicKey, Record, Roster, Signature, Signed, UnixMs, Version, decode,
    encode,
    message::{Denial, Envelope, Refusal, Request, Response},
    registry_call::{
        HeartbeatAnswer, RegisterAnswer, RegisterCall, SettleAnswer, SettleCall, UpdateAnswer,
    },
};

/// A message in its envelope.
pub fn enveloped<T: Debug>(body: impl Strategy<Value = T>) -> impl Strategy<Value = Envelope<T>> {
    (any_epoch(), body).prop_map(|(epoch, body)| Envelope { epoch, body })
}

pub fn any_request() -> BoxedStrategy<Request> {
    let commit = (signed(any_claim()), in_a_box(signed(any_record())));
    prop_oneof![
        signed(any_claim()).prop_map(Request::Claim),
        signed(any_claim()).prop_map(Request::Release),
        commit.prop_map(|(claim, record)| Request::Commit { claim, record }),
        in_a_box(any_entry()).prop_map(Request::Store),
        any_name().prop_map(Request::Lookup),
        (any_name(), any_key()).prop_map(|(name, owner)| Request::Reserve { name, owner }),
        vec(number(), 0..70).prop_map(Request::Summary),
        vec((any_name(), any_version()), 0..4).prop_map(Request::Offer),
        option::of(any_name()).prop_map(Request::Promises),
        in_a_box(signed(any_roster())).prop_map(Request::PutRoster),
        Just(Request::GetRoster),
    ]
    .boxed()
}

pub fn any_response() -> BoxedStrategy<Response> {
    use Refusal::{Broken, CatchingUp, Invalid, NotAllowed, NotMember, OtherEpoch};
    let refusals = vec![
        Invalid, NotMember, OtherEpoch, NotAllowed, Broken, CatchingUp,
    ];
    let found = (
        option::of(in_a_box(any_entry())),
        option::of(in_a_box(any_commitment())),
    );
    prop_oneof![
        Just(Response::Claimed),
        signed(any_commit()).prop_map(Response::Committed),
        any_denial().prop_map(Response::Denied),
        Just(Response::Stored),
        in_a_box(any_entry()).prop_map(Response::Newer),
        in_a_box(any_entry()).prop_map(Response::Conflict),
        found.prop_map(|(entry, commitment)| Response::Found { entry, commitment }),
        number().prop_map(Response::Differs),
        vec(any_name(), 0..4).prop_map(Response::Wanted),
        vec(any_commitment(), 0..3).prop_map(Response::Promises),
        option::of(in_a_box(signed(any_roster()))).prop_map(Response::Roster),
        Just(Response::Done),
        any::<u32>().prop_map(|retry_after_ms| Response::Busy { retry_after_ms }),
        select(refusals).prop_map(Response::Refused),
    ]
    .boxed()
}

fn any_denial() -> impl Strategy<Value = Denial> {
    prop_oneof![
        any::<u32>().prop_map(|for_ms| Denial::Leased { for_ms }),
        in_a_box(any_commitment()).prop_map(Denial::Committed),
        in_a_box(any_entry()).prop_map(Denial::Taken),
    ]
}

pub fn any_register_call() -> impl Strategy<Value = RegisterCall> {
    let parts = (signed(any_claim()), signed(any_record()));
    parts.prop_map(|(claim, record)| RegisterCall { claim, record })
}

pub fn any_register_answer() -> impl Strategy<Value = RegisterAnswer> {
    let taken = (
        any_key(),
        any::<bool>(),
        option::of(signed(any_certificate())),
    );
    prop_oneof![
        signed(any_certificate()).prop_map(RegisterAnswer::Granted),
        taken.prop_map(|(owner, certified, certificate)| RegisterAnswer::Taken {
            owner,
            certified,
            certificate,
        }),
        any::<u32>().prop_map(|retry_after_ms| RegisterAnswer::Busy { retry_after_ms }),
        Just(RegisterAnswer::Invalid),
    ]
}

pub fn any_update_answer() -> impl Strategy<Value = UpdateAnswer> {
    prop_oneof![
        Just(UpdateAnswer::Stored),
        any_entry().prop_map(UpdateAnswer::Newer),
        any_entry().prop_map(UpdateAnswer::NotOwner),
        Just(UpdateAnswer::Unknown),
        Just(UpdateAnswer::Invalid),
    ]
}

pub fn any_settle_call() -> impl Strategy<Value = SettleCall> {
    let commits = vec(signed(any_commit()), 0..4);
    let parts = (
        signed(any_claim()),
        commits,
        option::of(signed(any_record())),
    );
    parts.prop_map(|(claim, commits, record)| SettleCall {
        claim,
        commits,
        record,
    })
}

pub fn any_settle_answer() -> impl Strategy<Value = SettleAnswer> {
    prop_oneof![
        signed(any_certificate()).prop_map(SettleAnswer::Certified),
        signed(any_certificate()).prop_map(SettleAnswer::Rejected),
        any::<u32>().prop_map(|retry_after_ms| SettleAnswer::Later { retry_after_ms }),
        Just(SettleAnswer::Invalid),
    ]
}

pub fn any_heartbeat_answer() -> impl Strategy<Value = HeartbeatAnswer> {
    let roster = option::of(signed(any_roster()));
    let parts = (any_epoch(), roster, any::<u32>(), number());
    parts.prop_map(|(epoch, roster, interval_ms, store)| HeartbeatAnswer {
        epoch,
        roster,
        interval_ms,
        store,
    })
}

pub fn any_entry() -> BoxedStrategy<Entry> {
    (any_grant(), option::of(signed(any_record())))
        .prop_map(|(grant, record)| Entry { grant, record })
        .boxed()
}

pub fn any_grant() -> impl Strategy<Value = Grant> {
    let provisional = (signed(any_claim()), vec(signed(any_commit()), 0..4));
    let provisional = provisional.prop_map(|(claim, commits)| ProvisionalGrant { claim, commits });
    prop_oneof![
        signed(any_certificate()).prop_map(Grant::Certified),
        provisional.prop_map(Grant::Provisional),
    ]
}

pub fn any_commitment() -> BoxedStrategy<Commitment> {
    (
        signed(any_claim()),
        signed(any_commit()),
        signed(any_record()),
    )
        .prop_map(|(claim, commit, record)| Commitment {
            claim,
            commit,
            record,
        })
        .boxed()
}

pub fn any_claim() -> impl Strategy<Value = Claim> {
    let parts = (any_name(), any_key(), any::<[u8; 16]>(), any_time());
    parts.prop_map(|(name, owner, nonce, made_at)| Claim {
        name,
        owner,
        nonce,
        made_at,
    })
}

pub fn any_commit() -> impl Strategy<Value = Commit> {
    let parts = (
        any_name(),
        any_key(),
        any::<[u8; 32]>(),
        any_key(),
        any_epoch(),
    );
    parts.prop_map(|(name, owner, claim_hash, mirror, epoch)| Commit {
        name,
        owner,
        claim_hash,
        mirror,
        epoch,
    })
}

pub fn any_certificate() -> impl Strategy<Value = Certificate> {
    let parts = (any_name(), any_key(), any_time());
    parts.prop_map(|(name, owner, certified_at)| Certificate {
        name,
        owner,
        certified_at,
    })
}

pub fn any_record() -> impl Strategy<Value = Record> {
    let signer = (any_name(), any_key(), number(), any_time());
    let content = (addresses(), text(), vec(any::<u8>(), 0..64));
    (signer, content).prop_map(|(signer, (addresses, profile, contacts))| Record {
        name: signer.0,
        owner: signer.1,
        seq: signer.2,
        expires_at: signer.3,
        addresses,
        profile,
        contacts,
    })
}

fn any_version() -> impl Strategy<Value = Version> {
    let parts = (any::<bool>(), number(), any::<[u8; 8]>());
    parts.prop_map(|(certified, seq, hash)| Version {
        certified,
        seq,
        hash,
    })
}

pub fn any_roster() -> BoxedStrategy<Roster> {
    let mirror = || {
        let parts = (any_key(), addresses(), any::<u16>(), text());
        parts.prop_map(|(key, addresses, score, label)| Mirror {
            key,
            addresses,
            score,
            label,
        })
    };
    let current = (any_epoch(), vec(mirror(), 0..4));
    let previous = (any_epoch(), vec(mirror(), 0..4));
    (current, previous, any_time(), any::<u8>(), addresses())
        .prop_map(
            |(current, previous, issued_at, replicas, addresses)| Roster {
                epoch: current.0,
                issued_at,
                mirrors: current.1,
                replicas,
                previous_epoch: previous.0,
                previous: previous.1,
                registry_addresses: addresses,
            },
        )
        .boxed()
}

pub fn any_heartbeat() -> impl Strategy<Value = Heartbeat> {
    let numbers = (any_time(), number(), any_time(), any_epoch(), any_epoch());
    let labels = vec((text(), text()), 0..3);
    (any_key(), numbers, addresses(), labels).prop_map(|(node, numbers, addresses, labels)| {
        Heartbeat {
            node,
            session: numbers.0,
            counter: numbers.1,
            sent_at: numbers.2,
            epoch: numbers.3,
            settled: numbers.4,
            addresses,
            labels,
        }
    })
}

/// A body under a signature that nobody made.
pub fn signed<T: Debug>(body: impl Strategy<Value = T>) -> impl Strategy<Value = Signed<T>> {
    (body, any_signature()).prop_map(|(body, signature)| Signed { body, signature })
}

fn any_signature() -> impl Strategy<Value = Signature> {
    any::<[[u8; 32]; 2]>()
        .prop_map(|halves| decode::<Signature>(&encode(&halves), 64).expect("two halves"))
}

fn any_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey)
}

pub fn any_name() -> impl Strategy<Value = Name> {
    string_regex("[a-z0-9][a-z0-9._-]{2,31}")
        .expect("a pattern")
        .prop_map(|text| text.parse::<Name>().expect("within the alphabet"))
}

fn any_epoch() -> impl Strategy<Value = Epoch> {
    number().prop_map(Epoch)
}

pub fn any_time() -> impl Strategy<Value = UnixMs> {
    number().prop_map(UnixMs)
}

/// Numbers of every encoded length, the short ones often.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..300_u64,
        (0..64_u32).prop_map(|bits| u64::MAX >> bits),
        any::<u64>()
    ]
}

fn addresses() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..8).prop_map(|letters| letters.into_iter().collect::<String>())
}

fn in_a_box<T: Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Box<T>> {
    value.prop_map(Box::new)
}
