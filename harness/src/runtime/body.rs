//! What every host has on any runtime: a home, a disk, what faults do to its process, and what was
//! last seen of it. How its process starts and ends is the runtime's business.

use std::io;

use tokio::sync::watch;

use super::bent::Bent;
use super::home::Home;
use super::served::Served;
use super::{Observed, Probe, RuntimeError};
use crate::history::{EventKind, EventSink, HostState};
use crate::world::{ClockBend, Disk, ProcessLimits};

/// See the module.
#[derive(Debug)]
pub struct Body {
    /// Its folder.
    pub home: Home,
    /// Its disk, when the harness serves it.
    pub served: Option<Served>,
    /// Limits and clock of its process.
    pub bent: Bent,
    /// What was last seen of its process.
    pub observed: watch::Sender<Observed>,
    sink: EventSink,
}

impl Body {
    /// A host in its home that never ran.
    pub fn new(home: Home, served: Option<Served>, sink: EventSink) -> Body {
        Body {
            bent: Bent::new(home.id().clone(), sink.clone()),
            home,
            served,
            observed: watch::Sender::default(),
            sink,
        }
    }

    pub fn observe(&self) -> watch::Receiver<Observed> {
        self.observed.subscribe()
    }

    pub async fn emit(&self, state: HostState) {
        let host = self.home.id().clone();
        self.sink.emit(EventKind::HostChanged { host, state }).await;
    }

    /// Empties the disk of a host that does not run.
    pub async fn wipe(&self) -> Result<(), RuntimeError> {
        let wiped = self.home.wipe(self.served.as_ref().map(Served::folder));
        let files = wiped.map_err(|source| self.home.error("wipe the disk of", source))?;
        if let Some(served) = &self.served {
            served.forget();
        }
        self.observed.send_modify(|observed| observed.wipes += 1);
        self.emit(HostState::Wiped { files }).await;
        Ok(())
    }

    /// Takes back what the process had not synced, once `kill` has ended it.
    pub async fn lose_power(
        &self,
        kill: impl Future<Output = Result<(), RuntimeError>>,
    ) -> Result<(), RuntimeError> {
        let Some(served) = &self.served else {
            let unserved = io::Error::other("the harness does not serve its disk");
            return Err(self.home.error("take the power of", unserved));
        };
        served.cut_power();
        kill.await?;
        let lost = served.restore_power()?;
        self.observed
            .send_modify(|observed| observed.power_losses += 1);
        self.emit(HostState::PowerLost {
            files: lost.files,
            bytes: lost.bytes,
        })
        .await;
        Ok(())
    }

    pub fn set_disk(&self, disk: &Disk) {
        if let Some(served) = &self.served {
            served.set(disk);
        }
    }

    pub fn set_limits(&self, limits: &ProcessLimits) -> Result<(), RuntimeError> {
        self.bent.set_limits(*limits, self.observed.borrow().alive)
    }

    pub fn set_clock(&self, bends: &[ClockBend]) -> Result<(), RuntimeError> {
        self.bent.set_clock(bends, self.observed.borrow().alive)
    }

    pub fn probe(&self) -> Probe {
        Probe {
            disk: self.served.as_ref().map(Served::probe).unwrap_or_default(),
            ..self.bent.probe()
        }
    }
}
