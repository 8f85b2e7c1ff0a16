//! Real connections over the loopback interface.

use std::net::SocketAddr;
use std::time::Instant;

use axum::routing::get;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;

/// Long enough for anything on a busy machine; reached only by a test that fails.
const LONG: Duration = Duration::from_secs(30);
/// The timeout under test, where there is one.
const SHORT: Duration = Duration::from_millis(100);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A listener that greets whoever asks for `/`, and for `/slow` waits until it is let go.
struct TestListener {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    slow_begun: Arc<Notify>,
    slow_may_end: Arc<Notify>,
}

impl TestListener {
    async fn start(bounds: Bounds, tls: Option<Arc<ServerConfig>>) -> TestListener {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let [slow_begun, slow_may_end] = [(); 2].map(|()| Arc::new(Notify::new()));
        let (begun, may_end) = (slow_begun.clone(), slow_may_end.clone());
        let slow = async move || {
            begun.notify_one();
            may_end.notified().await;
            "worth the wait"
        };
        let router = Router::new().route("/", get(async || "hello")).route("/slow", get(slow));
        let serving = match tls {
            None => tokio::spawn(serve_plain(listener, router, shutdown, bounds)),
            Some(tls) => tokio::spawn(serve_tls(listener, tls, router, shutdown, bounds)),
        };
        TestListener { address, stop, serving, slow_begun, slow_may_end }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Stops, and returns how long that took.
    async fn stop(self) -> Duration {
        let begun = Instant::now();
        self.stop.send_replace(true);
        timeout(LONG, self.serving).await.unwrap().unwrap();
        begun.elapsed()
    }
}

fn patient() -> Bounds {
    let timeouts = Timeouts { handshake: LONG, head: LONG, idle: LONG, write: LONG, total: LONG };
    Bounds { connections_max: 16, timeouts, shutdown: LONG, introducers: Arc::default() }
}

/// Everything up to the end of the stream, which has to come.
async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the stream ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"hello") {
        bytes.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn connection_is_kept_for_the_next_request() {
    let listener = TestListener::start(patient(), None).await;
    let mut stream = listener.connect().await;
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        assert!(read_reply(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn client_that_never_finishes_its_head_is_let_go() {
    let mut bounds = patient();
    bounds.timeouts.head = SHORT;
    let listener = TestListener::start(bounds, None).await;
    for sent in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut stream = listener.connect().await;
        stream.write_all(sent).await.unwrap();
        assert!(!read_all(&mut stream).await.contains("200"));
    }
}

#[tokio::test]
async fn silent_client_is_let_go() {
    let mut bounds = patient();
    bounds.timeouts.idle = SHORT;
    let listener = TestListener::start(bounds, None).await;
    let mut stream = listener.connect().await;
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn body_that_nobody_asked_for_ends_the_connection() {
    let listener = TestListener::start(patient(), None).await;
    let mut stream = listener.connect().await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn head_over_the_limit_is_refused() {
    let listener = TestListener::start(patient(), None).await;
    let mut stream = listener.connect().await;
    let mut head = b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
    head.resize(limits::HTTP_HEAD_MAX + 1, b'x');
    let _ = stream.write_all(&head).await; // it may close before it has read all of it
    assert!(read_all(&mut stream).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn connection_beyond_the_cap_waits_for_a_place() {
    let listener = TestListener::start(Bounds { connections_max: 1, ..patient() }, None).await;
    let mut first = listener.connect().await;
    first.write_all(GET).await.unwrap();
    read_reply(&mut first).await;
    let mut second = listener.connect().await;
    second.write_all(GET).await.unwrap();
    let mut byte = [0];
    assert!(timeout(SHORT, second.read(&mut byte)).await.is_err(), "the second waits");
    drop(first);
    assert!(read_reply(&mut second).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn stopping_lets_an_open_request_finish() {
    let listener = TestListener::start(patient(), None).await;
    let mut stream = listener.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    listener.slow_begun.notified().await;
    listener.stop.send_replace(true);
    listener.slow_may_end.notify_one();
    assert!(read_all(&mut stream).await.ends_with("worth the wait"));
    assert!(listener.stop().await < LONG);
}

#[tokio::test]
async fn stopping_closes_idle_connections_at_once() {
    let listener = TestListener::start(patient(), None).await;
    let mut stream = listener.connect().await;
    stream.write_all(GET).await.unwrap();
    read_reply(&mut stream).await;
    assert!(listener.stop().await < LONG);
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let listener = TestListener::start(Bounds { shutdown: SHORT, ..patient() }, None).await;
    let mut stream = listener.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    listener.slow_begun.notified().await;
    assert!(listener.stop().await < LONG);
    assert_eq!(read_all(&mut stream).await, "");
}

/// A certificate for `localhost`, for both sides.
fn certificate() -> (Arc<ServerConfig>, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain = vec![made.cert.der().clone()];
    let server =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), client)
}

#[tokio::test]
async fn tls_speaks_http_1_1_to_whoever_names_no_protocol() {
    let (server, client) = certificate();
    let listener = TestListener::start(patient(), Some(server)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let mut stream = connector.connect(name, listener.connect().await).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let reply = read_reply(&mut stream).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.contains("cross-origin-opener-policy: same-origin\r\n"), "{reply}");
}

#[tokio::test]
async fn tls_prefers_h2() {
    let (server, mut client) = certificate();
    client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let listener = TestListener::start(patient(), Some(server)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let mut stream = connector.connect(name, listener.connect().await).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // The preface and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame comes back");
}

#[tokio::test]
async fn unfinished_handshake_is_let_go() {
    let mut bounds = patient();
    bounds.timeouts.handshake = SHORT;
    let listener = TestListener::start(bounds, Some(certificate().0)).await;
    let mut stream = listener.connect().await;
    stream.write_all(&[22, 3, 1]).await.unwrap(); // a record that never continues
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn h2_client_that_never_begins_is_let_go() {
    let (server, mut client) = certificate();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut bounds = patient();
    bounds.timeouts.idle = SHORT;
    let listener = TestListener::start(bounds, Some(server)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let mut stream = connector.connect(name, listener.connect().await).await.unwrap();
    read_all(&mut stream).await;
}
