//! What was acknowledged survives SIGKILL; and the planted bugs show that these tests can fail.

mod world;

use std::sync::Arc;
use tokio::task::JoinSet;
use world::{World, wait_for};

/// Registers names in parallel until the registry is killed; returns the acknowledged ones.
///
/// There are no mirrors, so that the registry's word is the only one.
async fn register_until_killed(world: &mut World, acknowledged_before_kill: usize) -> Vec<String> {
    let registry = world.registry.take().expect("the registry runs");
    let mut tasks = JoinSet::new();
    let acknowledged = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let nodes: Vec<_> = world.nodes.drain(..).flatten().map(Arc::new).collect();
    for (at, node) in nodes.iter().enumerate() {
        for lane in 0..8 {
            let (node, acknowledged) = (node.clone(), acknowledged.clone());
            tasks.spawn(async move {
                let mut names = Vec::new();
                for count in 0.. {
                    let name = format!("n{at}-{lane}-{count}");
                    if node.register(&name, "value").await.status != 201 {
                        break;
                    }
                    names.push(name);
                    acknowledged.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                names
            });
        }
    }
    wait_for("enough acknowledged names", async || {
        acknowledged.load(std::sync::atomic::Ordering::Relaxed) >= acknowledged_before_kill
    })
    .await;
    drop(registry);
    tasks.join_all().await.into_iter().flatten().collect()
}

async fn missing(world: &mut World, names: &[String]) -> usize {
    world.start_registry();
    wait_for("the registry to serve", async || {
        world
            .registry()
            .get("/healthz")
            .await
            .is_some_and(|reply| reply.status == 200)
    })
    .await;
    let digest = world
        .registry()
        .get("/v1/digest")
        .await
        .expect("an answer")
        .body;
    names
        .iter()
        .filter(|name| digest["records"][name.as_str()].is_null())
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_name_is_lost_by_sigkill() {
    for _ in 0..3 {
        let mut world = World::new(2, &["--mirrors", "0"]).await;
        let names = register_until_killed(&mut world, 40).await;
        assert!(names.len() >= 40);
        assert_eq!(missing(&mut world, &names).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ack_before_commit_is_caught() {
    // A kill may fall right behind a late commit and find nothing to lose, but not every time.
    for kill_after in [40, 47, 54, 61, 68] {
        let mut world = World::new(2, &["--mirrors", "0"]).await;
        world.registry().plant("ack-before-commit").await;
        let names = register_until_killed(&mut world, kill_after).await;
        if missing(&mut world, &names).await > 0 {
            return;
        }
    }
    panic!("five kills lost nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_when_asked() {
    let mut world = World::new(1, &["--mirrors", "0"]).await;
    let mut node = world.nodes[0].take().expect("the node runs");
    node.signal("-TERM");
    assert_eq!(node.wait(), Some(0));
    let mut registry = world.registry.take().expect("the registry runs");
    registry.signal("-TERM");
    assert_eq!(registry.wait(), Some(0));
}
