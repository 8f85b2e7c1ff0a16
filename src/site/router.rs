//! Every URL of the site.

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};

use super::account::{login, password, profile, second_factor, signup};
use super::error::{method_not_allowed, not_found};
use super::gate::gate;
use super::torrents::{browse, change, detail, upload};
use super::{Site, admin, announce, assets, fixed, headers, metrics, stats};

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
/// [`RULES`](super::permissions::RULES), and [`gate()`] stands before all of it.
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
        .merge(administration())
        .route_layer(from_fn_with_state(site.clone(), gate))
}

/// Keeping the site in order.
fn administration() -> Router<Site> {
    Router::new()
        .route("/manage/admin", get(admin::enter))
        .route("/manage/admin/torrents", get(admin::torrents::show))
        .route("/manage/admin/users", get(admin::users::show))
        .route("/manage/admin/users/new", get(admin::users::new))
        .route("/manage/admin/add-user", post(admin::users::add))
        .route("/manage/admin/user/{username}", get(admin::user::show))
        .route("/manage/admin/set-password/{username}", get(admin::user::password))
        .route("/manage/admin/set-password", post(admin::user::set_password))
        .route("/manage/admin/unlock", post(admin::change::unlock))
        .route("/manage/admin/disable-user", post(admin::change::disable))
        .route("/manage/admin/enable-user", post(admin::change::enable))
        .route("/manage/admin/set-role", post(admin::change::set_role))
        .route("/manage/admin/delete-user", post(admin::change::delete))
        .route("/manage/admin/ip-lock", post(admin::allowlist::add))
        .route("/manage/admin/ip-lock-remove", post(admin::allowlist::remove))
        .route("/manage/admin/ip-lock-clear", post(admin::allowlist::clear))
        .route("/manage/admin/invites", get(admin::invites::show))
        .route("/manage/admin/generate-invite", post(admin::invites::generate))
        .route("/manage/admin/delete-invite", post(admin::invites::delete))
        .route("/manage/admin/trackers", get(admin::trackers::show))
        .route("/manage/admin/tracker-add", post(admin::trackers::add))
        .route("/manage/admin/tracker-delete", post(admin::trackers::delete))
        .route("/manage/admin/tracker-toggle", post(admin::trackers::toggle))
        .route("/manage/admin/tracker-move", post(admin::trackers::shift))
        .route("/manage/admin/settings", get(admin::settings::show))
        .route("/manage/admin/save-settings", post(admin::settings::save))
        .route("/manage/admin/database", get(admin::database::show))
        .route("/manage/admin/db-backup", get(admin::database::backup))
        .route("/manage/admin/db-restore", post(admin::restore::restore))
        .route("/manage/admin/danger", get(admin::danger::show))
        .route("/manage/admin/delete-all-users", post(admin::danger::users))
        .route("/manage/admin/delete-all-torrents", post(admin::danger::torrents))
        .route("/manage/admin/system-wipe", post(admin::danger::wipe))
        .route("/manage/admin/events", get(admin::events::show))
        .route("/manage/admin/events.csv", get(admin::events::export))
}
