//! The connections of the web ports. The sockets come bound; HTTP/1.1 is spoken on a plain one, and
//! over TLS also h2. Every wait has an end: see [`Bounds`].

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::map_response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use self::stall::Stalling;
use self::turn::{Activity, Turning};
use super::headers;
use super::visitor::Visitor;
use crate::clock::{Clock, Now};
use crate::config::Timeouts;
use crate::limits;
use crate::net::tcp::introduction;

/// How much of us the clients of one listener may take, and who introduces them.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Open connections. While there are as many, further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// How long a client may take, our own time not counted. `idle` bounds any silence, also while
    /// it should take a reply, so `write` is not looked at; an HTTP/1.1 connection is closed after
    /// `head` between requests. After `total` no further request is taken, and what is on the way
    /// goes on while it moves at [`limits::WEB_PACE_MIN`].
    pub timeouts: Timeouts,
    /// How long open requests may take to finish once we stop.
    pub shutdown: Duration,
    /// Networks whose connections begin with a PROXY head, within the time of a request's head.
    pub introducers: Arc<[IpNet]>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connections_max: limits::WEB_CONNECTIONS_MAX,
            timeouts: Timeouts::default(),
            shutdown: Duration::from_secs(limits::WEB_SHUTDOWN_SECS),
            introducers: Arc::default(),
        }
    }
}

/// Answers plain HTTP until `shutdown` turns true or its sender is gone, then lets open requests
/// finish and returns.
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    shutdown: watch::Receiver<bool>,
    bounds: Bounds,
) {
    let stop = shutdown.clone();
    accept(listener, shutdown, bounds.clone(), move |mut stream, peer| {
        let (router, stop, bounds) = (router.clone(), stop.clone(), bounds.clone());
        async move {
            let Some(peer) = introduced(&mut stream, peer, &bounds).await else { return };
            let visitor = Visitor { peer, is_tls: false };
            converse((stream, visitor), Version::Http1, router, stop, bounds).await;
        }
    })
    .await;
}

/// Answers HTTP over TLS, as [`serve_plain`] does. Which protocols are spoken is said here, so the
/// same `tls` may serve other listeners too.
pub async fn serve_tls(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    shutdown: watch::Receiver<bool>,
    bounds: Bounds,
) {
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let router = router.layer(map_response(headers::add_over_tls));
    let stop = shutdown.clone();
    accept(listener, shutdown, bounds.clone(), move |mut stream, peer| {
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        let bounds = bounds.clone();
        async move {
            let Some(peer) = introduced(&mut stream, peer, &bounds).await else { return };
            // A handshake that fails or dawdles is the client's affair: its connection closes.
            let handshake = timeout(bounds.timeouts.handshake, acceptor.accept(stream));
            let Ok(Ok(stream)) = handshake.await else { return };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let version = if is_h2 { Version::Http2 } else { Version::Http1 };
            let visitor = Visitor { peer, is_tls: true };
            converse((stream, visitor), version, router, stop, bounds).await;
        }
    })
    .await;
}

/// Who is on the other end, or behind the proxy there; `None` when a proxy does not say so in time.
async fn introduced(stream: &mut TcpStream, peer: IpAddr, bounds: &Bounds) -> Option<IpAddr> {
    if !introduction::is_due(peer, &bounds.introducers) {
        return Some(peer);
    }
    timeout(bounds.timeouts.head, introduction::read(stream, peer)).await.ok()?.ok()
}

/// What is spoken on a connection. Settled before its first byte, so that there is never a wait
/// for a client to show which it means.
#[derive(Clone, Copy, Debug)]
enum Version {
    Http1,
    Http2,
}

/// Hands each connection to a task of its own, at most `connections_max` at once.
async fn accept<F>(
    listener: TcpListener,
    mut shutdown: watch::Receiver<bool>,
    bounds: Bounds,
    serve: impl Fn(TcpStream, IpAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut failures = Failures { clock: Clock::start(), warned: None };
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < bounds.connections_max => {
                match accepted {
                    Ok((stream, from)) => {
                        // Replies are written whole, so waiting to fill a packet gains nothing. A
                        // socket that will not have it is served all the same.
                        let _ = stream.set_nodelay(true);
                        connections.spawn(serve(stream, from.ip().to_canonical()));
                    }
                    Err(error) => failures.back_off(&error).await,
                }
            }
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(bounds.shutdown, finished).await;
    connections.shutdown().await;
}

/// Answers the requests of one connection until either side has had enough.
async fn converse<S>(
    (stream, visitor): (S, Visitor),
    version: Version,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
    bounds: Bounds,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::begin();
    let stream = Stalling::new(stream, bounds.timeouts.idle, activity.clone());
    let pages = service_fn(|request: Request<Incoming>| {
        let turn = activity.request();
        let mut request = request.map(|body| Body::new(Turning::sent(body, turn.clone())));
        request.extensions_mut().insert(visitor);
        let reply = router.clone().call(request);
        async move { reply.await.map(|reply| turn.reply(reply)) }
    });
    let builder = protocol(version, &bounds);
    let connection = builder.serve_connection(TokioIo::new(stream), pages);
    let mut connection = std::pin::pin!(connection);
    // Whether a connection ended well concerns the client alone, who knows.
    let has_aged = tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut shutdown) => false,
        () = sleep(bounds.timeouts.total) => true,
    };
    connection.as_mut().graceful_shutdown();
    if has_aged {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = stopped(&mut shutdown) => {}
            () = activity.slackens(bounds.timeouts.idle) => return,
        }
    }
    let _ = timeout(bounds.shutdown, connection).await;
}

/// Hyper with our limits. It reads no body that no handler asks for: it closes the connection
/// instead, or resets the h2 stream.
fn protocol(version: Version, bounds: &Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.timeouts.head)
        .max_headers(limits::HTTP_FIELDS_MAX)
        .max_buf_size(limits::HTTP_HEAD_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::WEB_STREAMS_MAX)
        .max_header_list_size(limits::HTTP_HEAD_MAX as u32)
        .initial_stream_window_size(limits::WEB_WINDOW)
        .initial_connection_window_size(limits::WEB_WINDOW);
    match version {
        Version::Http1 => builder.http1_only(),
        Version::Http2 => builder.http2_only(),
    }
}

/// Returns once `shutdown` is true, or nobody is left who could say so.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Failures to accept: the process is out of descriptors, or the kernel of memory.
struct Failures {
    clock: Clock,
    warned: Option<Now>,
}

impl Failures {
    /// Waits a little, so that what is lacking may come back, and says so at most once a minute.
    async fn back_off(&mut self, error: &io::Error) {
        let is_of_one_connection = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
        );
        if is_of_one_connection {
            return;
        }
        let now = self.clock.now();
        if self.warned.is_none_or(|warned| now.since(warned) >= 60) {
            self.warned = Some(now);
            tracing::warn!(%error, "cannot accept web connections at the moment");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

mod stall;
#[cfg(test)]
mod tests;
mod turn;
#[cfg(test)]
mod waits;
