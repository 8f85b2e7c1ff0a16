//! Announce URLs of magnet links and of the .torrent files that are handed out, in an order.

use rusqlite::{Connection, Result, params};

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
}
