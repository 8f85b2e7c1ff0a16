//! The listening sockets of one worker and the connections that came by them.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustix::net::{Shutdown, getpeername, shutdown};
use rustls::ServerConfig;
use tokio::sync::mpsc::Sender;

use super::aide::{Job, Mailbox};
use super::connection::{Connection, Origin};
use super::kernel::{Completion, File, GENERATION_MAX, Kind, Ring, Token};
use super::session::Session;
use super::timers::Timers;
use super::worker::Tools;
use crate::clock::Now;
use crate::config::{self, Timeouts};
use crate::net::connections::Connections;
use crate::net::full_scrape::Body;
use crate::net::http::{FullScrapeRequest, Service};
use crate::net::tcp::dialogue::Asked;
use crate::net::tcp::introduction;
use crate::net::tcp::{ACCEPT_PAUSE, WARN_PAUSE, is_about_one_connection};
use crate::stats::Protocol;

/// Buffers for replies that are kept for the next ones.
const BUFFERS_KEPT: usize = 256;
/// What such a buffer may hold; one that grew larger shrinks again.
const BUFFER_KEPT_LEN: usize = 16 * 1024;

/// A listening socket.
pub struct Port {
    listener: TcpListener,
    file: File,
    service: Service,
    tls: Option<Arc<ServerConfig>>,
    accepting: Accepting,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepting {
    On,
    /// To be begun again at the end of this round.
    Off,
    /// Off until this moment, since the system had nothing left to accept with.
    Until(Duration),
    /// Cancelled, with connections that may still come of it.
    Ending,
    Ended,
}

/// What the connections of a worker share.
pub struct Kit {
    /// When they have had their time.
    pub timers: Timers,
    /// How long that is.
    pub timeouts: Timeouts,
    /// Whether each request is logged.
    pub verbose: bool,
    /// Whose connections begin with a PROXY head.
    pub introducers: Vec<IpNet>,
    /// The caps on open connections.
    pub caps: Arc<Connections>,
    /// Empty buffers for replies.
    pub buffers: Vec<Vec<u8>>,
    /// What a TLS client said, and what it is told, in the clear.
    pub heard: Vec<u8>,
    pub said: Vec<u8>,
    jobs: Sender<Job>,
    mailbox: Arc<Mailbox>,
}

/// The listening sockets and connections of a worker.
pub struct Tcp {
    ports: Vec<Port>,
    keep_listening: bool,
    slab: Slab,
    kit: Kit,
    warned: Option<Duration>,
    expired: Vec<u32>,
}

impl Port {
    /// A port that offers `service`, over TLS if there is a `tls`.
    pub fn new(
        listener: TcpListener,
        file: File,
        service: Service,
        tls: Option<Arc<ServerConfig>>,
    ) -> Port {
        Port { listener, file, service, tls, accepting: Accepting::Off }
    }

    /// How its clients come.
    pub fn protocol(&self) -> Protocol {
        if self.tls.is_some() { Protocol::Https } else { Protocol::Http }
    }

    /// Who asks when `peer` does.
    pub fn asked(&self, peer: IpAddr, now: Now, ending: bool, verbose: bool) -> Asked<'_> {
        Asked { service: &self.service, protocol: self.protocol(), peer, now, verbose, ending }
    }
}

impl Kit {
    /// What connections share at the start.
    pub fn new(
        config: &config::Net,
        caps: Arc<Connections>,
        (jobs, mailbox): (Sender<Job>, Arc<Mailbox>),
    ) -> Kit {
        Kit {
            timers: Timers::default(),
            timeouts: config.timeouts,
            verbose: config.verbose,
            introducers: config.introducers().to_vec(),
            caps,
            buffers: Vec::with_capacity(BUFFERS_KEPT),
            heard: Vec::new(),
            said: Vec::new(),
            jobs,
            mailbox,
        }
    }

