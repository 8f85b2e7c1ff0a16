//! A page of many torrents: counted off by an index, so that the last of a million costs little
//! more than the first; and what a search finds.

use rusqlite::{Connection, OptionalExtension, Params, Result, params};

use super::{COLUMNS, Torrent, hex, identity, read};
use crate::db::search::Query;

/// Most torrents that a search finds; what is beyond is not counted. Two thousand rows are read in
/// some ten milliseconds, and nobody leafs further.
pub const FOUND_MAX: usize = 2_000;
/// Most entries of the index that a search looks at: what has the grams of a word and not the word.
const CANDIDATES_MAX: usize = 4 * FOUND_MAX;

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The last registered first.
    #[default]
    Newest,
    /// The first registered first.
    Oldest,
    /// By name, in the order of ASCII without case.
    Name,
    /// The largest first.
    Size,
}

/// Which torrents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Those of this member; of everybody where `None`.
    pub uploader_id: Option<i64>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1; what is beyond the last is the last.
    pub page: u64,
    /// Rows on a page, above zero.
    pub rows: u64,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its rows.
    pub torrents: Vec<Torrent>,
    /// Rows in the whole list.
    pub total: u64,
    /// Whether there are more than `total`, uncounted.
    pub is_cut: bool,
    /// Which page it is, from 1.
    pub page: u64,
    /// Pages, at least 1.
    pub pages: u64,
}

impl Part {
    /// The page there is instead of the one asked for, and how many there are.
    fn of(self, total: u64) -> (u64, u64) {
        let pages = total.div_ceil(self.rows).max(1);
        (self.page.clamp(1, pages), pages)
    }
}

impl Sort {
    /// What the index is in the order of; the torrent_id settles what is equal.
    const fn key(self) -> (&'static str, bool) {
        match self {
            Sort::Newest => ("registered_at", true),
            Sort::Oldest => ("registered_at", false),
            Sort::Name => ("name collate nocase", false),
            Sort::Size => ("total_size", true),
        }
    }
}

/// How many torrents there are.
///
/// # Errors
/// When the database cannot be read.
pub fn count(conn: &Connection, scope: Scope) -> Result<u64> {
    conn.prepare_cached("select torrents from torrent_counts where uploader_id = ?1")?
        .query_row([scope.uploader_id.unwrap_or(0)], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// A page of a list.
///
/// # Errors
/// When the database cannot be read.
pub fn list(conn: &Connection, scope: Scope, sort: Sort, part: Part) -> Result<Listed> {
    let total = count(conn, scope)?;
    let (page, pages) = part.of(total);
    let before = (page - 1) * part.rows;
    let rows = part.rows.min(total - before.min(total));
    // What is nearer to the end is counted off from there.
    let behind = total.saturating_sub(before + rows);
    let is_backwards = behind < before;
    let (key, is_falling) = sort.key();
    let order = if is_falling == is_backwards { "asc" } else { "desc" };
    let scoped = if scope.uploader_id.is_some() { "where uploader_id = ?3" } else { "" };
    let ids = format!(
        "select torrent_id from torrents {scoped}
         order by {key} {order}, torrent_id {order} limit ?1 offset ?2"
    );
    let offset = if is_backwards { behind } else { before };
    let mut ids: Vec<i64> = match scope.uploader_id {
        Some(uploader_id) => column(conn, &ids, params![rows, offset, uploader_id])?,
        None => column(conn, &ids, params![rows, offset])?,
    };
    if is_backwards {
        ids.reverse();
    }
    let torrents = ids.into_iter().filter_map(|id| by_id(conn, id).transpose());
    Ok(Listed { torrents: torrents.collect::<Result<_>>()?, total, is_cut: false, page, pages })
}

fn column(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<i64>> {
    conn.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect()
}

fn by_id(conn: &Connection, torrent_id: i64) -> Result<Option<Torrent>> {
    let mut rows = conn.prepare_cached(&format!("select {COLUMNS} where t.torrent_id = ?1"))?;
    let mut rows = rows.query([torrent_id])?;
    rows.next()?.map(read).transpose()
}

/// A page of what a search finds, at most [`FOUND_MAX`] of the newest; an empty query finds
/// everything, as a list.
///
/// # Errors
/// When the database cannot be read.
pub fn search(
    conn: &Connection,
    query: &Query,
    scope: Scope,
    sort: Sort,
    part: Part,
) -> Result<Listed> {
    let Some(question) = query.fts5(scope.uploader_id) else {
        return list(conn, scope, sort, part);
    };
    let (mut found, is_cut) = candidates(conn, query, scope, &question)?;
    match sort {
        Sort::Newest => {}
        Sort::Oldest => found.reverse(),
        Sort::Name => found.sort_by_cached_key(|found| found.name.to_ascii_lowercase()),
        Sort::Size => found.sort_by_key(|found| std::cmp::Reverse(found.total_size)),
    }
    let total = found.len() as u64;
    let (page, pages) = part.of(total);
    let before = ((page - 1) * part.rows) as usize;
    let shown = found.into_iter().skip(before).take(part.rows as usize);
    let torrents = shown.filter_map(|found| by_id(conn, found.torrent_id).transpose());
    Ok(Listed { torrents: torrents.collect::<Result<_>>()?, total, is_cut, page, pages })
}

/// As much of a torrent as it takes to put what was found in order.
struct Found {
    torrent_id: i64,
    name: String,
    total_size: u64,
}

/// What the index leads to and is meant, the newest first; and whether there may be more.
fn candidates(
    conn: &Connection,
    query: &Query,
    scope: Scope,
    question: &str,
) -> Result<(Vec<Found>, bool)> {
    let mut rows = conn.prepare_cached(
        "select t.torrent_id, t.name, t.total_size, t.uploader_id, t.info_hash_v1, t.info_hash_v2
         from torrent_search s cross join torrents t on t.torrent_id = s.rowid
         where torrent_search match ?1 order by s.rowid desc",
    )?;
    let mut rows = rows.query([question])?;
    let (mut found, mut seen) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        seen += 1;
        if found.len() == FOUND_MAX || seen > CANDIDATES_MAX {
            return Ok((found, true));
        }
        let one = Found { torrent_id: row.get(0)?, name: row.get(1)?, total_size: row.get(2)? };
        let uploader_id: Option<i64> = row.get(3)?;
        let is_in_scope = scope.uploader_id.is_none() || scope.uploader_id == uploader_id;
        let info_hashes = || identity(row.get(4)?, row.get(5)?).map(hex);
        if is_in_scope && query.matches(&one.name, info_hashes)? {
            found.push(one);
        }
    }
    Ok((found, false))
}
