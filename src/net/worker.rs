//! The threads of the data plane: one socket of every port each, and one ring or one runtime.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::socket_cookie;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::bind::{self, BindError, Bound, Purpose};
use super::connections::Connections;
use super::epoll;
use super::full_scrape::FullScrapes;
use super::inherit::Inherited;
use super::udp::options::ignore_path_mtu;
use super::uring::aide::{self, Mailbox};
use super::uring::probe::Refused;
use super::uring::worker::{self, Pending, Start};
use crate::clock::Clock;
use crate::config::{self, Io};
use crate::stats::Stats;
use crate::tracker::Tracker;

/// How long open connections may take to finish their request at shutdown.
pub const DRAIN: Duration = Duration::from_secs(3);
/// How long a connection that has asked nothing yet may take to begin then. Its request is on the
/// way, most likely, and a client whose connection is closed twice in a row gives up.
pub const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// What the workers share.
#[derive(Clone)]
pub struct Shared {
    /// Answers.
    pub tracker: Arc<Tracker>,
    /// Counters for as many workers as there are.
    pub stats: Stats,
    /// The clock.
    pub clock: Clock,
}

/// Tells when the end has begun.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Waits for the end to begin.
    pub async fn begun(&mut self) {
        // An error says that the sender is gone, and so is the program about to be.
        let _ = self.0.wait_for(|begun| *begun).await;
    }

    /// Waits until it has begun, and for as long as `patience` then.
    pub async fn begun_for(&mut self, patience: Duration) {
        self.begun().await;
        tokio::time::sleep(patience).await;
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

/// The tracker ports, bound and ready to be served.
pub struct DataPlane {
    config: config::Net,
    tls: Option<Arc<ServerConfig>>,
    udp: Vec<Bound<UdpSocket>>,
    http: Vec<Bound<TcpListener>>,
    https: Vec<Bound<TcpListener>>,
    keep_listening: bool,
}

/// What moves the bytes, and why.
pub enum Backend {
    /// io_uring, with a ring and its sockets for each worker.
    Uring(Vec<(Pending, Sockets)>),
    /// epoll by way of tokio, with the sockets of each worker; the reason, unless it was asked for.
    Epoll(Vec<Sockets>, Option<Refused>),
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::Uring(_) => f.write_str("io_uring"),
            Backend::Epoll(_, None) => f.write_str("epoll, as --io asks"),
            Backend::Epoll(_, Some(refused)) => write!(f, "epoll, since {refused}"),
        }
    }
}

impl DataPlane {
    /// Binds every port of `config` that was not `inherited`. `tls` is needed where there is an
    /// HTTPS port.
    ///
    /// # Errors
    /// [`BindError`] for the first port that cannot be had; none stays bound.
    pub fn bind(
        config: &config::Net,
        tls: Option<Arc<ServerConfig>>,
        inherited: &mut Inherited,
    ) -> Result<DataPlane, BindError> {
        let (hosts, workers) = (&config.hosts[..], config.workers);
        let keep_listening = !inherited.is_empty();
        let mut tcp = |what, flag, port: Option<u16>| match port {
            None => Ok(Vec::new()),
            Some(port) => bind::tcp(Purpose { what, flag }, hosts, port, workers, inherited),
        };
        let udp_purpose = Purpose { what: "UDP trackers' clients", flag: "--udp-port" };
        let http = tcp("HTTP announces", "--http-port", config.http_port)?;
        let https = tcp("HTTPS announces", "--https-port", config.https_port)?;
        Ok(DataPlane {
            udp: match config.udp_port {
                None => Vec::new(),
                Some(port) => bind::udp(udp_purpose, hosts, port, workers, inherited)?,
            },
            http,
            https,
            keep_listening,
            tls,
            config: config.clone(),
        })
    }

    /// Where UDP, HTTP and HTTPS listen.
    pub fn addresses(&self) -> [Vec<SocketAddr>; 3] {
        [
            self.udp.iter().map(|bound| bound.address).collect(),
            self.http.iter().map(|bound| bound.address).collect(),
            self.https.iter().map(|bound| bound.address).collect(),
        ]
    }

    /// What the configuration asks for and this system has, with the sockets of the workers.
    ///
    /// # Errors
    /// [`Refused`] when io_uring is asked for and not to be had.
    pub fn backend(&mut self) -> Result<Backend, Refused> {
        let mut counted = HashSet::new();
        let sockets = (0..self.config.workers).map(|_| self.take_sockets(&mut counted));
        let sockets: Vec<_> = sockets.collect();
        if self.config.io == Io::Epoll {
            return Ok(Backend::Epoll(sockets, None));
        }
        let prepare = |(index, sockets)| worker::prepare(index, self.config.rings, sockets);
        let prepared: Result<Vec<_>, _> = sockets.iter().enumerate().map(prepare).collect();
        match prepared {
            Ok(pending) => Ok(Backend::Uring(pending.into_iter().zip(sockets).collect())),
            Err(refused) if self.config.io == Io::Uring => Err(refused),
            Err(refused) => Ok(Backend::Epoll(sockets, Some(refused))),
        }
    }

