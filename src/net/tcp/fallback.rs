//! HTTP and HTTPS on tokio: works on every Linux.
//!
//! Each connection is a task of its worker's thread, TLS handshake included, so that a client that
//! says nothing keeps nobody waiting, and is closed when its time is up.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock, Now};
use crate::config::Timeouts;
use crate::net::connections::{Connections, Permit};
use crate::net::full_scrape::FullScrapes;
use crate::net::http::{FullScrapeRequest, Responder, Service};
use crate::net::tcp::dialogue::{Asked, Dialogue, Step};
use crate::net::tcp::introduction;
use crate::net::tcp::{ACCEPT_PAUSE, LINGER, LINGER_BYTES, WARN_PAUSE, is_about_one_connection};
use crate::net::worker::{FIRST_REQUEST, Shutdown};
use crate::stats::Protocol;

/// A full scrape is sent in pieces of this size, each of which the client must take in time.
const FULL_SCRAPE_PIECE: usize = 256 * 1024;
/// Room for what is read at once; most heads are a quarter of it.
const READ_ROOM: usize = 2 * 1024;

/// What the connections of one listening socket have in common.
#[derive(Clone)]
pub struct Port {
    /// What is served.
    pub service: Service,
    /// TLS, on an HTTPS port.
    pub tls: Option<TlsAcceptor>,
    /// The worker's voice.
    pub responder: Rc<RefCell<Responder>>,
    /// The bodies of full scrapes.
    pub full_scrapes: Arc<FullScrapes>,
    /// The caps on open connections.
    pub connections: Arc<Connections>,
    /// Whose connections begin with a PROXY head.
    pub introducers: Arc<[IpNet]>,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// The clock.
    pub clock: Clock,
    /// Whether each request is logged.
    pub verbose: bool,
}

/// Accepts connections until `shutdown`. Those that are open then end by themselves.
pub async fn serve(listener: TcpListener, port: Port, mut shutdown: Shutdown) {
    let mut warned: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.begun() => return,
        };
        match accepted {
            Ok((stream, from)) => port.take(stream, from, shutdown.clone()),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if warned.is_none_or(|warned| warned.elapsed() >= WARN_PAUSE) {
                    tracing::warn!(%error, "cannot accept connections for a moment");
                    warned = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Port {
    fn protocol(&self) -> Protocol {
        if self.tls.is_some() { Protocol::Https } else { Protocol::Http }
    }

    fn count(&self, count: impl FnOnce(&crate::stats::Counters)) {
        count(self.responder.borrow_mut().worker().counters());
    }

    /// Starts the task of one connection, unless a cap is reached.
    fn take(&self, stream: TcpStream, from: SocketAddr, shutdown: Shutdown) {
        let peer = from.ip().to_canonical();
        let Some(permit) = self.connections.open(peer) else {
            return self.count(|counters| counters.connections_refused.increment());
        };
        self.count(|counters| counters.connections.increment());
        let port = self.clone();
        tokio::task::spawn_local(async move {
            let life = port.serve_stream(stream, (peer, permit), shutdown);
            if timeout(port.timeouts.total, life).await.is_err() {
                port.count(|counters| counters.connections_timed_out.increment());
            }
        });
    }

    async fn serve_stream(
        &self,
        mut stream: TcpStream,
        (mut peer, mut permit): (IpAddr, Permit),
        shutdown: Shutdown,
    ) {
        let first = if self.tls.is_some() { self.timeouts.handshake } else { self.timeouts.head };
        let deadline = Instant::now() + first;
        if introduction::is_due(peer, &self.introducers) {
            match self.introduced(&mut stream, peer, deadline, shutdown.clone()).await {
                Ok(client) => peer = client,
                Err(ended) => return self.count_end(&ended),
            }
            if !self.connections.pass_on(&mut permit, peer) {
                return self.count(|counters| counters.connections_refused.increment());
            }
        }
        let ended = match &self.tls {
            None => self.serve_requests(stream, peer, deadline, shutdown).await,
            Some(tls) => match timeout_at(deadline, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let deadline = Instant::now() + self.timeouts.head;
                    self.serve_requests(stream, peer, deadline, shutdown).await
                }
                Ok(Err(_)) => Ended::Mistaken,
                Err(_) => Ended::TimedOut,
            },
        };
        self.count_end(&ended);
    }

    /// Who is behind the proxy `peer`.
    async fn introduced(
        &self,
        stream: &mut TcpStream,
        peer: IpAddr,
        deadline: Instant,
        mut shutdown: Shutdown,
    ) -> Result<IpAddr, Ended> {
        let read = tokio::select! {
            biased; // what has come before the end is heard
            read = timeout_at(deadline, introduction::read(stream, peer)) => read,
            () = shutdown.begun_for(FIRST_REQUEST) => return Err(Ended::TimedOut),
        };
        read.map_err(|_| Ended::TimedOut)?.map_err(|_| Ended::Mistaken)
    }

    fn count_end(&self, ended: &Ended) {
        match ended {
            Ended::Closed => {}
            Ended::Mistaken => self.count(|counters| counters.handshakes_failed.increment()),
            Ended::TimedOut => self.count(|counters| counters.connections_timed_out.increment()),
        }
    }

    /// Answers requests; the first one's head has to be there by `deadline`.
    async fn serve_requests<S>(
        &self,
        stream: S,
        peer: IpAddr,
        deadline: Instant,
        shutdown: Shutdown,
    ) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut connection = Connection {
            port: self,
            stream,
            peer,
            dialogue: Dialogue::default(),
            arrived: Vec::with_capacity(READ_ROOM),
            out: Vec::new(),
        };
        match connection.serve(deadline, shutdown).await {
            Ok(ended) => ended,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ended::TimedOut,
            Err(_) => Ended::Closed,
        }
    }
}

