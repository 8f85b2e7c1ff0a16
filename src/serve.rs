//! The composition root: builds every room, wires them, starts the threads, waits, and ends them.
//! The only file that knows all.

mod manager;
mod members;
mod owner;
mod self_signed;
mod start_error;

pub use owner::set_password;
pub use start_error::StartError;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{self, Clock};
use crate::config::{self, Config};
use crate::db::Database;
use crate::jobs;
use crate::jobs::reload_lists::ListFiles;
use crate::jobs::watch::PERIOD;
use crate::limits;
use crate::net::bind::{self, BindError, Bound, Purpose};
use crate::net::http::Responder;
use crate::net::inherit::Inherited;
use crate::net::tls::{self, Certificate};
use crate::net::{DataPlane, Shared};
use crate::site::announce::Announces;
use crate::site::listen::{self, Bounds};
use crate::site::members::Members;
use crate::site::{self, Facts, Site};
use crate::state::{Loaded, StateFile};
use crate::stats::{Ledger, Stats};
use crate::swarm::Swarms;
use crate::tracker::{Tracker, Worker};

/// Threads for the page and for jobs.
const WEB_THREADS: usize = 2;
/// How long everything may take to end; the workers and the page's listeners need three seconds at
/// most, side by side.
const DRAIN: Duration = Duration::from_secs(4);

/// A tracker that is running.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    swarms: Arc<Swarms>,
    stats: Stats,
    clock: Clock,
    state_file: Option<Arc<StateFile>>,
    certificate: Option<Arc<Certificate>>,
    lists: Arc<ListFiles>,
    members: Option<(Database, Arc<Tracker>)>,
    shutdown: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    pages: JoinSet<()>,
    web: Runtime,
}

/// Where a server listens; a list is empty where that is off.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Addresses {
    pub udp: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub web_http: Vec<SocketAddr>,
    pub web_https: Vec<SocketAddr>,
    pub manage: Vec<SocketAddr>,
    pub manage_http: Vec<SocketAddr>,
}

impl Server {
    /// Serves until SIGTERM or SIGINT, and then ends in good order. On SIGHUP certificate
    /// and lists of torrents are read again. The service manager, where there is one, hands over
    /// sockets and is told of it.
    ///
    /// # Errors
    /// [`StartError`], before anything is served.
    pub fn run(config: Config) -> Result<(), StartError> {
        let inherited = Inherited::from_environment()?; // while there is one thread
        let web = web_runtime()?;
        // Before any socket is bound, so that no signal finds the program half built.
        let mut signals = {
            let _context = web.enter();
            Signals::new()?
        };
        let server = Server::start_on(web, config, inherited)?;
        manager::tell_ready();
        let name = server.web.block_on(server.until_asked_to_end(&mut signals));
        manager::tell_stopping();
        tracing::info!("{name}: finishing open requests, then ending");
        server.stop();
        tracing::info!("ended");
        Ok(())
    }

