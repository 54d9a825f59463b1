//! The handle on the overlay: ask a peer, keep peers connected, answer what others ask.

use super::{
    behaviour::{self, REQUEST_TIMEOUT},
    event_loop::{Ends, EventLoop},
    peer,
    peer::Contact,
};
use crate::bug::{Bug, Bugs, LATE_REPLY};
use futures::channel::oneshot as answer_channel;
use libp2p::{multiaddr::Protocol, request_response::ResponseChannel};
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};
use wire::{
    Epoch, PublicKey, SecretKey,
    message::{Envelope, Request, Response},
};

/// Commands that may wait for the event loop.
const COMMANDS: usize = 256;
/// Requests of other peers that may wait for their handler; more are answered "busy".
const INBOUND: usize = 256;

/// A handle on the overlay; clones share it.
#[derive(Clone, Debug)]
pub struct Net {
    commands: mpsc::Sender<Command>,
    connected: watch::Receiver<Arc<HashSet<PublicKey>>>,
    epoch: Arc<AtomicU64>,
}

/// Why a peer did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The peer could not be reached: it saw nothing of the request.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// The connection broke or did not speak our protocol: it may have seen the request.
    #[error("the connection broke")]
    Lost,
    /// No answer in time: it may have seen the request.
    #[error("no answer in time")]
    TimedOut,
}

/// What the overlay tells its owner.
#[derive(Debug)]
pub enum Inbound {
    /// A peer asks.
    Request {
        /// Who; proved by the connection's handshake.
        from: PublicKey,
        /// What, with the peer's epoch.
        request: Envelope<Request>,
        /// Where the answer goes.
        responder: Responder,
    },
    /// A peer has a newer roster.
    NewerEpoch(Contact),
    /// A connection to this peer is there, after there was none.
    Connected(PublicKey),
}

/// Takes the answer to one request; dropping it unanswered hangs up on the peer.
#[derive(Debug)]
pub struct Responder {
    pub(super) channel: ResponseChannel<Envelope<Response>>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) bugs: Bugs,
}

#[derive(Debug)]
pub(super) enum Command {
    Ask {
        peer: Contact,
        request: Request,
        reply: Reply,
    },
    Respond {
        channel: ResponseChannel<Envelope<Response>>,
        response: Response,
    },
    Keep(Vec<Contact>),
    Serve(bool),
}

pub(super) type Reply = oneshot::Sender<Result<Response, AskError>>;

/// Why the overlay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The encryption layer refused our key.
    #[error("cannot set up the encryption: {0}")]
    Noise(#[from] libp2p::noise::Error),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        why: String,
    },
}

/// Starts the overlay: listens, and spawns the event loop on the current runtime.
///
/// Returns when the listener is up, with the handle and what others ask.
///
/// # Errors
/// [`StartError`].
pub async fn start(
    key: &SecretKey,
    address: SocketAddr,
    bugs: Bugs,
) -> Result<(Net, mpsc::Receiver<Inbound>), StartError> {
    let mut swarm = behaviour::swarm(peer::keypair(key), bugs.clone())?;
    let refused = |why: String| StartError::Listen { address, why };
    let listen = peer::multiaddr(address);
    swarm
        .listen_on(listen.clone())
        .map_err(|error| refused(error.to_string()))?;
    swarm.add_external_address(listen.with(Protocol::P2p(*swarm.local_peer_id())));
    let (commands, command_queue) = mpsc::channel(COMMANDS);
    let (inbound, inbound_queue) = mpsc::channel(INBOUND);
    let (connected_now, connected) = watch::channel(Arc::default());
    let (up, listening) = answer_channel::channel();
    let epoch = Arc::new(AtomicU64::new(0));
    let net = Net {
        commands: commands.clone(),
        connected,
        epoch: epoch.clone(),
    };
    let ends = Ends {
        commands: command_queue,
        respond: commands,
        inbound,
        connected: connected_now,
        epoch,
        up: Some(up),
        bugs,
    };
    tokio::spawn(EventLoop::new(swarm, ends).run());
    match listening.await {
        Ok(result) => result.map_err(refused)?,
        Err(_) => return Err(refused("the event loop ended".into())),
    }
    Ok((net, inbound_queue))
}

impl Net {
    /// Asks a peer, connecting first if need be.
    ///
    /// # Errors
    /// [`AskError`], which says whether the peer may have seen the request.
    pub async fn ask(
        &self,
        peer: Contact,
        request: Request,
        within: Duration,
    ) -> Result<Response, AskError> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            let command = Command::Ask {
                peer,
                request,
                reply,
            };
            self.commands
                .send(command)
                .await
                .map_err(|_| AskError::Unreachable)?;
            answer.await.unwrap_or(Err(AskError::Lost))
        };
        timeout(within, asked)
            .await
            .unwrap_or(Err(AskError::TimedOut))
    }

    /// Keeps connections to exactly these peers, redialling with backoff.
    pub async fn keep(&self, peers: Vec<Contact>) {
        // The event loop ends only with the process.
        let _ = self.commands.send(Command::Keep(peers)).await;
    }

    /// Answers kad's questions (mirrors and the registry), or only asks them (other nodes).
    pub async fn serve_kad(&self, serve: bool) {
        let _ = self.commands.send(Command::Serve(serve)).await;
    }

    /// Tells the epoch that travels with every message from now on.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
    }

    /// Who is connected now.
    #[must_use]
    pub fn connected(&self) -> Arc<HashSet<PublicKey>> {
        self.connected.borrow().clone()
    }
}

impl Responder {
    /// Sends the answer, as far as the planted bugs let it.
    pub async fn answer(self, response: Response) {
        if self.bugs.bites(Bug::DropReplies) {
            tokio::spawn(async move {
                // Dropping it at once would hang up, and the peer would know.
                sleep(REQUEST_TIMEOUT).await;
                drop(self);
            });
        } else if self.bugs.bites(Bug::DelayReplies) {
            tokio::spawn(async move {
                sleep(LATE_REPLY).await;
                self.send(response).await;
            });
        } else {
            self.send(response).await;
        }
    }

    async fn send(self, response: Response) {
        let command = Command::Respond {
            channel: self.channel,
            response,
        };
        let _ = self.commands.send(command).await;
    }
}
