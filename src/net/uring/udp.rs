//! The datagram sockets of one worker.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::kernel::{Completion, File, Kind, Lease, Ring};
use super::worker::Tools;
use crate::net::http::Responder;
use crate::net::udp::address;
use crate::net::udp::message;
use crate::net::worker::Datagrams;
use crate::tracker::Verdict;

/// The datagram sockets, and the requests that wait for a place to answer in.
pub struct Udp {
    sockets: Vec<Socket>,
    /// Never more than there are buffers for datagrams.
    waiting: VecDeque<(File, Lease)>,
    replies_in_flight: usize,
    verbose: bool,
}

struct Socket {
    udp: UdpSocket,
    file: File,
    state: State,
    /// What it had dropped when last asked, where this worker counts that.
    drops: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The kernel receives.
    Receiving,
    /// The kernel has stopped, for want of buffers.
    Starved,
    /// The kernel has stopped with an error that may pass.
    Paused,
    /// Asked to stop.
    Stopping,
    /// Stopped.
    Stopped,
}

impl Udp {
    /// Serves `sockets`, which are registered under these files.
    pub fn new(sockets: Vec<(Datagrams, File)>, buffers: usize, verbose: bool) -> Udp {
        let sockets = sockets.into_iter().map(|(socket, file)| {
            let Datagrams { socket: udp, counts_drops } = socket;
            let drops = counts_drops.then(|| message::drops(&udp));
            Socket { udp, file, state: State::Starved, drops }
        });
        Udp {
            sockets: sockets.collect(),
            waiting: VecDeque::with_capacity(buffers),
            replies_in_flight: 0,
            verbose,
        }
    }

    /// Has what the answers to the datagrams among `completions` will read come from memory.
    pub fn foresee(completions: &[Completion], ring: &Ring, responder: &mut Responder) {
        let datagrams = completions.iter().filter(|it| it.token.kind == Kind::Datagrams);
        let leases = datagrams.filter_map(|it| it.lease.as_ref());
        responder.worker().foresee_udp(leases.map(|lease| ring.payload(lease)));
    }

    /// Datagrams, or the reason why no more come.
    pub fn arrived(&mut self, completion: Completion, tools: &mut Tools<'_>) {
        let file = File(completion.token.index);
        if !completion.goes_on
            && let Some(socket) = self.sockets.iter_mut().find(|socket| socket.file == file)
        {
            let is_out_of_buffers = |error: &io::Error| error.raw_os_error() == Some(libc::ENOBUFS);
            socket.state = match (socket.state, &completion.result) {
                (State::Stopping, _) => State::Stopped,
                (_, Err(error)) if !is_out_of_buffers(error) => State::Paused,
                _ => State::Starved,
            };
        }
        let Some(lease) = completion.lease else { return };
        if self.waiting.is_empty() && !tools.ring.is_out_of_replies() {
            self.answer(file, lease, tools);
        } else {
            self.waiting.push_back((file, lease));
        }
    }

    /// A reply has gone out, or not.
    pub fn replied(&mut self, completion: &Completion, tools: &mut Tools<'_>) {
        self.replies_in_flight -= 1;
        if completion.result.is_err() {
            tools.counters().udp_unsent.increment();
        }
        while !tools.ring.is_out_of_replies() {
            let Some((file, lease)) = self.waiting.pop_front() else { return };
            self.answer(file, lease, tools);
        }
    }

    fn answer(&mut self, file: File, lease: Lease, tools: &mut Tools<'_>) {
        let Tools { ring, responder, now, .. } = tools;
        let Some(slot) = ring.reply_slot() else {
            return self.waiting.push_front((file, lease));
        };
        let worker = responder.worker();
        let (datagram, reply) = ring.datagram(&lease, &slot);
        let mut verdict = Verdict::Silent;
        if let Some(datagram) = datagram
            && let Some(from) = address::decode(datagram.name())
        {
            let source = SocketAddr::new(from.ip().to_canonical(), from.port());
            let request = datagram.payload();
            let stopwatch = worker.counters().latency.start();
            verdict = worker.answer_udp(*now, source, request, &mut reply.bytes);
            worker.counters().latency.stop(stopwatch);
            if self.verbose {
                tracing::debug!(%source, length = request.len(), ?verdict, "UDP request");
            }
            reply.address(datagram.name(), datagram.control());
        }
        match verdict {
            Verdict::Reply => {
                ring.send_reply(file, slot);
                self.replies_in_flight += 1;
            }
            Verdict::Silent => ring.give_back_slot(slot),
        }
        ring.give_back(lease);
    }

    /// Has the kernel receive again where it stopped for want of buffers, once there are some.
    pub fn resume(&mut self, ring: &mut Ring) {
        if !self.waiting.is_empty() {
            return; // they hold the buffers; the replies that are under way will free them
        }
        for socket in self.sockets.iter_mut().filter(|socket| socket.state == State::Starved) {
            socket.state = State::Receiving;
            ring.receive_datagrams(socket.file);
        }
    }

    /// Whether a socket waits for the next tick.
    pub fn is_paused(&self) -> bool {
        self.sockets.iter().any(|socket| socket.state == State::Paused)
    }

    /// Tries those again that had an error.
    pub fn unpause(&mut self) {
        for socket in self.sockets.iter_mut().filter(|socket| socket.state == State::Paused) {
            socket.state = State::Starved;
        }
    }

    /// Counts what the kernel had no room for since this was last asked.
    pub fn count_drops(&mut self, tools: &mut Tools<'_>) {
        for Socket { udp, drops, .. } in &mut self.sockets {
            let Some(drops) = drops else { continue };
            let before = std::mem::replace(drops, message::drops(udp));
            let lost = drops.wrapping_sub(before);
            tools.counters().udp_dropped.add(lost.into());
        }
    }

    /// Receives no more.
    pub fn stop(&mut self, ring: &mut Ring) {
        for socket in &mut self.sockets {
            match socket.state {
                State::Receiving => {
                    ring.stop_datagrams(socket.file);
                    socket.state = State::Stopping;
                }
                State::Starved | State::Paused => socket.state = State::Stopped,
                State::Stopping | State::Stopped => {}
            }
        }
    }

    /// Whether everything received has been answered, after [`Udp::stop`].
    pub fn is_done(&self) -> bool {
        let is_stopped = self.sockets.iter().all(|socket| socket.state == State::Stopped);
        is_stopped && self.waiting.is_empty() && self.replies_in_flight == 0
    }

    /// The sockets, for what has arrived since.
    pub fn into_sockets(self) -> impl Iterator<Item = UdpSocket> {
        self.sockets.into_iter().map(|socket| socket.udp)
    }
}
