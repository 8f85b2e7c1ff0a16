//! Torrents that members have registered: rows, what is inside them, and why some are gone.
//!
//! - [`mod@files`]: how a list of files is kept.
//! - [`snapshots`]: what other trackers say of torrents, and when they are asked.
//! - [`list`]: a page of many torrents, and what a search finds.

pub mod files;
pub mod list;
pub mod snapshots;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::search::Indexed;
use crate::protocol::ids::{ID_LEN, InfoHash};
use crate::protocol::metainfo::{File, Identity, InfoHashV2, Metainfo, SHA256_LEN};

/// Something to register.
#[derive(Clone, Copy, Debug)]
pub struct NewTorrent<'a> {
    /// What the .torrent says.
    pub metainfo: &'a Metainfo,
    /// The .torrent without trackers; `None` where it was not kept.
    pub without_trackers: Option<&'a [u8]>,
    /// Who registers it; `None` for an account that is gone.
    pub uploader_id: Option<i64>,
    /// Seconds since 1970.
    pub now: i64,
}

/// A registered torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct Torrent {
    pub torrent_id: i64,
    pub identity: Identity,
    pub name: String,
    pub total_size: u64,
    pub file_count: u64,
    pub piece_length: u64,
    pub piece_count: u64,
    pub is_private: bool,
    pub is_multifile: bool,
    /// Who registered it, while the account is there: id and name.
    pub uploader: Option<(i64, String)>,
    pub registered_at: i64,
    pub completed: u32,
}

/// The hash under which the swarm of a torrent is kept: v1 where there is one.
fn info_hash(identity: Identity) -> Option<InfoHash> {
    identity.info_hashes().next()
}

/// Registers a torrent; `None` when it is there already, by anyone: nothing has changed then.
///
/// # Errors
/// When the database cannot be written.
pub fn insert(conn: &Connection, new: &NewTorrent<'_>) -> Result<Option<i64>> {
    let NewTorrent { metainfo, without_trackers, uploader_id, now } = new;
    let identity = metainfo.identity;
    let inserted = conn.prepare_cached(
        "insert into torrents (info_hash, info_hash_v1, info_hash_v2, name, total_size, file_count,
             piece_length, piece_count, is_private, is_multifile, uploader_id, registered_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         on conflict do nothing",
    )?
    .execute(params![
        info_hash(identity).map(|hash| hash.0),
        identity.v1().map(|hash| hash.0),
        identity.v2().map(|hash| hash.0),
        metainfo.name,
        metainfo.total_size,
        metainfo.files.len(),
        metainfo.piece_length,
        metainfo.piece_count,
        metainfo.is_private,
        metainfo.is_multifile,
        uploader_id,
        now,
    ])?;
    if inserted == 0 {
        return Ok(None);
    }
    let torrent_id = conn.last_insert_rowid();
    conn.prepare_cached(
        "insert into torrent_contents (torrent_id, files, metainfo) values (?1, ?2, ?3)",
    )?
    .execute(params![torrent_id, files::encode(&metainfo.files), without_trackers])?;
    index(conn, torrent_id, identity, &metainfo.name, *uploader_id)?;
    for hash in identity.info_hashes() {
        conn.prepare_cached("delete from removed_torrents where info_hash = ?1")?
            .execute([hash.0])?;
    }
    Ok(Some(torrent_id))
}

/// Has a torrent found by its name, its hashes and its uploader.
fn index(
    conn: &Connection,
    torrent_id: i64,
    identity: Identity,
    name: &str,
    uploader_id: Option<i64>,
) -> Result<()> {
    let info_hashes = hex(identity);
    let grams = Indexed { name, info_hashes: &info_hashes, uploader_id }.grams();
    conn.prepare_cached("insert into torrent_search (rowid, grams) values (?1, ?2)")?
        .execute(params![torrent_id, grams])?;
    Ok(())
}

/// The hashes of a torrent as people know them: v1 of 40 digits, v2 of 64.
pub fn hex(identity: Identity) -> Vec<String> {
    let v1 = identity.v1().map(|hash| hash.to_string());
    v1.into_iter().chain(identity.v2().map(|hash| hash.to_string())).collect()
}

const COLUMNS: &str = "t.torrent_id, t.info_hash_v1, t.info_hash_v2, t.name, t.total_size,
    t.file_count, t.piece_length, t.piece_count, t.is_private, t.is_multifile, t.uploader_id,
    u.username, t.registered_at, t.completed
    from torrents t left join users u on u.user_id = t.uploader_id";

fn read(row: &Row<'_>) -> Result<Torrent> {
    let uploader_id: Option<i64> = row.get(10)?;
    let username: Option<String> = row.get(11)?;
    Ok(Torrent {
        torrent_id: row.get(0)?,
        identity: identity(row.get(1)?, row.get(2)?)?,
        name: row.get(3)?,
        total_size: row.get(4)?,
        file_count: row.get(5)?,
        piece_length: row.get(6)?,
        piece_count: row.get(7)?,
        is_private: row.get(8)?,
        is_multifile: row.get(9)?,
        uploader: uploader_id.zip(username),
        registered_at: row.get(12)?,
        completed: row.get(13)?,
    })
}

