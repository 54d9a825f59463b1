//! What is written reads back the same, and what is damaged is refused or reported, never a crash.
//!
//! Goal: no event, schedule or history that was ever written is read differently later, and no
//! file, however broken, makes a reader, a checker or a renderer panic. Method: events of every
//! kind with hostile texts, and schedules of drawn plans, go through JSON and must come out equal;
//! golden histories are damaged line by line and number by number, and histories are put together
//! from events at any times; whatever can still be read is judged and rendered in every form.
//!
//! Left out on purpose: times beyond an hour, because figures and drawings take time and memory in
//! proportion to the length of a run.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use harness::check;
use harness::fault::Count;
use harness::history::{
    Answer, ClockEvidence, Completion, ErrorKind, Event, EventKind, Evidence, FORMAT, History,
    HistoryError, HostState, HostUsage, Invocation, LoadEvidence, OperationKind, Outcome, Phase,
    Purpose, RunHeader, Served, Usage,
};
use harness::host::HostId;
use harness::plan::{self, Plan, Verdict};
use harness::report::{Report, html, junit, markdown, summary, verdict_json};
use harness::schedule::{self, Schedule};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The longest run of a history that is judged here, microseconds.
const HOUR_US: u64 = 3_600_000_000;

/// Faults that drawn events refer to. Some drawn plans have fewer: then nothing can be read.
const FAULTS: usize = 2;

/// Steps of drawn plans, without their start.
const STEPS: &[&str] = &[
    "targets: registry, fault: kill",
    "for: 9s, targets: {count: 3, of: nodes}, fault: pause",
    "for: 2500ms, targets: [registry, node-1, {one: old}], fault: wipe",
    "targets: {majority: nodes}, fault: restart",
    "for: 1s, targets: {minority: mirrors}, fault: {partition: {shape: split}}",
    "for: 1m, targets: mirrors, fault: {partition: {shape: one-way, direction: to}}",
    "targets: {percent: 30%, of: nodes}, fault: {latency: {mean: 40ms, jitter: 10ms}}",
    "targets: old, fault: {latency: {mean: 9ms, jitter: 1s, distribution: normal}}",
    "for: 3s, targets: {one: nodes}, fault: {loss: {rate: 2.5%}}",
    "for: 3s, links: [node-1 -> registry, old <-> node-2], port: 7001, fault: jam",
    "every: 4s, times: 3, jitter: 900ms, for: 1s, targets: old, fault: {cpu: {share: 5%}}",
    "phase: heal, for: 2s, targets: old, fault: {clock: {offset: '-1h', drift: '+0.5%'}}",
    "sequence: [{for: 1s, targets: old, fault: jam}, {targets: registry, fault: crash}]",
];

/// The rest of drawn plans.
const CIRCUMSTANCES: &[&str] = &[
    "workload: {rates: {resolve: 9/s}}",
    "workload: {rates: {register: 2/s, resolve: 30/s, update: 50/min}, popularity: {zipf: 1.2}}
network: {latency: 5ms, jitter: 1500us, loss: 0.3%, bandwidth: 2500kbit}
expect: {availability: {resolve: 99.9%}, latency: {update: {p50: 1ms, p99: 1m 30s}}, recovery: 5s,
    load: {spread: 2.5}}",
    "workload: {rates: {register: 0.7/s}, popularity: uniform, contention: 12.5%}
duration: 1m",
];

proptest! {
    #[test]
    fn every_event_is_one_line_and_reads_back_equal(event in any_event()) {
        let line = serde_json::to_string(&event).expect("an event has string keys only");
        prop_assert!(!line.contains('\n'), "{line}");
        prop_assert_eq!(serde_json::from_str::<Event>(&line).expect("our own format"), event);
    }

    #[test]
    fn a_plan_compiles_the_same_every_time_and_its_schedule_reads_back_equal(
        text in any_plan(),
        seed in any::<u64>(),
    ) {
        let schedule = schedule::compile(&loaded(&text), seed);
        let json = schedule.to_json();
        let again = schedule::compile(&loaded(&text), seed);
        prop_assert_eq!(again.to_json(), json.as_str());
        let read: Schedule = serde_json::from_str(&json).expect("our own format");
        prop_assert_eq!(read.to_json(), json);
        prop_assert_eq!(read, schedule);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        let golden = fs::read(&golden_files()[0]).expect("golden histories are committed");
        let header = golden.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        report(History::read(bytes.as_slice()));
        report(History::read([header, bytes.as_slice()].concat().as_slice()));
    }

    #[test]
    fn no_damage_to_a_history_makes_anything_panic(
        file in select(golden_files()),
        damage in vec(any_damage(), 0..8),
    ) {
        let golden = fs::read(&file).expect("golden histories are committed");
        let text = damage.iter().fold(golden, |text, one| one.done_to(&text));
        report(History::read(text.as_slice()));
    }

    #[test]
    fn events_at_any_times_have_a_report(story in any_story()) {
        report(History::from_events(story));
    }
}

