//! What was done, by whom, to whom. Rows are added in the transaction of what they tell of.

use rusqlite::{Connection, Result, Row, params};

use super::containing;

/// Something that was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// The account that did it; `None` for the program, or a stranger.
    pub actor_id: Option<i64>,
    /// What it was called then: a name, `system`, `cli`, or what was typed for a name.
    pub actor: &'a str,
    /// Which kind of thing, as the specification names them: `login`, `create_user`.
    pub action: &'a str,
    /// To whom or what.
    pub target: &'a str,
    /// What else is to be known. Never a secret.
    pub detail: &'a str,
    /// From where; shown to the owner alone.
    pub ip: &'a str,
}

/// Writes an event down.
///
/// # Errors
/// When the database cannot be written.
pub fn insert(conn: &Connection, now: i64, event: &Event<'_>) -> Result<()> {
    let Event { actor_id, actor, action, target, detail, ip } = event;
    conn.prepare_cached(
        "insert into events (at, actor_id, actor, action, target, detail, ip)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![now, actor_id, actor, action, target, detail, ip])?;
    Ok(())
}

/// Events that one search looks at, where it does not look at all: some 20 ms.
pub const SCANNED_MAX: i64 = 30_000;

/// What is looked for: parts of what an event says, in whatever case of ASCII; empty: anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// In any of the following, or in the detail.
    pub anywhere: String,
    /// In the name of who did it.
    pub actor: String,
    /// In the kind of thing.
    pub action: String,
    /// In whom or what it was done to.
    pub target: String,
    /// Whether `anywhere` is also looked for in addresses.
    pub with_ip: bool,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Event`")]
pub struct Logged {
    pub event_id: i64,
    pub at: i64,
    pub actor_id: Option<i64>,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub detail: String,
    pub ip: String,
}

/// Some events, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that are wanted.
    pub events: Vec<Logged>,
    /// Where to look on, if there is more: what comes before this id.
    pub older: Option<i64>,
}

impl Wanted {
    /// Whether anything is looked for.
    pub fn is_any(&self) -> bool {
        [&self.anywhere, &self.actor, &self.action, &self.target].iter().all(|text| text.is_empty())
    }
}

/// Looks for up to `rows` events before an id, or from the newest on. Of very many it looks at the
/// [`SCANNED_MAX`] newest, and says where to look on.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, wanted: &Wanted, before: Option<i64>, rows: usize) -> Result<Found> {
    let (first, last): (i64, i64) = conn
        .prepare_cached(
            "select coalesce((select min(event_id) from events), 0),
                 coalesce((select max(event_id) from events), -1)",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let before = before.unwrap_or(i64::MAX).min(last.saturating_add(1));
    let floor = if wanted.is_any() { first } else { before.saturating_sub(SCANNED_MAX) };
    let mut events: Vec<Logged> = conn
        .prepare_cached(
            r"select event_id, at, actor_id, actor, action, target, detail, ip from events
             where event_id < ?1 and event_id >= ?2
                 and actor like ?4 escape '\' and action like ?5 escape '\'
                 and target like ?6 escape '\'
                 and (actor like ?3 escape '\' or action like ?3 escape '\'
                     or target like ?3 escape '\' or detail like ?3 escape '\'
                     or (?7 and ip like ?3 escape '\'))
             order by event_id desc limit ?8",
        )?
        .query_map(
            params![
                before,
                floor,
                containing(&wanted.anywhere),
                containing(&wanted.actor),
                containing(&wanted.action),
                containing(&wanted.target),
                wanted.with_ip,
                rows + 1
            ],
            read,
        )?
        .collect::<Result<_>>()?;
    let has_more = events.len() > rows;
    events.truncate(rows);
    let last_shown = events.last().map(|event| event.event_id);
    let older = if has_more { last_shown } else { Some(floor).filter(|floor| *floor > first) };
    Ok(Found { events, older })
}

fn read(row: &Row<'_>) -> Result<Logged> {
    Ok(Logged {
        event_id: row.get(0)?,
        at: row.get(1)?,
        actor_id: row.get(2)?,
        actor: row.get(3)?,
        action: row.get(4)?,
        target: row.get(5)?,
        detail: row.get(6)?,
        ip: row.get(7)?,
    })
}

/// Forgets events from before a time, the oldest first, of at most `events_max`. Tells how many.
///
/// # Errors
/// When the database cannot be written.
pub fn expire(conn: &Connection, before: i64, events_max: usize) -> Result<usize> {
    // Ids are in the order of time, so that the oldest are found without an index of theirs.
    conn.prepare_cached(
        "delete from events where at < ?1
             and event_id in (select event_id from events order by event_id limit ?2)",
    )?
    .execute(params![before, events_max])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::tests::open;

    fn log(conn: &Connection, at: i64, actor: &str, action: &str, target: &str) {
        let event = Event { actor, action, target, ip: "192.0.2.7", ..Event::default() };
        insert(conn, at, &event).unwrap();
    }

    fn targets(found: &Found) -> Vec<&str> {
        found.events.iter().map(|event| event.target.as_str()).collect()
    }

    #[test]
    fn parts_are_looked_for_literally_and_together() {
        let conn = open();
        log(&conn, 1, "Ann", "login", "50%");
        log(&conn, 2, "ann", "create_user", "a_b");
        log(&conn, 3, "ben", "create_user", "a\\b");
        let find = |wanted: &Wanted| find(&conn, wanted, None, 10).unwrap();
        let with = |anywhere: &str| Wanted { anywhere: anywhere.to_owned(), ..Wanted::default() };
        assert_eq!(targets(&find(&with(""))), ["a\\b", "a_b", "50%"]);
        assert_eq!(targets(&find(&with("0%"))), ["50%"]);
        assert_eq!(targets(&find(&with("%0"))), [""; 0]);
        assert_eq!(targets(&find(&with("a_B"))), ["a_b"]);
        assert_eq!(targets(&find(&with("\\"))), ["a\\b"]);
        let both = Wanted { actor: "AN".into(), action: "user".into(), ..Wanted::default() };
        assert_eq!(targets(&find(&both)), ["a_b"]);
        assert!(find(&with("192.0.2")).events.is_empty());
        assert_eq!(find(&Wanted { with_ip: true, ..with("192.0.2") }).events.len(), 3);
    }

    #[test]
    fn pages_follow_each_other_and_what_is_not_looked_at_is_said() {
        let conn = open();
        for number in 0..5 {
            log(&conn, number, "ann", "login", &number.to_string());
        }
        let page = |before| find(&conn, &Wanted::default(), before, 2).unwrap();
        let first = page(None);
        assert_eq!(targets(&first), ["4", "3"]);
        let second = page(first.older);
        assert_eq!(targets(&second), ["2", "1"]);
        let last = page(second.older);
        assert_eq!((targets(&last), last.older), (vec!["0"], None));
        conn.execute("update events set event_id = event_id + 100000 where target = '4'", [])
            .unwrap();
        let wanted = Wanted { target: "0".into(), ..Wanted::default() };
        let mut found = find(&conn, &wanted, None, 2).unwrap();
        let mut looks = 1;
        while found.events.is_empty() {
            found = find(&conn, &wanted, Some(found.older.unwrap()), 2).unwrap();
            looks += 1;
        }
        assert_eq!((targets(&found), found.older, looks), (vec!["0"], None, 4));
    }

    #[test]
    fn old_ones_go_the_oldest_first_and_no_others() {
        let conn = open();
        for at in 0..10 {
            log(&conn, at, "ann", "login", "");
        }
        assert_eq!(expire(&conn, 5, 3).unwrap(), 3);
        assert_eq!(expire(&conn, 5, 3).unwrap(), 2);
        assert_eq!(expire(&conn, 5, 3).unwrap(), 0);
        let oldest: i64 = conn.query_row("select min(at) from events", [], |r| r.get(0)).unwrap();
        assert_eq!(oldest, 5);
    }

    /// Prints how long a page takes: in a release build, with `--run-ignored=only --no-capture`.
    #[test]
    #[ignore = "a measurement of a million events"]
    fn page_of_a_million_events_is_found_at_once() {
        let conn = open();
        conn.execute_batch("begin").unwrap();
        for number in 0..1_000_000 {
            log(&conn, number, &format!("member{}", number % 1000), "register_torrent", "0123abcd");
        }
        conn.execute_batch("commit").unwrap();
        let words = ["", "nothing has this", "member7"];
        let mut took = Vec::new();
        for number in 0..300_usize {
            let anywhere = words[number % 3].to_owned();
            let wanted = Wanted { anywhere, with_ip: true, ..Wanted::default() };
            let start = std::time::Instant::now();
            find(&conn, &wanted, Some(1 + 3_000 * number.cast_signed() as i64), 100).unwrap();
            took.push(start.elapsed());
        }
        took.sort();
        println!("median {:?}, p99 {:?}", took[150], took[297]);
        assert!(took[297].as_millis() < 50);
    }
}
