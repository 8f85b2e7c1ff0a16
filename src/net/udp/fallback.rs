//! UDP on tokio: works on every Linux.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use crate::clock::Clock;
use crate::limits;
use crate::net::http::Responder;
use crate::net::worker::Shutdown;
use crate::tracker::Verdict;

/// Serves one socket until `shutdown`, then answers what the kernel already holds, and returns.
pub async fn serve(
    socket: UdpSocket,
    responder: &RefCell<Responder>,
    clock: Clock,
    mut shutdown: Shutdown,
    verbose: bool,
) {
    let mut buffers = Buffers {
        packet: vec![0; limits::UDP_REQUEST_MAX],
        reply: Vec::with_capacity(limits::UDP_REPLY_V4_MAX),
    };
    loop {
        tokio::select! {
            ready = socket.readable() => {
                if let Err(error) = ready {
                    tracing::error!(%error, "a UDP socket is lost");
                    return;
                }
                answer_batch(&socket, responder, clock, &mut buffers, verbose);
            }
            () = shutdown.begun() => break,
        }
    }
    while answer_batch(&socket, responder, clock, &mut buffers, verbose) == limits::UDP_BATCH {}
}

struct Buffers {
    packet: Vec<u8>,
    reply: Vec<u8>,
}

/// Answers up to [`limits::UDP_BATCH`] datagrams that have arrived, and tells how many.
fn answer_batch(
    socket: &UdpSocket,
    responder: &RefCell<Responder>,
    clock: Clock,
    buffers: &mut Buffers,
    verbose: bool,
) -> usize {
    let Buffers { packet, reply } = buffers;
    let mut responder = responder.borrow_mut();
    let worker = responder.worker();
    let now = clock.now();
    for answered in 0..limits::UDP_BATCH {
        let (length, from) = match socket.try_recv_from(packet) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return answered,
            // What an earlier send to a closed port brought back; the next datagram is fine.
            Err(_) => continue,
        };
        let source = SocketAddr::new(from.ip().to_canonical(), from.port());
        let verdict = worker.answer_udp(now, source, &packet[..length], reply);
        if verbose {
            tracing::debug!(%source, length, ?verdict, "UDP request");
        }
        // A full send buffer loses the reply, as the network may: the client asks again.
        if verdict == Verdict::Reply && socket.try_send_to(reply, from).is_err() {
            worker.counters().udp_unsent.increment();
        }
    }
    limits::UDP_BATCH
}