fn golden_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(folder).expect("golden histories are committed");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let is_history = |path: &PathBuf| path.extension().is_some_and(|one| one == "jsonl");
    let mut files: Vec<PathBuf> = paths.filter(is_history).collect();
    files.sort();
    files
}

/// Judges what could be read and renders it in every form; what is for programs must be readable
/// by them. A refusal to read is as good.
fn report(history: Result<History, HistoryError>) {
    let Ok(history) = history else {
        return;
    };
    let report = Report::compose(&history, check::judge(&history));
    assert!(!html::render(&report).is_empty());
    assert!(!markdown::render(&report).is_empty());
    assert!(!summary::render(&report, Path::new("report.html"), true).is_empty());
    let json = verdict_json::render(&report);
    serde_json::from_str::<serde_json::Value>(&json).expect("it is JSON");
    roxmltree::Document::parse(&junit::render(&report)).expect("it is XML");
}

/// Something that happens to a file; each place is a share of its length.
#[derive(Clone, Debug)]
enum Damage {
    LineRemoved(Index),
    LineDoubled(Index),
    LinesSwapped(Index, Index),
    /// The number that holds one of the file's digits is another.
    NumberReplaced(Index, u64),
    BitFlipped(Index, u8),
    CutShort(Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let number = prop_oneof![0..20_u64, 0..60_000_000_u64, 0..=HOUR_US];
    prop_oneof![
        2 => any::<Index>().prop_map(Damage::LineRemoved),
        2 => any::<Index>().prop_map(Damage::LineDoubled),
        3 => any::<(Index, Index)>().prop_map(|(one, other)| Damage::LinesSwapped(one, other)),
        4 => (any::<Index>(), number).prop_map(|(at, number)| Damage::NumberReplaced(at, number)),
        1 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::BitFlipped(at, bit)),
        1 => any::<Index>().prop_map(Damage::CutShort),
    ]
}

impl Damage {
    fn done_to(&self, text: &[u8]) -> Vec<u8> {
        if text.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let count = lines.len();
        match self {
            Damage::LineRemoved(line) => {
                lines.remove(line.index(count));
            }
            Damage::LineDoubled(line) => {
                let line = line.index(count);
                lines.insert(line, lines[line]);
            }
            Damage::LinesSwapped(one, other) => lines.swap(one.index(count), other.index(count)),
            Damage::NumberReplaced(at, number) => return with_number(text, *at, *number),
            Damage::BitFlipped(at, bit) => {
                let mut flipped = text.to_vec();
                flipped[at.index(text.len())] ^= 1_u8 << bit;
                return flipped;
            }
            Damage::CutShort(at) => return text[..at.index(text.len())].to_vec(),
        }
        lines.concat()
    }
}

fn with_number(text: &[u8], place: Index, number: u64) -> Vec<u8> {
    let is_digit = |at: &usize| text.get(*at).is_some_and(u8::is_ascii_digit);
    let digits: Vec<usize> = (0..text.len()).filter(is_digit).collect();
    if digits.is_empty() {
        return text.to_vec();
    }
    let digit = digits[place.index(digits.len())];
    let start = (0..=digit).rev().take_while(is_digit).last();
    let end = (digit..text.len()).find(|at| !is_digit(at));
    let before = &text[..start.unwrap_or(digit)];
    let after = &text[end.unwrap_or(text.len())..];
    [before, number.to_string().as_bytes(), after].concat()
}

