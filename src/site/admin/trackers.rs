//! What magnet links and .torrent files name, and which other tracker is asked for sizes of swarms.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use url::Url;

use super::Tab;
use super::change::log;
use super::settings::{PEER_QUERY, Shown, Typed};
use crate::db;
use crate::db::magnet_trackers::{self, Listed, TRACKERS_MAX};
use crate::db::users::Role;
use crate::site::form::Form;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site};

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 255;

#[derive(Debug, Template)]
#[template(path = "admin/trackers.html")]
struct TrackersPage<'a> {
    viewer: Viewer,
    tab: Tab,
    trackers: Vec<Listed>,
    typed: &'a str,
    error: Option<&'a str>,
    card: Shown,
    is_owner: bool,
}

/// Whether a client can announce to this.
///
/// # Errors
/// What is wrong with it, for whoever typed it.
pub fn check(url: &str) -> Result<String, &'static str> {
    let parsed = Url::parse(url.trim());
    let parsed =
        parsed.map_err(|_| "This is no URL such as udp://tracker.example:6969/announce.")?;
    if !["http", "https", "udp"].contains(&parsed.scheme()) {
        return Err("An announce URL begins with http, https or udp.");
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err("The URL names no host.");
    }
    if parsed.scheme() == "udp" && parsed.port().is_none() {
        return Err("A URL of UDP names a port.");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err("An announce URL has no name, password or fragment.");
    }
    if parsed.scheme() != "udp" && parsed.path() == "/" {
        return Err("The URL has no path such as /announce.");
    }
    if parsed.as_str().len() > URL_BYTES_MAX {
        return Err("An announce URL has at most 255 characters.");
    }
    Ok(parsed.into())
}

/// `GET /manage/admin/trackers`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    page(&site, &member, None, None).await
}

/// The tab, after a URL or settings that were refused.
///
/// # Errors
/// When the database cannot be read.
pub async fn page(
    site: &Site,
    member: &Member,
    refused: Option<(&str, &str)>,
    settings: Option<&Typed>,
) -> Result<Response, Error> {
    let members = site.members()?;
    let trackers = members.database.read(magnet_trackers::all).await?;
    let (typed, error) = refused.unzip();
    let is_fine = error.is_none() && settings.is_none();
    let page = TrackersPage {
        viewer: Viewer::from(member),
        tab: Tab::Trackers,
        trackers,
        typed: typed.unwrap_or_default(),
        error,
        card: PEER_QUERY.shown(&members.settings(), settings),
        is_owner: member.role() == Role::Super,
    };
    let status = if is_fine { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Html(page.render()?)).into_response())
}

/// `POST /manage/admin/tracker-add`.
///
/// # Errors
/// When the database cannot be written.
pub async fn add(State(site): State<Site>, member: Member, form: Form) -> Result<Response, Error> {
    let members = site.members()?;
    let typed = form.text("url");
    let url = match check(typed) {
        Ok(url) => url,
        Err(fault) => return page(&site, &member, Some((typed, fault)), None).await,
    };
    let actor = member.clone();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<Result<String, &'static str>> {
        if magnet_trackers::all(tx)?.len() >= TRACKERS_MAX {
            return Ok(Err("There are as many trackers as there may be. Delete one first."));
        }
        if !magnet_trackers::add(tx, &url)? {
            return Ok(Err("This tracker is in the list already."));
        }
        log(tx, &actor, "add_magnet_tracker", &url, "")?;
        Ok(Ok(url))
    };
    match members.database.write(work).await? {
        Ok(url) => {
            let flash = Flash::success(format!("{url} is in every magnet link now."));
            Ok(go_told(members, &member, Tab::Trackers.path(), flash).await?)
        }
        Err(fault) => page(&site, &member, Some((typed, fault)), None).await,
    }
}

/// Does something to a tracker, which gives its URL, and writes it down.
async fn change<F>(
    site: &Site,
    member: Member,
    action: &'static str,
    work: F,
) -> Result<Response, Error>
where
    F: FnOnce(&db::Connection) -> db::Result<Option<String>> + Send + 'static,
{
    let members = site.members()?;
    let actor = member.clone();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<Option<String>> {
        let url = work(tx)?;
        if let Some(url) = &url {
            log(tx, &actor, action, url, "")?;
        }
        Ok(url)
    };
    let flash = match members.database.write(work).await? {
        Some(_) => Flash::success("The list of trackers is changed."),
        None => Flash::info("Nothing has changed: it is at the end, or gone."),
    };
    Ok(go_told(members, &member, Tab::Trackers.path(), flash).await?)
}

/// `POST /manage/admin/tracker-delete`.
///
/// # Errors
/// When the database cannot be written.
pub async fn delete(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let tracker_id = form.number("tid")?;
    let work = move |conn: &db::Connection| magnet_trackers::delete(conn, tracker_id);
    change(&site, member, "delete_magnet_tracker", work).await
}

/// `POST /manage/admin/tracker-toggle`: in use (`on` is 1) or not.
///
/// # Errors
/// When the database cannot be written.
pub async fn toggle(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let (tracker_id, is_on) = (form.number("tid")?, form.is_on("on"));
    let action = if is_on { "enable_tracker" } else { "disable_tracker" };
    let work = move |conn: &db::Connection| magnet_trackers::set_enabled(conn, tracker_id, is_on);
    change(&site, member, action, work).await
}

/// `POST /manage/admin/tracker-move`: `direction` −1 is up, 1 is down.
///
/// # Errors
/// [`Error::BadRequest`] for another direction, or the database cannot be written.
pub async fn shift(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let tracker_id = form.number("tid")?;
    let is_up = match form.number("direction")? {
        -1 => true,
        1 => false,
        _ => return Err(Error::BadRequest("There is no such direction.")),
    };
    let work = move |conn: &db::Connection| magnet_trackers::shift(conn, tracker_id, is_up);
    change(&site, member, "move_magnet_tracker", work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announce_urls_are_told_from_what_is_none() {
        for (typed, kept) in [
            (" HTTP://Tracker.Example:80/announce ", "http://tracker.example/announce"),
            ("udp://t.example:6969/announce", "udp://t.example:6969/announce"),
            ("udp://[2001:db8::1]:6969", "udp://[2001:db8::1]:6969"),
            ("https://t/x?passkey=1", "https://t/x?passkey=1"),
        ] {
            assert_eq!(check(typed).as_deref(), Ok(kept));
        }
        let long = format!("http://t/{}", "a".repeat(250));
        for typed in [
            "",
            "t:80",
            "javascript:alert(1)",
            "ftp://t/announce",
            "http:///announce",
            "http://t",
            "udp://t/announce",
            "udp:///x",
            "http://a:b@t/announce",
            "http://t/announce#x",
            &long,
        ] {
            assert!(check(typed).is_err(), "{typed}");
        }
    }
}
