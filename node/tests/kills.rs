//! Goal: no acknowledged registration is lost by SIGKILL of the registry, wherever it falls.
//! Method: clients register as fast as they can; the registry is killed fifty times under that
//! load and started again on its folder each time; in the end each acknowledged name must be
//! there, grant and record. There are no mirrors, so the registry's word is the only one.

mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use world::{Process, World, wait_for};

const KILLS: usize = 50;
const LANES: usize = 4;
/// Between two kills, so many registrations are acknowledged.
const PROGRESS: usize = 8;
/// After a refusal, a client waits so long: the registry is away, and there is no event for that.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Load {
    acknowledged: AtomicUsize,
    stop: AtomicBool,
}

/// Registers names until told to stop; returns the acknowledged ones.
async fn register(node: Arc<Process>, lane: String, load: Arc<Load>) -> Vec<String> {
    let mut names = Vec::new();
    for count in 0.. {
        if load.stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{lane}-{count}");
        let reply = node.register(&name, &name).await;
        if reply.status == 201 {
            names.push(name);
            load.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else {
            tokio::time::sleep(PAUSE).await;
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_of_the_registry_lose_no_acknowledged_registration() {
    let mut world = World::new(2, &["--mirrors", "0"]).await;
    let load = Arc::new(Load::default());
    let mut lanes = JoinSet::new();
    let nodes: Vec<_> = world.nodes.drain(..).flatten().map(Arc::new).collect();
    for (at, node) in nodes.iter().enumerate() {
        for lane in 0..LANES {
            lanes.spawn(register(
                node.clone(),
                format!("n{at}-{lane}"),
                load.clone(),
            ));
        }
    }
    for kill in 1..=KILLS {
        let enough = load.acknowledged.load(Ordering::Relaxed) + PROGRESS;
        wait_for(&format!("progress before kill {kill}"), async || {
            load.acknowledged.load(Ordering::Relaxed) >= enough
        })
        .await;
        world.kill_registry();
        world.start_registry();
    }
    load.stop.store(true, Ordering::Relaxed);
    let names = lanes.join_all().await.into_iter().flatten();
    wait_for("the registry to serve", async || {
        let health = world.registry().get("/healthz").await;
        health.is_some_and(|reply| reply.status == 200)
    })
    .await;
    let mut checked = 0;
    for name in names {
        let reply = world.registry().resolve(&name).await;
        assert_eq!(reply.status, 200, "{name} is lost: {reply:?}");
        assert_eq!(reply.body["value"], *name, "{reply:?}");
        assert_eq!(reply.body["certified"], true, "{reply:?}");
        checked += 1;
    }
    assert!(checked >= KILLS * PROGRESS, "only {checked} acknowledged");
}
