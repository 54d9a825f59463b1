//! The claim of the project, on real processes: names are registered, updated and resolved while
//! the registry is dead, and what was granted meanwhile is settled when it is back.

mod world;

use std::time::Duration;
use world::{Reply, World, wait_for};

const OPTIONS: [&str; 4] = ["--mirrors", "5", "--replicas", "5"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_an_outage_of_the_registry() {
    let mut world = World::new(6, &OPTIONS).await;

    let reply = world.node(0).register("alice", "one").await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.body["mirrored"], true, "{reply:?}");
    let reply = world.node(0).update("alice", "two").await;
    assert_eq!(
        (reply.status, &reply.body["seq"]),
        (200, &2.into()),
        "{reply:?}"
    );
    let reply = world.node(1).register("alice", "mine").await;
    assert_eq!(reply.status, 409, "{reply:?}");
    assert_eq!(reply.body["certified"], true, "{reply:?}");
    for node in 0..6 {
        let reply = world.node(node).resolve("alice").await;
        assert_eq!(
            (reply.status, &reply.body["value"]),
            (200, &"two".into()),
            "{reply:?}"
        );
        assert_eq!(reply.body["confirmed"], true, "{reply:?}");
    }

    world.kill_registry();
    let reply = world.node(0).register("bob", "three").await;
    assert_eq!(
        (reply.status, &reply.body["certified"]),
        (202, &false.into()),
        "{reply:?}"
    );
    let reply = world.node(0).register("bob", "three").await;
    assert_eq!(reply.status, 202, "a client may repeat itself: {reply:?}");
    let reply = world.node(0).update("bob", "four").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = world.node(0).update("alice", "five").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for node in 0..6 {
        let bob = world.node(node).resolve("bob").await;
        assert_eq!(
            (bob.status, &bob.body["value"]),
            (200, &"four".into()),
            "{bob:?}"
        );
        let alice = world.node(node).resolve("alice").await;
        assert_eq!(
            (alice.status, &alice.body["value"]),
            (200, &"five".into()),
            "{alice:?}"
        );
        let nobody = world.node(node).resolve("nobody").await;
        assert_eq!(nobody.status, 404, "{nobody:?}");
    }
    let reply = world.node(3).register("bob", "mine").await;
    assert_eq!(
        (reply.status, &reply.body["certified"]),
        (409, &false.into()),
        "{reply:?}"
    );

    world.start_registry();
    what_happened_meanwhile_is_settled(&world).await;
}

