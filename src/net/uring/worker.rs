//! The loop of one worker: wait, read the clock, deal with what has completed, begin again.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::aide::{Job, Mailbox};
use super::kernel::{Completion, File, Kind, Ring};
use super::probe::{self, Refused};
use super::tcp::{Kit, Port, Tcp};
use super::timers;
use super::udp::Udp;
use crate::clock::{Clock, Now};
use crate::config::Rings;
use crate::net::http::{Responder, Service};
use crate::net::udp::answer::answer_rest;
use crate::net::worker::{DRAIN, Setting, Sockets, worker_thread};
use crate::stats::Counters;
use crate::tracker::Worker;

/// How often the kernel is asked what it had no room for.
const SLOW_TICK: Duration = Duration::from_secs(1);
/// How long replies may take to leave at the end.
const HOMEWARD: Duration = Duration::from_millis(500);
const SLOW: usize = 0;
const FAST: usize = 1;

/// What the parts of a worker are handed in each round.
pub struct Tools<'a> {
    /// The ring.
    pub ring: &'a mut Ring,
    /// What answers.
    pub responder: &'a mut Responder,
    /// The time of the round, since the start.
    pub elapsed: Duration,
    /// The same, as answers need it.
    pub now: Now,
    /// Whether the program is about to end.
    pub is_ending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Connections have until this moment.
    Drain(Duration),
    /// Connections are closed; datagrams that were received are answered.
    Home(Duration),
}

struct Engine {
    ring: Ring,
    mailbox: Arc<Mailbox>,
    clock: Clock,
    responder: Responder,
    udp: Udp,
    tcp: Tcp,
    is_ticking: [bool; 2],
    ending: Ending,
}

impl Tools<'_> {
    /// The worker's counters.
    pub fn counters(&mut self) -> &Counters {
        self.responder.worker().counters()
    }
}

/// A worker whose thread has its ring and waits for what it is to serve.
pub struct Pending {
    start: SyncSender<Start>,
    thread: JoinHandle<()>,
}

/// What a worker is started with.
pub struct Start {
    /// Those that were named when it was made.
    pub sockets: Sockets,
    /// As for every worker.
    pub setting: Setting,
    /// To the aide.
    pub jobs: Sender<Job>,
    /// From everybody.
    pub mailbox: Arc<Mailbox>,
}

/// Starts the thread of worker `index`, which makes a ring for `sockets`: the kernel binds a ring
/// to the thread that makes it.
///
/// # Errors
/// [`Refused`]; the thread has ended then.
pub fn prepare(index: usize, sizes: Rings, sockets: &Sockets) -> Result<Pending, Refused> {
    let udp = sockets.udp.iter().map(|datagrams| datagrams.socket.as_raw_fd());
    let tcp = sockets.http.iter().chain(&sockets.https).map(AsRawFd::as_raw_fd);
    let descriptors: Vec<_> = udp.chain(tcp).collect();
    let (start, started) = sync_channel::<Start>(1);
    let (report, reported) = sync_channel(1);
    let thread = worker_thread(index)
        .spawn(move || match probe::ring(&sizes, &descriptors) {
            Err(refused) => drop(report.send(Err(refused))),
            Ok(ring) => {
                let _ = report.send(Ok(()));
                // Nothing comes when another worker got no ring.
                if let Ok(start) = started.recv() {
                    run(index, ring, start);
                }
            }
        })
        .map_err(Refused::thread)?;
    match reported.recv() {
        Ok(Ok(())) => Ok(Pending { start, thread }),
        Ok(Err(refused)) => Err(refused),
        Err(_) => Err(Refused::thread(io::Error::other("it ended at once"))),
    }
}

impl Pending {
    /// Has it serve. The thread ends at the end of the program.
    pub fn start(self, start: Start) -> JoinHandle<()> {
        // It waits, so that this fails only if it has panicked, which joining it tells.
        let _ = self.start.send(start);
        self.thread
    }
}

/// Serves the sockets until the end.
fn run(index: usize, ring: Ring, start: Start) {
    let (clock, completions_max) =
        (start.setting.shared.clock, start.setting.config.rings.completions);
    let lost = |error: io::Error| tracing::error!(%error, "a worker's ring is lost");
    let mut engine = match Engine::new(index, ring, start) {
        Ok(engine) => engine,
        Err(error) => return lost(error),
    };
    if let Err(error) = engine.run(completions_max as usize) {
        lost(error);
    }
    let Engine { ring, mut responder, udp, .. } = engine;
    drop(ring); // it takes nothing from the sockets any more
    for socket in udp.into_sockets() {
        answer_rest(&socket, responder.worker(), clock);
    }
}

