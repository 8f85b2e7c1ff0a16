//! How long a connection lasts, told by a clock that leaps over every wait.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::routing::{get, post};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::*;

const IDLE: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_secs(20);
const SHUTDOWN: Duration = Duration::from_secs(3);
/// Longer than a client may take for anything.
const LONG: Duration = Duration::from_mins(5);
const MOMENT: Duration = Duration::from_millis(200);
/// Longest that a client is borne who moves too little: what it may take in any case, the time in
/// which it is found out, and some to spare for the steps in which the clock is looked at.
const BORNE: Duration = Duration::from_secs(45);

const CHUNK: usize = 16 << 10;
const LARGE: usize = 256 * CHUNK;
const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];

/// A body of `chunks` chunks of `len` bytes, with a wait before each.
struct Dripping {
    len: usize,
    chunks: usize,
    wait: Duration,
    next: Pin<Box<Sleep>>,
}

impl Dripping {
    fn new(len: usize, chunks: usize, wait: Duration) -> Dripping {
        Dripping { len, chunks, wait, next: Box::pin(sleep(wait)) }
    }
}

impl hyper::body::Body for Dripping {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.chunks == 0 {
            return Poll::Ready(None);
        }
        ready!(self.next.as_mut().poll(context));
        self.chunks -= 1;
        let next = Instant::now() + self.wait;
        self.next.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; self.len])))))
    }
}

/// Pages that take long, and pages that are long.
fn pages() -> Router {
    let slow = async || {
        sleep(LONG).await;
        "x"
    };
    let late = async || Body::new(Dripping::new(1, 2, LONG));
    let large = async || Body::new(Dripping::new(CHUNK, LARGE / CHUNK, Duration::ZERO));
    let take = async |body: Body| {
        let Ok(taken) = body.collect().await else { return "not whole".to_owned() };
        // Whoever takes a body works on it too, longer than a client may dawdle.
        sleep(LONG).await;
        taken.to_bytes().len().to_string()
    };
    Router::new()
        .route("/slow", get(slow))
        .route("/late", get(late))
        .route("/large", get(large))
        .route("/take", post(take))
}

enum Requests {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A connection of ours and a client of hyper on it.
struct Client {
    requests: Requests,
    begun: Instant,
    /// How long the connection lasts, from its beginning.
    serving: JoinHandle<Duration>,
    stop: watch::Sender<bool>,
}

/// Our side of a connection: the other end of its stream, the task, and what stops it.
fn serve(version: Version) -> (DuplexStream, JoinHandle<Duration>, watch::Sender<bool>) {
    let timeouts = Timeouts { handshake: IDLE, head: IDLE, idle: IDLE, write: IDLE, total: TOTAL };
    let bounds = Bounds { timeouts, shutdown: SHUTDOWN, ..Bounds::default() };
    let visitor = Visitor { peer: IpAddr::from([127, 0, 0, 1]), is_tls: false };
    let (near, far) = duplex(CHUNK);
    let (stop, shutdown) = watch::channel(false);
    let connection = converse((far, visitor), version, pages(), shutdown, bounds);
    let serving = tokio::spawn(async {
        let begun = Instant::now();
        connection.await;
        begun.elapsed()
    });
    (near, serving, stop)
}

impl Client {
    async fn connect(version: Version) -> Client {
        let begun = Instant::now();
        let (near, serving, stop) = serve(version);
        let requests = match version {
            Version::Http1 => {
                let mut builder = http1::Builder::new();
                let (requests, connection) =
                    builder.max_buf_size(CHUNK).handshake(TokioIo::new(near)).await.unwrap();
                tokio::spawn(connection);
                Requests::Http1(requests)
            }
            Version::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.initial_stream_window_size(limits::WEB_WINDOW);
                let (requests, connection) = builder.handshake(TokioIo::new(near)).await.unwrap();
                tokio::spawn(connection);
                Requests::Http2(requests)
            }
        };
        Client { requests, begun, serving, stop }
    }

    async fn get(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        self.send(Request::get(path).header("host", "a").body(Body::empty()).unwrap()).await
    }

    async fn post(&mut self, body: Dripping) -> hyper::Result<Response<Incoming>> {
        self.send(Request::post("/take").header("host", "a").body(Body::new(body)).unwrap()).await
    }

