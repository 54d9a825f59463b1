//! How a process starts and ends: logs, panics, signals, the runtime.
//!
//! Either a process works or it is gone. A panic on any thread or task ends it with exit code 101
//! and the message in its log, so that there is never a half-dead node that still accepts
//! connections. SIGTERM and SIGINT end it cleanly. SIGKILL is no special case: whatever was
//! answered is on disk.

use crate::{
    agent,
    cli::{NodeArgs, RegistryArgs, RegistryCommand},
    identity, registry,
};
use std::{fmt::Display, future::Future, io::IsTerminal, path::Path, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// What is logged when RUST_LOG is not set: libp2p complains of states that are ordinary here.
const DEFAULT_FILTER: &str = "info,libp2p_kad=error,libp2p_swarm=warn";

/// The exit code after a panic, as Rust's own runtime uses it.
const PANIC: i32 = 101;

/// Runs a node until a signal ends it.
#[must_use]
pub fn run_node(args: NodeArgs) -> ExitCode {
    start_log();
    run(agent::serve(args))
}

/// Runs the registry until a signal ends it, or does one of its smaller jobs.
#[must_use]
pub fn run_registry(args: RegistryArgs) -> ExitCode {
    match (args.command, args.run) {
        (Some(RegistryCommand::Keygen { dir }), _) => keygen(&dir),
        (Some(RegistryCommand::Run(run_args)), _) | (None, Some(run_args)) => {
            start_log();
            run(registry::serve(run_args))
        }
        (None, None) => {
            eprintln!("registry: give --dir, --listen and --p2p, or a command; see --help");
            ExitCode::from(64)
        }
    }
}

fn keygen(dir: &Path) -> ExitCode {
    match identity::load_or_create(dir) {
        Ok(key) => {
            println!("{}", key.public());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!(
                "registry: cannot create a key in {}: {error}",
                dir.display()
            );
            ExitCode::from(70)
        }
    }
}

fn run<E: Display>(serve: impl Future<Output = Result<(), E>>) -> ExitCode {
    end_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = serve => result,
            () = asked_to_stop() => Ok(()),
        }
    });
    match result {
        Ok(()) => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn Display) -> ExitCode {
    error!("{error}");
    ExitCode::from(70)
}

async fn asked_to_stop() {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn start_log() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    // The harness may have set up a log of its own; then that one is used.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .compact()
        .try_init();
}

fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        error!("panicked: {panic}");
        eprintln!("panicked: {panic}");
        std::process::exit(PANIC);
    }));
}
