//! The threads of the data plane: one runtime each, one socket of every port each.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::bind::{self, BindError, Bound, Purpose};
use super::connections::Connections;
use super::full_scrape::FullScrapes;
use super::http::{Responder, Service};
use super::{tcp, udp};
use crate::clock::Clock;
use crate::config;
use crate::stats::Stats;
use crate::tracker::{Tracker, Worker};

/// How long open connections may take to finish their request at shutdown.
const DRAIN: Duration = Duration::from_secs(3);

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

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

/// The tracker ports, bound and ready to be served.
pub struct DataPlane {
    config: config::Net,
    tls: Option<TlsAcceptor>,
    udp: Vec<Bound<UdpSocket>>,
    http: Vec<Bound<TcpListener>>,
    https: Vec<Bound<TcpListener>>,
}

impl DataPlane {
    /// Binds every port of `config`. `tls` is needed where there is an HTTPS port.
    ///
    /// # Errors
    /// [`BindError`] for the first port that cannot be had; none stays bound.
    pub fn bind(
        config: &config::Net,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Result<DataPlane, BindError> {
        let (hosts, workers) = (&config.hosts[..], config.workers);
        let tcp = |what, flag, port: Option<u16>| match port {
            None => Ok(Vec::new()),
            Some(port) => bind::tcp(Purpose { what, flag }, hosts, port, workers),
        };
        let udp_purpose = Purpose { what: "UDP trackers' clients", flag: "--udp-port" };
        Ok(DataPlane {
            udp: match config.udp_port {
                None => Vec::new(),
                Some(port) => bind::udp(udp_purpose, hosts, port, workers)?,
            },
            http: tcp("HTTP announces", "--http-port", config.http_port)?,
            https: tcp("HTTPS announces", "--https-port", config.https_port)?,
            tls: tls.map(TlsAcceptor::from),
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

    /// Starts the workers. They end when `shutdown` turns true, within three seconds and a bit.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn start(
        mut self,
        shared: &Shared,
        shutdown: &watch::Receiver<bool>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let config = &self.config;
        let connections = Arc::new(Connections::new(
            config.connections_max,
            config.connections_per_ip_max,
            config.trusted_proxies.clone(),
        ));
        let full_scrapes = Arc::new(FullScrapes::default());
        (0..self.config.workers)
            .map(|index| {
                let sockets = self.take_sockets();
                let setting = Setting {
                    config: self.config.clone(),
                    tls: self.tls.clone(),
                    connections: connections.clone(),
                    full_scrapes: full_scrapes.clone(),
                    shared: shared.clone(),
                    shutdown: Shutdown(shutdown.clone()),
                };
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                std::thread::Builder::new()
                    .name(format!("worker-{index}"))
                    .spawn(move || runtime.block_on(run(index, sockets, setting)))
            })
            .collect()
    }

    fn take_sockets(&mut self) -> Sockets {
        fn one_of_each<S>(ports: &mut [Bound<S>]) -> Vec<S> {
            ports.iter_mut().filter_map(|bound| bound.sockets.pop()).collect()
        }
        Sockets {
            udp: one_of_each(&mut self.udp),
            http: one_of_each(&mut self.http),
            https: one_of_each(&mut self.https),
        }
    }
}

/// The sockets of one worker.
struct Sockets {
    udp: Vec<UdpSocket>,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
}

/// What a worker finds when it starts.
struct Setting {
    config: config::Net,
    tls: Option<TlsAcceptor>,
    connections: Arc<Connections>,
    full_scrapes: Arc<FullScrapes>,
    shared: Shared,
    shutdown: Shutdown,
}

async fn run(index: usize, sockets: Sockets, setting: Setting) {
    let Setting { config, tls, connections, full_scrapes, shared, mut shutdown } = setting;
    let Shared { tracker, stats, clock } = shared;
    let worker = Worker::new(tracker, stats.worker(index));
    let responder = Rc::new(RefCell::new(Responder::new(worker, config.trusted_proxies.into())));
    let tasks = LocalSet::new();
    for socket in sockets.udp {
        let (responder, shutdown) = (responder.clone(), shutdown.clone());
        let verbose = config.verbose;
        tasks.spawn_local(async move {
            match tokio::net::UdpSocket::from_std(socket) {
                Ok(socket) => {
                    udp::fallback::serve(socket, &responder, clock, shutdown, verbose).await;
                }
                Err(error) => tracing::error!(%error, "a UDP socket cannot be served"),
            }
        });
    }
    let http = config.redirect_http.map_or(Service::Tracker, |host| Service::Redirect(host.into()));
    let plain = sockets.http.into_iter().map(|socket| (socket, http.clone(), None));
    let secure = sockets.https.into_iter().map(|socket| (socket, Service::Tracker, tls.clone()));
    for (socket, service, tls) in plain.chain(secure) {
        let port = tcp::fallback::Port {
            service,
            tls,
            responder: responder.clone(),
            full_scrapes: full_scrapes.clone(),
            connections: connections.clone(),
            timeouts: config.timeouts,
            clock,
            verbose: config.verbose,
        };
        let shutdown = shutdown.clone();
        tasks.spawn_local(async move {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(listener) => tcp::fallback::serve(listener, port, shutdown).await,
                Err(error) => tracing::error!(%error, "a TCP socket cannot be served"),
            }
        });
    }
    tasks.run_until(shutdown.begun()).await;
    let _ = tokio::time::timeout(DRAIN, tasks).await; // who is not done by then is cut off
}