/// A history from its first event on, with operations that begin before they end, at any times.
fn any_story() -> impl Strategy<Value = Vec<Event>> {
    let time = || 0..=HOUR_US;
    let end = option::of((time(), any_outcome()));
    let operations = vec((time(), any_invocation(), end), 0..20);
    let happenings = vec((time(), any_happening()), 0..40);
    let parts = (any_header(), operations, happenings);
    parts.prop_map(|(header, operations, happenings)| {
        let mut story = vec![(0, EventKind::RunStarted(Box::new(header)))];
        for (op, (at_us, mut invocation, end)) in (0..).zip(operations) {
            (invocation.op, invocation.intended_us) = (op, at_us);
            story.push((at_us, EventKind::Invoked(invocation)));
            story.extend(end.map(|(at_us, outcome)| {
                let completion = Completion { op, outcome };
                (at_us, EventKind::Completed(completion))
            }));
        }
        story.extend(happenings);
        let event = |(at_us, event)| Event { at_us, event };
        story.into_iter().map(event).collect::<Vec<Event>>()
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let completion = (any::<u64>(), any_outcome());
    let kind = prop_oneof![
        24 => any_happening(),
        2 => any_invocation().prop_map(EventKind::Invoked),
        6 => completion.prop_map(|(op, outcome)| EventKind::Completed(Completion { op, outcome })),
        1 => any_header().prop_map(|header| EventKind::RunStarted(Box::new(header))),
    ];
    (any::<u64>(), kind).prop_map(|(at_us, event)| Event { at_us, event })
}

/// Any event but the first one and those of operations.
fn any_happening() -> impl Strategy<Value = EventKind> {
    use EventKind::WorldApplied;
    use EventKind::{Digest, FaultStarted, FaultStopped, FaultTurned, HostChanged, LogAlarm};
    use EventKind::{Measured, PhaseStarted, RunFinished, Settled, Strangers, Trouble};
    use Phase::{Boot, FinalReads, Heal, Preload, Settle, Stop, Timeline};
    let phases = [Boot, Preload, Timeline, Heal, Settle, FinalReads, Stop];
    let phase = select(phases.to_vec());
    let (targets, hits) = (vec(any_host(), 0..4), vec(any_host(), 0..4));
    let links = option::of(vec((any_host(), any_host()), 0..3));
    let applied = any::<(Option<u64>, u64)>();
    let settled = (any::<bool>(), vec((any_host(), any::<u64>()), 0..4));
    let served = (any_host(), any::<u64>(), vec(hostile(), 0..3));
    let digest = (any_host(), btree_map(hostile(), hostile(), 0..4));
    prop_oneof![
        4 => phase.prop_map(|phase| PhaseStarted { phase }),
        5 => (any_host(), any_state()).prop_map(|(host, state)| HostChanged { host, state }),
        3 => (0..FAULTS, targets, links).prop_map(|(fault, targets, links)| FaultStarted {
            fault,
            targets,
            links,
        }),
        2 => (0..FAULTS, hits).prop_map(|(fault, hits)| FaultTurned { fault, hits }),
        2 => (0..FAULTS).prop_map(|fault| FaultStopped { fault }),
        1 => applied.prop_map(|(links_us, processes_us)| WorldApplied { links_us, processes_us }),
        1 => (0..FAULTS, any_evidence()).prop_map(|(fault, evidence)| Measured { fault, evidence }),
        1 => settled.prop_map(|(settled, pending)| Settled { settled, pending }),
        1 => digest.prop_map(|(host, records)| Digest { host, records }),
        1 => served.prop_map(|(host, requests, roles)| {
            EventKind::Served(Served { host, requests, roles })
        }),
        1 => (any_host(), any::<u64>()).prop_map(|(host, peers)| Strangers { host, peers }),
        1 => any_usage().prop_map(EventKind::Usage),
        1 => (any_host(), hostile()).prop_map(|(host, line)| LogAlarm { host, line }),
        1 => hostile().prop_map(|message| Trouble { message }),
        1 => any::<bool>().prop_map(|interrupted| RunFinished { interrupted }),
    ]
}

fn any_header() -> impl Strategy<Value = RunHeader> {
    let texts = (any_plan(), vec(hostile(), 7));
    let numbers = any::<(u64, u16, Option<u32>, u64, u64, bool)>();
    (texts, 0..=FORMAT, numbers).prop_map(|((text, mut texts), format, numbers)| {
        let (seed, processors, copies, deadline_us, timeline_us, fails) = numbers;
        let plan = loaded(&text);
        let schedule = schedule::compile(&plan, seed);
        let mut text = || texts.pop().unwrap_or_default();
        RunHeader {
            format,
            plan: text(),
            question: text(),
            documented: if fails { Verdict::Fail } else { Verdict::Pass },
            seed,
            runtime: text(),
            command: text(),
            version: text(),
            kernel: text(),
            processors: usize::from(processors),
            started_at: text(),
            faults: schedule.scheduled_faults(),
            hosts: schedule.hosts,
            network: plan.network,
            expect: plan.expect,
            deadline_us,
            timeline_us,
            copies,
        }
    })
}

fn any_state() -> impl Strategy<Value = HostState> {
    let exit = any::<(Option<i32>, Option<i32>, bool)>();
    prop_oneof![
        1 => any::<u32>().prop_map(|pid| HostState::Started { pid }),
        2 => Just(HostState::Ready),
        1 => Just(HostState::Paused),
        1 => Just(HostState::Resumed),
        1 => any::<u64>().prop_map(|files| HostState::Wiped { files }),
        1 => any::<(u64, u64)>().prop_map(|(files, bytes)| HostState::PowerLost { files, bytes }),
        1 => exit.prop_map(|(code, signal, wanted)| HostState::Exited { code, signal, wanted }),
    ]
}

fn any_invocation() -> impl Strategy<Value = Invocation> {
    use OperationKind::{Register, Resolve, Update};
    use Purpose::{FinalRead, Preload, Workload};
    let purpose = select(vec![Preload, Workload, FinalRead]);
    let kind = select(vec![Register, Resolve, Update]);
    let what = (purpose, kind, any_host());
    let name = prop_oneof![Just("alice".to_owned()), hostile()];
    let parts = (any::<(u64, u64)>(), what, name, option::of(hostile()));
    parts.prop_map(|(numbers, what, name, value)| Invocation {
        op: numbers.0,
        purpose: what.0,
        kind: what.1,
        client: what.2,
        name,
        value,
        intended_us: numbers.1,
    })
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    use ErrorKind::{Invalid, NotFound, NotOwner, Refused, Taken, Unavailable};
    let errors = [Taken, NotFound, NotOwner, Unavailable, Refused, Invalid];
    let refusal = (select(errors.to_vec()), hostile());
    let text = || option::of(hostile());
    let answer = (text(), text(), text(), any::<(Option<u64>, [bool; 4])>());
    let answer = answer.prop_map(|(owner, value, source, (seq, flags))| Answer {
        owner,
        seq,
        value,
        certified: flags[0],
        mirrored: flags[1],
        confirmed: flags[2],
        stale: flags[3],
        source,
    });
    prop_oneof![
        3 => answer.prop_map(Outcome::Ok),
        2 => refusal.prop_map(|(error, detail)| Outcome::Fail { error, detail }),
        1 => hostile().prop_map(|detail| Outcome::Unknown { detail }),
    ]
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let counts = [Count::Duplicated, Count::Oversized, Count::QueueFull];
    let counted = btree_map(select(counts.to_vec()), any::<u64>(), 0..3);
    let rest = any::<(u32, [u64; 4], [Option<u64>; 2])>();
    let of_hosts = any::<(Option<(u32, i64, i64)>, Option<[u64; 3]>)>();
    (counted, rest, of_hosts).prop_map(|(counted, (hosts_seen, packets, delays), (clock, load))| {
        Evidence {
            hosts_seen,
            packets_passed: packets[0],
            packets_blocked: packets[1],
            packets_lost: packets[2],
            bytes_passed: packets[3],
            counted,
            mean_delay_us: delays[0],
            requested_delay_us: delays[1],
            clock: clock.map(|(hosts, asked_us, read_us)| ClockEvidence {
                hosts,
                asked_us,
                read_us,
            }),
            load: load.map(|[operations, asked, calm]| LoadEvidence {
                operations,
                asked,
                calm,
            }),
        }
    })
}

fn any_usage() -> impl Strategy<Value = Usage> {
    let host = (any_host(), any::<(u32, u64, u64)>());
    let host = host.prop_map(|(host, (address, pss_bytes, cpu_us))| HostUsage {
        host,
        address: Ipv4Addr::from_bits(address),
        pss_bytes,
        cpu_us,
    });
    (vec(host, 0..4), any::<[u64; 3]>()).prop_map(|(hosts, times)| Usage {
        hosts,
        harness_cpu_us: times[0],
        fabric_cpu_us: times[1],
        wall_us: times[2],
    })
}

/// A host of every drawn plan, or one that no plan has.
fn any_host() -> impl Strategy<Value = HostId> {
    let known = select(vec!["registry", "node-1", "node-2", "old-1"]).prop_map(str::to_owned);
    prop_oneof![6 => known, 1 => hostile()].prop_map(HostId)
}

/// Text as a broken system may say it: quotes, line breaks, control characters, any script.
fn hostile() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..12).prop_map(|letters| letters.into_iter().collect::<String>())
}

fn loaded(text: &str) -> Plan {
    let loaded = plan::load_str("drawn.yaml", text, &[]);
    loaded.expect("drawn plans have no mistakes").plan
}

/// A small plan without mistakes.
fn any_plan() -> impl Strategy<Value = String> {
    let nodes = (3..10_u16).prop_flat_map(|nodes| (Just(nodes), 3..=nodes));
    let steps = vec((0..20_000_u32, select(STEPS)), 0..5);
    (nodes, select(CIRCUMSTANCES), steps).prop_map(|((nodes, mirrors), rest, steps)| {
        let step = |(at, what): &(u32, &str)| format!("{{at: {at}ms, {what}}}");
        let steps: Vec<String> = steps.iter().map(step).collect();
        let cohorts = "[{name: old, count: 2}]";
        format!(
            "name: drawn\nquestion: What becomes of it?\n{rest}\ntimeline: [{}]\n\
             system: {{nodes: {nodes}, mirrors: {mirrors}, replicas: 3, cohorts: {cohorts}}}\n",
            steps.join(", ")
        )
    })
}
