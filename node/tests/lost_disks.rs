//! Disks that are lost: whatever was acknowledged is somewhere else, and comes back.

mod world;

use serde_json::Value;
use world::{Process, World, wait_for};

const OPTIONS: [&str; 4] = ["--mirrors", "5", "--replicas", "5"];

/// The registry loses its store; its key is kept elsewhere, as keys are.
fn lose_registry_store(world: &mut World) {
    world.kill_registry();
    for file in [
        "registry.sqlite",
        "registry.sqlite-wal",
        "registry.sqlite-shm",
    ] {
        // Which of them there are depends on how it was ended.
        let _ = std::fs::remove_file(world.dir.path().join("registry").join(file));
    }
}

/// What a process says of itself; nothing while it starts.
async fn status(process: &Process) -> Value {
    let reply = process.get("/v1/status").await;
    reply.map_or(Value::Null, |reply| reply.body)
}

/// Whether a process resolves a name to a value; not while it starts.
async fn resolves(process: &Process, name: &str, value: &str) -> bool {
    let reply = process.get(&format!("/v1/resolve/{name}")).await;
    reply.is_some_and(|reply| reply.status == 200 && reply.body["value"] == value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_lost_its_disk_rebuilds_it_and_grants_nothing_twice() {
    let mut world = World::new(7, &OPTIONS).await;
    let mirrors = world.mirrors().await;
    let mut leaves = (0..7).filter(|node| !mirrors.contains(node));
    let (gone, thief) = (leaves.next().expect("one"), leaves.next().expect("two"));
    assert_eq!(world.node(gone).register("alice", "one").await.status, 201);
    assert_eq!(world.node(gone).update("alice", "two").await.status, 200);
    assert_eq!(
        world.node(mirrors[0]).register("bob", "three").await.status,
        201
    );
    let epoch = status(world.registry()).await["epoch"].clone();
    // The owner is gone for good: only the mirrors know its name.
    world.kill_node(gone);
    lose_registry_store(&mut world);
    world.start_registry();
    wait_for("the registry to be found back", async || {
        status(world.node(thief)).await["detail"]["registry_suspect"] == 0
    })
    .await;
    let reply = world.node(thief).register("alice", "mine").await;
    assert_eq!(reply.status, 409, "{reply:?}");
    wait_for("the registry to be rebuilt", async || {
        let status = status(world.registry()).await;
        status["epoch"] == epoch && status["detail"]["rebuilding"] == 0
    })
    .await;
    for (name, value) in [("alice", "two"), ("bob", "three")] {
        let reply = world.registry().resolve(name).await;
        assert_eq!(
            (reply.status, &reply.body["value"]),
            (200, &value.into()),
            "{reply:?}"
        );
    }
    assert_eq!(
        world.node(thief).register("alice", "mine").await.status,
        409
    );
    let reply = world.node(thief).register("carol", "new").await;
    assert!([201, 202].contains(&reply.status), "{reply:?}");
    wait_for("a new name to be certified", async || {
        let carol = world.node(thief).get("/v1/name/carol").await;
        carol.is_some_and(|carol| carol.body["grant"] == "certified")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_mirrors_the_owners_bring_back_what_the_registry_lost() {
    let mut world = World::new(2, &["--mirrors", "0"]).await;
    assert_eq!(world.node(0).register("alice", "one").await.status, 201);
    assert_eq!(world.node(0).update("alice", "two").await.status, 200);
    lose_registry_store(&mut world);
    world.start_registry();
    wait_for("the name to be back", async || {
        resolves(world.registry(), "alice", "two").await
    })
    .await;
    assert_eq!(world.node(1).register("alice", "mine").await.status, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_that_all_lost_their_disks_are_refilled_by_the_registry() {
    let mut world = World::new(7, &OPTIONS).await;
    let mirrors = world.mirrors().await;
    let leaf = (0..7)
        .find(|node| !mirrors.contains(node))
        .expect("two leaves");
    for name in ["alice", "bob"] {
        assert_eq!(world.node(leaf).register(name, "one").await.status, 201);
    }
    for mirror in &mirrors {
        world.kill_node(*mirror);
        std::fs::remove_dir_all(world.node_dir(*mirror)).expect("a folder");
        world.start_node(*mirror);
    }
    wait_for("five mirrors that hold everything", async || {
        let mut full = 0;
        for mirror in world.mirrors().await {
            let digest = world.node(mirror).get("/v1/digest").await;
            let records = digest.map_or(Value::Null, |digest| digest.body["records"].clone());
            let caught_up = status(world.node(mirror)).await["detail"]["catching_up"] == 0;
            let all = !records["alice"].is_null() && !records["bob"].is_null();
            full += usize::from(all && caught_up);
        }
        full == 5
    })
    .await;
    // Until the epoch has settled, the lost ones are asked, too, and can confirm nothing.
    wait_for("a leaf to be sure", async || {
        let reply = world.node(leaf).resolve("alice").await;
        reply.status == 200 && reply.body["confirmed"] == true
    })
    .await;
    world.kill_registry();
    let reply = world.node(leaf).resolve("bob").await;
    assert_eq!(
        (reply.status, &reply.body["confirmed"]),
        (200, &true.into()),
        "{reply:?}"
    );
    assert_eq!(world.node(leaf).register("carol", "new").await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_renewed_while_the_registry_is_away_for_many_of_their_lives() {
    let mut world = World::with_registry(&OPTIONS);
    for node in 0..6 {
        world.nodes.push(None);
        world.start_node_with(node, &["--record-life", "4s"]);
    }
    for node in 0..6 {
        world.wait_ready(node).await;
    }
    assert_eq!(world.node(0).register("alice", "one").await.status, 201);
    world.kill_registry();
    assert_eq!(world.node(1).register("bob", "two").await.status, 202);
    for name in ["alice", "bob"] {
        wait_for("the fourth renewal", async || {
            let reply = world.node(5).resolve(name).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.body["seq"].as_u64() >= Some(5)
        })
        .await;
    }
    world.start_registry();
    wait_for("everything to be settled", async || {
        let reply = world.registry().get("/v1/resolve/bob").await;
        reply.is_some_and(|reply| reply.status == 200 && reply.body["certified"] == true)
    })
    .await;
}
