//! Goal: whatever bytes arrive, the decoder refuses them or reads a value, without a panic, without
//! end, and without taking more memory than the bytes can justify. Method: encoded values of every
//! kind that travels are damaged by a seeded generator (bits flipped, parts of two spliced, cut
//! off, lengths edited, bytes drawn) and decoded as that kind or as any other, while the allocator
//! counts. `HARNESS_FUZZ_INPUTS` says how many inputs, `HARNESS_TEST_SEED` from which seed; both
//! are printed, and a failure tells the input.
//!
//! The encoding is canonical but for the padding of numbers (see `round_trips`): what is read from
//! bytes is written as those very bytes, or as fewer that are read as the same value.

mod counting;
mod drawn;

use counting::Counting;
use drawn::{
    any_certificate, any_claim, any_commit, any_commitment, any_entry, any_heartbeat,
    any_heartbeat_answer, any_name, any_record, any_register_answer, any_register_call,
    any_request, any_response, any_roster, any_settle_answer, any_settle_call, any_update_answer,
    enveloped, signed,
};
use proptest::{
    option,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    env,
    fmt::Debug,
    time::{Duration, Instant},
};
use wire::{
    Certificate, Claim, Commit, Commitment, Entry, Heartbeat, Name, Record, Roster, Signed, decode,
    encode,
    limits::MESSAGE_BYTES_MAX,
    message::{Envelope, Request, Response},
    registry_call::{
        HeartbeatAnswer, RegisterAnswer, RegisterCall, SettleAnswer, SettleCall, UpdateAnswer,
    },
};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const INPUTS: u64 = 50_000;
/// Valid encodings of each kind, from which inputs are made.
const SEEDS_A_KIND: usize = 64;
/// Longest input: some offers and rosters are this long, and a length can claim anything.
const INPUT_BYTES_MAX: usize = 8 * 1024;
/// A decoder may hold so many bytes for each byte of its input. The dearest is a list of empty
/// texts: 24 bytes for each byte, and a list that grows holds its old and its new place, which is
/// twice as large, at once.
const BYTES_A_BYTE: usize = 24 * 3;
/// And so many whatever the input. A list tells its length first, and serde makes room for as many
/// elements as fit into 1 MiB before it reads one; lists are nested two deep: mirrors, addresses.
const BYTES_ALWAYS: usize = 2 * 1024 * 1024 + 16 * 1024;
/// One decode takes microseconds; a machine may pause it, but not for so long.
const DECODE_MAX: Duration = Duration::from_secs(2);

/// One kind of value that travels.
struct Kind {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    check: fn(&[u8]) -> Outcome,
}

/// What became of one input.
struct Outcome {
    decoded: bool,
    canonical: bool,
    /// The most bytes that the decoder held at once.
    held: usize,
    took: Duration,
}

/// SplitMix64 (Steele, Lea, Flood 2014): ten million inputs need no better, and this one costs
/// nothing beside a decode.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound; 0 if there is none.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a length");
        usize::try_from(self.next() % bound).expect("below a length")
    }
}

#[test]
fn damaged_bytes_are_refused_or_harmless_in_bounded_memory() {
    let inputs = number("HARNESS_FUZZ_INPUTS").unwrap_or(INPUTS);
    let seed = number("HARNESS_TEST_SEED").unwrap_or(1);
    println!("fuzz: {inputs} inputs, HARNESS_TEST_SEED={seed}");
    let kinds = kinds(seed);
    let mut random = Random(seed);
    let mut input = Vec::with_capacity(2 * INPUT_BYTES_MAX);
    let (mut decoded, mut padded, mut held_max) = (0_u64, 0_u64, 0);
    let began = Instant::now();
    for number in 0..inputs {
        let kind = &kinds[random.below(kinds.len())];
        damage(&kinds, kind, &mut random, &mut input);
        // One in eight is shown to the decoder of another kind.
        let reader = match random.below(8) {
            0 => &kinds[random.below(kinds.len())],
            _ => kind,
        };
        let outcome = (reader.check)(&input);
        let tell = || {
            format!(
                "input {number} of seed {seed}, {}: {input:02x?}",
                reader.name
            )
        };
        let allowed = BYTES_ALWAYS + BYTES_A_BYTE * input.len();
        assert!(
            outcome.held <= allowed,
            "{} bytes: {}",
            outcome.held,
            tell()
        );
        assert!(outcome.took <= DECODE_MAX, "{:?}: {}", outcome.took, tell());
        decoded += u64::from(outcome.decoded);
        padded += u64::from(outcome.decoded && !outcome.canonical);
        held_max = held_max.max(outcome.held);
    }
    let rate = inputs as f64 / began.elapsed().as_secs_f64();
    println!(
        "fuzz: {rate:.0} inputs/s, {decoded} decoded ({padded} with padded numbers), at most \
         {held_max} bytes held; HARNESS_TEST_SEED={seed}"
    );
    assert!(decoded > inputs / 100, "too few inputs get far");
    assert!(decoded < inputs, "nothing was refused");
}

