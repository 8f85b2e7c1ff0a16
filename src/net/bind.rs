//! Every socket is bound before any is served. When one cannot be bound, the error names it and
//! its cure, and the ones bound before are closed.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::inherit::Inherited;
use super::udp::options::ask_for_destination;
use crate::limits;

/// How long a port in use is asked for again: the sockets that a ring holds are closed a moment
/// after its process has died, and who restarts a tracker that was killed should not have to wait.
const RELEASE_PATIENCE: Duration = Duration::from_secs(1);
const RELEASE_PAUSE: Duration = Duration::from_millis(20);
/// How often a free port is looked for that is free at every address.
const FREE_PORT_TRIES: usize = 32;

/// One port at one address, with a socket for each worker.
#[derive(Debug)]
pub struct Bound<S> {
    /// Where it listens; the port is never 0.
    pub address: SocketAddr,
    /// A socket for each worker; the kernel spreads the clients over them.
    pub sockets: Vec<S>,
}

/// Why a port cannot be had. The text names the port and the cure.
#[derive(Debug)]
pub struct BindError {
    what: &'static str,
    flag: &'static str,
    address: SocketAddr,
    cause: io::Error,
}

/// What is to be bound: what it is called in messages, and the flag that moves it.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// As in "cannot listen for `what`".
    pub what: &'static str,
    /// As in `--http-port`.
    pub flag: &'static str,
}

impl Purpose {
    fn failed(self, hosts: &[IpAddr], port: u16, cause: io::Error) -> BindError {
        let ip = hosts.first().copied().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let address = SocketAddr::new(ip, port);
        BindError { what: self.what, flag: self.flag, address, cause }
    }
}

/// Binds UDP `port` at every one of `hosts`, with `workers` sockets each; or takes the sockets of
/// that port that were `inherited`, wherever they listen.
///
/// # Errors
/// [`BindError`] for the first address where that fails; nothing stays bound.
pub fn udp(
    purpose: Purpose,
    hosts: &[IpAddr],
    port: u16,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Vec<Bound<UdpSocket>>, BindError> {
    let taken = inherited.udp(port, workers).map_err(|cause| purpose.failed(hosts, port, cause))?;
    if !taken.is_empty() {
        return Ok(taken);
    }
    bind_all(hosts, port, |address| group(purpose, address, workers, Type::DGRAM, Into::into))
}

/// Binds TCP `port` at every one of `hosts`, with `workers` listening sockets each.
///
/// # Errors
/// As [`udp`].
pub fn tcp(
    purpose: Purpose,
    hosts: &[IpAddr],
    port: u16,
    workers: usize,
    inherited: &mut Inherited,
) -> Result<Vec<Bound<TcpListener>>, BindError> {
    let taken = inherited.tcp(port, workers).map_err(|cause| purpose.failed(hosts, port, cause))?;
    if !taken.is_empty() {
        return Ok(taken);
    }
    bind_all(hosts, port, |address| group(purpose, address, workers, Type::STREAM, Into::into))
}

/// Binds at every host. Port 0 becomes the same free port everywhere.
fn bind_all<S>(
    hosts: &[IpAddr],
    port: u16,
    bind: impl Fn(SocketAddr) -> Result<Bound<S>, BindError>,
) -> Result<Vec<Bound<S>>, BindError> {
    let attempt = || {
        let mut bound: Vec<Bound<S>> = Vec::with_capacity(hosts.len());
        for host in hosts {
            let port = bound.first().map_or(port, |first| first.address.port());
            bound.push(bind(SocketAddr::new(*host, port))?);
        }
        Ok::<_, BindError>(bound)
    };
    let mut last = attempt();
    for _ in 1..FREE_PORT_TRIES {
        match &last {
            Err(error) if port == 0 && error.cause.kind() == io::ErrorKind::AddrInUse => {
                last = attempt();
            }
            _ => break,
        }
    }
    last
}

fn group<S>(
    purpose: Purpose,
    address: SocketAddr,
    workers: usize,
    kind: Type,
    convert: impl Fn(Socket) -> S,
) -> Result<Bound<S>, BindError> {
    let failed = |cause| BindError { what: purpose.what, flag: purpose.flag, address, cause };
    if address.port() != 0 {
        claim(address, kind).map_err(failed)?;
    }
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = open(address, kind).map_err(failed)?;
        address = socket.local_addr().map_err(failed)?.as_socket().unwrap_or(address);
        sockets.push(convert(socket));
    }
    Ok(Bound { address, sockets })
}

