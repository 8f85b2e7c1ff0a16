//! All torrents, for those who keep them in order.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;

use super::Tab;
use crate::db::settings::TORRENTS_PER_PAGE;
use crate::db::torrents::Torrent;
use crate::db::torrents::list::{self, Listed, Scope};
use crate::db::{self, magnet_trackers, search};
use crate::site::page::Viewer;
use crate::site::session::Member;
use crate::site::torrents::list::{Asked, magnet};
use crate::site::torrents::pager::Pager;
use crate::site::{Error, Site, numbers};

#[derive(Debug, Template)]
#[template(path = "admin/torrents.html")]
struct TorrentsPage<'a> {
    viewer: Viewer,
    tab: Tab,
    asked: &'a Asked,
    listed: Listed,
    trackers: Vec<String>,
}

impl TorrentsPage<'_> {
    fn total(&self) -> String {
        let more = if self.listed.is_cut { "+" } else { "" };
        format!("{}{more}", numbers::count(self.listed.total))
    }

    fn pager(&self) -> Pager {
        let parameters = [("q", &*self.asked.q), ("sort", &self.asked.sort)];
        Pager::new(Tab::Torrents.path(), &parameters, (self.listed.page, self.listed.pages))
    }

    fn here(&self) -> String {
        self.pager().url(&self.listed.page)
    }

    fn magnet(&self, torrent: &Torrent) -> String {
        magnet(torrent, &self.trackers)
    }
}

/// The hash that a torrent is named by in forms.
fn info_hash(torrent: &Torrent) -> String {
    torrent.identity.info_hashes().next().map(|hash| hash.to_string()).unwrap_or_default()
}

/// `GET /manage/admin/torrents`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let members = site.members()?;
    let rows = members.settings().number(TORRENTS_PER_PAGE).unsigned_abs();
    let (sort, part, query) = (asked.sort(), asked.part(rows), search::Query::new(&asked.q));
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let listed = list::search(conn, &query, Scope::default(), sort, part)?;
        Ok((listed, magnet_trackers::enabled(conn)?))
    };
    let (listed, trackers) = members.database.read(look).await?;
    let viewer = Viewer::from(&member);
    let page = TorrentsPage { viewer, tab: Tab::Torrents, asked: &asked, listed, trackers };
    Ok(Html(page.render()?))
}
