//! The command lines of `node` and `registry`, also used by `harness node` and `harness registry`.

use crate::bug::Planted;
use clap::{Args, Subcommand};
use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};
use wire::{PublicKey, heartbeat::CLOCK_SKEW_MAX};

/// Shorter ones would expire while they are being renewed.
const RECORD_LIFE_MIN: Duration = Duration::from_secs(2);

/// One node.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Folder for the key and the store; created if absent
    #[arg(long)]
    pub dir: PathBuf,
    /// Address that other peers reach this node on, as IP:PORT
    #[arg(long)]
    pub listen: SocketAddr,
    /// The registry, as http://IP:PORT
    #[arg(long)]
    pub registry: String,
    /// The registry's public key: 64 hex digits, or @FILE holding them
    #[arg(long)]
    pub registry_key: PinnedKey,
    /// Unix socket of the client API [default: DIR/api.sock]
    #[arg(long)]
    pub api: Option<PathBuf>,
    /// Serve the client API on this port of 127.0.0.1, too
    #[arg(long)]
    pub loopback_api: Option<u16>,
    /// How long a record holds unless its owner renews it, which it does after half of it
    #[arg(long, default_value = "24h", value_parser = parse_record_life)]
    pub record_life: Duration,
    /// Label sent with heartbeats, as KEY=VALUE
    #[arg(long = "label")]
    pub labels: Vec<Label>,
    /// Let bugs be switched on, by --bug and over the Unix socket
    #[arg(long)]
    pub enable_bugs: bool,
    /// Start with this bug: NAME bites each time, NAME=0.3 or NAME=30% with that probability;
    /// needs --enable-bugs
    #[arg(long = "bug", value_name = "NAME[=CHANCE]", requires = "enable_bugs")]
    pub bugs: Vec<Planted>,
}

/// The registry.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RegistryArgs {
    /// What to do; `run` is meant when nothing is said
    #[command(subcommand)]
    pub command: Option<RegistryCommand>,
    /// The options of `run`. (Clap sees that they are given only if nothing is nested in them.)
    #[command(flatten)]
    pub run: Option<RegistryRunArgs>,
}

/// What the registry can do.
#[derive(Subcommand, Clone, Debug)]
pub enum RegistryCommand {
    /// Serve
    Run(RegistryRunArgs),
    /// Create the signing key if there is none, and print its public half
    Keygen {
        /// Folder for the key
        #[arg(long)]
        dir: PathBuf,
    },
}

/// A serving registry.
#[derive(Args, Clone, Debug)]
pub struct RegistryRunArgs {
    /// Folder for the key and the store; created if absent
    #[arg(long)]
    pub dir: PathBuf,
    /// Address for the nodes' HTTP calls, as IP:PORT
    #[arg(long)]
    pub listen: SocketAddr,
    /// Address for peers (libp2p), as IP:PORT
    #[arg(long)]
    pub p2p: SocketAddr,
    /// How many nodes become mirrors; 0 for none
    #[arg(long, default_value_t = 8)]
    pub mirrors: usize,
    /// How many mirrors hold each name
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub replicas: u8,
    /// Unix socket of the local API [default: DIR/api.sock]
    #[arg(long)]
    pub api: Option<PathBuf>,
    /// Spread the mirrors, and each group of them, over the values of this label of the nodes, so
    /// that what they have in common cannot take all replicas
    #[arg(long, value_name = "LABEL")]
    pub spread: Option<String>,
    /// How often nodes send heartbeats
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub heartbeat: Duration,
    /// Let bugs be switched on, by --bug and over the Unix socket
    #[arg(long)]
    pub enable_bugs: bool,
    /// Start with this bug: NAME bites each time, NAME=0.3 or NAME=30% with that probability;
    /// needs --enable-bugs
    #[arg(long = "bug", value_name = "NAME[=CHANCE]", requires = "enable_bugs")]
    pub bugs: Vec<Planted>,
}

/// A public key given as hex, or as `@FILE` that holds the hex.
#[derive(Clone, Debug)]
pub struct PinnedKey(pub PublicKey);

/// A label, `KEY=VALUE`.
#[derive(Clone, Debug)]
pub struct Label(pub String, pub String);

impl FromStr for PinnedKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = match text.strip_prefix('@') {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {file}: {error}"))?,
            None => text.to_owned(),
        };
        hex.trim()
            .parse()
            .map(Self)
            .map_err(|error: wire::key::KeyError| error.to_string())
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
        let max = wire::limits::LABEL_BYTES_MAX;
        if key.len() > max || value.len() > max {
            return Err(format!(
                "keys and values of labels have at most {max} bytes"
            ));
        }
        Ok(Self(key.to_owned(), value.to_owned()))
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| "a duration is a number with ms, s, m or h")?;
    let duration = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => return Err("a duration is a number with ms, s, m or h".into()),
    };
    if duration.is_zero() {
        Err("must not be zero".into())
    } else {
        Ok(duration)
    }
}

fn parse_record_life(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_millis(wire::limits::RECORD_LIFE_MS_MAX) - CLOCK_SKEW_MAX;
    let life = parse_duration(text)?;
    if (RECORD_LIFE_MIN..=longest).contains(&life) {
        Ok(life)
    } else {
        Err("a record holds for 2 s at least, and less than 30 days".into())
    }
}