    /// Starts a server and returns when every port is bound and served.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn start(config: Config) -> Result<Server, StartError> {
        Server::start_on(web_runtime()?, config, Inherited::default())
    }

    fn start_on(
        web: Runtime,
        mut config: Config,
        mut inherited: Inherited,
    ) -> Result<Server, StartError> {
        if let Some((files, names)) = config.net.tls.as_ref().zip(config.net.self_signed.as_ref()) {
            self_signed::ensure(files, names).map_err(StartError::SelfSigned)?;
        }
        let database = config.members.as_ref().map(members::open).transpose()?;
        let certificate = config.net.tls.clone().map(Certificate::read).transpose()?.map(Arc::new);
        let tls = |certificate| tls::server_config(certificate, &["http/1.1"]).map(Arc::new);
        let tls = certificate.clone().map(tls).transpose()?;
        config.net.connections_max = connections_that_fit(config.net.connections_max);
        let clock = Clock::start();
        let lists = jobs::reload_lists::read(&config.tracker.lists)?;
        let (swarms, ledger, state_file) = restored(&config, clock)?;

        let mut data_plane = DataPlane::bind(&config.net, tls.clone(), &mut inherited)?;
        let web_ports = WebPorts::bind(&config, &mut inherited)?;
        inherited.is_used_up()?;
        let backend = data_plane.backend()?;
        let moved_by = backend.to_string();
        let addresses = addresses(&data_plane, &web_ports);

        let epoch = clock::unix_secs().saturating_sub(clock.now().secs().into());
        // One worker more than threads: it answers announces on the web ports.
        let stats = Stats::new(config.net.workers + 1, ledger, epoch);
        let tracker = Tracker::new(config.tracker.clone(), swarms.clone(), lists)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let tracker = Arc::new(members::registering(tracker, database.as_ref())?);
        let lists = Arc::new(ListFiles::new(config.tracker.lists.clone(), tracker.clone()));
        let shared = Shared { tracker, stats: stats.clone(), clock };
        let (shutdown, ended) = watch::channel(false);
        let workers = data_plane.start(backend, &shared, &ended)?;
        web.spawn(jobs::sweep_swarms::run(swarms.clone(), clock, config.swarm.sweep_period));
        if let Some((config, file)) = config.state.as_ref().zip(state_file.clone()) {
            let kept = (swarms.clone(), stats.clone());
            web.spawn(jobs::save_state::run(file, kept, clock, config.period));
        }
        web.spawn(jobs::turn_days::run(stats.clone(), clock));
        if let Some(certificate) = certificate.clone() {
            web.spawn(jobs::renew_certificate::run(certificate, PERIOD));
        }
        web.spawn(jobs::reload_lists::run(lists.clone(), PERIOD));
        if let Some(database) = &database {
            members::seed_trackers(database, &config, &announce_ports(&addresses))?;
        }
        let tracker = &shared.tracker;
        let members = database.map(|database| members::site(database, tracker)).transpose()?;
        if let Some(members) = &members {
            web.spawn(jobs::keep_registered::run(members.database.clone(), tracker.clone()));
            web.spawn(jobs::expire_sessions::run(members.database.clone()));
            web.spawn(jobs::expire_events::run(members.database.clone()));
            web.spawn(jobs::take_snapshots::run(members.database.clone()));
        }
        let site = site(&config, &shared, (&swarms, &addresses), members.clone());
        let pages = web_ports.serve(&web, site, (&config, tls), &ended)?;
        tell(&config, &addresses, &moved_by);
        Ok(Server {
            addresses,
            swarms,
            stats,
            clock,
            state_file,
            certificate,
            lists,
            members: members.map(|members| (members.database.clone(), shared.tracker.clone())),
            shutdown,
            workers,
            pages,
            web,
        })
    }

    /// Obeys signals, and gives the service manager its signs of life, until one asks for the end;
    /// returns its name.
    async fn until_asked_to_end(&self, signals: &mut Signals) -> &'static str {
        let mut watchdog = manager::Watchdog::new();
        let mut reloads = JoinSet::new();
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    // One that waits for its turn will read what is on the disk by then.
                    Asked::ToReload if reloads.len() > 1 => {}
                    Asked::ToReload => {
                        manager::tell_reloading();
                        reloads.spawn(self.reload());
                    }
                    Asked::ToEnd(name) => return name,
                },
                Some(_) = reloads.join_next() => {
                    if reloads.is_empty() {
                        manager::tell_ready();
                    }
                }
                () = watchdog.is_due() => watchdog.tell(self).await,
            }
        }
    }

    /// Takes up what has changed on the disk: the certificate, and, by the time that what this
    /// returns is done, the lists of torrents. Connections that are open go on.
    pub fn reload(&self) -> impl Future<Output = ()> + Send + use<> {
        if let Some(certificate) = &self.certificate {
            jobs::renew_certificate::reload(certificate);
        }
        let lists = self.lists.clone();
        let reading = self.web.spawn_blocking(move || lists.reload());
        async {
            if reading.await.is_err() {
                tracing::error!("reading the lists of torrents did not end well");
            }
        }
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Its swarms.
    pub fn swarms(&self) -> &Swarms {
        &self.swarms
    }

    /// Its counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Ends it: no new connection is taken, requests that are under way are answered, and after
    /// at most four seconds everything is closed. Then the swarms are saved, where they are to be.
    pub fn stop(self) {
        let deadline = tokio::time::Instant::now() + DRAIN;
        // Nobody listens when every worker is gone already.
        let _ = self.shutdown.send(true);
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker did not end well");
            }
        }
        if let Some(file) = &self.state_file {
            jobs::save_state::save(file, (&self.swarms, &self.stats), self.clock);
        }
        if let Some((database, tracker)) = &self.members {
            jobs::keep_registered::save_all(database, tracker);
        }
        let pages = async { tokio::time::timeout_at(deadline, self.pages.join_all()).await };
        if self.web.block_on(pages).is_err() {
            tracing::warn!("some visitors of the page were cut off");
        }
        self.web.shutdown_background();
    }
}

/// What a run begins with, and where it is to be kept.
type Restored = (Arc<Swarms>, Ledger, Option<Arc<StateFile>>);

