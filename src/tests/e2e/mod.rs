//! A whole server on loopback, asked over real sockets: raw bytes out, raw bytes in.

mod browser;
mod clients;
mod doctor;
mod epoll;
mod members;
mod metrics;
mod page;
mod query;
mod snapshots;
mod tight;
mod uring;
mod webdriver;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::config::{Config, Io, TlsFiles};
use crate::protocol::announce::Announce;
use crate::protocol::ids::InfoHash;
use crate::protocol::udp::{Header, Reply, Request};
use crate::serve::{Addresses, Server};

/// No answer on loopback takes longer, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on free ports of both loopback addresses, with a certificate of its own.
struct AnyServer<const ON_URING: bool> {
    server: Server,
    folder: TempDir,
}

/// A server on the backend that is the default.
type TestServer = AnyServer<true>;

impl<const ON_URING: bool> AnyServer<ON_URING> {
    fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server whose configuration `change` has had a hand in.
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files =
            TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        write_pair(&files);

        let mut config = Config::default();
        config.net.hosts = ["127.0.0.1", "::1"].map(|ip| ip.parse().unwrap()).to_vec();
        config.net.udp_port = Some(0);
        config.net.http_port = Some(0);
        config.net.https_port = Some(0);
        config.net.tls = Some(files);
        config.net.workers = 2;
        config.net.io = if ON_URING { Io::Uring } else { Io::Epoll };
        config.tracker.interval_jitter = 0;
        change(&mut config);
        AnyServer { server: Server::start(config).unwrap(), folder }
    }

    fn addresses(&self) -> &Addresses {
        self.server.addresses()
    }

    fn http(&self) -> SocketAddr {
        self.addresses().http[0]
    }

    fn udp_client(&self) -> UdpClient {
        UdpClient::new(self.addresses().udp[0], "127.0.0.1")
    }

    fn https_stream(&self) -> impl Read + Write {
        let pem = self.folder.path().join("cert.pem");
        tls_stream(connect(self.addresses().https[0]), &pem)
    }

    /// One request over HTTP on a connection of its own.
    fn get(&self, target: &str) -> Response {
        let mut stream = connect(self.http());
        ask(&mut stream, target, "Connection: close\r\n")
    }

    fn peers(&self) -> u64 {
        self.server.swarms().totals().peers()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Issues a new certificate.
fn write_pair(files: &TlsFiles) {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(&files.cert, issued.cert.pem()).unwrap();
    std::fs::write(&files.key, issued.signing_key.serialize_pem()).unwrap();
}

fn tls_stream(
    stream: TcpStream,
    certificate: &std::path::Path,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// A reply of an HTTP server.
#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn text(&self) -> String {
        self.body.escape_ascii().to_string()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The reason of a refusal; `None` for a reply that is none.
    fn failure(&self) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once("14:failure reason")?;
        let (length, rest) = rest.split_once(':')?;
        Some(rest[..length.parse().unwrap()].to_owned())
    }
}

/// Sends a GET with the header `fields` and reads the reply.
fn ask(stream: &mut (impl Read + Write), target: &str, fields: &str) -> Response {
    let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read_response(stream, true)
}

/// Reads one reply, byte by byte up to its body, so that the next one stays in the stream.
fn read_response(stream: &mut impl Read, has_body: bool) -> Response {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = Response { status, head, body: Vec::new() };
    let length = response.field("content-length").map_or(0, |length| length.parse().unwrap());
    if has_body {
        response.body.resize(length, 0);
        stream.read_exact(&mut response.body).unwrap();
    }
    response
}

/// Waits until `is_true`, and fails when that takes longer than anything may.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// A client that speaks BEP 15 from one socket.
struct UdpClient {
    socket: UdpSocket,
    connection_id: u64,
}

impl UdpClient {
    /// Connects to `server` from an address of this machine.
    fn new(server: SocketAddr, from: &str) -> UdpClient {
        let from: IpAddr = from.parse().unwrap();
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server).unwrap();
        let mut client = UdpClient { socket, connection_id: 0 };
        let mut packet = Vec::new();
        Request::Connect { transaction_id: 1 }.encode(&mut packet);
        let reply = client.exchange(&packet);
        client.connection_id = match Reply::decode(&reply) {
            Some(Reply::Connect { transaction_id: 1, connection_id }) => connection_id,
            other => panic!("{other:?}"),
        };
        client
    }

    fn header(&self) -> Header {
        Header { connection_id: self.connection_id, transaction_id: 2 }
    }

    fn exchange(&self, packet: &[u8]) -> Vec<u8> {
        self.socket.send(packet).unwrap();
        self.receive()
    }

    fn receive(&self) -> Vec<u8> {
        let mut reply = vec![0; 65_536];
        let length = self.socket.recv(&mut reply).unwrap();
        reply.truncate(length);
        reply
    }

    /// Sends requests of the numbers in `numbers`, and tells the numbers of the replies, sorted,
    /// for as long as none is missing and none comes twice.
    fn replies_to(&self, numbers: std::ops::Range<u32>) -> Vec<u32> {
        for transaction_id in numbers.clone() {
            let mut packet = Vec::new();
            Request::Connect { transaction_id }.encode(&mut packet);
            self.socket.send(&packet).unwrap();
        }
        let mut replied: Vec<u32> = numbers
            .map(|_| match Reply::decode(&self.receive()) {
                Some(Reply::Connect { transaction_id, .. }) => transaction_id,
                other => panic!("{other:?}"),
            })
            .collect();
        replied.sort_unstable();
        replied
    }

    /// Whether nothing more has come.
    fn is_silent(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let is_silent = self.socket.recv(&mut [0; 64]).is_err();
        self.socket.set_nonblocking(false).unwrap();
        is_silent
    }

    fn announce_packet(&self, announce: &Announce) -> Vec<u8> {
        let mut packet = Vec::new();
        let header = self.header();
        Request::Announce { header, announce: *announce, options: b"" }.encode(&mut packet);
        packet
    }

    fn announce(&self, announce: &Announce) -> Vec<u8> {
        self.exchange(&self.announce_packet(announce))
    }

    fn scrape(&self, info_hashes: &[[u8; 20]]) -> Vec<u8> {
        let mut packet = Vec::new();
        Request::Scrape { header: self.header(), info_hashes }.encode(&mut packet);
        self.exchange(&packet)
    }
}

const HASH: InfoHash = InfoHash(*b"aaaaaaaaaaaaaaaaaaaa");

/// The target of an HTTP announce; `rest` goes on behind the port.
fn target(port: u16, rest: &str) -> String {
    format!("/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id={port:020}&port={port}&{rest}")
}
