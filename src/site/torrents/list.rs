//! Many torrents on a page: the dashboard and the search.

use askama::Template;
use serde::Deserialize;

use super::pager::Pager;
use super::reception::Bounds;
use super::{Viewer, day};
use crate::db::torrents::list::{Listed, Part, Scope, Sort};
use crate::db::torrents::{Torrent, hex};
use crate::protocol::announce::Counts;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::Magnet;
use crate::site::numbers;

/// What a URL asks of a list. What is odd is read as the nearest that makes sense.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// What is looked for.
    pub q: String,
    /// `newest`, `oldest`, `name` or `size`.
    pub sort: String,
    /// `mine` or `all`.
    pub of: String,
    /// From 1.
    pub page: String,
}

impl Asked {
    /// In which order.
    pub fn sort(&self) -> Sort {
        match &*self.sort {
            "oldest" => Sort::Oldest,
            "name" => Sort::Name,
            "size" => Sort::Size,
            _ => Sort::Newest,
        }
    }

    /// Which torrents: a viewer who sees no others has only their own.
    pub fn scope(&self, viewer: &Viewer) -> Scope {
        let is_mine = !viewer.sees_all() || self.of == "mine";
        Scope { uploader_id: is_mine.then_some(viewer.user_id) }
    }

    /// Which page, of so many rows.
    pub fn part(&self, rows: u64) -> Part {
        Part { page: self.page.trim().parse().unwrap_or(1), rows }
    }
}

/// A torrent in a list.
#[derive(Debug)]
pub struct Row {
    /// What is registered.
    pub torrent: Torrent,
    /// Its swarm at the moment.
    pub counts: Counts,
    /// How it is fetched.
    pub magnet: String,
}

impl Row {
    /// A row for a torrent whose swarm has these counts.
    pub fn new(torrent: Torrent, counts: Counts, trackers: &[String]) -> Row {
        let magnet = magnet(&torrent, trackers);
        Row { torrent, counts, magnet }
    }

    /// Where its page is.
    pub fn url(&self) -> String {
        url(&self.torrent)
    }

    /// How large it is, for people.
    pub fn size(&self) -> String {
        numbers::bytes(self.torrent.total_size)
    }

    /// On which day it was registered.
    pub fn day(&self) -> String {
        day(self.torrent.registered_at)
    }
}

/// The page of a torrent.
pub fn url(torrent: &Torrent) -> String {
    let info_hash = torrent.identity.info_hashes().next().unwrap_or(InfoHash([0; 20]));
    format!("/manage/torrent/{info_hash}")
}

/// The link to a torrent, by both hashes of a hybrid, with these trackers.
pub fn magnet(torrent: &Torrent, trackers: &[String]) -> String {
    Magnet {
        identity: torrent.identity,
        name: Some(torrent.name.clone()),
        length: Some(torrent.total_size),
        trackers: trackers.to_vec(),
    }
    .to_string()
}

/// The dashboard, or what a search finds.
#[derive(Debug, Template)]
#[template(path = "torrents/list.html")]
pub struct ListPage<'a> {
    /// What was asked for.
    pub asked: &'a Asked,
    /// Whether it is the search.
    pub is_search: bool,
    /// Who looks.
    pub viewer: &'a Viewer,
    /// What may be uploaded; shown on the dashboard.
    pub bounds: Bounds,
    /// The rows.
    pub rows: Vec<Row>,
    /// The list without its rows.
    pub listed: Listed,
}

/// An order to choose, as it is called in a URL and by people.
const SORTS: [(&str, &str, Sort); 4] = [
    ("newest", "Newest first", Sort::Newest),
    ("oldest", "Oldest first", Sort::Oldest),
    ("name", "Name", Sort::Name),
    ("size", "Largest first", Sort::Size),
];

impl ListPage<'_> {
    fn path(&self) -> &'static str {
        if self.is_search { "/manage/search" } else { "/manage/dashboard" }
    }

    fn heading(&self) -> &'static str {
        match (self.is_search && !self.asked.q.trim().is_empty(), self.is_mine()) {
            (true, _) => "Found",
            (false, true) => "Your torrents",
            (false, false) => "All torrents",
        }
    }

    fn is_mine(&self) -> bool {
        self.asked.scope(self.viewer).uploader_id.is_some()
    }

    fn total(&self) -> String {
        let more = if self.listed.is_cut { "+" } else { "" };
        format!("{}{more}", numbers::count(self.listed.total))
    }

    fn sorts(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let chosen = self.asked.sort();
        SORTS.into_iter().map(move |(word, name, sort)| (word, name, sort == chosen))
    }

    fn pager(&self) -> Pager {
        let parameters =
            [("q", &*self.asked.q), ("sort", &*self.asked.sort), ("of", &*self.asked.of)];
        Pager::new(self.path(), &parameters, (self.listed.page, self.listed.pages))
    }

    fn limits(&self) -> String {
        let Bounds { body_bytes_max, files_max, file_bytes_max } = self.bounds;
        format!(
            "Up to {} files, {} MiB each and {} MiB together.",
            numbers::count(files_max as u64),
            file_bytes_max >> 20,
            body_bytes_max >> 20
        )
    }
}

/// The hashes that a torrent has, each with what it is called.
pub fn named_hashes(torrent: &Torrent) -> Vec<(&'static str, String)> {
    let name = |hash: &String| if hash.len() == 40 { "Info hash" } else { "Info hash v2" };
    hex(torrent.identity).into_iter().map(|hash| (name(&hash), hash)).collect()
}
