//! The datagram sockets of one worker.
//!
//! The ring tells when there are datagrams; they are taken in, and their replies sent, by the batch
//! ([`crate::net::udp`]). Under load there are some after each batch, and the ring is not asked.

use std::io;
use std::net::UdpSocket;

use super::kernel::{File, Ring};
use super::worker::Tools;
use crate::limits::UDP_BATCH;
use crate::net::udp::answer::answer;
use crate::net::udp::batch::Batch;
use crate::net::udp::options;
use crate::net::worker::Datagrams;

/// The datagram sockets.
pub struct Udp {
    sockets: Vec<Socket>,
    verbose: bool,
}

struct Socket {
    udp: UdpSocket,
    file: File,
    state: State,
    batch: Batch,
    /// What it had dropped when last asked, where this worker counts that.
    drops: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// There may be datagrams.
    Ready,
    /// The ring will tell when there are.
    Waiting,
    /// The kernel has no room for the replies that are left. The ring will tell when it has.
    Full,
    /// It had an error that may pass.
    Paused,
}

impl Udp {
    /// Serves `sockets`, which are registered under these files.
    pub fn new(sockets: Vec<(Datagrams, File)>, verbose: bool) -> Udp {
        let sockets = sockets.into_iter().map(|(socket, file)| {
            let Datagrams { socket: udp, counts_drops } = socket;
            let drops = counts_drops.then(|| options::drops(&udp));
            Socket { udp, file, state: State::Ready, batch: Batch::default(), drops }
        });
        Udp { sockets: sockets.collect(), verbose }
    }

    /// What was waited for has come: datagrams, room, or an error, which the next call will tell.
    pub fn wake(&mut self, file: File, tools: &mut Tools<'_>) {
        if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.file == file) {
            match socket.state {
                State::Full => socket.send(tools),
                State::Waiting => socket.state = State::Ready,
                State::Ready | State::Paused => {}
            }
        }
    }

    /// Whether there may be datagrams, so that the ring need not be waited for.
    pub fn is_ready(&self) -> bool {
        self.sockets.iter().any(|socket| socket.state == State::Ready)
    }

    /// Answers a batch of each socket that may have datagrams.
    pub fn answer(&mut self, tools: &mut Tools<'_>) {
        let verbose = self.verbose;
        for socket in self.sockets.iter_mut().filter(|socket| socket.state == State::Ready) {
            socket.answer(tools, verbose);
        }
    }

    /// Whether a socket waits for the next tick.
    pub fn is_paused(&self) -> bool {
        self.sockets.iter().any(|socket| socket.state == State::Paused)
    }

    /// Tries those again that had an error.
    pub fn unpause(&mut self) {
        for socket in self.sockets.iter_mut().filter(|socket| socket.state == State::Paused) {
            socket.state = State::Ready;
        }
    }

    /// Counts what the kernel had no room for since this was last asked.
    pub fn count_drops(&mut self, tools: &mut Tools<'_>) {
        for Socket { udp, drops, .. } in &mut self.sockets {
            let Some(drops) = drops else { continue };
            let before = std::mem::replace(drops, options::drops(udp));
            let lost = drops.wrapping_sub(before);
            tools.counters().udp_dropped.add(lost.into());
        }
    }

    /// Whether all replies that were made have left.
    pub fn is_done(&self) -> bool {
        self.sockets.iter().all(|socket| socket.state != State::Full)
    }

    /// The sockets, for what has arrived and was not looked at.
    pub fn into_sockets(self) -> impl Iterator<Item = UdpSocket> {
        self.sockets.into_iter().map(|socket| socket.udp)
    }
}

impl Socket {
    fn answer(&mut self, tools: &mut Tools<'_>, verbose: bool) {
        let worker = tools.responder.worker();
        match answer(&self.udp, &mut self.batch, worker, tools.now, verbose) {
            Ok(received) => {
                self.send(tools);
                // What has come meanwhile, the ring tells at once.
                if self.state == State::Ready && received < UDP_BATCH {
                    self.wait(tools.ring);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(tools.ring),
            Err(_) => self.state = State::Paused,
        }
    }

    fn wait(&mut self, ring: &mut Ring) {
        self.state = State::Waiting;
        ring.await_datagrams(self.file);
    }

    fn send(&mut self, tools: &mut Tools<'_>) {
        let unsent = self.batch.send(&self.udp);
        tools.counters().udp_unsent.add(unsent as u64);
        if self.batch.has_replies() {
            self.state = State::Full;
            tools.ring.await_room(self.file);
        } else {
            self.state = State::Ready;
        }
    }
}
