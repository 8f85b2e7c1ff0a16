//! What a page costs from the request to the last byte of the reply, without a socket.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use criterion::{Criterion, criterion_group, criterion_main};
use http_body_util::BodyExt;
use tower::ServiceExt;
use wildkat::clock::{self, Clock};
use wildkat::config;
use wildkat::net::http::Responder;
use wildkat::site::announce::Announces;
use wildkat::site::{Facts, Site, router};
use wildkat::stats::{Ledger, Stats};
use wildkat::swarm::Swarms;
use wildkat::tracker::{Tracker, Worker};

fn pages(criterion: &mut Criterion) {
    let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
    let now = clock::unix_secs();
    let stats = Stats::new(1, Ledger::new([1, 2], now), now);
    let tracker = Tracker::new(config::Tracker::default(), swarms.clone(), None).expect("chance");
    let worker = Worker::new(Arc::new(tracker), stats.worker(0));
    let announces = Announces::new(Responder::new(worker, Arc::default()), Arc::default());
    let facts = Facts {
        public_host: Some("tracker.example.org".to_owned()),
        announce_ports: vec![("udp", 6969)],
        ..Facts::default()
    };
    let router = router(Site {
        swarms,
        stats,
        clock: Clock::start(),
        announces: Arc::new(announces),
        members: None,
        facts: Arc::new(facts),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("page");
    for path in ["/", "/stats.json"] {
        group.bench_function(path, |bencher| {
            bencher.iter(|| {
                runtime.block_on(async {
                    let request = Request::get(path).body(Body::empty()).expect("a request");
                    let Ok(reply) = router.clone().oneshot(request).await;
                    assert_eq!(reply.status(), StatusCode::OK);
                    reply.into_body().collect().await.map(|body| body.to_bytes().len())
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pages);
criterion_main!(benches);
