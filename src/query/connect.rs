//! A TCP connection to one of several addresses, raced as RFC 8305 has it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::{Failure, Kind};
use crate::limits::query as limits;

/// A connection with whatever lies over it: TCP, TLS, or TLS through a proxy's TLS.
pub(super) type Wire = Box<dyn Stream>;

/// What bytes go through in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to the first address that answers. Each has a head start over the next, or until it
/// fails; those that are still trying when one succeeds are dropped.
///
/// # Errors
/// The failure of the first address, when all fail, or a time-out.
pub(super) async fn tcp(
    addresses: &[SocketAddr],
    bind: Option<IpAddr>,
    deadline: Instant,
) -> Result<TcpStream, Failure> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut attempts = JoinSet::new();
    let mut first_failure = None;
    let race = async {
        loop {
            match waiting.next() {
                Some(address) => {
                    attempts.spawn(async move { (address, connect(address, bind).await) });
                }
                None if attempts.is_empty() => break None,
                None => {}
            }
            let is_last = waiting.len() == 0;
            let ended = tokio::select! {
                ended = attempts.join_next() => ended,
                () = sleep(limits::ADDRESS_HEAD_START), if !is_last => continue,
            };
            match ended {
                Some(Ok((_, Ok(stream)))) => break Some(stream),
                Some(Ok((address, Err(error)))) => {
                    first_failure.get_or_insert((address, error));
                }
                Some(Err(_)) | None => {}
            }
        }
    };
    let stream = timeout_at(deadline, race).await;
    match (stream, first_failure) {
        (Ok(Some(stream)), _) => Ok(stream),
        (Ok(None), Some((address, error))) => Err(failure(address, &error)),
        (Ok(None), None) | (Err(_), _) => {
            let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            let text = format!("timed out while connecting to {}", addresses.join(", "));
            Err(Failure::new(Kind::Timeout, "connect", text))
        }
    }
}

async fn connect(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(ip) = bind {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What the system says when an address cannot be had.
pub(super) fn failure(address: SocketAddr, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(Kind::Connect, "connect", format!("cannot connect to {address}: {why}"))
}

/// The addresses by turns of family, the first one's first (RFC 8305, section 4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let mut first = addresses.iter().filter(|address| address.is_ipv4() == is_v4);
    let mut second = addresses.iter().filter(|address| address.is_ipv4() != is_v4);
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(first.next().into_iter().chain(second.next()));
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(|a| a.parse().unwrap());
        let mixed: Vec<String> = interleaved(&addresses).iter().map(ToString::to_string).collect();
        assert_eq!(mixed, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
    }

    #[tokio::test]
    async fn dead_address_gives_way_to_a_live_one() {
        let live = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [dead.local_addr().unwrap(), live.local_addr().unwrap()];
        drop(dead);
        let deadline = Instant::now() + limits::TIMEOUT;
        let stream = tcp(&addresses, None, deadline).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        let failure = tcp(&addresses[..1], None, deadline).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Connect);
        assert!(failure.message.ends_with("connection refused"), "{failure}");
    }
}