/// The check of the table sees to it that there is a hash.
fn identity(v1: Option<[u8; ID_LEN]>, v2: Option<[u8; SHA256_LEN]>) -> Result<Identity> {
    match (v1.map(InfoHash), v2.map(InfoHashV2)) {
        (Some(v1), Some(v2)) => Ok(Identity::Hybrid { v1, v2 }),
        (Some(v1), None) => Ok(Identity::V1(v1)),
        (None, Some(v2)) => Ok(Identity::V2(v2)),
        (None, None) => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

/// The torrent that is announced under a hash: v1, or truncated v2.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, info_hash: &InfoHash) -> Result<Option<Torrent>> {
    let (mut least, mut most) = ([0; SHA256_LEN], [0xff; SHA256_LEN]);
    least[..ID_LEN].copy_from_slice(&info_hash.0);
    most[..ID_LEN].copy_from_slice(&info_hash.0);
    conn.prepare_cached(&format!(
        "select {COLUMNS} where t.info_hash = ?1 or t.info_hash_v2 between ?2 and ?3"
    ))?
    .query_row(params![info_hash.0, least, most], read)
    .optional()
}

/// The files of a torrent, in the order of its content.
///
/// # Errors
/// When the database cannot be read, or what is kept is no list.
pub fn files(conn: &Connection, torrent_id: i64) -> Result<Vec<File>> {
    let kept: Option<Vec<u8>> = conn
        .prepare_cached("select files from torrent_contents where torrent_id = ?1")?
        .query_row([torrent_id], |row| row.get(0))
        .optional()?;
    Ok(kept.and_then(|kept| files::decode(&kept)).unwrap_or_default())
}

/// The .torrent without trackers; `None` where it was not kept.
///
/// # Errors
/// When the database cannot be read.
pub fn metainfo(conn: &Connection, torrent_id: i64) -> Result<Option<Vec<u8>>> {
    conn.prepare_cached("select metainfo from torrent_contents where torrent_id = ?1")?
        .query_row([torrent_id], |row| row.get(0))
        .optional()
        .map(Option::flatten)
}

/// Whether the .torrent was kept.
///
/// # Errors
/// When the database cannot be read.
pub fn has_metainfo(conn: &Connection, torrent_id: i64) -> Result<bool> {
    conn.prepare_cached("select metainfo is not null from torrent_contents where torrent_id = ?1")?
        .query_row([torrent_id], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Takes all torrents of a member out, as [`delete`] does one; gives their hashes.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_all_of(
    conn: &Connection,
    uploader_id: i64,
    removal: u8,
    now: i64,
) -> Result<Vec<Identity>> {
    let mut statement =
        conn.prepare_cached(&format!("select {COLUMNS} where t.uploader_id = ?1"))?;
    let torrents: Vec<_> = statement.query_map([uploader_id], read)?.collect::<Result<_>>()?;
    for torrent in &torrents {
        delete(conn, torrent, removal, now)?;
    }
    Ok(torrents.into_iter().map(|torrent| torrent.identity).collect())
}

/// Takes a torrent out with all that belongs to it, and keeps why, by the number of a removal.
/// Tells whether it was there.
///
/// # Errors
/// When the database cannot be written.
pub fn delete(conn: &Connection, torrent: &Torrent, removal: u8, now: i64) -> Result<bool> {
    let deleted = conn
        .prepare_cached("delete from torrents where torrent_id = ?1")?
        .execute([torrent.torrent_id])?;
    if deleted == 0 {
        return Ok(false);
    }
    for hash in torrent.identity.info_hashes() {
        conn.prepare_cached(
            "insert or replace into removed_torrents (info_hash, removal, removed_at)
             values (?1, ?2, ?3)",
        )?
        .execute(params![hash.0, removal, now])?;
    }
    Ok(true)
}

/// Every torrent, as the tracker wants to know it: its hashes and how often it was completed.
///
/// # Errors
/// When the database cannot be read.
pub fn each_registered(conn: &Connection, mut show: impl FnMut(Identity, u32)) -> Result<()> {
    let mut rows = conn.prepare("select info_hash_v1, info_hash_v2, completed from torrents")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        show(identity(row.get(0)?, row.get(1)?)?, row.get(2)?);
    }
    Ok(())
}

/// Hashes that are registered no more, the latest first, each with the number of its removal.
///
/// # Errors
/// When the database cannot be read.
pub fn removed(conn: &Connection, hashes_max: u32) -> Result<Vec<(InfoHash, u8)>> {
    conn.prepare(
        "select info_hash, removal from removed_torrents order by removed_at desc limit ?1",
    )?
    .query_map([hashes_max], |row| Ok((InfoHash(row.get(0)?), row.get(1)?)))?
    .collect()
}

/// Writes down how often torrents were completed, by the hashes of their swarms. Never lowers a
/// number, so that it may be done twice.
///
/// # Errors
/// When the database cannot be written.
pub fn save_completed(conn: &Connection, completed: &[(InfoHash, u32)]) -> Result<()> {
    let mut update = conn.prepare_cached(
        "update torrents set completed = max(completed, ?2) where info_hash = ?1",
    )?;
    for (info_hash, completed) in completed {
        update.execute(params![info_hash.0, completed])?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
