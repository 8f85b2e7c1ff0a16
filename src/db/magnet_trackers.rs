//! Announce URLs of magnet links and of the .torrent files that are handed out, in an order.

use rusqlite::{Connection, OptionalExtension, Result, params};
use url::Url;

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 255;

/// Whether a client can announce to this.
///
/// # Errors
/// What is wrong with it, for whoever typed it.
pub fn check_url(url: &str) -> std::result::Result<String, &'static str> {
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

/// Those that are in use, in their order.
///
/// # Errors
/// When the database cannot be read.
pub fn enabled(conn: &Connection) -> Result<Vec<String>> {
    conn.prepare_cached(
        "select url from magnet_trackers where is_enabled order by sort_order, tracker_id",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// Puts the first ones there, where there are none.
///
/// # Errors
/// When the database cannot be written.
pub fn seed(conn: &Connection, urls: &[String]) -> Result<()> {
    let is_empty: bool =
        conn.query_row("select not exists (select 1 from magnet_trackers)", [], |row| row.get(0))?;
    for (sort_order, url) in urls.iter().enumerate().filter(|_| is_empty) {
        conn.execute(
            "insert into magnet_trackers (url, sort_order) values (?1, ?2)",
            params![url, sort_order],
        )?;
    }
    Ok(())
}

/// Trackers there may be: each makes every magnet link longer.
pub const TRACKERS_MAX: usize = 50;

/// A tracker, in use or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct Listed {
    pub tracker_id: i64,
    pub url: String,
    pub is_enabled: bool,
}

/// All of them, in their order.
///
/// # Errors
/// When the database cannot be read.
pub fn all(conn: &Connection) -> Result<Vec<Listed>> {
    conn.prepare_cached(
        "select tracker_id, url, is_enabled from magnet_trackers order by sort_order, tracker_id",
    )?
    .query_map([], |row| {
        Ok(Listed { tracker_id: row.get(0)?, url: row.get(1)?, is_enabled: row.get(2)? })
    })?
    .collect()
}

/// Adds one behind the others. Tells whether it was not there.
///
/// # Errors
/// When the database cannot be written.
pub fn add(conn: &Connection, url: &str) -> Result<bool> {
    let added = conn
        .prepare_cached(
            "insert into magnet_trackers (url, sort_order)
             select ?1, coalesce(max(sort_order), -1) + 1 from magnet_trackers where true
             on conflict (url) do nothing",
        )?
        .execute([url])?;
    Ok(added == 1)
}

/// Takes one away; gives its URL, if it was there.
///
/// # Errors
/// When the database cannot be written.
pub fn delete(conn: &Connection, tracker_id: i64) -> Result<Option<String>> {
    conn.prepare_cached("delete from magnet_trackers where tracker_id = ?1 returning url")?
        .query_row([tracker_id], |row| row.get(0))
        .optional()
}

/// Puts one in use or out of it; gives its URL, if it is there.
///
/// # Errors
/// When the database cannot be written.
pub fn set_enabled(conn: &Connection, tracker_id: i64, is_enabled: bool) -> Result<Option<String>> {
    conn.prepare_cached(
        "update magnet_trackers set is_enabled = ?2 where tracker_id = ?1 returning url",
    )?
    .query_row(params![tracker_id, is_enabled], |row| row.get(0))
    .optional()
}

/// Moves one before its neighbour, or behind it. At the ends, nothing. Gives its URL, if it moved.
///
/// # Errors
/// When the database cannot be written.
pub fn shift(conn: &Connection, tracker_id: i64, is_up: bool) -> Result<Option<String>> {
    let mut trackers = all(conn)?;
    let Some(place) = trackers.iter().position(|tracker| tracker.tracker_id == tracker_id) else {
        return Ok(None);
    };
    let other = if is_up { place.checked_sub(1) } else { Some(place + 1) };
    let Some(other) = other.filter(|other| *other < trackers.len()) else { return Ok(None) };
    let url = trackers[place].url.clone();
    trackers.swap(place, other);
    let mut number =
        conn.prepare_cached("update magnet_trackers set sort_order = ?2 where tracker_id = ?1")?;
    for (sort_order, tracker) in trackers.iter().enumerate() {
        number.execute(params![tracker.tracker_id, sort_order])?;
    }
    Ok(Some(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::tests::open;

    #[test]
    fn first_ones_are_put_there_once_and_those_in_use_are_listed_in_order() {
        let conn = open();
        let urls = ["udp://t:6969/announce", "https://t/announce"].map(str::to_owned);
        seed(&conn, &urls).unwrap();
        assert_eq!(enabled(&conn).unwrap(), urls);
        conn.execute("update magnet_trackers set is_enabled = 0 where url like 'udp%'", [])
            .unwrap();
        seed(&conn, &["udp://other:1/announce".to_owned()]).unwrap();
        assert_eq!(enabled(&conn).unwrap(), urls[1..]);
    }

    #[test]
    fn trackers_are_added_once_moved_and_taken_away() {
        let conn = open();
        for url in ["http://a/announce", "http://b/announce", "http://c/announce"] {
            assert!(add(&conn, url).unwrap() && !add(&conn, url).unwrap());
        }
        let ids: Vec<_> = all(&conn).unwrap().iter().map(|tracker| tracker.tracker_id).collect();
        let order =
            || -> String { all(&conn).unwrap().iter().map(|tracker| &tracker.url[7..8]).collect() };
        assert_eq!(shift(&conn, ids[0], true).unwrap(), None);
        assert_eq!(shift(&conn, ids[2], false).unwrap(), None);
        shift(&conn, ids[2], true).unwrap().unwrap();
        assert_eq!(order(), "acb");
        conn.execute("update magnet_trackers set sort_order = 0", []).unwrap();
        shift(&conn, ids[0], false).unwrap().unwrap();
        assert_eq!(order(), "bac");
        set_enabled(&conn, ids[0], false).unwrap().unwrap();
        assert_eq!(enabled(&conn).unwrap(), ["http://b/announce", "http://c/announce"]);
        assert_eq!(delete(&conn, ids[0]).unwrap().as_deref(), Some("http://a/announce"));
        assert_eq!(delete(&conn, ids[0]).unwrap(), None);
        assert_eq!(set_enabled(&conn, ids[0], true).unwrap(), None);
        assert_eq!(shift(&conn, ids[0], true).unwrap(), None);
    }

    #[test]
    fn announce_urls_are_told_from_what_is_none() {
        for (typed, kept) in [
            (" HTTP://Tracker.Example:80/announce ", "http://tracker.example/announce"),
            ("udp://t.example:6969/announce", "udp://t.example:6969/announce"),
            ("udp://[2001:db8::1]:6969", "udp://[2001:db8::1]:6969"),
            ("https://t/x?passkey=1", "https://t/x?passkey=1"),
        ] {
            assert_eq!(check_url(typed).as_deref(), Ok(kept));
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
            assert!(check_url(typed).is_err(), "{typed}");
        }
    }
}