    /// Keeps a buffer for the next reply.
    pub fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < BUFFERS_KEPT {
            buffer.clear();
            buffer.shrink_to(BUFFER_KEPT_LEN);
            self.buffers.push(buffer);
        }
    }

    /// Has the body of a full scrape made. Tells whether it will come.
    pub fn want_body(&self, token: Token, request: FullScrapeRequest, tools: &Tools<'_>) -> bool {
        let job = Job { token, request, now: tools.now, mailbox: self.mailbox.clone() };
        self.jobs.try_send(job).is_ok()
    }
}

impl Tcp {
    /// Serves `ports` with what is in `kit`. In the end they may `keep_listening`, for who comes
    /// after us.
    pub fn new(ports: Vec<Port>, kit: Kit, keep_listening: bool) -> Tcp {
        let slab = Slab::default();
        Tcp { ports, keep_listening, slab, kit, warned: None, expired: Vec::new() }
    }

    /// A connection, or the reason why no more come.
    pub fn accepted(&mut self, completion: Completion, tools: &mut Tools<'_>) {
        let file = File(completion.token.index);
        let Some(index) = self.ports.iter().position(|port| port.file == file) else { return };
        let port = &mut self.ports[index];
        if !completion.goes_on {
            port.accepting = if tools.is_ending { Accepting::Ended } else { Accepting::Off };
        }
        if let Err(error) = completion.result
            && port.accepting == Accepting::Off
            && !is_about_one_connection(&error)
        {
            port.accepting = Accepting::Until(tools.elapsed + ACCEPT_PAUSE);
            if self.warned.is_none_or(|warned| tools.elapsed >= warned + WARN_PAUSE) {
                tracing::warn!(%error, "cannot accept connections for a moment");
                self.warned = Some(tools.elapsed);
            }
        }
        if let Some(stream) = completion.accepted {
            self.open(index, stream, tools);
        }
    }

    fn open(&mut self, port: usize, stream: OwnedFd, tools: &mut Tools<'_>) {
        let counters = tools.counters();
        let from = getpeername(&stream).ok().flatten();
        let Some(from) = from.and_then(|from| SocketAddr::try_from(from).ok()) else {
            return; // the client is gone
        };
        let peer = from.ip().to_canonical();
        let Some(permit) = self.kit.caps.open(peer) else {
            return counters.connections_refused.increment();
        };
        counters.connections.increment();
        let session = match &self.ports[port].tls {
            None => None,
            Some(config) => match Session::new(config.clone()) {
                Ok(session) => Some(Box::new(session)),
                Err(_) => return counters.handshakes_failed.increment(),
            },
        };
        let dies = tools.elapsed + self.kit.timeouts.total;
        let is_proxied = introduction::is_due(peer, &self.kit.introducers);
        let from = Origin { port, peer, permit, is_proxied };
        let connection =
            self.slab.insert(|place| Connection::new(stream, place, from, session, dies));
        connection.open(&mut self.kit, tools);
        if tools.is_ending {
            connection.end(&mut self.kit, tools);
        }
    }

    /// What a connection sent, or the reason why no more comes.
    pub fn received(&mut self, completion: Completion, tools: &mut Tools<'_>) {
        let Tcp { ports, slab, kit, .. } = self;
        let token = completion.token;
        if let Some(connection) = slab.find(token) {
            let port = &ports[connection.port];
            connection.received(completion, kit, port, tools);
            self.free(token.index);
        } else if let Some(lease) = completion.lease {
            tools.ring.give_back(lease);
        }
    }

    /// What a connection was sent has gone out, or not.
    pub fn sent(&mut self, completion: &Completion, tools: &mut Tools<'_>) {
        let Tcp { ports, slab, kit, .. } = self;
        if let Some(connection) = slab.find(completion.token) {
            let port = &ports[connection.port];
            connection.sent(completion, kit, port, tools);
            self.free(completion.token.index);
        }
    }