impl Engine {
    fn new(index: usize, ring: Ring, start: Start) -> io::Result<Engine> {
        let Start { sockets, setting, jobs, mailbox } = start;
        let Setting { config, keep_listening, tls, connections, shared, .. } = setting;
        let worker = Worker::new(shared.tracker, shared.stats.worker(index));
        let mut files = (0..).map(File);
        let udp: Vec<_> = sockets.udp.into_iter().zip(&mut files).collect();
        let http = config.redirect_http.clone();
        let http = http.map_or(Service::Tracker, |to| Service::Redirect(to.into()));
        let plain = sockets.http.into_iter().map(|listener| (listener, http.clone(), None));
        let secure = sockets.https.into_iter();
        let secure = secure.map(|listener| (listener, Service::Tracker, tls.clone()));
        let mut ports = Vec::new();
        for ((listener, service, tls), file) in plain.chain(secure).zip(&mut files) {
            // What the kernel waits for, it must be allowed to wait for.
            listener.set_nonblocking(false)?;
            ports.push(Port::new(listener, file, service, tls));
        }
        let kit = Kit::new(&config, connections, (jobs, mailbox.clone()));
        Ok(Engine {
            ring,
            mailbox,
            clock: shared.clock,
            responder: Responder::new(worker, config.trusted_proxies.into()),
            udp: Udp::new(udp, config.verbose),
            tcp: Tcp::new(ports, kit, keep_listening),
            is_ticking: [false; 2],
            ending: Ending::No,
        })
    }

    fn run(&mut self, completions_max: usize) -> io::Result<()> {
        let mut completions = Vec::with_capacity(completions_max);
        self.ring.listen_for(self.mailbox.bell());
        loop {
            self.prepare();
            let is_home = matches!(self.ending, Ending::Home(_));
            self.ring.submit(is_home || !self.udp.is_ready())?;
            let elapsed = self.clock.elapsed();
            self.ring.reap(&mut completions);
            self.deal_with(completions.drain(..), elapsed);
            if self.go_on_ending(elapsed) {
                return Ok(());
            }
        }
    }

    /// Deals with what has completed, and with datagrams, at a moment since the start.
    fn deal_with(&mut self, completions: impl Iterator<Item = Completion>, elapsed: Duration) {
        let Engine { ring, responder, udp, tcp, is_ticking, mailbox, ending, .. } = self;
        let (now, is_ending) = (Now::from_secs(elapsed.as_secs() as u32), *ending != Ending::No);
        let mut tools = Tools { ring, responder, elapsed, now, is_ending };
        for completion in completions {
            match completion.token.kind {
                Kind::Datagrams => udp.wake(File(completion.token.index), &mut tools),
                Kind::Accept => tcp.accepted(completion, &mut tools),
                Kind::Receive => tcp.received(completion, &mut tools),
                Kind::Send => tcp.sent(&completion, &mut tools),
                Kind::Tick => {
                    is_ticking[completion.token.index as usize % 2] = false;
                    if completion.token.index as usize == SLOW {
                        udp.count_drops(&mut tools);
                    }
                    tcp.tick(&mut tools);
                    udp.unpause();
                }
                Kind::Bell => {
                    for (token, body) in mailbox.fetch() {
                        tcp.body(token, body, &mut tools);
                    }
                    if !completion.goes_on {
                        tools.ring.listen_for(mailbox.bell());
                    }
                }
                Kind::Cancel => {}
            }
        }
        if !matches!(ending, Ending::Home(_)) {
            udp.answer(&mut tools);
        }
    }

    /// Queues what is wanted whatever happened.
    fn prepare(&mut self) {
        if self.ending == Ending::No {
            self.tcp.resume(&mut self.ring);
        }
        let is_waiting = self.tcp.needs_ticks() || self.udp.is_paused();
        let needs_fast = is_waiting || self.ending != Ending::No;
        for (which, is_wanted, period) in
            [(SLOW, true, SLOW_TICK), (FAST, needs_fast, timers::TICK)]
        {
            if is_wanted && !self.is_ticking[which] {
                self.is_ticking[which] = true;
                self.ring.tick(which, period);
            }
        }
    }

    /// Takes the steps to the end that are due, and tells whether it has come.
    fn go_on_ending(&mut self, elapsed: Duration) -> bool {
        let Engine { ring, responder, udp, tcp, .. } = self;
        match self.ending {
            Ending::No if self.mailbox.is_ending() => {
                self.ending = Ending::Drain(elapsed + DRAIN);
                let now = Now::from_secs(elapsed.as_secs() as u32);
                tcp.end(&mut Tools { ring, responder, elapsed, now, is_ending: true });
                self.go_on_ending(elapsed)
            }
            // Who is not done by then is cut off.
            Ending::Drain(until) if tcp.is_done() || elapsed >= until => {
                self.ending = Ending::Home(elapsed + HOMEWARD);
                udp.is_done()
            }
            Ending::No | Ending::Drain(_) => false,
            Ending::Home(until) => udp.is_done() || elapsed >= until,
        }
    }
}
