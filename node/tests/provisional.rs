//! A registration that the group acknowledged while the registry was away outlives its owner, even
//! if the owner dies before it stored its grant anywhere: the commits hold it, record included.

mod world;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::task::JoinSet;
use world::{World, wait_for};

const LANES: usize = 8;
const BEFORE_THE_KILL: usize = 16;

/// Registers names in parallel until the owner is killed in the middle of it; returns those that
/// were acknowledged. What the owner does after an acknowledgement is cut off somewhere for the
/// last ones.
async fn acknowledged_before_death(world: &mut World, owner: usize) -> Vec<String> {
    let owner = Arc::new(world.nodes[owner].take().expect("the owner runs"));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (owner, acknowledged) = (owner.clone(), acknowledged.clone());
        lanes.spawn(async move {
            let mut names = Vec::new();
            for count in 0.. {
                let name = format!("name-{lane}-{count}");
                let body = serde_json::json!({"name": name, "value": name});
                let reply = owner.post("/v1/register", body, world::PATIENCE).await;
                let Some(reply) = reply else { break };
                assert_eq!(reply.status, 202, "{reply:?}");
                assert_eq!(reply.body["mirrored"], true, "{reply:?}");
                names.push(name);
                if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 == BEFORE_THE_KILL {
                    owner.signal("-KILL");
                }
            }
            names
        });
    }
    lanes.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_majority_committed_outlives_its_owner() {
    let mut world = World::new(7, &["--mirrors", "5", "--replicas", "5"]).await;
    let mirrors = world.mirrors().await;
    let owner = (0..7)
        .find(|node| !mirrors.contains(node))
        .expect("two are no mirrors");
    world.kill_registry();
    let names = acknowledged_before_death(&mut world, owner).await;
    assert!(names.len() >= BEFORE_THE_KILL);

    for node in (0..7).filter(|node| *node != owner) {
        for name in &names {
            let reply = world.node(node).resolve(name).await;
            assert_eq!(reply.status, 200, "{name}: {reply:?}");
            assert_eq!(reply.body["value"], **name, "{reply:?}");
        }
    }
    world.start_registry();
    for name in &names {
        wait_for("a name to be certified without its owner", async || {
            let path = format!("/v1/resolve/{name}");
            let Some(reply) = world.registry().get(&path).await else {
                return false;
            };
            reply.status == 200 && reply.body["certified"] == true && reply.body["value"] == **name
        })
        .await;
    }
    wait_for("everything to be settled", async || {
        let mut pending = 0;
        for process in world.nodes.iter().flatten().chain(&world.registry) {
            let status = process.get("/v1/status").await;
            pending += status.map_or(1, |status| status.body["pending"].as_u64().unwrap_or(1));
        }
        pending == 0
    })
    .await;
}