    async fn send(&mut self, request: Request) -> hyper::Result<Response<Incoming>> {
        match &mut self.requests {
            Requests::Http1(requests) => requests.send_request(request).await,
            Requests::Http2(requests) => requests.send_request(request).await,
        }
    }

    async fn lasted(self) -> Duration {
        self.serving.await.unwrap()
    }
}

/// The bytes of `body`, with a wait for each chunk's worth of them.
async fn take(mut body: Incoming, wait: Duration) -> hyper::Result<usize> {
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        let bytes = frame?.data_ref().map_or(0, Bytes::len);
        sleep(wait * bytes as u32 / CHUNK as u32).await;
        taken += bytes;
    }
    Ok(taken)
}

#[tokio::test(start_paused = true)]
async fn time_that_we_take_is_not_the_clients() {
    for version in VERSIONS {
        for (path, bytes) in [("/slow", 1), ("/late", 2)] {
            let mut client = Client::connect(version).await;
            let reply = client.get(path).await.unwrap();
            assert_eq!(take(reply.into_body(), Duration::ZERO).await.unwrap(), bytes, "{path}");
            assert!(client.lasted().await < 2 * LONG + BORNE, "old, it ends with its reply");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn download_that_moves_outlasts_the_total() {
    for version in VERSIONS {
        let mut client = Client::connect(version).await;
        let reply = client.get("/large").await.unwrap();
        assert_eq!(take(reply.into_body(), MOMENT).await.unwrap(), LARGE);
        let whole_after = client.begun.elapsed();
        assert!(whole_after > TOTAL + 2 * IDLE, "{whole_after:?}");
        assert!(client.lasted().await < whole_after + SHUTDOWN);
    }
}

#[tokio::test(start_paused = true)]
async fn upload_that_moves_outlasts_the_total_and_is_answered() {
    for version in VERSIONS {
        let mut client = Client::connect(version).await;
        let reply = client.post(Dripping::new(CHUNK, LARGE / CHUNK, MOMENT)).await.unwrap();
        let answer = reply.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(answer, LARGE.to_string());
        assert!(client.begun.elapsed() > TOTAL + 2 * IDLE + LONG);
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_crawls_is_let_go_once_its_time_is_up() {
    for version in VERSIONS {
        let mut client = Client::connect(version).await;
        let reply = client.get("/large").await.unwrap();
        assert!(take(reply.into_body(), 15 * MOMENT).await.is_err());
        let lasted = client.lasted().await;
        assert!(lasted >= TOTAL && lasted < BORNE, "download of {version:?}: {lasted:?}");

        let mut client = Client::connect(version).await;
        let _reply = client.post(Dripping::new(1, LARGE, MOMENT)).await;
        let lasted = client.lasted().await;
        assert!(lasted >= TOTAL && lasted < BORNE, "upload of {version:?}: {lasted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_clients_turn_ends_the_connection() {
    for version in VERSIONS {
        let mut client = Client::connect(version).await;
        let _untaken = client.get("/large").await.unwrap();
        let lasted = client.lasted().await;
        assert!(lasted >= IDLE && lasted < TOTAL, "download of {version:?}: {lasted:?}");

        let mut client = Client::connect(version).await;
        let _reply = client.post(Dripping::new(1, 2, LONG)).await;
        let lasted = client.lasted().await;
        assert!(lasted >= IDLE && lasted < TOTAL, "upload of {version:?}: {lasted:?}");

        let client = Client::connect(version).await;
        assert!(client.lasted().await < TOTAL, "no request");

        let (near, serving, _stop) = serve(version);
        assert!(serving.await.unwrap() < TOTAL, "not a byte");
        drop(near);
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_bounds_what_outlasts_the_total() {
    for version in VERSIONS {
        let mut client = Client::connect(version).await;
        let reply = client.get("/large").await.unwrap();
        let taking = tokio::spawn(take(reply.into_body(), MOMENT));
        sleep(TOTAL + IDLE).await;
        assert!(!client.serving.is_finished());
        client.stop.send_replace(true);
        let lasted = client.lasted().await;
        assert!(lasted <= TOTAL + IDLE + SHUTDOWN + MOMENT, "{lasted:?}");
        assert!(taking.await.unwrap().is_err());
    }
}
