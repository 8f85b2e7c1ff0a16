//! Sockets that a service manager opened and keeps (sd_listen_fds(3)): they outlive us, so that
//! what arrives while a tracker is replaced waits in them.
//!
//! A socket is known by its kind and port, and serves the flag that names that port; names given
//! in a unit are free. Every socket of a port is read by a worker, or the clients that the kernel
//! sends to it would never be answered; every worker reads one, or it would idle. So where their
//! numbers differ, workers share duplicates, or have several.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use listenfd::ListenFd;
use socket2::SockRef;

use super::bind::Bound;
use super::udp::options::ask_for_destination;

/// Sockets that were handed over and are not taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    udp: Vec<(SocketAddr, UdpSocket)>,
    tcp: Vec<(SocketAddr, TcpListener)>,
}

/// Why sockets that were handed over cannot be served. The text gives the cure.
#[derive(Debug)]
pub enum InheritError {
    /// One is neither a UDP socket nor a TCP socket that listens.
    Kind(usize),
    /// No flag names its port.
    Unclaimed(&'static str, SocketAddr),
    /// The system refuses what serving it takes.
    System(io::Error),
}

impl Inherited {
    /// The sockets that were handed to this process; none without a service manager. To be called
    /// while there is one thread, since it takes the variables out of the environment.
    ///
    /// # Errors
    /// When one is of no use.
    pub fn from_environment() -> Result<Inherited, InheritError> {
        let mut handed = ListenFd::from_env();
        let mut inherited = Inherited::default();
        for place in 0..handed.len() {
            if let Ok(Some(socket)) = handed.take_udp_socket(place) {
                inherited.udp.push((socket.local_addr()?, socket));
            } else if let Ok(Some(listener)) = handed.take_tcp_listener(place)
                && SockRef::from(&listener).is_listener()?
            {
                inherited.tcp.push((listener.local_addr()?, listener));
            } else {
                return Err(InheritError::Kind(place));
            }
        }
        Ok(inherited)
    }

    /// Takes the UDP sockets of `port`, for `workers`; none when none was handed over.
    ///
    /// # Errors
    /// When the system refuses an option or a duplicate.
    pub fn udp(&mut self, port: u16, workers: usize) -> io::Result<Vec<Bound<UdpSocket>>> {
        let taken = take(&mut self.udp, port);
        for (address, socket) in &taken {
            socket.set_nonblocking(true)?;
            if address.ip().is_unspecified() {
                // So that a reply can leave from the address that was asked.
                ask_for_destination(socket, address.is_ipv4())?;
            }
        }
        shared_out(taken, workers, UdpSocket::try_clone)
    }

    /// Takes the TCP listeners of `port`, as [`Inherited::udp`].
    ///
    /// # Errors
    /// Likewise.
    pub fn tcp(&mut self, port: u16, workers: usize) -> io::Result<Vec<Bound<TcpListener>>> {
        let taken = take(&mut self.tcp, port);
        for (_, listener) in &taken {
            listener.set_nonblocking(true)?;
            SockRef::from(listener).set_tcp_nodelay(true)?; // for all it accepts
        }
        shared_out(taken, workers, TcpListener::try_clone)
    }

    /// Whether none was handed over.
    pub fn is_empty(&self) -> bool {
        self.udp.is_empty() && self.tcp.is_empty()
    }

    /// Asserts that none is left, which would take clients and never answer.
    ///
    /// # Errors
    /// [`InheritError::Unclaimed`] for the first one that is.
    pub fn is_used_up(&self) -> Result<(), InheritError> {
        let udp = self.udp.first().map(|(address, _)| ("UDP", *address));
        let tcp = self.tcp.first().map(|(address, _)| ("TCP", *address));
        match udp.or(tcp) {
            None => Ok(()),
            Some((kind, address)) => Err(InheritError::Unclaimed(kind, address)),
        }
    }
}

fn take<S>(sockets: &mut Vec<(SocketAddr, S)>, port: u16) -> Vec<(SocketAddr, S)> {
    sockets.extract_if(.., |(address, _)| address.port() == port).collect()
}

/// Makes a [`Bound`] of as many sockets of one address as there are workers, or several, the last
/// filled up with duplicates of the first.
fn shared_out<S>(
    mut sockets: Vec<(SocketAddr, S)>,
    workers: usize,
    duplicate: impl Fn(&S) -> io::Result<S>,
) -> io::Result<Vec<Bound<S>>> {
    let mut bound: Vec<Bound<S>> = Vec::new();
    while let Some((address, _)) = sockets.first() {
        let address = *address;
        let mut own: Vec<S> =
            sockets.extract_if(.., |(other, _)| *other == address).map(|(_, s)| s).collect();
        let originals = own.len();
        for place in 0..originals.next_multiple_of(workers) - originals {
            own.push(duplicate(&own[place % originals])?);
        }
        while !own.is_empty() {
            let sockets = own.split_off(own.len() - workers);
            bound.push(Bound { address, sockets });
        }
    }
    Ok(bound)
}

impl From<io::Error> for InheritError {
    fn from(error: io::Error) -> InheritError {
        InheritError::System(error)
    }
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InheritError::Kind(place) => write!(
                f,
                "socket {} of those that were handed over is of no use: the socket unit may have \
                 ListenDatagram= and ListenStream= with a port, and Accept=no",
                place + 1
            ),
            InheritError::Unclaimed(kind, address) => write!(
                f,
                "a {kind} socket on {address} was handed over and no option names its port: give \
                 the port to one of --udp-port, --http-port, --https-port, --web-http-port, \
                 --web-https-port, or take it out of the socket unit"
            ),
            InheritError::System(error) => {
                write!(f, "sockets that were handed over cannot be served: {error}")
            }
        }
    }
}

impl std::error::Error for InheritError {}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn handed(udp: usize, tcp: usize) -> (Inherited, u16) {
        let mut inherited = Inherited::default();
        let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = first.local_addr().unwrap();
        for _ in 0..udp {
            inherited.udp.push((address, first.try_clone().unwrap()));
        }
        for _ in 0..tcp {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            inherited.tcp.push((listener.local_addr().unwrap(), listener));
        }
        (inherited, address.port())
    }

    #[test]
    fn every_socket_has_a_worker_and_every_worker_a_socket() {
        for (sockets, workers, groups) in [(1, 1, 1), (1, 3, 1), (3, 3, 1), (4, 3, 2), (5, 2, 3)] {
            let (mut inherited, port) = handed(sockets, 0);
            let bound = inherited.udp(port, workers).unwrap();
            assert_eq!(bound.len(), groups, "{sockets} sockets, {workers} workers");
            assert!(bound.iter().all(|bound| bound.sockets.len() == workers));
            assert!(bound.iter().all(|bound| bound.address.port() == port));
            inherited.is_used_up().unwrap();
        }
    }

    #[test]
    fn port_that_was_not_handed_over_is_left_to_be_bound() {
        let (mut inherited, port) = handed(1, 0);
        assert!(inherited.udp(port ^ 1, 2).unwrap().is_empty());
        assert!(inherited.tcp(port, 2).unwrap().is_empty(), "it is UDP's");
    }

    #[test]
    fn socket_that_no_flag_names_is_an_error_with_its_address() {
        let (inherited, _) = handed(0, 1);
        let (_, listener) = &inherited.tcp[0];
        let address = listener.local_addr().unwrap().to_string();
        let text = inherited.is_used_up().unwrap_err().to_string();
        assert!(text.contains(&address) && text.contains("--http-port"), "{text}");
    }
}
