//! A late push of an older record must not roll a name back; with the planted bug
//! `skip-seq-check` it does, and this is how that looks.

mod world;

use serde_json::Value;
use world::{World, wait_for};

const OWNER: usize = 5;

/// The registry certifies a name while all mirrors are frozen, so that its push waits; then it is
/// frozen itself while the mirrors get a newer record; then the old push goes out.
async fn late_push(bug: bool) -> World {
    let mut world = World::new(6, &["--mirrors", "5", "--replicas", "5"]).await;
    let mirrors = world.mirrors().await;
    let owner = (0..6)
        .find(|node| !mirrors.contains(node))
        .expect("one is no mirror");
    world.nodes.swap(owner, OWNER);
    for mirror in 0..OWNER {
        if bug {
            world.node(mirror).bug("skip-seq-check", true).await;
        }
        world.node(mirror).signal("-STOP");
    }
    let reply = world.node(OWNER).register("alice", "one").await;
    assert_eq!(
        (reply.status, &reply.body["mirrored"]),
        (201, &false.into()),
        "{reply:?}"
    );
    world.registry().signal("-STOP");
    for mirror in 0..OWNER {
        world.node(mirror).signal("-CONT");
    }
    wait_for("the update to be mirrored", async || {
        world.node(OWNER).update("alice", "two").await.body["mirrored"] == true
    })
    .await;
    // The owner is gone, so nobody but the mirrors can tell the registry of the newer record.
    world.kill_node(OWNER);
    world.registry().signal("-CONT");
    wait_for("the late push", async || {
        let status = world.registry().get("/v1/status").await;
        status.is_some_and(|status| status.body["detail"]["outbox"] == 0)
    })
    .await;
    world
}

async fn version(world: &World, mirror: usize) -> Value {
    let digest = world
        .node(mirror)
        .get("/v1/digest")
        .await
        .expect("an answer");
    digest.body["records"]["alice"].clone()
}

fn is_first(version: &Value) -> bool {
    version
        .as_str()
        .is_some_and(|version| version.starts_with("1:"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_push_rolls_nothing_back() {
    let world = late_push(false).await;
    wait_for("the registry to adopt the newer record", async || {
        let reply = world.registry().resolve("alice").await;
        reply.body["value"] == "two"
    })
    .await;
    for mirror in 0..OWNER {
        assert!(!is_first(&version(&world, mirror).await));
        assert_eq!(
            world.node(mirror).resolve("alice").await.body["value"],
            "two"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skip_seq_check_rolls_back() {
    let world = late_push(true).await;
    wait_for("a rollback", async || is_first(&version(&world, 0).await)).await;
}
