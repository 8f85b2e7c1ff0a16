//! UDP on tokio: works on every Linux.

use std::cell::RefCell;
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::answer::{answer, answer_rest};
use super::batch::Batch;
use super::options;
use crate::clock::Clock;
use crate::net::http::Responder;
use crate::net::worker::Shutdown;
use crate::tracker::Worker;

/// How often the kernel is asked what it had no room for.
const DROPS_PERIOD: Duration = Duration::from_secs(1);

/// Serves one socket until `shutdown`, then answers what the kernel already holds, and returns.
/// What the kernel drops of it is counted where nobody else does.
///
/// # Errors
/// When it cannot be waited for.
pub async fn serve(
    (socket, counts_drops): (UdpSocket, bool),
    responder: &RefCell<Responder>,
    clock: Clock,
    mut shutdown: Shutdown,
    verbose: bool,
) -> io::Result<()> {
    let socket = options::watched(socket)?;
    let mut batch = Batch::default();
    let mut look = interval(DROPS_PERIOD);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drops = options::drops(&socket);
    loop {
        tokio::select! {
            ready = socket.readable() => {
                // tokio has to hear of it when nothing is left, so as to wait for more.
                let _ = ready?.try_io(|socket| {
                    let mut responder = responder.borrow_mut();
                    answer_some(socket.get_ref(), responder.worker(), clock, &mut batch, verbose)
                });
                // A flood would let nobody else have a turn, nor the runtime look at other sockets.
                tokio::task::yield_now().await;
            }
            _ = look.tick(), if counts_drops => {
                let before = std::mem::replace(&mut drops, options::drops(&socket));
                let lost = drops.wrapping_sub(before);
                responder.borrow_mut().worker().counters().udp_dropped.add(lost.into());
            }
            () = shutdown.begun() => break,
        }
    }
    answer_rest(&socket, responder.borrow_mut().worker(), clock);
    Ok(())
}

/// # Errors
/// `WouldBlock` when nothing has come.
fn answer_some(
    socket: &UdpSocket,
    worker: &mut Worker,
    clock: Clock,
    batch: &mut Batch,
    verbose: bool,
) -> io::Result<()> {
    match answer(socket, batch, worker, clock.now(), verbose) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
        // What an earlier send to a closed port brought back; the next datagram is fine.
        Err(_) => return Ok(()),
        Ok(_) => {}
    }
    let unsent = batch.send(socket) + batch.give_up();
    worker.counters().udp_unsent.add(unsent as u64);
    Ok(())
}
