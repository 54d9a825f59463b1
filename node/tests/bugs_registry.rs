//! The bugs in the registry's replies to nodes, and how bugs are planted over HTTP.

mod world;

use node::backoff::now;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wire::{
    Claim, Entry, Record, SecretKey, Signed,
    limits::CALL_BYTES_MAX,
    registry_call::{LOOKUP, REGISTER, RegisterAnswer, RegisterCall},
};
use world::{World, wait_for};

/// The bugs of the registry's replies.
const BUGS: [&str; 4] = [
    "drop-replies",
    "delay-replies",
    "duplicate-replies",
    "corrupt-replies",
];
/// Longer than a late reply.
const WITHIN: Duration = Duration::from_secs(2);

/// Status and body of one call; `None` without an answer in time.
async fn call(world: &World, path: &str, body: Vec<u8>) -> Option<(u16, Vec<u8>)> {
    let url = format!("http://{}:8080{path}", world.ip(1));
    let request = reqwest::Client::new().post(url).body(body).timeout(WITHIN);
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.bytes().await.ok()?.to_vec()))
}

async fn lookup(world: &World) -> Option<(u16, Vec<u8>)> {
    let name: wire::Name = "alice".parse().expect("a valid name");
    call(world, LOOKUP, wire::encode(&name)).await
}

fn registration() -> Vec<u8> {
    let key = SecretKey::from_seed([5; 32]);
    let name: wire::Name = "twice".parse().expect("a valid name");
    let claim = Claim {
        name: name.clone(),
        owner: key.public(),
        nonce: [1; 16],
        made_at: now(),
    };
    let record = Record {
        name,
        owner: key.public(),
        seq: 1,
        expires_at: now().plus(Duration::from_secs(3600)),
        addresses: Vec::new(),
        profile: "value".into(),
        contacts: Vec::new(),
    };
    wire::encode(&RegisterCall {
        claim: Signed::new(claim, &key),
        record: Signed::new(record, &key),
    })
}

/// True if the bug shows in what the registry answers.
async fn shows(bug: &str, world: &World) -> bool {
    let nothing = wire::encode(&None::<Entry>);
    match bug {
        "drop-replies" => lookup(world).await.is_none(),
        "delay-replies" => {
            let called_at = Instant::now();
            lookup(world).await.is_some() && called_at.elapsed() >= Duration::from_secs(1)
        }
        "duplicate-replies" => {
            let answer = call(world, REGISTER, registration()).await;
            let (status, body) = answer.expect("an answer");
            assert_eq!(status, 200);
            // A sound registry cannot be told from one that registers twice, but by its own count.
            let answer = wire::decode(&body, CALL_BYTES_MAX);
            assert!(matches!(answer, Ok(RegisterAnswer::Granted(_))));
            world.registry().bitten(bug).await > 0
        }
        "corrupt-replies" => lookup(world).await.is_some_and(|(_, body)| body != nothing),
        _ => unreachable!("{bug} is not in the table"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bug_shows_in_the_registrys_answers_while_it_is_planted_and_only_then() {
    let world = World::with_registry(&["--mirrors", "0"]);
    wait_for("the registry to serve", async || {
        world.registry().get("/healthz").await.is_some()
    })
    .await;
    let registry = world.registry();
    for bug in BUGS {
        assert!(!shows(bug, &world).await, "{bug} before");
        registry.plant(bug).await;
        assert!(shows(bug, &world).await, "{bug} while planted");
        registry.plant_all(json!({})).await;
        let bitten = registry.bitten(bug).await;
        assert!(bitten > 0, "{bug} while planted");
        lookup(&world).await.expect("an answer");
        assert_eq!(registry.bitten(bug).await, bitten, "{bug} afterwards");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_restarted_registry_with_the_bug_stays_closed() {
    let mut world = World::with_registry(&["--mirrors", "0"]);
    let closed = ["--enable-bugs", "--bug", "stay-closed-after-restart"];
    for (options, status) in [(&closed[..1], 200), (&closed[..], 503)] {
        wait_for("a life of the registry", async || {
            world.registry().get("/healthz").await.is_some()
        })
        .await;
        world.kill_registry();
        world.start_registry_with(options);
        wait_for("the next one to say that it is ready", async || {
            let reply = world.registry().get("/v1/status").await;
            reply.is_some_and(|reply| reply.body["ready"] == true)
        })
        .await;
        let answer = lookup(&world).await.expect("an answer");
        assert_eq!(answer.0, status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bugs_are_planted_as_a_set_and_told_with_their_counts() {
    let world = World::new(1, &["--mirrors", "0"]).await;
    for process in [world.node(0), world.registry()] {
        let put = async |body: Value| process.put("/v1/bugs", body).await.expect("an answer");
        let on = async || process.get("/v1/bugs").await.expect("an answer").body;
        assert_eq!(on().await, json!({"on": {}, "bitten": {}}));
        let reply = put(json!({"drop-replies": 0.3, "ack-before-commit": 1})).await;
        let expected = json!({"drop-replies": 0.3, "ack-before-commit": 1.0});
        assert_eq!((reply.status, &reply.body["on"]), (200, &expected));
        for (wrong, told) in [
            (json!({"no-such-bug": 1}), "stale-replies"),
            (json!({"drop-replies": 1.5}), "0 to 1"),
            (json!({"drop-replies": -0.1}), "0 to 1"),
            (json!({"drop-replies": "often"}), "expected f64"),
            (json!(["drop-replies"]), "expected a map"),
        ] {
            let reply = put(wrong).await;
            assert_eq!(
                (reply.status, &reply.body["error"]),
                (400, &"invalid".into())
            );
            let detail = reply.body["detail"].as_str().expect("a detail");
            assert!(detail.contains(told), "{detail}");
            assert_eq!(on().await["on"], expected, "a wrong set changes nothing");
        }
        put(json!({})).await;
        assert_eq!(on().await["on"], json!({}));
    }
    let url = format!("http://{}:8080/v1/bugs", world.ip(1));
    let outside = reqwest::get(url).await.expect("an answer");
    assert_eq!(outside.status(), 404, "only the socket plants bugs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_leave_no_bug_is_planted() {
    let mut world = World::new(1, &["--mirrors", "0"]).await;
    world.kill_node(0);
    world.start_node_with(0, &[]);
    world.wait_ready(0).await;
    let node = world.node(0);
    let reply = node.put("/v1/bugs", json!({"drop-replies": 1})).await;
    let reply = reply.expect("an answer");
    assert_eq!(
        (reply.status, &reply.body["error"]),
        (403, &"disabled".into())
    );
    let report = node.get("/v1/bugs").await.expect("an answer");
    assert_eq!(report.status, 200);
    assert_eq!(report.body, json!({"on": {}, "bitten": {}}));
}