/// Swarms and figures as the last run has left them, where that was asked for, and empty ones
/// otherwise.
fn restored(config: &Config, clock: Clock) -> Result<Restored, StartError> {
    let new_ledger = || {
        let key = [getrandom::u64(), getrandom::u64()].map(|half| half.map_err(io::Error::from));
        let [first, second] = key;
        Ok::<_, io::Error>(Ledger::new([first?, second?], clock::unix_secs()))
    };
    let Some(state) = &config.state else {
        return Ok((Arc::new(Swarms::new(&config.swarm)), new_ledger()?, None));
    };
    let (path, start) = (state.file.display(), Instant::now());
    let file = StateFile::open(state.file.clone())?;
    let (swarms, ledger, loaded) = file.load(&config.swarm, clock.now())?;
    match loaded {
        Loaded::Absent => tracing::info!("no state at {path} yet: starting without peers"),
        Loaded::Whole(restored) => tracing::info!(
            "state {path}: {} peers in {} torrents are back after {} s; {} have expired, {} are \
             over a cap; took {} ms",
            restored.peers,
            swarms.totals().torrents,
            restored.age,
            restored.expired,
            restored.refused,
            start.elapsed().as_millis()
        ),
        Loaded::SetAside(fault, aside) => tracing::warn!(
            "state {path} is refused, since {fault}; it is kept as {}: starting without peers",
            aside.display()
        ),
    }
    let ledger = ledger.map_or_else(new_ledger, Ok)?;
    Ok((Arc::new(swarms), ledger, Some(Arc::new(file))))
}

fn web_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WEB_THREADS)
        .thread_name("web")
        .enable_all()
        .build()
}

/// What the operator asks for by a signal.
enum Asked {
    ToEnd(&'static str),
    ToReload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ToEnd("SIGTERM"),
            _ = self.interrupt.recv() => Asked::ToEnd("SIGINT"),
            _ = self.hang_up.recv() => Asked::ToReload,
        }
    }
}

/// As many connections as wanted, or as many as this process may have descriptors for, once it has
/// asked for all it may have.
fn connections_that_fit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let descriptors = current.map_or(usize::MAX, |current| current as usize);
    let fitting = wanted.min(descriptors.saturating_sub(limits::DESCRIPTORS_RESERVED).max(1));
    if fitting < wanted {
        tracing::warn!(
            "room for {fitting} connections instead of {wanted}: raise the limit on open files \
             (ulimit -n, or LimitNOFILE= in the service file)"
        );
    }
    fitting
}

/// The sockets of the page.
struct WebPorts {
    http: Vec<Bound<TcpListener>>,
    https: Vec<Bound<TcpListener>>,
    manage: Vec<Bound<TcpListener>>,
    manage_http: Vec<Bound<TcpListener>>,
}

impl WebPorts {
    fn bind(config: &Config, inherited: &mut Inherited) -> Result<WebPorts, BindError> {
        let mut bind = |flag, port: Option<u16>| match port {
            None => Ok(Vec::new()),
            Some(port) => {
                let purpose = Purpose { what: "the page", flag };
                bind::tcp(purpose, &config.net.hosts, port, 1, inherited)
            }
        };
        let config::Web { http_port, http_port_otherwise, https_port, .. } = config.web;
        let mut http = |port| bind("--web-http-port", port);
        let bound = match (http(http_port), http_port_otherwise) {
            (Err(error), Some(otherwise)) if error.is_about_the_port() => {
                let bound = http(Some(otherwise))?;
                tracing::info!("the page is on port {otherwise}, since {error}");
                bound
            }
            (bound, _) => bound?,
        };
        let https = bind("--web-https-port", https_port)?;
        let members = config.members.as_ref();
        let manage = bind("--manage-port", members.and_then(|members| members.https_port))?;
        let manage_http =
            bind("--manage-http-port", members.and_then(|members| members.http_port))?;
        Ok(WebPorts { http: bound, https, manage, manage_http })
    }

