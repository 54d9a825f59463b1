//! The load that is wanted, on its way from the world to the driver.

use tokio::sync::{mpsc, watch};

use crate::world::{Crowd, LoadWorld};

/// Crowds that may wait for the driver.
const CROWDS_MAX: usize = 64;

/// Says what load is wanted.
#[derive(Clone, Debug)]
pub struct WantedLoad {
    load: watch::Sender<LoadWorld>,
    crowds: mpsc::Sender<Crowd>,
}

/// Hears it.
#[derive(Debug)]
pub struct LoadNews {
    /// How much the clients shall do.
    pub load: watch::Receiver<LoadWorld>,
    /// Who shall do something at the same time.
    pub crowds: mpsc::Receiver<Crowd>,
}

/// Both ends.
#[must_use]
pub fn wanted_load() -> (WantedLoad, LoadNews) {
    let (load, load_news) = watch::channel(LoadWorld::default());
    let (crowds, crowd_news) = mpsc::channel(CROWDS_MAX);
    let news = LoadNews {
        load: load_news,
        crowds: crowd_news,
    };
    (WantedLoad { load, crowds }, news)
}

impl WantedLoad {
    /// From now on this load is wanted.
    pub fn set(&self, load: LoadWorld) {
        self.load.send_replace(load);
    }

    /// These clients shall do something now. Nothing happens when no workload runs.
    pub async fn gather(&self, crowd: Crowd) {
        // Before and after the timeline nobody listens, and a plan has no crowd there.
        let _ = self.crowds.send(crowd).await;
    }
}
