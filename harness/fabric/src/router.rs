//! The router thread: waits for packets, timers and commands, and drives the [`Switch`].
//!
//! One thread serves all hosts. It sleeps in `epoll` until a device is readable, the earliest
//! packet in flight is due (a `timerfd`, because `epoll` itself counts in milliseconds), or its
//! owner has a command (an `eventfd`). Devices take turns of [`FRAMES_A_TURN`] frames. After each
//! frame it delivers what is due, and after each turn it obeys commands, so neither waits long
//! behind a busy host.
//!
//! A command is carried out between two packets, so a swap of policies is atomic: each packet
//! meets either the old table or the new one.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use nix::time::{ClockId, clock_gettime};

use crate::counters::LinkReport;
use crate::frame::FRAME_BYTES_MAX;
use crate::handle::FabricError;
use crate::port::{Port, Received};
use crate::switch::Switch;
use crate::table::{HostIndex, PolicyTable};
use crate::tap::{Tap, now_us};

/// How many frames one device may send before it is the turn of the next.
const FRAMES_A_TURN: usize = 32;

/// How many devices one wait may report.
const EVENTS_MAX: usize = 128;

/// What the owner wants from the router; each answer goes to `reply`.
#[derive(Debug)]
pub(crate) enum Command {
    Attach {
        host: HostIndex,
        address: Ipv4Addr,
        device: OwnedFd,
        reply: SyncSender<Result<(), FabricError>>,
    },
    Detach {
        host: HostIndex,
        reply: SyncSender<()>,
    },
    /// The reply brings the old table along, so that its owner frees it.
    SetPolicies {
        table: PolicyTable,
        reply: SyncSender<(Instant, PolicyTable)>,
    },
    Counters {
        reply: SyncSender<Vec<LinkReport>>,
    },
    SetTap {
        tap: Option<Tap>,
        reply: SyncSender<()>,
    },
    CpuTime {
        reply: SyncSender<Duration>,
    },
    Stop,
}

/// The router, before and while it runs.
#[derive(Debug)]
pub(crate) struct Router {
    switch: Switch,
    epoll: Epoll,
    timer: TimerFd,
    /// For when the timer is set.
    armed_us: Option<u64>,
    commands: Receiver<Command>,
    wake: Arc<EventFd>,
    generation: u32,
    buffer: Vec<u8>,
}

/// Who an event of `epoll` belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Wake,
    Timer,
    Port { host: HostIndex, generation: u32 },
}

