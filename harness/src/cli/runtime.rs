//! `--runtime`: what carries a run out.

use std::fmt;

use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

use super::output::say;
use crate::doctor;
use crate::exit::Exit;
use crate::plan::Limits;
use crate::run::On;
use crate::runtime::docker::{Engine, EngineError};
use crate::runtime::local::enclosure;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RuntimeChoice {
    /// Local where it works, else Docker.
    #[default]
    Auto,
    /// Processes in namespaces of this machine.
    Local,
    /// Containers of the engine that DOCKER_HOST names.
    Docker,
}

impl fmt::Display for RuntimeChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            RuntimeChoice::Auto => "auto",
            RuntimeChoice::Local => "local",
            RuntimeChoice::Docker => "docker",
        })
    }
}

/// Decides, or says why nothing can be run.
pub fn choose(wanted: RuntimeChoice, limits: &Limits) -> Result<On, Exit> {
    match wanted {
        // The decision was made outside.
        _ if enclosure::is_inside() => Ok(On::Local),
        RuntimeChoice::Local if !limits.is_empty() => {
            say(format_args!(
                "harness: the plan sets `system.limits`, which the local runtime cannot keep\n  \
                 help: leave out `--runtime local`, or override the limits with \
                 `--set system.limits={{}}`"
            ));
            Err(Exit::Usage)
        }
        RuntimeChoice::Local => Ok(On::Local),
        RuntimeChoice::Docker => Ok(On::Docker),
        RuntimeChoice::Auto if !limits.is_empty() => Ok(On::Docker),
        RuntimeChoice::Auto => where_it_works(),
    }
}

/// Local where a trial says that it works, else Docker where an engine answers.
fn where_it_works() -> Result<On, Exit> {
    let Err(local) = doctor::trial() else {
        return Ok(On::Local);
    };
    match greet_engine() {
        Ok(()) => {
            say(format_args!(
                "the local runtime does not work here ({local}); containers are used instead"
            ));
            Ok(On::Docker)
        }
        Err(docker) => {
            say(format_args!(
                "harness: no runtime works here\n  local: {local}\n  docker: {docker}\n  help: \
                 `harness doctor` says what to do about it"
            ));
            Err(Exit::Trouble)
        }
    }
}

fn greet_engine() -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the few descriptors of a small runtime are there");
    runtime.block_on(Engine::connect()).map(|_| ())
}

/// Ends the program at the second request to stop; the reaper removes what is left then.
pub async fn exit_when_asked_twice() {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    // Without handlers the signals keep their default effect, which is to end the process.
    let Ok(mut signals) = kinds.map(signal).into_iter().collect::<Result<Vec<_>, _>>() else {
        return;
    };
    for _ in 0..2 {
        let any = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(any).await;
    }
    std::process::exit(i32::from(Exit::Interrupted.code()));
}