/// Finds out whether the port is free, with a socket that shares with nobody. The sockets that
/// serve share among themselves (`SO_REUSEPORT`), and would share with another process of the same
/// user too: two trackers would each see half of the clients, and neither would say so.
fn claim(address: SocketAddr, kind: Type) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match claim_once(address, kind) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && start.elapsed() < RELEASE_PATIENCE =>
            {
                std::thread::sleep(RELEASE_PAUSE);
            }
            claimed => return claimed,
        }
    }
}

fn claim_once(address: SocketAddr, kind: Type) -> io::Result<()> {
    let socket = new_socket(address, kind)?;
    socket.bind(&address.into())?;
    if kind == Type::STREAM {
        socket.listen(1)?;
    }
    Ok(())
}

fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = new_socket(address, kind)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    if kind == Type::DGRAM {
        // The kernel takes what it can get; a smaller buffer only loses more in a burst.
        let _ = socket.set_recv_buffer_size(limits::UDP_RECEIVE_BUFFER);
        if address.ip().is_unspecified() {
            // So that a reply can leave from the address that was asked.
            ask_for_destination(&socket, address.is_ipv4())?;
        }
    } else {
        socket.set_tcp_nodelay(true)?; // for all it accepts: a reply is one write
    }
    socket.bind(&address.into())?;
    if kind == Type::STREAM {
        socket.listen(limits::BACKLOG.cast_signed())?;
    }
    Ok(socket)
}

fn new_socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?; // connections of an earlier run may still be closing
    }
    Ok(socket)
}

impl BindError {
    /// Whether the port could not be had because of who we are or who has it, so that another port
    /// may do.
    pub fn is_about_the_port(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::AddrInUse)
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { what, flag, address, cause } = self;
        let port = address.port();
        write!(f, "cannot listen for {what} on {address}: ")?;
        match cause.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "the port is in use; end the program that has it (`ss -lnp 'sport = :{port}'` \
                 names it) or choose another port with {flag}"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "ports below 1024 are not for ordinary users; choose another port with {flag}, or \
                 allow it with `setcap cap_net_bind_service=+ep` on this program"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "this machine does not have that address; name one that `ip address` shows with \
                 --host"
            ),
            _ if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                write!(f, "{cause}; if this machine has no IPv6, leave out --ipv6")
            }
            _ => write!(f, "{cause}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSE: Purpose = Purpose { what: "tests", flag: "--test-port" };
    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn none() -> Inherited {
        Inherited::default()
    }

    #[test]
    fn workers_share_one_port_and_families_have_the_same() {
        let hosts = [LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let bound = tcp(PURPOSE, &hosts, 0, 3, &mut none()).unwrap();
        assert_eq!(bound.len(), 2);
        assert_eq!(bound[0].address.port(), bound[1].address.port());
        assert!(bound.iter().all(|bound| bound.sockets.len() == 3));
    }

    #[test]
    fn port_that_another_tracker_shares_among_its_workers_is_in_use_for_us() {
        let udp_bound = udp(PURPOSE, &[LOOPBACK], 0, 2, &mut none()).unwrap();
        let tcp_bound = tcp(PURPOSE, &[LOOPBACK], 0, 2, &mut none()).unwrap();
        for error in [
            udp(PURPOSE, &[LOOPBACK], udp_bound[0].address.port(), 2, &mut none()).unwrap_err(),
            tcp(PURPOSE, &[LOOPBACK], tcp_bound[0].address.port(), 2, &mut none()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("the port is in use") && text.contains("--test-port"), "{text}");
            assert!(error.is_about_the_port());
        }
    }

    #[test]
    fn address_of_another_machine_is_named() {
        let error = udp(PURPOSE, &["192.0.2.1".parse().unwrap()], 0, 1, &mut none()).unwrap_err();
        assert!(error.to_string().contains("does not have that address"), "{error}");
    }
}
