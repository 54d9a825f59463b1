//! The rules of the wire: what is believed, what wins, what is refused.

use proptest::prelude::*;
use wire::{
    Certificate, Claim, Commitment, Entry, Epoch, Grant, Heartbeat, Invalid, Mirror, Name,
    ProvisionalGrant, PublicKey, Record, Roster, SecretKey, Signed, Trust, UnixMs, Verdict, decode,
    encode,
    heartbeat::CLOCK_SKEW_MAX,
    limits::{MESSAGE_BYTES_MAX, PROFILE_BYTES_MAX, RECORD_LIFE_MS_MAX},
};

const NOW: UnixMs = UnixMs(1_000_000);
const LATER: UnixMs = UnixMs(2_000_000);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn name() -> Name {
    "alice".parse().expect("a valid name")
}

fn record(owner: &SecretKey, seq: u64, value: &str) -> Signed<Record> {
    let body = Record {
        name: name(),
        owner: owner.public(),
        seq,
        expires_at: LATER,
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
        profile: value.into(),
        contacts: Vec::new(),
    };
    Signed::new(body, owner)
}

fn claim(owner: &SecretKey) -> Signed<Claim> {
    let body = Claim {
        name: name(),
        owner: owner.public(),
        nonce: [7; 16],
        made_at: NOW,
    };
    Signed::new(body, owner)
}

fn certified(owner: &SecretKey, registry: &SecretKey) -> Grant {
    let body = Certificate {
        name: name(),
        owner: owner.public(),
        certified_at: NOW,
    };
    Grant::Certified(Signed::new(body, registry))
}

fn roster(registry: &SecretKey, epoch: u64, mirrors: &[SecretKey]) -> Signed<Roster> {
    let mirror = |key: &SecretKey| Mirror {
        key: key.public(),
        addresses: Vec::new(),
        score: 1,
        label: String::new(),
    };
    let body = Roster {
        epoch: Epoch(epoch),
        issued_at: NOW,
        mirrors: mirrors.iter().map(mirror).collect(),
        replicas: 5,
        previous_epoch: Epoch(epoch - 1),
        previous: Vec::new(),
        registry_addresses: Vec::new(),
    };
    Signed::new(body, registry)
}

fn provisional(owner: &SecretKey, epoch: u64, mirrors: &[SecretKey]) -> Grant {
    let claim = claim(owner);
    let commits = mirrors
        .iter()
        .map(|mirror| claim.commit(Epoch(epoch), mirror))
        .collect();
    Grant::Provisional(ProvisionalGrant { claim, commits })
}

#[test]
fn names_keep_to_their_alphabet() {
    for good in ["abc", "0-0", "a._-z", "abcdefghijklmnopqrstuvwxyz012345"] {
        assert!(good.parse::<Name>().is_ok(), "{good}");
    }
    let long = "a".repeat(33);
    for bad in [
        "",
        "ab",
        "Abc",
        "-ab",
        ".ab",
        "a b",
        "aä",
        "a/b",
        long.as_str(),
    ] {
        assert!(bad.parse::<Name>().is_err(), "{bad}");
    }
    let smuggled = encode("NOT A NAME");
    assert_eq!(decode::<Name>(&smuggled, 100), Err(Invalid::Encoding));
}

#[test]
fn a_signature_holds_for_its_bytes_its_signer_and_its_kind_only() {
    let (owner, other) = (key(1), key(2));
    let good = claim(&owner);
    assert_eq!(good.verify(), Ok(()));
    assert_eq!(good.signed_by(&other.public()), Err(Invalid::Signature));
    let mut changed = good.clone();
    changed.body.nonce[0] ^= 1;
    assert_eq!(changed.verify(), Err(Invalid::Signature));
    // A certificate and a claim with the same body bytes have different domain tags.
    let body = Certificate {
        name: name(),
        owner: owner.public(),
        certified_at: NOW,
    };
    let certificate = Signed::new(body.clone(), &owner);
    let raw = owner.sign(&encode(&body));
    assert_ne!(certificate.signature, raw);
    assert_eq!(
        Signed {
            body,
            signature: raw
        }
        .signed_by(&owner.public()),
        Err(Invalid::Signature)
    );
}

#[test]
fn a_record_is_refused_when_late_too_long_or_forged() {
    let owner = key(1);
    assert_eq!(record(&owner, 1, "x").verify(NOW), Ok(()));
    assert_eq!(record(&owner, 1, "x").verify(LATER), Err(Invalid::Expired));
    let mut extended = record(&owner, 1, "x");
    extended.body.expires_at = UnixMs(LATER.0 + 1);
    assert_eq!(
        extended.verify(NOW),
        Err(Invalid::Signature),
        "nobody keeps a record alive"
    );
    let long = record(&owner, 1, &"x".repeat(PROFILE_BYTES_MAX + 1));
    assert_eq!(long.verify(NOW), Err(Invalid::Limit));
    let mut eternal = record(&owner, 1, "x").body;
    eternal.expires_at = UnixMs(NOW.0 + RECORD_LIFE_MS_MAX + 1);
    assert_eq!(
        Signed::new(eternal, &owner).verify(NOW),
        Err(Invalid::Future)
    );
}

