//! The files that programs look for under a fixed name: robots.txt, the health check, the icons.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::Site;
use super::assets::{Asset, asset};
use crate::db::settings::ROBOTS_TXT;

/// What crawlers are asked to leave alone.
const ROBOTS: &str = "User-agent: *\nDisallow: /manage\n";

/// Icons have no hash in their address, so a day is as long as they may be kept.
const A_DAY: &str = "public, max-age=86400";

/// `/robots.txt`: where there is a members' site, what its owner has set.
pub async fn robots(State(site): State<Site>) -> Response {
    let settings = site.members.as_ref().map(|members| members.settings());
    let text = settings.map_or(ROBOTS.to_owned(), |settings| settings.text(ROBOTS_TXT).to_owned());
    ([(CACHE_CONTROL, A_DAY)], text).into_response()
}

/// `/healthz`: whoever reads `ok` has reached a living process through a bound port.
pub async fn health() -> Response {
    ([(CACHE_CONTROL, "no-store")], "ok").into_response()
}

/// `/favicon.ico`: 16 and 32 pixels.
pub async fn favicon_ico() -> Response {
    icon(asset("img/favicon.ico"))
}

/// `/favicon.svg`.
pub async fn favicon_svg() -> Response {
    icon(asset("img/favicon.svg"))
}

/// `/apple-touch-icon.png`, also under its older name: 180 × 180 pixels.
pub async fn touch_icon() -> Response {
    icon(asset("img/touch-icon.png"))
}

fn icon(asset: &'static Asset) -> Response {
    let headers = [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, A_DAY)];
    (headers, asset.bytes.clone()).into_response()
}
