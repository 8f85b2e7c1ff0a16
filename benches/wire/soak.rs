//! Clients of every sort at once, most of them rude: what `scripts/soak.sh` lets a tracker live
//! through. Connections are reset in the midst of a handshake, of a head, of a reply.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::client;

/// A reply that takes longer is missing; a crowded machine may hold one up for seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Ports of a client, and torrents: so few that the store is soon as large as it will be.
const PEERS: u16 = 20;
const TORRENTS: u16 = 100;
/// Addresses of clients: 127.0.0.2 and on.
const HOSTS: u8 = 8;

/// Where the tracker is.
#[derive(Clone, Copy)]
pub struct Tracker {
    /// Its UDP port.
    pub udp: SocketAddr,
    /// Its HTTP port.
    pub http: SocketAddr,
    /// Its HTTPS port.
    pub https: SocketAddr,
}

/// What became of the questions of one client.
#[derive(Default)]
struct Tally {
    answered: u64,
    broken_off: u64,
}

/// Asks for so long with two clients over HTTP, two over HTTPS and one over UDP, and prints what
/// was answered.
///
/// # Errors
/// A reply that was waited for and did not come, or is not one.
pub fn run(tracker: Tracker, time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    let config = client::tls_config()?;
    let tallies = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..5_u64)
            .map(|number| {
                let config = config.clone();
                scope.spawn(move || {
                    let mut client = Client { rng: fastrand::Rng::with_seed(number), config };
                    let mut tally = Tally::default();
                    while Instant::now() < end {
                        match number {
                            0 | 1 => client.plain(tracker.http, &mut tally),
                            2 | 3 => client.secure(tracker.https, &mut tally),
                            _ => client.datagrams(tracker.udp, &mut tally),
                        }?;
                    }
                    Ok::<_, io::Error>(tally)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect::<Vec<_>>()
    });
    for (name, tally) in ["http", "http", "https", "https", "udp"].iter().zip(tallies) {
        let Tally { answered, broken_off } = tally?;
        println!("{name}: {answered} answered, {broken_off} broken off");
    }
    Ok(())
}

struct Client {
    rng: fastrand::Rng,
    config: Arc<ClientConfig>,
}

impl Client {
    fn connect(&mut self, tracker: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + self.rng.u8(..HOSTS)));
        socket.bind(&SocketAddr::new(own, 0).into())?;
        socket.connect(&tracker.into())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket.into())
    }

    fn head(&mut self, connection: &str) -> String {
        format!(
            "GET /announce?info_hash={:020}&peer_id=-qB5000-abcdefghijkl&port={}&left={}&compact=1 \
             HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: {connection}\r\n\r\n",
            self.rng.u16(..TORRENTS),
            1_024 + self.rng.u16(..PEERS),
            self.rng.u8(..2),
        )
    }

    /// One connection over HTTP.
    fn plain(&mut self, tracker: SocketAddr, tally: &mut Tally) -> io::Result<()> {
        let mut stream = self.connect(tracker)?;
        match self.rng.u8(..6) {
            0 => {
                for _ in 0..self.rng.u8(1..20) {
                    stream.write_all(self.head("keep-alive").as_bytes())?;
                    read_reply(&mut stream)?;
                    tally.answered += 1;
                }
            }
            1 => {
                stream.write_all(self.head("close").as_bytes())?;
                read_to_end(stream, tally)?;
            }
            2 => {
                stream.write_all(self.head("keep-alive").as_bytes())?;
                stream.shutdown(Shutdown::Write)?;
                read_to_end(stream, tally)?;
            }
            3 => {
                let head = self.head("keep-alive").repeat(usize::from(self.rng.u8(1..40)));
                stream.write_all(head.as_bytes())?;
                reset(stream, tally)?;
            }
            4 => {
                let head = self.head("close");
                let part = self.rng.usize(..head.len());
                stream.write_all(&head.as_bytes()[..part])?;
                reset(stream, tally)?;
            }
            _ => {
                let noise: Vec<u8> = std::iter::repeat_with(|| self.rng.u8(..)).take(300).collect();
                let _ = stream.write_all(&noise); // may have been cut off by then
                reset(stream, tally)?;
            }
        }
        Ok(())
    }

    /// One connection over HTTPS.
    fn secure(&mut self, tracker: SocketAddr, tally: &mut Tally) -> io::Result<()> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let config = self.config.clone();
        let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut socket = self.connect(tracker)?;
        if self.rng.u8(..4) == 0 {
            let mut hello = Vec::new();
            connection.write_tls(&mut hello)?;
            let part = self.rng.usize(..=hello.len());
            socket.write_all(&hello[..part])?;
            return reset(socket, tally);
        }
        let mut stream = StreamOwned::new(connection, socket);
        for _ in 0..self.rng.u8(1..8) {
            stream.write_all(self.head("keep-alive").as_bytes())?;
            if self.rng.u8(..4) == 0 {
                stream.flush()?;
                return reset(stream.sock, tally);
            }
            read_reply(&mut stream)?;
            tally.answered += 1;
        }
        Ok(())
    }

    /// Some announces over UDP, some noise among them.
    fn datagrams(&mut self, tracker: SocketAddr, tally: &mut Tally) -> io::Result<()> {
        let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + self.rng.u8(..HOSTS)));
        let own = SocketAddr::new(own, 0);
        let (socket, connection_id) = client::udp_connection(own, tracker, PATIENCE)?;
        let mut reply = [0; 2048];
        for number in 0..100 {
            let noise = [self.rng.u8(..); 15]; // one byte too short for any request
            socket.send(&noise[..self.rng.usize(..15)])?;
            let mut request = client::udp_announce(connection_id, number);
            request[20..22].copy_from_slice(&self.rng.u16(..TORRENTS).to_be_bytes());
            request[96..].copy_from_slice(&(1_024 + self.rng.u16(..PEERS)).to_be_bytes());
            socket.send(&request)?;
            let length = socket.recv(&mut reply)?;
            if length < 20 || reply[4..8] != number.to_be_bytes() {
                return Err(io::Error::other("not a reply to the announce"));
            }
            tally.answered += 1;
        }
        Ok(())
    }
}

/// Closes by a reset: whatever was sent to us or by us is lost.
fn reset(stream: TcpStream, tally: &mut Tally) -> io::Result<()> {
    tally.broken_off += 1;
    Socket::from(stream).set_linger(Some(Duration::ZERO))
}

fn read_to_end(mut stream: TcpStream, tally: &mut Tally) -> io::Result<()> {
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    if !reply.starts_with(b"HTTP/1.1 200") {
        return Err(io::Error::other("not a good reply"));
    }
    tally.answered += 1;
    Ok(())
}

/// Reads a reply to the end that its head tells.
fn read_reply(stream: &mut impl Read) -> io::Result<()> {
    let (mut reply, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut part)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        reply.extend_from_slice(&part[..length]);
        let Some(end) = reply.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
        let body =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        match body {
            Some(body) if head.starts_with("http/1.1 200") => {
                if reply.len() >= end + 4 + body {
                    return Ok(());
                }
            }
            Some::<usize>(_) | None => return Err(io::Error::other(head)),
        }
    }
}