#[test]
fn a_provisional_grant_needs_a_majority_of_its_group_in_one_known_epoch() {
    let (owner, registry) = (key(1), key(2));
    let mirrors: Vec<_> = (10..15).map(key).collect();
    let rosters = [roster(&registry, 3, &mirrors)];
    let trust = Trust {
        registry: registry.public(),
        rosters: &rosters,
    };
    assert_eq!(provisional(&owner, 3, &mirrors[..3]).verify(trust), Ok(()));
    assert_eq!(
        provisional(&owner, 3, &mirrors[..2]).verify(trust),
        Err(Invalid::NoMajority)
    );
    assert_eq!(
        provisional(&owner, 4, &mirrors).verify(trust),
        Err(Invalid::UnknownEpoch)
    );
    let strangers: Vec<_> = (20..25).map(key).collect();
    assert_eq!(
        provisional(&owner, 3, &strangers).verify(trust),
        Err(Invalid::NoMajority)
    );
    let twice = [mirrors[0].clone(), mirrors[0].clone(), mirrors[0].clone()];
    assert_eq!(
        provisional(&owner, 3, &twice).verify(trust),
        Err(Invalid::NoMajority)
    );
    let Grant::Provisional(mut stolen) = provisional(&owner, 3, &mirrors) else {
        unreachable!()
    };
    stolen.claim = claim(&key(9));
    assert_eq!(
        Grant::Provisional(stolen).verify(trust),
        Err(Invalid::Mismatch)
    );
}

#[test]
fn only_the_pinned_registry_certifies_and_issues_rosters() {
    let (owner, registry, forger) = (key(1), key(2), key(3));
    let trust = Trust {
        registry: registry.public(),
        rosters: &[],
    };
    assert_eq!(certified(&owner, &registry).verify(trust), Ok(()));
    assert_eq!(
        certified(&owner, &forger).verify(trust),
        Err(Invalid::Signature)
    );
    let forged = roster(&forger, 9, &[]);
    assert_eq!(forged.verify(&registry.public()), Err(Invalid::Signature));
}

#[test]
fn an_entry_of_two_owners_is_refused() {
    let (owner, registry) = (key(1), key(2));
    let trust = Trust {
        registry: registry.public(),
        rosters: &[],
    };
    let record = Some(record(&key(3), 1, "x"));
    let entry = Entry {
        grant: certified(&owner, &registry),
        record,
    };
    assert_eq!(entry.verify(trust, NOW), Err(Invalid::Mismatch));
}

#[test]
fn the_newer_record_stays_whatever_the_order() {
    let (owner, registry) = (key(1), key(2));
    let entry = |seq, value| Entry {
        grant: certified(&owner, &registry),
        record: Some(record(&owner, seq, value)),
    };
    let (one, two, other_two) = (entry(1, "a"), entry(2, "b"), entry(2, "c"));
    let newer = one.merge(&two);
    assert_eq!(
        (newer.store, newer.verdict),
        (Some(two.clone()), Verdict::Accepted)
    );
    let older = two.merge(&one);
    assert_eq!((older.store, older.verdict), (None, Verdict::Older));
    let same = two.merge(&two);
    assert_eq!((same.store, same.verdict), (None, Verdict::Accepted));
    let conflict = two.merge(&other_two);
    assert_eq!(
        (conflict.store, conflict.verdict),
        (None, Verdict::Conflict)
    );
}

#[test]
fn a_certified_grant_beats_a_provisional_one_and_nothing_beats_it() {
    let (one, two, registry) = (key(1), key(2), key(3));
    let mirrors: Vec<_> = (10..15).map(key).collect();
    let entry = |grant, owner: &SecretKey, seq| Entry {
        grant,
        record: Some(record(owner, seq, "x")),
    };
    let pending = entry(provisional(&one, 1, &mirrors), &one, 5);
    let settled = entry(certified(&one, &registry), &one, 4);
    let upgrade = pending.merge(&settled);
    let upgraded = upgrade.store.expect("the grant changes");
    assert!(upgraded.grant.is_certified());
    assert_eq!(
        (upgraded.seq(), upgrade.verdict),
        (5, Verdict::Older),
        "the record stays"
    );
    let winner = entry(certified(&two, &registry), &two, 1);
    assert_eq!(pending.merge(&winner).store, Some(winner.clone()));
    assert_eq!(winner.merge(&pending).verdict, Verdict::Conflict);
    assert_eq!(winner.merge(&settled).verdict, Verdict::Conflict);
}

