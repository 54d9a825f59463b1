//! The one task that owns the swarm.
//!
//! It dials by itself, with its own backoff, and hands requests to the request-response protocol
//! only over connections that stand. A connection that lets a request or ping time out, and on
//! which nothing else was heard meanwhile, is closed: after a partition TCP may sleep for many
//! seconds before it retransmits, and a fresh connection is there sooner.

use super::{
    asked::Asked,
    behaviour::{Behaviour, BehaviourEvent, KAD_PROTOCOL, REQUEST_TIMEOUT},
    dialing::Dialing,
    handle::{AskError, Command, Inbound, Reply, Responder},
    peer::{self, Contact},
};
use crate::bug::{Bug, Bugs};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad, ping,
    request_response::{self, Message, OutboundFailure},
    swarm::{
        ConnectionId, DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tracing::{debug, info};
use wire::{
    Epoch, PublicKey,
    message::{Envelope, PROTOCOL, Request, Response},
};

/// Requests that may wait for a connection to one peer.
const WAITING_MAX: usize = 64;
/// Searches for lost peers at the same time; those beyond are begun after later dials.
const SEARCHES_MAX: usize = 16;
/// What a loaded peer tells others to wait.
const BUSY: Response = Response::Busy {
    retry_after_ms: 100,
};

type Told = futures::channel::oneshot::Sender<Result<(), String>>;

/// The event loop's ends of the channels to the handle.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) respond: mpsc::Sender<Command>,
    pub(super) inbound: mpsc::Sender<Inbound>,
    pub(super) connected: watch::Sender<Arc<HashSet<PublicKey>>>,
    pub(super) epoch: Arc<AtomicU64>,
    pub(super) up: Option<Told>,
    pub(super) bugs: Bugs,
}

pub(super) struct EventLoop {
    swarm: Swarm<Behaviour>,
    ends: Ends,
    asked: Asked,
    waiting: HashMap<PeerId, Vec<(Request, Reply)>>,
    dialing: Dialing,
    /// When something was last heard on each connection.
    heard: HashMap<ConnectionId, Instant>,
}

impl EventLoop {
    pub(super) fn new(swarm: Swarm<Behaviour>, ends: Ends) -> Self {
        Self {
            swarm,
            asked: Asked::default(),
            waiting: HashMap::new(),
            dialing: Dialing::new(ends.bugs.clone()),
            ends,
            heard: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let redial = self.dialing.next();
            tokio::select! {
                command = self.ends.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.see(event),
                () = at(redial) => self.redial(),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ask {
                peer,
                request,
                reply,
            } => self.ask(&peer, request, reply),
            Command::Respond { channel, response } => {
                let envelope = self.envelope(response);
                // The peer may have given up already.
                let _ = self
                    .swarm
                    .behaviour_mut()
                    .requests
                    .send_response(channel, envelope);
            }
            Command::Keep(peers) => self.keep(&peers),
            Command::Serve(serve) => {
                let mode = if serve {
                    kad::Mode::Server
                } else {
                    kad::Mode::Client
                };
                self.swarm.behaviour_mut().kad.set_mode(Some(mode));
            }
        }
    }

    fn ask(&mut self, contact: &Contact, request: Request, reply: Reply) {
        let Some(peer) = peer::peer_id(&contact.key) else {
            let _ = reply.send(Err(AskError::Unreachable));
            return;
        };
        if self.swarm.is_connected(&peer) {
            self.send(peer, request, reply);
            return;
        }
        let waiting = self.waiting.entry(peer).or_default();
        waiting.retain(|(_, reply)| !reply.is_closed());
        if waiting.len() >= WAITING_MAX {
            let _ = reply.send(Err(AskError::Unreachable));
            return;
        }
        waiting.push((request, reply));
        self.dial(peer, contact.addresses.clone());
    }

    fn send(&mut self, peer: PeerId, request: Request, reply: Reply) {
        if self.asked.is_full(&peer) {
            let _ = reply.send(Err(AskError::Unreachable));
            return;
        }
        let envelope = self.envelope(request);
        let id = self
            .swarm
            .behaviour_mut()
            .requests
            .send_request(&peer, envelope);
        self.asked.sent(peer, id, reply);
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        // A new port each time: on a reused one, the peer's memory of a lost connection gets in
        // the way of the new one.
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .allocate_new_port()
            .build();
        match self.swarm.dial(options) {
            // It is connected, or a dial is under way, whose event follows.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                debug!(%peer, %error, "cannot dial");
                self.fail_waiting(peer);
                self.plan_redial(peer);
            }
        }
    }

    fn keep(&mut self, peers: &[Contact]) {
        let swarm = &self.swarm;
        let connected = |peer: &PeerId| swarm.is_connected(peer);
        self.dialing.keep(peers, connected, Instant::now());
    }

    fn redial(&mut self) {
        for (peer, addresses) in self.dialing.due(Instant::now()) {
            self.dial(peer, addresses);
        }
    }

    fn see(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.see_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => {
                info!(%address, "listening for peers");
                self.tell_up(Ok(()));
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                self.tell_up(Err(format!("{reason:?}")));
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => {
                self.opened(peer_id, connection_id);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                self.heard.remove(&connection_id);
                if num_established == 0 {
                    self.disconnected(peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                debug!(%peer, %error, "cannot connect");
                if !self.swarm.is_connected(&peer) {
                    self.fail_waiting(peer);
                    self.plan_redial(peer);
                }
            }
            _ => {}
        }
    }

    fn see_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Requests(event) => self.see_request(event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.identified(peer_id, info);
            }
            BehaviourEvent::Ping(ping::Event {
                peer,
                connection,
                result,
            }) => match result {
                Ok(_) => self.hear(connection),
                Err(error) => {
                    debug!(%peer, %error, "ping failed");
                    self.swarm.close_connection(connection);
                }
            },
            BehaviourEvent::Identify(_) | BehaviourEvent::Kad(_) => {}
        }
    }

