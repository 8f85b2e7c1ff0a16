//! What magnet links and .torrent files name, and which other tracker is asked for sizes of swarms.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

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
    let url = match magnet_trackers::check_url(typed) {
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
