//! Clients that count and time replies. Each prints one line of `name=value` words.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme,
};

/// Swarms that are announced to.
const TORRENTS: u32 = 1_000;
/// A reply that takes longer is lost.
const PATIENCE: Duration = Duration::from_millis(500);

/// Announces over UDP, `window` at a time, and prints latency, peers in a reply, and what was lost.
pub fn udp(tracker: SocketAddr, count: u32, window: u32) -> io::Result<()> {
    let (socket, connection_id) = udp_connection(([127, 0, 0, 1], 0).into(), tracker, PATIENCE)?;
    let mut reply = [0; 2048];
    let (mut latencies, mut peers, mut lost) = (Vec::new(), 0, 0);
    for first in (0..count).step_by(window as usize) {
        let mut sent = Vec::with_capacity(window as usize);
        for number in first..first + window {
            let request = udp_announce(connection_id, number);
            sent.push(Instant::now());
            socket.send(&request)?;
        }
        let mut missing = window;
        while missing > 0 {
            let Ok(length) = socket.recv(&mut reply) else { break };
            let number = u32::from_be_bytes([reply[4], reply[5], reply[6], reply[7]]);
            let Some(sent) = number.checked_sub(first).and_then(|at| sent.get(at as usize)) else {
                continue; // one that was given up
            };
            latencies.push(sent.elapsed());
            peers += (length - 20) / 6;
            missing -= 1;
        }
        lost += missing;
    }
    let peers = peers / latencies.len().max(1);
    report(&mut latencies, &format!(" peers={peers} lost={lost}"));
    Ok(())
}

/// A socket of a client with the connection id that it was given.
pub fn udp_connection(
    own: SocketAddr,
    tracker: SocketAddr,
    patience: Duration,
) -> io::Result<(UdpSocket, [u8; 8])> {
    let socket = UdpSocket::bind(own)?;
    socket.connect(tracker)?;
    socket.set_read_timeout(Some(patience))?;
    let mut connect = [0; 16];
    connect[..8].copy_from_slice(&0x0417_2710_1980_u64.to_be_bytes()); // BEP 15
    socket.send(&connect)?;
    let mut reply = [0; 16];
    socket.recv(&mut reply)?;
    let mut connection_id = [0; 8];
    connection_id.copy_from_slice(&reply[8..]);
    Ok((socket, connection_id))
}

/// The announce of one of many peers in one of [`TORRENTS`].
pub fn udp_announce(connection_id: [u8; 8], number: u32) -> [u8; 98] {
    let mut request = [0; 98];
    request[..8].copy_from_slice(&connection_id);
    request[11] = 1; // announce
    request[12..16].copy_from_slice(&number.to_be_bytes());
    request[16..20].copy_from_slice(&(number % TORRENTS).to_be_bytes());
    request[36..56].copy_from_slice(b"-qB5000-abcdefghijkl");
    request[52..56].copy_from_slice(&number.to_be_bytes());
    request[71] = 1; // left
    request[95] = 30; // num_want
    request[96..].copy_from_slice(&((1_024 + number / TORRENTS % 60_000) as u16).to_be_bytes());
    request
}

fn report(latencies: &mut [Duration], more: &str) {
    latencies.sort_unstable();
    let at = |share: usize| {
        let index = (latencies.len() * share / 1_000).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(0, Duration::as_micros)
    };
    let (half, most, almost_all) = (at(500), at(990), at(999));
    println!("replies={} p50={half} p99={most} p99.9={almost_all}{more}", latencies.len());
}

/// Announces over HTTPS, each on a connection of its own, with a ticket of the one before or not.
pub fn tls(tracker: SocketAddr, count: u32, is_resumed: bool) -> io::Result<()> {
    let mut config = tls_config()?;
    if !is_resumed {
        Arc::make_mut(&mut config).resumption = Resumption::disabled();
    }
    let (mut latencies, mut resumed) = (Vec::new(), 0);
    for number in 0..count {
        let start = Instant::now();
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(tracker)?;
        socket.set_nodelay(true)?;
        let mut stream = rustls::StreamOwned::new(connection, socket);
        write!(
            stream,
            "GET /announce?info_hash={:020}&peer_id=-qB5000-abcdefghijkl&port=6881&left=1&compact=1 \
             HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            number % TORRENTS
        )?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        if !reply.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other("not a good reply"));
        }
        latencies.push(start.elapsed());
        resumed += u32::from(stream.conn.handshake_kind() == Some(HandshakeKind::Resumed));
    }
    report(&mut latencies, &format!(" resumed={resumed}"));
    Ok(())
}

/// A client that keeps tickets, and trusts everybody.
pub fn tls_config() -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Believes every certificate: what is measured is the server.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
