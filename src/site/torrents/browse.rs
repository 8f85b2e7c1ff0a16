//! The dashboard and the search, as they are asked for.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;

use super::list::{Asked, ListPage, Row};
use super::reception::Bounds;
use crate::db::settings::{
    Settings, TORRENTS_PER_PAGE, UPLOAD_MAX_CONTENT_MB, UPLOAD_MAX_FILE_MB, UPLOAD_MAX_FILES,
};
use crate::db::torrents::{Torrent, list};
use crate::db::{self, magnet_trackers, search};
use crate::protocol::announce::Counts;
use crate::site::members::Members;
use crate::site::page::Viewer;
use crate::site::session::Member;
use crate::site::{Error, Site};

/// `GET /manage/dashboard`.
///
/// # Errors
/// When the database cannot be read.
pub async fn dashboard(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let asked = Asked { q: String::new(), ..asked };
    page(&site, &member, asked, false).await
}

/// `GET /manage/search`.
///
/// # Errors
/// When the database cannot be read.
pub async fn find(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    page(&site, &member, asked, true).await
}

async fn page(
    site: &Site,
    member: &Member,
    asked: Asked,
    is_search: bool,
) -> Result<Html<String>, Error> {
    let members = site.members()?;
    let settings = members.settings();
    let viewer = Viewer::from(member);
    let rows = settings.number(TORRENTS_PER_PAGE).unsigned_abs();
    let (scope, sort, part) = (asked.scope(&viewer), asked.sort(), asked.part(rows));
    let query = search::Query::new(&asked.q);
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let listed = list::search(conn, &query, scope, sort, part)?;
        Ok((listed, magnet_trackers::enabled(conn)?))
    };
    let (mut listed, trackers) = members.database.read(look).await?;
    let torrents = std::mem::take(&mut listed.torrents);
    let row = |torrent: Torrent| {
        let counts = counts(site, &torrent);
        Row::new(torrent, counts, &trackers)
    };
    let rows = torrents.into_iter().map(row).collect();
    let bounds = bounds(&settings);
    let page = ListPage { asked: &asked, is_search, viewer: &viewer, bounds, rows, listed };
    Ok(Html(page.render()?))
}

/// The swarm of a torrent at the moment, with all completions there ever were.
pub fn counts(site: &Site, torrent: &Torrent) -> Counts {
    let info_hash = torrent.identity.info_hashes().next();
    let live = info_hash.and_then(|info_hash| site.swarms.scrape(&info_hash)).unwrap_or_default();
    let registered = site.members.as_deref().and_then(Members::registered);
    let completed = registered.zip(info_hash).and_then(|(r, info_hash)| r.completed(&info_hash, 0));
    Counts { completed: completed.unwrap_or(torrent.completed), ..live }
}

/// How much an upload may hold.
pub fn bounds(settings: &Settings) -> Bounds {
    let number = |setting| usize::try_from(settings.number(setting)).unwrap_or(0);
    Bounds {
        body_bytes_max: number(UPLOAD_MAX_CONTENT_MB) << 20,
        files_max: number(UPLOAD_MAX_FILES),
        file_bytes_max: number(UPLOAD_MAX_FILE_MB) << 20,
    }
}