#[test]
fn the_allocator_sees_what_a_decoder_holds() {
    let before = ALLOCATOR.begin();
    drop(vec![0_u8; 3000]);
    assert!(ALLOCATOR.peak_since(before) >= 3000);
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    let parsed = text.replace('_', "").parse();
    Some(parsed.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Decodes, and checks what was read.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(input: &[u8]) -> Outcome {
    let before = ALLOCATOR.begin();
    let began = Instant::now();
    let read = decode::<T>(input, MESSAGE_BYTES_MAX);
    let took = began.elapsed();
    let held = ALLOCATOR.peak_since(before);
    let mut canonical = false;
    if let Ok(value) = &read {
        let written = encode(value);
        canonical = written == input;
        assert!(
            canonical || written.len() < input.len(),
            "{input:02x?} are written as {written:02x?}"
        );
        if !canonical {
            let again = decode::<T>(&written, MESSAGE_BYTES_MAX);
            assert_eq!(again.as_ref(), Ok(value));
        }
    }
    Outcome {
        decoded: read.is_ok(),
        canonical,
        held,
        took,
    }
}

/// Every kind of value that travels, with seeds.
fn kinds(seed: u64) -> Vec<Kind> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let runner = &mut runner;
    vec![
        kind::<Envelope<Request>>("request", enveloped(any_request()), runner),
        kind::<Envelope<Response>>("response", enveloped(any_response()), runner),
        kind::<Name>("name", any_name(), runner),
        kind::<RegisterCall>("register call", any_register_call(), runner),
        kind::<RegisterAnswer>("register answer", any_register_answer(), runner),
        kind::<UpdateAnswer>("update answer", any_update_answer(), runner),
        kind::<SettleCall>("settle call", any_settle_call(), runner),
        kind::<SettleAnswer>("settle answer", any_settle_answer(), runner),
        kind::<HeartbeatAnswer>("heartbeat answer", any_heartbeat_answer(), runner),
        kind::<Option<Entry>>("looked-up entry", option::of(any_entry()), runner),
        kind::<Signed<Heartbeat>>("heartbeat", signed(any_heartbeat()), runner),
        kind::<Signed<Claim>>("claim", signed(any_claim()), runner),
        kind::<Signed<Commit>>("commit", signed(any_commit()), runner),
        kind::<Signed<Record>>("record", signed(any_record()), runner),
        kind::<Signed<Certificate>>("certificate", signed(any_certificate()), runner),
        kind::<Signed<Roster>>("roster", signed(any_roster()), runner),
        kind::<Commitment>("commitment", any_commitment(), runner),
    ]
}

fn kind<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    name: &'static str,
    drawn: impl Strategy<Value = T>,
    runner: &mut TestRunner,
) -> Kind {
    let mut draw = || drawn.new_tree(runner).expect("nothing is rejected");
    let seeds = (0..SEEDS_A_KIND).map(|_| encode(&draw().current()));
    Kind {
        name,
        seeds: seeds.collect(),
        check: check::<T>,
    }
}

/// Makes one input: a seed of the kind, damaged one to four times.
fn damage(kinds: &[Kind], kind: &Kind, random: &mut Random, input: &mut Vec<u8>) {
    input.clear();
    input.extend_from_slice(&kind.seeds[random.below(kind.seeds.len())]);
    // One time in two once, in four twice, and so on.
    for _ in 0..=random.next().trailing_zeros().min(3) {
        match random.below(8) {
            0 | 1 => flip(random, input),
            2 => splice(kind, random, input),
            3 => splice(&kinds[random.below(kinds.len())], random, input),
            4 => input.truncate(random.below(input.len() + 1)),
            5 => edit_length(random, input),
            6 => repeat(random, input),
            _ => draw_bytes(random, input),
        }
        input.truncate(INPUT_BYTES_MAX);
    }
}

fn flip(random: &mut Random, input: &mut [u8]) {
    let at = random.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1_u8 << random.below(8);
    }
}

/// The beginning of the input, and the end of a seed.
fn splice(kind: &Kind, random: &mut Random, input: &mut Vec<u8>) {
    let other = &kind.seeds[random.below(kind.seeds.len())];
    input.truncate(random.below(input.len() + 1));
    input.extend_from_slice(&other[random.below(other.len())..]);
}

/// Puts a number where one may be: small, at a power of two, padded, or over every limit.
fn edit_length(random: &mut Random, input: &mut Vec<u8>) {
    let at = random.below(input.len());
    let value = match random.below(3) {
        0 => random.next() % 300,
        1 => (1_u64 << random.below(64)).wrapping_sub(random.next() % 2),
        _ => random.next(),
    };
    let mut number = encode(&value);
    if random.below(4) == 0 {
        // The same number, one byte longer.
        *number.last_mut().expect("a number has a byte") |= 0x80;
        number.push(0);
    }
    let replaced = at..(at + random.below(3)).min(input.len());
    input.splice(replaced, number);
}

/// Repeats a part, as long lists do.
fn repeat(random: &mut Random, input: &mut Vec<u8>) {
    let from = random.below(input.len());
    let to = (from + 1 + random.below(64)).min(input.len());
    let part = input[from.min(to)..to].to_vec();
    for _ in 0..random.below(100) {
        if input.len() < INPUT_BYTES_MAX {
            input.splice(from..from, part.iter().copied());
        }
    }
}

fn draw_bytes(random: &mut Random, input: &mut Vec<u8>) {
    let from = random.below(input.len() + 1);
    let count = random.below(64);
    let to_the_end = random.below(2) == 0;
    let drawn = (0..count).map(|_| random.next().to_le_bytes()[0]);
    if to_the_end {
        input.truncate(from);
        input.extend(drawn);
    } else {
        let to = (from + count).min(input.len());
        input.splice(from..to, drawn);
    }
}
