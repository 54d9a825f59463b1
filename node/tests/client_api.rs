//! What the client API tells the harness beside names: its clock, and where a name is held.

mod world;

use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use world::{World, wait_for};

fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_micros()).expect("before the year 500000")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_tells_the_clock_of_this_moment() {
    let world = World::new(1, &["--mirrors", "0"]).await;
    for process in [world.node(0), world.registry()] {
        let before = unix_us();
        let status = process.get("/v1/status").await.expect("an answer");
        let told = status.body["unix_us"].as_u64().expect("a number");
        assert!((before..=unix_us()).contains(&told), "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replicas_are_the_mirrors_that_hold_the_name() {
    let world = World::new(4, &["--mirrors", "3", "--replicas", "2"]).await;
    wait_for("three mirrors", async || world.mirrors().await.len() == 3).await;
    wait_for("one roster", async || {
        let mut answers = Vec::new();
        for node in [world.node(0), world.node(3), world.registry()] {
            answers.push(node.get("/v1/replicas/alice").await);
        }
        answers.iter().all(|answer| *answer == answers[0])
    })
    .await;
    let reply = world.node(0).register("alice", "value").await;
    assert_eq!(reply.body["mirrored"], true, "{reply:?}");
    let replicas = world.node(0).get("/v1/replicas/alice").await;
    let replicas = replicas.expect("an answer").body["hosts"].clone();
    let mut holders = Vec::new();
    for (at, node) in world.nodes.iter().flatten().enumerate() {
        let digest = node.get("/v1/digest").await.expect("an answer");
        if digest.body["records"]["alice"].is_string() {
            holders.push(world.ip(at + 10));
        }
    }
    let mut told: Vec<String> = serde_json::from_value(replicas).expect("addresses");
    told.sort();
    assert_eq!(told, holders);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_mirrors_nobody_holds_a_name_and_no_name_is_a_bad_request() {
    let world = World::new(1, &["--mirrors", "0"]).await;
    for process in [world.node(0), world.registry()] {
        let reply = process.get("/v1/replicas/alice").await.expect("an answer");
        assert_eq!((reply.status, reply.body), (200, json!({"hosts": []})));
        let reply = process.get("/v1/replicas/No").await.expect("an answer");
        assert_eq!(
            (reply.status, &reply.body["error"]),
            (400, &"invalid".into())
        );
    }
}
