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

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock, Now};
use crate::config::Timeouts;
use crate::limits;
use crate::net::connections::Connections;
use crate::net::full_scrape::FullScrapes;
use crate::net::http::{FullScrapeRequest, Next, Responder, Service};
use crate::net::worker::Shutdown;
use crate::protocol::http_head;
use crate::stats::Protocol;

/// Pause after an accept that failed, as when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A fault that lasts is logged this often.
const WARN_PAUSE: Duration = Duration::from_mins(1);
/// Replies to pipelined requests are sent when they exceed this, at the latest.
const OUT_FLUSH: usize = 64 * 1024;
/// A full scrape is sent in pieces of this size, each of which the client must take in time.
const FULL_SCRAPE_PIECE: usize = 256 * 1024;
/// Room for a head at first; most are a quarter of it.
const HEAD_ROOM: usize = 2 * 1024;
/// How long, and for how many bytes, a refused client is listened to after the last reply, so that
/// its unread bytes do not make the kernel throw the reply away.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 256 * 1024;

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

/// Errors that say nothing about the listening socket: the client was gone before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
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
        let _ = stream.set_nodelay(true); // a reply is one write: nothing to wait for
        let port = self.clone();
        tokio::task::spawn_local(async move {
            let _permit = permit;
            let life = port.serve_stream(stream, peer, shutdown);
            if timeout(port.timeouts.total, life).await.is_err() {
                port.count(|counters| counters.connections_timed_out.increment());
            }
        });
    }

    async fn serve_stream(&self, stream: TcpStream, peer: IpAddr, shutdown: Shutdown) {
        let ended = match &self.tls {
            None => self.serve_requests(stream, peer, shutdown).await,
            Some(tls) => match timeout(self.timeouts.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.serve_requests(stream, peer, shutdown).await,
                Ok(Err(_)) => {
                    return self.count(|counters| counters.handshakes_failed.increment());
                }
                Err(_) => Ended::TimedOut,
            },
        };
        if matches!(ended, Ended::TimedOut) {
            self.count(|counters| counters.connections_timed_out.increment());
        }
    }

    async fn serve_requests<S>(&self, stream: S, peer: IpAddr, shutdown: Shutdown) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut connection = Connection {
            port: self,
            stream,
            peer,
            received: Vec::with_capacity(HEAD_ROOM),
            scanned: 0,
            out: Vec::new(),
            requests: 0,
        };
        connection.serve(shutdown).await.unwrap_or(Ended::Closed)
    }
}

/// How a connection came to its end.
enum Ended {
    /// By the client, by agreement, or by shutdown.
    Closed,
    /// The client took too long.
    TimedOut,
}

struct Connection<'a, S> {
    port: &'a Port,
    stream: S,
    peer: IpAddr,
    /// What has come and is not answered; `scanned` bytes of it hold no end of a head.
    received: Vec<u8>,
    scanned: usize,
    /// Replies not sent yet.
    out: Vec<u8>,
    requests: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn serve(&mut self, mut shutdown: Shutdown) -> io::Result<Ended> {
        let mut deadline = Instant::now() + self.port.timeouts.head;
        loop {
            if let Some(length) = http_head::end(&self.received, self.scanned) {
                let goes_on = length <= limits::HTTP_HEAD_MAX && self.respond(length).await;
                if length > limits::HTTP_HEAD_MAX {
                    self.refuse_long_head();
                }
                if !goes_on || shutdown.has_begun() {
                    return self.finish().await;
                }
                if self.out.len() < OUT_FLUSH && self.has_whole_head() {
                    continue;
                }
                self.flush().await?;
                deadline = Instant::now() + self.port.timeouts.head;
                continue;
            }
            self.scanned = self.received.len();
            if self.received.len() > limits::HTTP_HEAD_MAX || self.has_long_line() {
                self.refuse_long_head();
                return self.finish().await;
            }
            let is_idle = self.received.is_empty() && self.requests > 0;
            if is_idle {
                deadline = Instant::now() + self.port.timeouts.idle;
            }
            let read = tokio::select! {
                read = timeout_at(deadline, self.stream.read_buf(&mut self.received)) => read,
                // Somebody who is in the middle of a request may finish it.
                () = shutdown.begun(), if self.received.is_empty() => return self.finish().await,
            };
            let Ok(read) = read else { return Ok(Ended::TimedOut) };
            if read? == 0 {
                return Ok(Ended::Closed);
            }
            if is_idle {
                deadline = Instant::now() + self.port.timeouts.head;
            }
        }
    }

    fn has_whole_head(&self) -> bool {
        http_head::end(&self.received, self.scanned).is_some()
    }

    fn has_long_line(&self) -> bool {
        self.received.len() > limits::HTTP_REQUEST_LINE_MAX && !self.received.contains(&b'\n')
    }

    fn refuse_long_head(&mut self) {
        let mut responder = self.port.responder.borrow_mut();
        let protocol = self.port.protocol();
        let _closes = responder.refuse_long_head(protocol, &self.received, &mut self.out);
    }

    /// Answers the head that is the first `length` bytes received. Tells whether the connection may
    /// serve another.
    async fn respond(&mut self, length: usize) -> bool {
        let port = self.port;
        let (service, protocol, now) = (&port.service, port.protocol(), port.clock.now());
        let head = &self.received[..length];
        if port.verbose {
            log_request(protocol, self.peer, head);
        }
        let source = (service, protocol, self.peer);
        let next = port.responder.borrow_mut().respond(now, source, head, &mut self.out);
        self.received.drain(..length);
        self.scanned = 0;
        self.requests += 1;
        let goes_on = match next {
            Next::KeepAlive => true,
            Next::Close => false,
            Next::FullScrape(request) => self.send_full_scrape(request, now).await.unwrap_or(false),
        };
        goes_on && self.requests < limits::HTTP_REQUESTS_PER_CONNECTION
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
        self.out.shrink_to(HEAD_ROOM);
        Ok(())
    }

    /// Sends what is left, says that no more comes, and hears the client out for a moment.
    async fn finish(&mut self) -> io::Result<Ended> {
        self.flush().await?;
        let farewell = async {
            self.stream.shutdown().await?;
            let mut heard = 0;
            while heard < LINGER_BYTES {
                self.received.clear();
                match self.stream.read_buf(&mut self.received).await? {
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

/// Logs a request without its query, in which keys may stand, and with nothing in it that a
/// terminal would obey.
fn log_request(protocol: Protocol, peer: IpAddr, head: &[u8]) {
    let line = head.split(|byte| matches!(byte, b'?' | b'\r' | b'\n')).next().unwrap_or_default();
    tracing::debug!(?protocol, %peer, request = %line.escape_ascii(), "HTTP request");
}
