//! Every URL of the site.

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};

use super::account::{login, password, profile, second_factor, signup};
use super::error::{method_not_allowed, not_found};
use super::gate::gate;
use super::torrents::{browse, change, detail, upload};
use super::{Site, announce, assets, fixed, headers, metrics, stats};

/// The whole site. HEAD is answered wherever GET is; any other method gets 405 with `Allow`, any
/// other path 404. No route reads a request's body. Announces and scrapes,
/// which may have any prefix, are taken first, and carry none of the headers that are for browsers.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(stats::page::show))
        .route("/stats.json", get(stats::figures::json))
        .route("/metrics", get(metrics::show))
        .route("/robots.txt", get(fixed::robots))
        .route("/healthz", get(fixed::health))
        .route("/favicon.ico", get(fixed::favicon_ico))
        .route("/favicon.svg", get(fixed::favicon_svg))
        .route("/apple-touch-icon.png", get(fixed::touch_icon))
        .route("/apple-touch-icon-precomposed.png", get(fixed::touch_icon))
        .route("/assets/{name}", get(assets::show))
        .merge(members(&site))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(headers::add))
        .layer(from_fn_with_state(site.clone(), announce::or_page))
        .with_state(site)
}

/// The members' site; nothing where there is none. Who may ask for what is in
/// [`permissions::RULES`], and [`gate()`] stands before all of it.
fn members(site: &Site) -> Router<Site> {
    if site.members.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/manage", get(login::show))
        .route("/manage/login", post(login::submit))
        .route("/manage/login/code", post(login::submit_code))
        .route("/manage/logout", post(login::leave))
        .route("/manage/signup", get(signup::show).post(signup::submit))
        .route("/manage/invite/{code}", get(signup::show_invited).post(signup::submit_invited))
        // One's own account, and those of others.
        .route("/manage/profile", get(profile::show))
        .route("/manage/profile/settings", post(profile::choose))
        .route("/manage/profile/end-session", post(profile::end_session))
        .route(second_factor::PATH, get(second_factor::show))
        .route("/manage/profile/second-factor/begin", post(second_factor::begin))
        .route("/manage/profile/second-factor/confirm", post(second_factor::confirm))
        .route("/manage/profile/second-factor/end", post(second_factor::end))
        .route("/manage/password", get(password::show).post(password::submit))
        .route("/manage/user/{username}", get(profile::show_other))
        // Torrents.
        .route("/manage/dashboard", get(browse::dashboard))
        .route("/manage/search", get(browse::find))
        .route("/manage/upload", post(upload::upload))
        .route("/manage/torrent/{info_hash}", get(detail::show))
        .route("/manage/torrent/{info_hash}/download", get(detail::download))
        .route("/manage/delete-torrent", post(change::delete))
        .route("/manage/delete-all-torrents-user", post(change::delete_all_of))
        .route("/manage/torrent/update-peers", post(change::ask_elsewhere))
        .route_layer(from_fn_with_state(site.clone(), gate))
}