#[test]
fn heartbeats_expire_and_do_not_replay() {
    let node = key(1);
    let beat = |session, counter| {
        let body = Heartbeat {
            node: node.public(),
            session: UnixMs(session),
            counter,
            sent_at: NOW,
            epoch: Epoch(0),
            settled: Epoch(0),
            addresses: Vec::new(),
            labels: Vec::new(),
        };
        Signed::new(body, &node)
    };
    assert_eq!(beat(1, 1).verify(NOW), Ok(()));
    let late = NOW.plus(CLOCK_SKEW_MAX * 2);
    assert_eq!(beat(1, 1).verify(late), Err(Invalid::Expired));
    assert_eq!(beat(1, 1).verify(UnixMs(0)), Err(Invalid::Future));
    assert!(beat(1, 2).follows((UnixMs(1), 1)));
    assert!(!beat(1, 2).follows((UnixMs(1), 2)));
    assert!(
        !beat(1, 9).follows((UnixMs(2), 1)),
        "an earlier session never comes back"
    );
}

#[test]
fn the_group_is_the_closest_and_stable() {
    let registry = key(2);
    let mirrors: Vec<_> = (10..20).map(key).collect();
    let roster = roster(&registry, 1, &mirrors).body;
    let group: Vec<PublicKey> = roster
        .group(&name())
        .iter()
        .map(|mirror| mirror.key)
        .collect();
    assert_eq!(group.len(), 5);
    let distance = |key: &PublicKey| {
        let pairs = key.position().into_iter().zip(name().position());
        pairs.map(|(left, right)| left ^ right).collect::<Vec<_>>()
    };
    let farthest = group.iter().map(distance).max().expect("five members");
    for mirror in roster
        .mirrors
        .iter()
        .filter(|mirror| !group.contains(&mirror.key))
    {
        assert!(distance(&mirror.key) > farthest);
    }
    let mut fewer = roster.clone();
    fewer.mirrors.retain(|mirror| mirror.key != group[0]);
    let kept = fewer
        .group(&name())
        .iter()
        .filter(|mirror| group.contains(&mirror.key))
        .count();
    assert_eq!(kept, 4, "one mirror less changes one member");
}

#[test]
fn a_commitment_with_the_record_of_another_is_refused() {
    let (owner, mirror) = (key(1), key(10));
    let claim = claim(&owner);
    let commitment = Commitment {
        commit: claim.commit(Epoch(1), &mirror),
        record: record(&owner, 1, "value"),
        claim,
    };
    assert_eq!(commitment.verify(), Ok(()));
    let foreign = Commitment {
        record: record(&key(3), 1, "value"),
        ..commitment
    };
    assert_eq!(foreign.verify(), Err(Invalid::Mismatch));
}

proptest! {
    #[test]
    fn a_flipped_bit_is_never_believed(at in 0_usize..4096, bit in 0_u32..8) {
        let owner = key(1);
        let good = record(&owner, 7, "value");
        let mut bytes = encode(&good);
        let at = at % bytes.len();
        bytes[at] ^= 1_u8 << bit;
        if let Ok(changed) = decode::<Signed<Record>>(&bytes, MESSAGE_BYTES_MAX) {
            prop_assert!(changed == good || changed.verify(NOW).is_err());
        }
    }

    #[test]
    fn merging_in_any_order_ends_in_the_same(seqs in prop::collection::vec(1_u64..6, 1..8)) {
        let (owner, registry) = (key(1), key(2));
        let entry = |seq: u64| Entry {
            grant: certified(&owner, &registry),
            record: Some(record(&owner, seq, &seq.to_string())),
        };
        let newest = seqs.iter().map(|seq| entry(*seq)).reduce(|left, right| left.newest(&right));
        let reversed =
            seqs.iter().rev().map(|seq| entry(*seq)).reduce(|left, right| left.newest(&right));
        prop_assert_eq!(newest.as_ref().map(Entry::seq), seqs.iter().max().copied());
        prop_assert_eq!(newest, reversed);
    }
}

#[test]
fn a_group_is_spread_over_labels_as_far_as_there_are_others() {
    let keys: Vec<_> = (20..40).map(key).collect();
    let mut roster = roster(&key(9), 1, &keys).body;
    for (at, mirror) in roster.mirrors.iter_mut().enumerate() {
        mirror.label = if at < 16 { "old" } else { "new" }.into();
    }
    for number in 0..200 {
        let name: Name = format!("name-{number}").parse().expect("a valid name");
        let of_old = |roster: &Roster| {
            let group = roster.group(&name);
            assert_eq!(group.len(), 5);
            group.iter().filter(|mirror| mirror.label == "old").count()
        };
        assert!((2..=3).contains(&of_old(&roster)), "{name}");
        let mut few = roster.clone();
        few.mirrors.truncate(17);
        assert_eq!(of_old(&few), 4, "one of the new ones, and no seat is empty");
    }
}
