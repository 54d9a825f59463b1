//! A late push of an older record must not roll a name back; with the planted bug
//! `skip-seq-check` it does, and this is how that looks.

mod world;

use world::{World, wait_for};

const OWNER: usize = 5;

/// The registry certifies a name while all mirrors are frozen, so that its push waits; then it is
/// frozen itself while the mirrors get a newer record; then the old push goes out.
///
/// True if any mirror was seen with the older record after the newer one was acknowledged. With the
/// bug, mirrors that the push missed may repair the others soon after, so it is watched throughout.
async fn late_push_rolls_back(world: &mut World) -> bool {
    for mirror in 0..OWNER {
        world.node(mirror).signal("-STOP");
    }
    let reply = world.node(OWNER).register("alice", "one").await;
    let expected = (201, &false.into());
    assert_eq!(
        (reply.status, &reply.body["mirrored"]),
        expected,
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
    let before = versions(world).await;
    world.registry().signal("-CONT");
    let mut rolled_back = false;
    wait_for("the late push", async || {
        let now = versions(world).await;
        let back = |(before, now): (&u64, &u64)| now < before;
        rolled_back |= before.iter().zip(&now).any(back);
        let status = world.registry().get("/v1/status").await;
        status.is_some_and(|status| status.body["detail"]["outbox"] == 0)
    })
    .await;
    rolled_back
}

/// Five mirrors, and the owner of the name in the last place.
async fn five_mirrors() -> World {
    let mut world = World::new(6, &["--mirrors", "5", "--replicas", "5"]).await;
    let mirrors = world.mirrors().await;
    let owner = (0..6)
        .find(|node| !mirrors.contains(node))
        .expect("one is no mirror");
    world.nodes.swap(owner, OWNER);
    world
}

/// The sequence number that each mirror holds, 0 for none.
async fn versions(world: &World) -> Vec<u64> {
    let mut versions = Vec::new();
    for mirror in 0..OWNER {
        let digest = world
            .node(mirror)
            .get("/v1/digest")
            .await
            .expect("an answer");
        let version = digest.body["records"]["alice"].as_str().unwrap_or("0:");
        let seq = version.split(':').next().and_then(|seq| seq.parse().ok());
        versions.push(seq.expect("a digest is seq:hash"));
    }
    versions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_push_rolls_nothing_back() {
    let mut world = five_mirrors().await;
    assert!(!late_push_rolls_back(&mut world).await);
    wait_for("the registry to adopt the newer record", async || {
        world.registry().resolve("alice").await.body["value"] == "two"
    })
    .await;
    for mirror in 0..OWNER {
        assert_eq!(
            world.node(mirror).resolve("alice").await.body["value"],
            "two"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skip_seq_check_rolls_back() {
    // A mirror may tell the registry of the newer record before the old push goes out; then there
    // is nothing to see, but not every time.
    for _ in 0..4 {
        let mut world = five_mirrors().await;
        for mirror in 0..OWNER {
            world.node(mirror).plant("skip-seq-check").await;
        }
        if late_push_rolls_back(&mut world).await {
            return;
        }
    }
    panic!("four late pushes rolled nothing back");
}
