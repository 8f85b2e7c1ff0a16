//! UDP on tokio: works on every Linux.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};

use super::batch::Batch;
use super::{address, message};
use crate::clock::Clock;
use crate::net::http::Responder;
use crate::net::worker::Shutdown;
use crate::tracker::{Verdict, Worker};

/// How often the kernel is asked what it had no room for.
const DROPS_PERIOD: Duration = Duration::from_secs(1);

/// Serves one socket until `shutdown`, then answers what the kernel already holds, and returns.
/// What the kernel drops of it is counted where nobody else does.
pub async fn serve(
    (socket, counts_drops): (UdpSocket, bool),
    responder: &RefCell<Responder>,
    clock: Clock,
    mut shutdown: Shutdown,
    verbose: bool,
) {
    let mut batch = Batch::default();
    let mut look = interval(DROPS_PERIOD);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drops = message::drops(&socket);
    loop {
        tokio::select! {
            ready = socket.readable() => {
                if let Err(error) = ready {
                    tracing::error!(%error, "a UDP socket is lost");
                    return;
                }
                // tokio has to hear of it when nothing is left, so as to wait for more.
                let _ = socket.try_io(Interest::READABLE, || {
                    let mut responder = responder.borrow_mut();
                    answer(&socket, responder.worker(), clock, &mut batch, verbose)
                });
            }
            _ = look.tick(), if counts_drops => {
                let before = std::mem::replace(&mut drops, message::drops(&socket));
                let lost = drops.wrapping_sub(before);
                responder.borrow_mut().worker().counters().udp_dropped.add(lost.into());
            }
            () = shutdown.begun() => break,
        }
    }
    answer_rest(&socket, responder.borrow_mut().worker(), clock);
}

/// Answers what the kernel holds of `socket`, and waits for no more.
pub fn answer_rest(socket: &impl AsFd, worker: &mut Worker, clock: Clock) {
    let mut batch = Batch::default();
    while answer(socket, worker, clock, &mut batch, false).is_ok() {}
}

/// Answers up to [`UDP_BATCH`](crate::limits::UDP_BATCH) datagrams that have arrived.
///
/// # Errors
/// `WouldBlock` when there are none.
fn answer(
    socket: &impl AsFd,
    worker: &mut Worker,
    clock: Clock,
    batch: &mut Batch,
    verbose: bool,
) -> io::Result<()> {
    let received = match batch.receive(socket) {
        Ok(received) => received,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
        // What an earlier send to a closed port brought back; the next datagram is fine.
        Err(_) => return Ok(()),
    };
    let now = clock.now();
    worker.foresee_udp(batch.payloads(received));
    for number in 0..received {
        let (datagram, reply) = batch.datagram(number);
        let Some(from) = address::decode(datagram.name) else { continue };
        let source = SocketAddr::new(from.ip().to_canonical(), from.port());
        let stopwatch = worker.counters().latency.start();
        let verdict = worker.answer_udp(now, source, datagram.payload, &mut reply.bytes);
        worker.counters().latency.stop(stopwatch);
        if verbose {
            tracing::debug!(%source, length = datagram.payload.len(), ?verdict, "UDP request");
        }
        if verdict == Verdict::Reply {
            reply.address(datagram.name, datagram.control);
            batch.keep_reply();
        }
    }
    let unsent = batch.send(socket);
    worker.counters().udp_unsent.add(unsent as u64);
    Ok(())
}
