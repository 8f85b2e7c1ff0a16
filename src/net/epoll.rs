//! The data plane on epoll: one current-thread tokio runtime a worker. Works on every Linux.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use super::http::{Responder, Service};
use super::worker::{DRAIN, Datagrams, Setting, Shared, Sockets};
use super::{tcp, udp};
use crate::tracker::Worker;

/// Serves `sockets` until the end.
pub async fn run(index: usize, sockets: Sockets, setting: Setting) {
    let Setting { config, tls, connections, full_scrapes, shared, mut shutdown, .. } = setting;
    let tls = tls.map(TlsAcceptor::from);
    let introducers: Arc<[_]> = config.introducers().into();
    let Shared { tracker, stats, clock } = shared;
    let worker = Worker::new(tracker, stats.worker(index));
    let responder = Rc::new(RefCell::new(Responder::new(worker, config.trusted_proxies.into())));
    let tasks = LocalSet::new();
    for Datagrams { socket, counts_drops } in sockets.udp {
        let (responder, shutdown) = (responder.clone(), shutdown.clone());
        let verbose = config.verbose;
        tasks.spawn_local(async move {
            let socket = (socket, counts_drops);
            let served = udp::fallback::serve(socket, &responder, clock, shutdown, verbose).await;
            if let Err(error) = served {
                tracing::error!(%error, "a UDP socket cannot be served");
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
            introducers: introducers.clone(),
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