    /// Starts serving `site` on `web`, until `ended` turns true.
    fn serve(
        self,
        web: &Runtime,
        site: Site,
        (config, tls): (&Config, Option<Arc<rustls::ServerConfig>>),
        ended: &watch::Receiver<bool>,
    ) -> io::Result<JoinSet<()>> {
        let _context = web.enter();
        let with_members = site::router(site.clone());
        // With a port of its own the members' site is on no other.
        let pages = if self.manage.is_empty() {
            with_members.clone()
        } else {
            site::router(Site { members: None, ..site })
        };
        let plain = match &config.web.redirect_http {
            Some(host) => site::redirect::router(host.clone()),
            None => pages.clone(),
        };
        let mut listeners = JoinSet::new();
        let introducers: Arc<[_]> = config.net.introducers().into();
        let bounds = || Bounds { introducers: Arc::clone(&introducers), ..Bounds::default() };
        for (bound, pages) in [(self.http, plain), (self.manage_http, with_members.clone())] {
            for socket in bound.into_iter().flat_map(|bound| bound.sockets) {
                let listener = tokio::net::TcpListener::from_std(socket)?;
                let pages = pages.clone();
                listeners.spawn(listen::serve_plain(listener, pages, ended.clone(), bounds()));
            }
        }
        for (bound, pages) in [(self.https, pages), (self.manage, with_members)] {
            for socket in bound.into_iter().flat_map(|bound| bound.sockets) {
                let listener = tokio::net::TcpListener::from_std(socket)?;
                let Some(tls) = tls.clone() else { continue }; // `cli` sees to it
                let pages = pages.clone();
                listeners.spawn(listen::serve_tls(listener, tls, pages, ended.clone(), bounds()));
            }
        }
        Ok(listeners)
    }
}

/// What the web ports show, and what answers announces there.
fn site(
    config: &Config,
    shared: &Shared,
    (swarms, addresses): (&Arc<Swarms>, &Addresses),
    members: Option<Arc<Members>>,
) -> Site {
    let Shared { tracker, stats, clock } = shared.clone();
    let trusted: Arc<[_]> = config.net.trusted_proxies.clone().into();
    let worker = Worker::new(tracker, stats.worker(config.net.workers));
    let responder = Responder::new(worker, trusted.clone());
    Site {
        swarms: swarms.clone(),
        stats,
        clock,
        announces: Arc::new(Announces::new(responder, trusted)),
        facts: Arc::new(Facts {
            version: env!("CARGO_PKG_VERSION"),
            public_host: config.web.public_host.clone(),
            announce_ports: announce_ports(addresses),
            has_state: config.state.is_some(),
            capacity: (config.swarm.peers_total_max, config.swarm.torrents_max),
            members_port: addresses
                .manage
                .first()
                .or(addresses.web_https.first())
                .map(SocketAddr::port),
            metrics_allow: config.web.metrics_allow.clone(),
        }),
        members,
    }
}

/// How torrents may name this tracker. Plain HTTP only where there is no HTTPS; the web ports only
/// where there is no tracker port of their kind.
fn announce_ports(addresses: &Addresses) -> Vec<(&'static str, u16)> {
    let Addresses { udp, http, https, web_http, web_https, .. } = addresses;
    let port = |tracker: &[SocketAddr], web: &[SocketAddr]| {
        tracker.first().or(web.first()).map(SocketAddr::port)
    };
    let https = port(https, web_https).map(|port| ("https", port));
    let http = port(http, web_http).filter(|_| https.is_none()).map(|port| ("http", port));
    [port(udp, &[]).map(|port| ("udp", port)), https, http].into_iter().flatten().collect()
}

fn addresses(data_plane: &DataPlane, web: &WebPorts) -> Addresses {
    fn of<S>(ports: &[Bound<S>]) -> Vec<SocketAddr> {
        ports.iter().map(|bound| bound.address).collect()
    }
    // Sockets of one address that were handed over may be more than there are workers.
    let once = |mut addresses: Vec<SocketAddr>| {
        addresses.dedup();
        addresses
    };
    let [udp, http, https] = data_plane.addresses().map(once);
    Addresses {
        udp,
        http,
        https,
        web_http: once(of(&web.http)),
        web_https: once(of(&web.https)),
        manage: once(of(&web.manage)),
        manage_http: once(of(&web.manage_http)),
    }
}

/// Says what listens where, and on what it runs.
fn tell(config: &Config, addresses: &Addresses, moved_by: &str) {
    let role = |redirect: &Option<String>, served: &str| match redirect {
        Some(host) => format!("redirect to https://{host}"),
        None => served.to_owned(),
    };
    let tracker_http = role(&config.net.redirect_http, "HTTP announces");
    let web_http = role(&config.web.redirect_http, "the page");
    for (what, listening) in [
        ("UDP announces", &addresses.udp),
        (&tracker_http, &addresses.http),
        ("HTTPS announces", &addresses.https),
        (&web_http, &addresses.web_http),
        ("the page over HTTPS", &addresses.web_https),
        ("the members' site", &addresses.manage),
        ("redirect to the members' site", &addresses.manage_http),
    ] {
        for address in listening {
            tracing::info!("listening on {address}: {what}");
        }
    }
    tracing::info!("ready: {} workers on {moved_by}", config.net.workers);
}