    /// The body that a connection waits for.
    pub fn body(&mut self, token: Token, body: Body, tools: &mut Tools<'_>) {
        let Tcp { ports, slab, kit, .. } = self;
        if let Some(connection) = slab.find(token) {
            let port = &ports[connection.port];
            connection.body(body, kit, port, tools);
            self.free(token.index);
        }
    }

    /// Closes those whose time is up, and ends pauses.
    pub fn tick(&mut self, tools: &mut Tools<'_>) {
        let mut expired = std::mem::take(&mut self.expired);
        self.kit.timers.turn(tools.elapsed, &mut expired);
        for index in expired.drain(..) {
            if let Some(connection) = self.slab.at(index) {
                connection.expire(&mut self.kit, tools);
                self.free(index);
            }
        }
        self.expired = expired;
        for port in &mut self.ports {
            if let Accepting::Until(moment) = port.accepting
                && tools.elapsed >= moment
            {
                port.accepting = Accepting::Off;
            }
        }
    }

    /// Has the kernel accept again where it stopped.
    pub fn resume(&mut self, ring: &mut Ring) {
        for port in self.ports.iter_mut().filter(|port| port.accepting == Accepting::Off) {
            port.accepting = Accepting::On;
            ring.accept(port.file);
        }
    }

    /// Whether anything waits for a tick.
    pub fn needs_ticks(&self) -> bool {
        let is_paused = |port: &Port| matches!(port.accepting, Accepting::Until(_));
        !self.slab.is_empty() || self.ports.iter().any(is_paused)
    }

    /// Accepts no more, and finishes the connections that are between two requests. The others
    /// are finished after their reply.
    pub fn end(&mut self, tools: &mut Tools<'_>) {
        for port in &mut self.ports {
            port.accepting = if port.accepting == Accepting::On {
                tools.ring.cancel(Token::new(Kind::Accept, port.file.0));
                Accepting::Ending
            } else {
                Accepting::Ended
            };
            if !self.keep_listening {
                // Listens no more, though the ring may hold on to it for a while.
                let _ = shutdown(&port.listener, Shutdown::Both);
            }
        }
        for index in 0..self.slab.len() {
            if let Some(connection) = self.slab.at(index) {
                connection.end(&mut self.kit, tools);
                self.free(index);
            }
        }
    }

    /// Whether no connection is left and none may come.
    pub fn is_done(&self) -> bool {
        self.slab.is_empty() && self.ports.iter().all(|port| port.accepting == Accepting::Ended)
    }

    fn free(&mut self, index: u32) {
        if self.slab.at(index).is_some_and(|connection| connection.is_freeable())
            && let Some(connection) = self.slab.remove(index)
        {
            connection.free(&mut self.kit);
        }
    }
}

/// The connections by number. A number is used again, with the next generation.
#[derive(Default)]
struct Slab {
    places: Vec<(u32, Option<Connection>)>,
    free: Vec<u32>,
}

impl Slab {
    fn insert(&mut self, make: impl FnOnce((u32, u32)) -> Connection) -> &mut Connection {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() as u32 - 1
        });
        let (generation, place) = &mut self.places[index as usize];
        place.insert(make((index, *generation)))
    }

    fn find(&mut self, token: Token) -> Option<&mut Connection> {
        let (generation, place) = self.places.get_mut(token.index as usize)?;
        place.as_mut().filter(|_| *generation == token.generation)
    }

    fn at(&mut self, index: u32) -> Option<&mut Connection> {
        self.places.get_mut(index as usize)?.1.as_mut()
    }

    fn remove(&mut self, index: u32) -> Option<Connection> {
        let (generation, place) = self.places.get_mut(index as usize)?;
        let connection = place.take()?;
        *generation = (*generation + 1) & GENERATION_MAX;
        self.free.push(index);
        Some(connection)
    }

    fn len(&self) -> u32 {
        self.places.len() as u32
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }
}