async fn what_happened_meanwhile_is_settled(world: &World) {
    wait_for("bob to be certified", async || {
        let bob = world.node(0).get("/v1/name/bob").await.expect("an answer");
        bob.body["grant"] == "certified"
    })
    .await;
    wait_for("everything to be settled", async || settled(world).await).await;
    for (name, value) in [("alice", "five"), ("bob", "four")] {
        let reply = world.registry().resolve(name).await;
        assert_eq!(
            (reply.status, &reply.body["value"]),
            (200, &value.into()),
            "{reply:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_contenders_for_a_name_have_one_winner() {
    let mut world = World::new(6, &OPTIONS).await;
    world.kill_registry();
    for round in 0..5 {
        let name = format!("contested-{round}");
        let (one, two) = tokio::join!(
            world.node(0).register(&name, "zero"),
            world.node(5).register(&name, "five")
        );
        let winners = |reply: &Reply| usize::from(reply.status == 202);
        assert_eq!(winners(&one) + winners(&two), 1, "{one:?} {two:?}");
        let value = if one.status == 202 { "zero" } else { "five" };
        let reply = world.node(3).resolve(&name).await;
        assert_eq!(
            (reply.status, &reply.body["value"]),
            (200, &value.into()),
            "{reply:?}"
        );
    }
    world.start_registry();
    wait_for("everything to be settled", async || settled(&world).await).await;
    for round in 0..5 {
        let name = format!("contested-{round}");
        let owner = world.registry().resolve(&name).await.body["owner"].clone();
        for node in [0, 3, 5] {
            let reply = world.node(node).resolve(&name).await;
            assert_eq!(
                (reply.status, &reply.body["owner"]),
                (200, &owner),
                "{reply:?}"
            );
            assert_eq!(reply.body["certified"], true, "{reply:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_while_the_registry_is_down() {
    let mut world = World::new(6, &OPTIONS).await;
    assert_eq!(world.node(0).register("alice", "one").await.status, 201);
    world.kill_registry();
    world.kill_node(5);
    assert_eq!(world.node(0).update("alice", "two").await.status, 200);
    world.start_node(5);
    world.wait_ready(5).await;
    let reply = world.node(5).resolve("alice").await;
    assert_eq!(
        (reply.status, &reply.body["value"]),
        (200, &"two".into()),
        "{reply:?}"
    );
    assert_eq!(world.node(5).register("carol", "three").await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_was_down_catches_up() {
    let mut world = World::new(6, &OPTIONS).await;
    assert_eq!(world.node(0).register("alice", "one").await.status, 201);
    let mirrors = world.mirrors().await;
    let late = mirrors
        .into_iter()
        .find(|mirror| *mirror != 0)
        .expect("five mirrors");
    world.kill_node(late);
    assert_eq!(world.node(0).update("alice", "two").await.status, 200);
    assert_eq!(world.node(0).register("bob", "three").await.status, 201);
    world.start_node(late);
    wait_for("the stores to be equal", async || {
        let mut digests = Vec::new();
        for mirror in world.mirrors().await {
            let digest = world
                .node(mirror)
                .get("/v1/digest")
                .await
                .expect("an answer");
            digests.push(digest.body["records"].clone());
        }
        let full = |digest: &serde_json::Value| digest["alice"].as_str().is_some_and(is_second);
        digests.len() == 5
            && digests
                .iter()
                .all(|digest| full(digest) && digest == &digests[0])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_mirrors_only_the_registry_counts() {
    let mut world = World::new(2, &["--mirrors", "0"]).await;
    let reply = world.node(0).register("alice", "one").await;
    assert_eq!(
        (reply.status, &reply.body["mirrored"]),
        (201, &false.into()),
        "{reply:?}"
    );
    let reply = world.node(1).resolve("alice").await;
    assert_eq!(
        (reply.status, &reply.body["source"]),
        (200, &"registry".into()),
        "{reply:?}"
    );
    world.kill_registry();
    let reply = world.node(1).resolve("alice").await;
    assert_eq!(
        (reply.status, &reply.body["stale"]),
        (200, &true.into()),
        "{reply:?}"
    );
    let reply = world.node(1).register("bob", "two").await;
    assert_eq!(reply.status, 503, "{reply:?}");
    let reply = world.node(0).resolve("bob").await;
    assert_eq!(reply.status, 503, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_before_the_deadline_of_the_caller() {
    let mut world = World::new(6, &OPTIONS).await;
    assert_eq!(world.node(0).register("alice", "one").await.status, 201);
    for process in world.nodes[1..].iter().flatten() {
        process.signal("-STOP");
    }
    world.registry().signal("-STOP");
    let deadline = Duration::from_millis(1500);
    let begun = std::time::Instant::now();
    let body = serde_json::json!({"name": "bob", "value": "two"});
    let reply = world
        .node(0)
        .post("/v1/register", body, deadline)
        .await
        .expect("an answer");
    assert!(begun.elapsed() < deadline, "{:?}", begun.elapsed());
    assert_eq!(reply.status, 504, "{reply:?}");
    let reply = world.node(0).resolve("alice").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    world.kill_registry();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provisional_grant_that_lost_is_rejected_and_its_owner_is_told() {
    let world = World::new(7, &OPTIONS).await;
    let mirrors = world.mirrors().await;
    let mut others = (0..7).filter(|node| !mirrors.contains(node));
    let (loser, winner) = (others.next().expect("one"), others.next().expect("two"));

    // The registry is away, and the group grants the name.
    world.registry().signal("-STOP");
    let reply = world.node(loser).register("alice", "loser").await;
    assert_eq!(reply.status, 202, "{reply:?}");
    // Now everybody who knows of that is away, and the registry certifies it to another.
    for node in mirrors.iter().chain([&loser]) {
        world.node(*node).signal("-STOP");
    }
    world.registry().signal("-CONT");
    wait_for("the registry to be found back", async || {
        let status = world
            .node(winner)
            .get("/v1/status")
            .await
            .expect("an answer");
        status.body["detail"]["registry_suspect"] == 0
    })
    .await;
    let reply = world.node(winner).register("alice", "winner").await;
    assert_eq!(reply.status, 201, "{reply:?}");
    for node in mirrors.iter().chain([&loser]) {
        world.node(*node).signal("-CONT");
    }

    wait_for("the loser to be told", async || {
        let name = world
            .node(loser)
            .get("/v1/name/alice")
            .await
            .expect("an answer");
        name.body["rejected"] == true
    })
    .await;
    assert_eq!(world.node(loser).update("alice", "again").await.status, 403);
    assert_eq!(
        world.node(loser).register("alice", "again").await.status,
        409
    );
    wait_for("everything to be settled", async || settled(&world).await).await;
    for node in 0..7 {
        let reply = world.node(node).resolve("alice").await;
        assert_eq!(
            (reply.status, &reply.body["value"]),
            (200, &"winner".into()),
            "{reply:?}"
        );
    }
    let kept = world.registry().get("/v1/status").await.expect("an answer");
    assert_eq!(
        kept.body["detail"]["rejected"], 1,
        "nothing vanishes: {kept:?}"
    );
}

fn is_second(version: &str) -> bool {
    version.starts_with("2:")
}

async fn settled(world: &World) -> bool {
    let processes = world.nodes.iter().flatten().chain(&world.registry);
    for process in processes {
        let status = process.get("/v1/status").await;
        if status.is_none_or(|status| status.body["pending"] != 0) {
            return false;
        }
    }
    true
}
