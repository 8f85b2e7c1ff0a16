//! What the service manager is told (sd_notify(3)); nothing where there is none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::UdpSocket;
use tokio::time::{Interval, MissedTickBehavior, timeout};

use super::Server;
use crate::protocol::udp;
use crate::stats::snapshot::ProtocolSnapshot;

/// Longest wait for our own answer; half a period of the watchdog is longer.
const ANSWER: Duration = Duration::from_secs(1);

/// Everything is bound and served.
pub fn tell_ready() {
    tell(&[NotifyState::Ready]);
}

/// What is on the disk is read again; [`tell_ready`] ends it.
pub fn tell_reloading() {
    // The time lets the manager tell this reload from an earlier one.
    let told = NotifyState::monotonic_usec_now().map(|now| tell(&[NotifyState::Reloading, now]));
    if let Err(error) = told {
        tracing::warn!("the monotonic clock cannot be read: {error}");
    }
}

/// No new clients are taken.
pub fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}

/// Gives signs of life, as often as the manager wants them: twice in its period.
pub struct Watchdog {
    ticks: Option<Interval>,
    requests: u64,
}

impl Watchdog {
    pub fn new() -> Watchdog {
        let period = sd_notify::watchdog_enabled().filter(|period| !period.is_zero());
        let ticks = period.map(|period| {
            let mut ticks = tokio::time::interval(period / 2);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Watchdog { ticks, requests: 0 }
    }

    /// Waits until a sign of life is due; for ever where none is wanted.
    pub async fn is_due(&mut self) {
        match &mut self.ticks {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Gives one if `server` is well: no worker has ended, and requests were answered since the
    /// last time, or else one of our own is. A busy tracker is not asked, since what a flood pushes
    /// out of a buffer says nothing about the tracker.
    pub async fn tell(&mut self, server: &Server) {
        if server.workers.iter().any(JoinHandle::is_finished) {
            return tracing::error!("a worker has ended; the service manager will restart us");
        }
        let is_well = requests(server) != self.requests
            || match server.addresses.udp.first() {
                Some(address) => answers(*address).await.is_ok(),
                None => true,
            };
        self.requests = requests(server); // our own among them
        if is_well {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the tracker does not answer itself");
        }
    }
}

/// Requests so far, over all protocols.
fn requests(server: &Server) -> u64 {
    let told = server.stats.snapshot();
    let of = |protocol: &ProtocolSnapshot| {
        protocol.announces() + protocol.scrapes() + protocol.refused()
    };
    told.udp_connects + of(&told.udp) + of(&told.http) + of(&told.https)
}

/// Asks for a connection id, as a client would first.
async fn answers(address: SocketAddr) -> io::Result<()> {
    let (any, loopback): (IpAddr, IpAddr) = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
    };
    let own = if address.ip().is_unspecified() { loopback } else { address.ip() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect((own, address.port())).await?;
    let mut request = Vec::new();
    udp::Request::Connect { transaction_id: 0 }.encode(&mut request);
    socket.send(&request).await?;
    timeout(ANSWER, socket.recv(&mut [0; 16])).await.map_err(io::Error::from)??;
    Ok(())
}