/// How a connection came to its end.
enum Ended {
    /// By the client, by agreement, or by shutdown.
    Closed,
    /// The client took too long.
    TimedOut,
    /// The client spoke no TLS, or a proxy did not introduce it.
    Mistaken,
}

struct Connection<'a, S> {
    port: &'a Port,
    stream: S,
    peer: IpAddr,
    dialogue: Dialogue,
    /// What was read last.
    arrived: Vec<u8>,
    /// Replies not sent yet.
    out: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn serve(&mut self, mut deadline: Instant, mut shutdown: Shutdown) -> io::Result<Ended> {
        let mut is_idle = false;
        loop {
            let now = self.port.clock.now();
            match self.answer(now, shutdown.has_begun()) {
                Step::Read => {}
                Step::Send => {
                    self.flush().await?;
                    deadline = Instant::now() + self.port.timeouts.head;
                    continue;
                }
                Step::FullScrape(request) => {
                    let goes_on = self.send_full_scrape(request, now).await?;
                    if !goes_on || !self.dialogue.may_go_on() || shutdown.has_begun() {
                        return self.finish().await;
                    }
                    deadline = Instant::now() + self.port.timeouts.head;
                    continue;
                }
                Step::Finish => return self.finish().await,
            }
            let was_idle = std::mem::replace(&mut is_idle, self.dialogue.is_idle());
            if is_idle {
                deadline = Instant::now() + self.port.timeouts.idle;
            } else if was_idle {
                deadline = Instant::now() + self.port.timeouts.head;
            }
            let grace = if is_idle { Duration::ZERO } else { FIRST_REQUEST };
            let read = tokio::select! {
                biased; // what has come before the end is heard
                read = timeout_at(deadline, self.stream.read_buf(&mut self.arrived)) => read,
                // Somebody who is in the middle of a request may finish it.
                () = shutdown.begun_for(grace), if self.dialogue.is_empty() => {
                    return self.finish().await;
                }
            };
            let Ok(read) = read else { return Ok(Ended::TimedOut) };
            if read? == 0 {
                return Ok(Ended::Closed);
            }
        }
    }

    /// Answers what was read last.
    fn answer(&mut self, now: Now, ending: bool) -> Step {
        let Connection { port, peer, dialogue, arrived, out, .. } = self;
        let asked = Asked {
            service: &port.service,
            protocol: port.protocol(),
            peer: *peer,
            now,
            verbose: port.verbose,
            ending,
        };
        let step = dialogue.answer(asked, &mut port.responder.borrow_mut(), arrived, out);
        arrived.clear();
        step
    }

    /// Has the body made off this thread, which answers others meanwhile, and sends it from the one
    /// copy there is. Tells whether the connection may serve another request.
    async fn send_full_scrape(&mut self, request: FullScrapeRequest, now: Now) -> io::Result<bool> {
        let port = self.port;
        let tracker = port.responder.borrow_mut().worker().tracker().clone();
        let full_scrapes = port.full_scrapes.clone();
        let make = move || full_scrapes.body(&tracker, now, request.accepts_gzip);
        let body = tokio::task::spawn_blocking(make).await?;
        let out = &mut self.out;
        port.responder.borrow_mut().full_scrape_head(port.protocol(), request, &body, out);
        self.flush().await?;
        for piece in body.bytes.chunks(FULL_SCRAPE_PIECE) {
            timeout(port.timeouts.write, self.stream.write_all(piece)).await??;
        }
        Ok(request.keep_alive)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let write = async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        };
        timeout(self.port.timeouts.write, write).await??;
        self.out.clear();
        self.out.shrink_to(READ_ROOM);
        Ok(())
    }

    /// Sends what is left, says that no more comes, and hears the client out for a moment.
    async fn finish(&mut self) -> io::Result<Ended> {
        self.flush().await?;
        let farewell = async {
            self.stream.shutdown().await?;
            let mut heard = 0;
            while heard < LINGER_BYTES {
                self.arrived.clear();
                match self.stream.read_buf(&mut self.arrived).await? {
                    0 => break,
                    length => heard += length,
                }
            }
            io::Result::Ok(())
        };
        let _ = timeout(LINGER, farewell).await; // the reply is out; the rest is courtesy
        Ok(Ended::Closed)
    }
}
