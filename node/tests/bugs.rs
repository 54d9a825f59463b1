//! Goal: each planted bug that a peer can notice is noticed when it is planted, and only then.
//! Method: a probe asks one mirror of three. For each bug of the table it looks for the bug's sign
//! before it is planted, while it is, and after it is not any more; the mirror's own count of bites
//! must agree. Bugs that need a death or a dead registry have tests of their own below.

mod probe;
mod world;

use node::net::AskError;
use probe::Probe;
use serde_json::json;
use std::time::{Duration, Instant};
use wire::message::{Refusal, Response};
use world::{World, wait_for};

const OPTIONS: [&str; 4] = ["--mirrors", "3", "--replicas", "3"];
/// The mirror that has the bugs, and the owner of the names.
const MIRROR: usize = 0;
const OWNER: usize = 1;
/// Look-ups that overrun a mirror, and that the overlay still takes all at once.
const BURST: usize = 100;
/// Bursts until a mirror that can be overrun has been.
const BURSTS: usize = 20;

/// The bugs whose sign a single request or two can show.
const SHOWN_BY_A_REPLY: [&str; 8] = [
    "drop-replies",
    "delay-replies",
    "duplicate-replies",
    "corrupt-replies",
    "stale-replies",
    "stop-serving-when-loaded",
    "skip-seq-check",
    "skip-signature-check",
];

async fn three_mirrors() -> World {
    let world = World::new(3, &OPTIONS).await;
    wait_for("three mirrors", async || world.mirrors().await.len() == 3).await;
    world
}

/// Updates a name until the mirror holds it; returns what the mirror held before.
async fn outdate(world: &World, probe: &Probe) -> wire::Entry {
    let before = probe.held("alice").await.expect("an entry");
    let updated = world.node(OWNER).update("alice", "again").await;
    assert_eq!(updated.status, 200, "{updated:?}");
    wait_for("the mirror to hold the update", async || {
        let digest = world.node(MIRROR).get("/v1/digest").await;
        let digest = digest.expect("an answer").body;
        let seq = updated.body["seq"].to_string();
        let held = digest["records"]["alice"].as_str().map(str::to_owned);
        held.is_some_and(|held| held.starts_with(&format!("{seq}:")))
    })
    .await;
    before
}