    /// Starts the workers. They end when `shutdown` turns true, within three seconds and a bit.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn start(
        self,
        backend: Backend,
        shared: &Shared,
        shutdown: &watch::Receiver<bool>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let config = self.config;
        let setting = Setting {
            connections: Arc::new(Connections::new(
                config.connections_max,
                config.connections_per_ip_max,
                config.trusted_proxies.clone(),
            )),
            config,
            keep_listening: self.keep_listening,
            tls: self.tls,
            full_scrapes: Arc::new(FullScrapes::default()),
            shared: shared.clone(),
            shutdown: Shutdown(shutdown.clone()),
        };
        match backend {
            Backend::Uring(workers) => start_on_uring(workers, &setting),
            Backend::Epoll(workers, _) => start_on_epoll(workers, &setting),
        }
    }

    fn take_sockets(&mut self, counted: &mut HashSet<u64>) -> Sockets {
        fn one_of_each<S>(ports: &mut [Bound<S>]) -> Vec<S> {
            ports.iter_mut().filter_map(|bound| bound.sockets.pop()).collect()
        }
        let may_fragment = self.config.udp_may_fragment;
        let datagrams = |bound: &mut Bound<UdpSocket>| {
            let socket = bound.sockets.pop()?;
            let is_ipv4 = bound.address.is_ipv4();
            ignore_path_mtu(&socket, is_ipv4, is_ipv4 && may_fragment);
            // Where the kernel tells no cookie, drops are rather counted twice than never.
            let counts_drops = socket_cookie(&socket).map_or(true, |cookie| counted.insert(cookie));
            Some(Datagrams { socket, counts_drops })
        };
        Sockets {
            udp: self.udp.iter_mut().filter_map(datagrams).collect(),
            http: one_of_each(&mut self.http),
            https: one_of_each(&mut self.https),
        }
    }
}

/// The sockets of one worker.
pub struct Sockets {
    pub udp: Vec<Datagrams>,
    pub http: Vec<TcpListener>,
    pub https: Vec<TcpListener>,
}

/// A UDP socket of one worker.
pub struct Datagrams {
    pub socket: UdpSocket,
    /// Whether this worker counts what the kernel drops: of those that share one socket, one does.
    pub counts_drops: bool,
}

/// What a worker finds when it starts.
#[derive(Clone)]
pub struct Setting {
    pub config: config::Net,
    /// Whether the listening sockets are a service manager's too, and are to go on after the end.
    pub keep_listening: bool,
    pub tls: Option<Arc<ServerConfig>>,
    pub connections: Arc<Connections>,
    pub full_scrapes: Arc<FullScrapes>,
    pub shared: Shared,
    pub shutdown: Shutdown,
}

fn start_on_uring(
    workers: Vec<(Pending, Sockets)>,
    setting: &Setting,
) -> io::Result<Vec<JoinHandle<()>>> {
    let mailboxes = workers.iter().map(|_| Mailbox::new().map(Arc::new));
    let mailboxes = mailboxes.collect::<io::Result<Vec<_>>>()?;
    let makes = (setting.shared.tracker.clone(), setting.full_scrapes.clone());
    let (jobs, thread) = aide::start(mailboxes.clone(), makes, setting.shutdown.clone())?;
    let mut threads = Vec::with_capacity(workers.len() + 1);
    for ((pending, sockets), mailbox) in workers.into_iter().zip(mailboxes) {
        let (setting, jobs) = (setting.clone(), jobs.clone());
        threads.push(pending.start(Start { sockets, setting, jobs, mailbox }));
    }
    threads.push(thread); // the last one, since it ends when the workers have
    Ok(threads)
}

fn start_on_epoll(workers: Vec<Sockets>, setting: &Setting) -> io::Result<Vec<JoinHandle<()>>> {
    let start = |(index, sockets)| {
        let setting = setting.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(epoll::run(index, sockets, setting));
        worker_thread(index).spawn(run)
    };
    workers.into_iter().enumerate().map(start).collect()
}

/// The maker of the thread of a worker.
pub fn worker_thread(index: usize) -> thread::Builder {
    thread::Builder::new().name(format!("worker-{index}"))
}
