//! A batch of requests in, a batch of replies out: the same on every backend.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use super::address;
use super::batch::Batch;
use crate::clock::{Clock, Now};
use crate::tracker::{Verdict, Worker};

/// How long what is left at the end may take. A flood would go on for ever.
const REST: Duration = Duration::from_millis(500);

/// Takes in up to [`UDP_BATCH`](crate::limits::UDP_BATCH) datagrams that have arrived and makes
/// their replies, which are the caller's to send. Tells how many datagrams there were.
///
/// # Errors
/// `WouldBlock` when there are none; any other error is the socket's.
pub fn answer(
    socket: &impl AsFd,
    batch: &mut Batch,
    worker: &mut Worker,
    now: Now,
    verbose: bool,
) -> io::Result<usize> {
    let received = batch.receive(socket)?;
    let coming = batch.datagrams(received).filter_map(|datagram| {
        Some((address::decode(datagram.name)?.ip().to_canonical(), datagram.payload))
    });
    worker.foresee_udp(coming);
    for number in 0..received {
        let (datagram, reply) = batch.datagram(number);
        let Some(from) = address::decode(datagram.name) else { continue };
        let source = SocketAddr::new(from.ip().to_canonical(), from.port());
        let stopwatch = worker.counters().latency.start();
        let verdict = worker.answer_udp(now, source, datagram.payload, reply);
        worker.counters().latency.stop(stopwatch);
        if verbose {
            tracing::debug!(%source, length = datagram.payload.len(), ?verdict, "UDP request");
        }
        if verdict == Verdict::Reply {
            batch.keep_reply(number);
        }
    }
    Ok(received)
}

/// Answers what the kernel holds of `socket`, and waits for no more; for [`REST`] at most.
pub fn answer_rest(socket: &impl AsFd, worker: &mut Worker, clock: Clock) {
    let until = clock.elapsed() + REST;
    let mut batch = Batch::default();
    while clock.elapsed() < until && answer(socket, &mut batch, worker, clock.now(), false).is_ok()
    {
        let unsent = batch.send(socket) + batch.give_up();
        worker.counters().udp_unsent.add(unsent as u64);
    }
}