/// True if the bug shows in what the mirror answers.
async fn shows(bug: &str, world: &World, probe: &Probe) -> bool {
    match bug {
        "drop-replies" => probe.lookup("alice").await == Err(AskError::TimedOut),
        "delay-replies" => {
            let asked_at = Instant::now();
            probe.lookup("alice").await.is_ok() && asked_at.elapsed() >= Duration::from_secs(1)
        }
        "duplicate-replies" => {
            let entry = probe.held("alice").await.expect("an entry");
            // A sound mirror cannot be told from one that stores twice, but by its own count.
            assert_eq!(probe.store(entry).await, Ok(Response::Stored));
            world.node(MIRROR).bitten(bug).await > 0
        }
        "corrupt-replies" => {
            let name = "nobody-has-this";
            let nothing = Ok(Response::Found {
                entry: None,
                commitment: None,
            });
            probe.burst(name, 20).await.iter().any(|it| *it != nothing)
        }
        "stale-replies" => {
            let before = outdate(world, probe).await;
            probe.held("alice").await.expect("an entry").seq() == before.seq()
        }
        "stop-serving-when-loaded" => {
            for _ in 0..BURSTS {
                let burst = probe.burst("alice", BURST).await;
                if burst.contains(&Err(AskError::Lost)) {
                    return probe.lookup("alice").await == Err(AskError::Lost);
                }
            }
            false
        }
        "skip-seq-check" => {
            let before = outdate(world, probe).await;
            let answer = probe.store(before.clone()).await;
            assert!(matches!(answer, Ok(Response::Stored | Response::Newer(_))));
            answer == Ok(Response::Stored)
        }
        "skip-signature-check" => {
            let answer = probe.store(probe.forged("forged")).await;
            let refused = Ok(Response::Refused(Refusal::Invalid));
            assert!(answer == refused || answer == Ok(Response::Stored));
            answer != refused && probe.held("forged").await.is_some()
        }
        _ => unreachable!("{bug} is not in the table"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bug_shows_in_replies_while_it_is_planted_and_only_then() {
    let world = three_mirrors().await;
    let reply = world.node(OWNER).register("alice", "value").await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let probe = Probe::of(&world, MIRROR, 99).await;
    let mirror = world.node(MIRROR);
    for bug in SHOWN_BY_A_REPLY {
        assert!(!shows(bug, &world, &probe).await, "{bug} before");
        assert_eq!(mirror.bitten(bug).await, 0, "{bug} before");
        mirror.plant(bug).await;
        assert!(shows(bug, &world, &probe).await, "{bug} while planted");
        mirror.plant_all(json!({})).await;
        let bitten = mirror.bitten(bug).await;
        assert!(bitten > 0, "{bug} while planted");
        // By its count alone: what a bug did may show for a while.
        let _ = probe.burst("alice", BURST).await;
        let _ = probe.store(probe.forged("forged-again")).await;
        assert_eq!(mirror.bitten(bug).await, bitten, "{bug} afterwards");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bug_bites_as_often_as_its_chance_says() {
    let world = three_mirrors().await;
    let probe = Probe::of(&world, MIRROR, 99).await;
    let mirror = world.node(MIRROR);
    mirror.plant_all(json!({"corrupt-replies": 0.5})).await;
    for _ in 0..4 {
        probe.burst("alice", BURST).await;
    }
    let bitten = mirror.bitten("corrupt-replies").await;
    // Binomial: 200 of 400, six standard deviations each way; repairs add a few.
    assert!((140..=270).contains(&bitten), "{bitten}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reply_kills_only_the_process_with_the_bug() {
    let mut world = three_mirrors().await;
    world.node(OWNER).register("alice", "value").await;
    world.node(MIRROR).plant("delay-replies").await;
    for node in [OWNER, 2] {
        if node == 2 {
            world.node(node).plant("crash-on-slow-reply").await;
        }
        // Its answer does not wait for the slow mirror; the late reply comes all the same.
        let late = world.node(MIRROR).bitten("delay-replies").await;
        let _ = world.node(node).get("/v1/resolve/alice").await;
        wait_for("a late reply", async || {
            world.node(MIRROR).bitten("delay-replies").await > late
        })
        .await;
    }
    let mut crashed = world.nodes[2].take().expect("the node ran");
    assert_eq!(crashed.wait(), Some(86));
    let log = std::fs::read_to_string(world.node_dir(2).join("log")).expect("a log");
    assert!(log.contains("planted bug: crash-on-slow-reply"), "{log}");
    let reply = world.node(OWNER).resolve("alice").await;
    assert_eq!(reply.status, 200, "the other one lives: {reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_restarted_mirror_with_the_bug_stays_closed_and_it_says_ready() {
    let mut world = three_mirrors().await;
    world.node(OWNER).register("alice", "value").await;
    let closed = ["--enable-bugs", "--bug", "stay-closed-after-restart"];
    for (number, options) in [&["--enable-bugs"], &closed[..]].into_iter().enumerate() {
        world.kill_node(MIRROR);
        world.start_node_with(MIRROR, options);
        world.wait_ready(MIRROR).await;
        let probe = Probe::of(&world, MIRROR, 98 + number).await;
        let answer = probe.lookup("alice").await;
        let bitten = world.node(MIRROR).bitten("stay-closed-after-restart").await;
        if options.len() == 1 {
            assert!(answer.is_ok(), "{answer:?}");
            assert_eq!(bitten, 0);
        } else {
            assert_eq!(answer, Err(AskError::Lost));
            assert!(bitten > 0);
        }
        // Its own user is served by the others.
        assert_eq!(world.node(MIRROR).resolve("alice").await.status, 200);
    }
    // A process without a past is open, whatever is planted.
    world.nodes.push(None);
    world.start_node_with(3, &closed);
    world.wait_ready(3).await;
    let probe = Probe::of(&world, 3, 97).await;
    let answer = probe.lookup("alice").await;
    assert_eq!(answer, Ok(Response::Refused(Refusal::NotMember)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_without_backoff_storm() {
    let mut world = World::new(2, &["--mirrors", "0"]).await;
    world.node(1).plant("retry-without-backoff").await;
    world.kill_registry();
    let bug = "retry-without-backoff";
    wait_for("a storm", async || world.node(1).bitten(bug).await > 500).await;
    assert_eq!(world.node(0).bitten(bug).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_checks_no_signature_shows_its_user_what_was_corrupted() {
    let world = World::new(4, &OPTIONS).await;
    let mut mirrors = Vec::new();
    wait_for("three mirrors", async || {
        mirrors = world.mirrors().await;
        mirrors.len() == 3
    })
    .await;
    let reader = (0..4).find(|node| !mirrors.contains(node));
    let reader = world.node(reader.expect("one is no mirror"));
    // Most bits of a reply are then bits of the value.
    let value = "value".repeat(200);
    let registered = world.node(mirrors[0]).register("alice", &value).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    for mirror in mirrors {
        world.node(mirror).plant("corrupt-replies").await;
    }
    let forged = async || {
        let body = reader.resolve("alice").await.body;
        // A forged sequence number outlives later forgeries: the reader's cache holds on to it.
        body["value"] != value || body["seq"] != registered.body["seq"]
    };
    for _ in 0..20 {
        assert!(!forged().await);
    }
    reader.plant("skip-signature-check").await;
    wait_for("a forged record", &forged).await;
    assert!(reader.bitten("skip-signature-check").await > 0);
}
