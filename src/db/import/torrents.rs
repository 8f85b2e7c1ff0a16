//! Torrents, with what is inside them, and what was said of them.

use rusqlite::{OptionalExtension, Result, params};

use super::source::Record;
use super::{Import, each, files};
use crate::db::torrents::{self, NewTorrent};
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::text::shown;
use crate::protocol::metainfo::{File, Identity, Metainfo};

const TORRENTS: &[&str] = &[
    "info_hash",
    "name",
    "total_size",
    "uploaded_by_id",
    "uploaded_by_username",
    "registered_at",
    "piece_count",
    "piece_length",
    "is_private",
    "is_multifile",
    "files_json",
    "comments_locked",
    "peer_seeders",
    "peer_leechers",
    "peer_downloaded",
    "peer_last_updated",
    "peer_last_tracker",
];
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 255;

pub(super) fn import(import: &mut Import<'_>) -> Result<()> {
    import_torrents(import)?;
    import_comments(import)
}

impl Import<'_> {
    /// The torrent of a hash, in hex of either case.
    pub(super) fn torrent_id(&self, info_hash: &str) -> Result<Option<i64>> {
        let Ok(info_hash) = info_hash.trim().parse::<InfoHash>() else { return Ok(None) };
        self.to
            .prepare_cached("select torrent_id from torrents where info_hash = ?1")?
            .query_row([info_hash.0], |row| row.get(0))
            .optional()
    }
}

fn import_torrents(import: &mut Import<'_>) -> Result<()> {
    each!(import, "torrents", TORRENTS, |row| {
        let hex = row.text("info_hash");
        let Ok(info_hash) = hex.trim().parse::<InfoHash>() else {
            import.report.note("torrents", "left out: no info hash of 40 hex digits", hex);
            return Ok(());
        };
        let metainfo = metainfo(import, row, info_hash);
        let registered_at = row.time("registered_at");
        if registered_at.is_none() {
            import.report.note("torrents", "without a time that can be read", &hex);
        }
        let uploader = row.text("uploaded_by_username");
        let uploader = if uploader == "[deleted]" { "" } else { &*uploader };
        let uploader = import.member(row.int("uploaded_by_id"), uploader, registered_at)?;
        let new = NewTorrent {
            metainfo: &metainfo,
            without_trackers: None,
            uploader_id: uploader.user_id,
            now: registered_at.unwrap_or_default(),
        };
        let Some(torrent_id) = torrents::insert(import.to, &new)? else {
            import.report.note("torrents", "left out: its hash is there already", hex);
            return Ok(());
        };
        import.report.kept("torrents");
        if row.is("comments_locked", false) {
            import
                .to
                .prepare_cached("update torrents set comments_locked = 1 where torrent_id = ?1")?
                .execute([torrent_id])?;
        }
        import_snapshot(import, row, torrent_id)
    });
    Ok(())
}

/// What the source knows of a torrent, as its .torrent would say it.
fn metainfo(import: &mut Import<'_>, row: &Record<'_>, info_hash: InfoHash) -> Metainfo {
    let mut name: String = shown(row.bytes("name")).chars().take(NAME_CHARS_MAX).collect();
    if name.trim().is_empty() {
        name = info_hash.to_string();
    }
    let total_size = u64::try_from(row.int("total_size")).unwrap_or(0);
    let is_multifile = row.is("is_multifile", false);
    let listed = files::read(row.bytes("files_json"));
    let what = match &listed {
        None => Some("without its files: their list cannot be read"),
        Some(listed) if listed.is_cut => Some("without some of its files: there are too many"),
        Some(_) => None,
    };
    if let Some(what) = what {
        import.report.note("torrents", what, info_hash);
    }
    let mut files = listed.map(|listed| listed.files).unwrap_or_default();
    if files.is_empty() && !is_multifile {
        files.push(File { path: name.clone(), length: total_size });
    }
    let count = |column: &str| u64::try_from(row.int(column)).unwrap_or(0);
    Metainfo {
        identity: Identity::V1(info_hash),
        name,
        piece_length: count("piece_length"),
        piece_count: count("piece_count"),
        is_multifile: is_multifile || files.len() > 1,
        files,
        total_size,
        is_private: row.is("is_private", false),
        trackers: Vec::new(),
    }
}

fn import_snapshot(import: &Import<'_>, row: &Record<'_>, torrent_id: i64) -> Result<()> {
    let count = |column: &str| row.number(column).map(|count| count.clamp(0, u32::MAX.into()));
    let (Some(taken_at), Some(seeders)) = (row.time("peer_last_updated"), count("peer_seeders"))
    else {
        return Ok(());
    };
    import
        .to
        .prepare_cached(
            "insert into torrent_snapshots
                 (torrent_id, tracker, taken_at, seeders, leechers, completed)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            torrent_id,
            row.text("peer_last_tracker").chars().take(255).collect::<String>(),
            taken_at,
            seeders,
            count("peer_leechers").unwrap_or(0),
            count("peer_downloaded"),
        ])?;
    Ok(())
}

fn import_comments(import: &mut Import<'_>) -> Result<()> {
    let columns = &[
        "id",
        "info_hash",
        "user_id",
        "username",
        "parent_id",
        "body",
        "created_at",
        "edited_at",
        "is_deleted",
    ];
    each!(import, "comments", columns, |row| {
        let Some(comment_id) = row.id() else {
            import.report.note("comments", "left out: no id that can be", row.int("id"));
            return Ok(());
        };
        let created_at = row.time("created_at");
        let Some(torrent_id) = import.torrent_id(&row.text("info_hash"))? else {
            let hash = row.text("info_hash");
            import.report.note("comments", "left out: on a torrent that is gone", hash);
            return Ok(());
        };
        let author = import.member(row.int("user_id"), &row.text("username"), created_at)?;
        let parent_id = row.number("parent_id").filter(|parent_id| *parent_id != 0);
        let answered = match parent_id.filter(|parent_id| *parent_id < comment_id) {
            Some(parent_id) => import
                .to
                .prepare_cached(
                    "select comment_id from comments where torrent_id = ?1 and comment_id = ?2",
                )?
                .query_row([torrent_id, parent_id], |row| row.get::<_, i64>(0))
                .optional()?,
            None => None,
        };
        if parent_id != answered {
            let what = "stand for themselves: what they answered is gone, or elsewhere";
            import.report.note("comments", what, comment_id);
        }
        let is_deleted = row.is("is_deleted", false);
        import
            .to
            .prepare_cached(
                "insert into comments (comment_id, torrent_id, parent_id, author_id, author, body,
                     created_at, edited_at, is_deleted)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                comment_id,
                torrent_id,
                answered,
                author.user_id,
                author.name,
                if is_deleted { String::new() } else { row.text("body") },
                created_at.unwrap_or_default(),
                row.time("edited_at"),
                is_deleted,
            ])?;
        import.report.kept("comments");
        Ok(())
    });
    Ok(())
}
