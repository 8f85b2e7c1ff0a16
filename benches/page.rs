//! What a page costs from the request to the last byte of the reply, without a socket.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use criterion::{Criterion, criterion_group, criterion_main};
use http_body_util::BodyExt;
use tower::ServiceExt;
use wildkat::clock::Clock;
use wildkat::config;
use wildkat::site::{Site, router};
use wildkat::stats::Stats;
use wildkat::swarm::Swarms;

fn pages(criterion: &mut Criterion) {
    let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
    let urls = vec!["udp://tracker.example.org:6969/announce".to_owned()];
    let router = router(Site::new(swarms, Stats::new(2), Clock::start(), urls, "0"));
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