    /// Believes the addresses of a peer that serves our kad.
    fn identified(&mut self, peer: PeerId, info: identify::Info) {
        let serves = info
            .protocols
            .iter()
            .any(|protocol| *protocol == KAD_PROTOCOL);
        let foreign = info.protocol_version != PROTOCOL;
        if serves || (foreign && self.ends.bugs.bites(Bug::JoinAnyProtocol)) {
            for address in info.listen_addrs {
                self.swarm.behaviour_mut().kad.add_address(&peer, address);
            }
        }
    }

    fn see_request(
        &mut self,
        event: request_response::Event<Envelope<Request>, Envelope<Response>>,
    ) {
        use request_response::Event::{InboundFailure, Message as Arrived, OutboundFailure};
        match event {
            Arrived {
                peer,
                connection_id,
                message,
            } => {
                self.hear(connection_id);
                match message {
                    Message::Request {
                        request, channel, ..
                    } => {
                        self.compare_epoch(peer, request.epoch);
                        self.hand_over(peer, request, channel);
                    }
                    Message::Response {
                        request_id,
                        response,
                    } => {
                        self.compare_epoch(peer, response.epoch);
                        if let Some((reply, took)) = self.asked.landed(peer, request_id) {
                            self.ends.bugs.judge_reply(took);
                            let _ = reply.send(Ok(response.body));
                        }
                    }
                }
            }
            OutboundFailure {
                peer,
                connection_id,
                request_id,
                error,
            } => {
                debug!(%peer, %error, "request failed");
                if let Some((reply, _)) = self.asked.landed(peer, request_id) {
                    let _ = reply.send(Err(ask_error(&error)));
                }
                if matches!(error, self::OutboundFailure::Timeout) {
                    self.close_if_silent(connection_id);
                }
            }
            InboundFailure { .. } | request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn hand_over(
        &mut self,
        peer: PeerId,
        request: Envelope<Request>,
        channel: request_response::ResponseChannel<Envelope<Response>>,
    ) {
        let Some(from) = peer::public_key(&peer) else {
            return;
        };
        let responder = Responder {
            channel,
            commands: self.ends.respond.clone(),
            bugs: self.ends.bugs.clone(),
        };
        let full = match self.ends.inbound.try_send(Inbound::Request {
            from,
            request,
            responder,
        }) {
            Err(mpsc::error::TrySendError::Full(Inbound::Request { responder, .. })) => responder,
            _ => return,
        };
        let busy = self.envelope(BUSY);
        let _ = self
            .swarm
            .behaviour_mut()
            .requests
            .send_response(full.channel, busy);
    }

    fn compare_epoch(&self, peer: PeerId, theirs: Epoch) {
        if theirs.0 > self.ends.epoch.load(Ordering::Relaxed)
            && let Some(key) = peer::public_key(&peer)
        {
            let contact = Contact {
                key,
                addresses: Vec::new(),
            };
            // When the queue is full, the next message tells the same again.
            let _ = self.ends.inbound.try_send(Inbound::NewerEpoch(contact));
        }
    }

    fn opened(&mut self, peer: PeerId, connection: ConnectionId) {
        self.hear(connection);
        self.dialing.opened(&peer);
        for (request, reply) in self.waiting.remove(&peer).unwrap_or_default() {
            if !reply.is_closed() {
                self.send(peer, request, reply);
            }
        }
        let Some(key) = peer::public_key(&peer) else {
            return;
        };
        let new = self
            .ends
            .connected
            .send_if_modified(|set| Arc::make_mut(set).insert(key));
        if new {
            let _ = self.ends.inbound.try_send(Inbound::Connected(key));
        }
    }

    fn disconnected(&mut self, peer: PeerId) {
        if let Some(key) = peer::public_key(&peer) {
            self.ends
                .connected
                .send_if_modified(|set| Arc::make_mut(set).remove(&key));
        }
        self.plan_redial(peer);
    }

    fn plan_redial(&mut self, peer: PeerId) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        if self.dialing.failed(&peer, Instant::now()) && kad.iter_queries().count() < SEARCHES_MAX {
            kad.get_closest_peers(peer);
        }
    }

    fn fail_waiting(&mut self, peer: PeerId) {
        for (_, reply) in self.waiting.remove(&peer).unwrap_or_default() {
            let _ = reply.send(Err(AskError::Unreachable));
        }
    }

    fn hear(&mut self, connection: ConnectionId) {
        self.heard.insert(connection, Instant::now());
    }

    fn close_if_silent(&mut self, connection: ConnectionId) {
        let silent = |at: &Instant| at.elapsed() >= REQUEST_TIMEOUT;
        if self.heard.get(&connection).is_some_and(silent) {
            self.swarm.close_connection(connection);
        }
    }

    fn envelope<T>(&self, body: T) -> Envelope<T> {
        Envelope {
            epoch: Epoch(self.ends.epoch.load(Ordering::Relaxed)),
            body,
        }
    }

    fn tell_up(&mut self, result: Result<(), String>) {
        if let Some(up) = self.ends.up.take() {
            let _ = up.send(result);
        }
    }
}

fn ask_error(error: &OutboundFailure) -> AskError {
    match error {
        OutboundFailure::DialFailure => AskError::Unreachable,
        OutboundFailure::Timeout => AskError::TimedOut,
        _ => AskError::Lost,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