impl Router {
    /// A router that listens for commands and has no port yet.
    pub fn new(
        switch: Switch,
        commands: Receiver<Command>,
        wake: Arc<EventFd>,
    ) -> Result<Router, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer_flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(TimerClock::CLOCK_MONOTONIC, timer_flags)?;
        epoll.add(
            &*wake,
            EpollEvent::new(EpollFlags::EPOLLIN, Token::Wake.pack()),
        )?;
        epoll.add(
            timer.as_fd(),
            EpollEvent::new(EpollFlags::EPOLLIN, Token::Timer.pack()),
        )?;
        Ok(Router {
            switch,
            epoll,
            timer,
            armed_us: None,
            commands,
            wake,
            generation: 0,
            buffer: vec![0; FRAME_BYTES_MAX],
        })
    }

    /// Routes until told to stop, or until the handle is gone.
    pub fn run(mut self) -> Result<(), Errno> {
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        while self.obey()? {
            self.deliver_due();
            self.set_timer()?;
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                answer => answer?,
            };
            for event in &events[..count] {
                self.serve(*event)?;
                if !self.obey()? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn serve(&mut self, event: EpollEvent) -> Result<(), Errno> {
        match Token::unpack(event.data()) {
            Token::Wake => match self.wake.read() {
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
                Err(error) => Err(error),
            },
            Token::Timer => {
                self.deliver_due();
                Ok(())
            }
            Token::Port { host, generation } => {
                self.take_turn(host, generation);
                Ok(())
            }
        }
    }

    /// Reads what a host has sent. A device that is gone is unplugged, or it would be reported
    /// as readable for ever.
    fn take_turn(&mut self, host: HostIndex, generation: u32) {
        for _ in 0..FRAMES_A_TURN {
            let Some(port) = self
                .switch
                .port(host)
                .filter(|port| port.generation == generation)
            else {
                return;
            };
            match port.receive(&mut self.buffer) {
                Received::Frame(bytes) => {
                    self.switch
                        .accept(host, &mut self.buffer[..bytes], now_us());
                }
                Received::Nothing => return,
                Received::Gone => return self.unplug(host),
            }
        }
    }

    fn deliver_due(&mut self) {
        let Some(first_due_us) = self.switch.next_due_us() else {
            return;
        };
        let mut now = now_us();
        if first_due_us > now {
            return;
        }
        while self.switch.deliver_next_due(now) {
            now = now_us();
        }
    }

    /// Sets the timer for the next packet in flight, unless it is set so already. Setting it also
    /// takes back an expiry, so nobody has to read it.
    fn set_timer(&mut self) -> Result<(), Errno> {
        let due_us = self.switch.next_due_us();
        if due_us == self.armed_us {
            return Ok(());
        }
        match due_us {
            None => self.timer.unset()?,
            Some(due_us) => self.timer.set(
                Expiration::OneShot(TimeSpec::from_duration(Duration::from_micros(due_us))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
        }
        self.armed_us = due_us;
        Ok(())
    }

    /// Carries out the commands that wait. False when it is time to stop. A reply that nobody
    /// waits for any more is of no interest, so errors of sending it are not either.
    fn obey(&mut self) -> Result<bool, Errno> {
        loop {
            match self.commands.try_recv() {
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) | Ok(Command::Stop) => return Ok(false),
                Ok(Command::Attach {
                    host,
                    address,
                    device,
                    reply,
                }) => {
                    let _ = reply.send(self.attach(host, address, device));
                }
                Ok(Command::Detach { host, reply }) => {
                    self.unplug(host);
                    let _ = reply.send(());
                }
                Ok(Command::SetPolicies { table, reply }) => {
                    let old = self.switch.swap_policies(table);
                    let _ = reply.send((Instant::now(), old));
                }
                Ok(Command::Counters { reply }) => {
                    let _ = reply.send(self.switch.reports());
                }
                Ok(Command::SetTap { tap, reply }) => {
                    self.switch.set_tap(tap);
                    let _ = reply.send(());
                }
                Ok(Command::CpuTime { reply }) => {
                    let used = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
                    let _ = reply.send(Duration::from(used));
                }
            }
        }
    }

    fn attach(
        &mut self,
        host: HostIndex,
        address: Ipv4Addr,
        device: OwnedFd,
    ) -> Result<(), FabricError> {
        if let Some(owner) = self.switch.owner(address).filter(|owner| *owner != host) {
            return Err(FabricError::AddressTaken {
                address,
                owner: owner.0,
            });
        }
        self.unplug(host);
        self.generation = self.generation.wrapping_add(1);
        let token = Token::Port {
            host,
            generation: self.generation,
        };
        let port =
            Port::new(device, self.generation).map_err(|source| FabricError::Device { source })?;
        self.epoll
            .add(&port, EpollEvent::new(EpollFlags::EPOLLIN, token.pack()))
            .map_err(|source| FabricError::Device { source })?;
        self.switch.plug(host, address, port);
        Ok(())
    }

    fn unplug(&mut self, host: HostIndex) {
        if let Some(port) = self.switch.unplug(host) {
            // It is closed in a moment, but a copy elsewhere would keep it in the list.
            let _ = self.epoll.delete(&port);
        }
    }
}

impl Token {
    const WAKE: u64 = u64::MAX;
    const TIMER: u64 = u64::MAX - 1;

    fn pack(self) -> u64 {
        match self {
            Token::Wake => Self::WAKE,
            Token::Timer => Self::TIMER,
            Token::Port { host, generation } => u64::from(generation) << 16 | u64::from(host.0),
        }
    }

    fn unpack(number: u64) -> Token {
        match number {
            Self::WAKE => Token::Wake,
            Self::TIMER => Token::Timer,
            _ => Token::Port {
                host: HostIndex(number as u16),
                generation: (number >> 16) as u32,
            },
        }
    }
}
