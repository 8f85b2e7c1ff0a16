//! From an empty file, or any earlier one, to the present tables: numbered steps, each in one
//! transaction. A step that has shipped never changes.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, Result};

/// `application_id` of our files: "WKAT".
pub const APPLICATION_ID: i32 = i32::from_be_bytes(*b"WKAT");

/// The steps. The version of a file (`user_version`) is how many of them it has taken.
const STEPS: [&str; 4] = [
    include_str!("migrations/0001_accounts.sql"),
    include_str!("migrations/0002_torrents.sql"),
    include_str!("migrations/0003_social.sql"),
    include_str!("migrations/0004_tries_by_name.sql"),
];

/// The version of the present tables.
pub const VERSION: u32 = STEPS.len() as u32;

/// Why a file is not brought to the present tables.
#[derive(Debug)]
pub enum Unfit {
    /// It is a database of the tracker that this one takes the place of.
    OfTheReference,
    /// It is a database of something else.
    Foreign,
    /// A later version of this program has made it.
    Newer(u32),
    /// It cannot be read or written.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Unfit {
        Unfit::Database(error)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::OfTheReference => f.write_str(
                "it is a database of the earlier tracker: make one of ours from it with \
                 `wildkat import --from OLD --db NEW`",
            ),
            Unfit::Foreign => f.write_str("it is a database of another program"),
            Unfit::Newer(version) => write!(
                f,
                "a later version of wildkat has made it (tables of version {version}, where this \
                 one knows {VERSION}): run that version"
            ),
            Unfit::Database(error) => error.fmt(f),
        }
    }
}

/// Which version the tables of a file have; zero for an empty one.
///
/// # Errors
/// [`Unfit`] for what is not ours, or newer than this program.
pub fn version(conn: &Connection) -> std::result::Result<u32, Unfit> {
    let application: i32 = conn.query_row("pragma application_id", [], |row| row.get(0))?;
    let version: u32 = conn.query_row("pragma user_version", [], |row| row.get(0))?;
    let tables: u32 = conn.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(0),
        (APPLICATION_ID, 1..=VERSION, _) => Ok(version),
        (APPLICATION_ID, _, _) if version > VERSION => Err(Unfit::Newer(version)),
        _ if is_of_the_reference(conn)? => Err(Unfit::OfTheReference),
        _ => Err(Unfit::Foreign),
    }
}

fn is_of_the_reference(conn: &Connection) -> Result<bool> {
    let found = conn
        .query_row(
            "select 1 from pragma_table_info('users') where name = 'salt'
             and exists (select 1 from sqlite_schema where name = 'magnet_trackers')",
            [],
            |_| Ok(()),
        )
        .optional()?;
    Ok(found.is_some())
}

/// Takes the steps that a file lacks.
///
/// # Errors
/// [`Unfit`]; the file then has all of the steps before the one that failed, and nothing of it.
pub fn run(conn: &mut Connection) -> std::result::Result<(), Unfit> {
    let from = version(conn)?;
    for (number, step) in (1..).zip(STEPS).skip(from as usize) {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Somebody else may have taken it meanwhile.
        if version(&tx)? >= number {
            continue;
        }
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(conn: &Connection) -> Vec<String> {
        conn.prepare("select sql from sqlite_schema where sql is not null order by name")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_>>()
            .unwrap()
    }

    #[test]
    fn every_earlier_version_becomes_the_present_one() {
        let mut new = Connection::open_in_memory().unwrap();
        run(&mut new).unwrap();
        for from in 1..=VERSION {
            let mut conn = Connection::open_in_memory().unwrap();
            for step in &STEPS[..from as usize] {
                conn.execute_batch(step).unwrap();
            }
            conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            conn.pragma_update(None, "user_version", from).unwrap();
            run(&mut conn).unwrap();
            assert_eq!(version(&conn).unwrap(), VERSION);
            assert_eq!(schema(&conn), schema(&new), "from {from}");
            run(&mut conn).unwrap();
        }
    }

    /// Else a row that goes would be looked for in all rows that might refer to it.
    #[test]
    fn every_column_that_refers_to_rows_begins_an_index() {
        let mut conn = Connection::open_in_memory().unwrap();
        run(&mut conn).unwrap();
        let lacking: Vec<String> = conn
            .prepare(
                "select t.name || '.' || f.\"from\"
                 from sqlite_schema t, pragma_foreign_key_list(t.name) f
                 where t.type = 'table'
                     and f.\"table\" not in ('ledger_codes', 'notification_kinds')
                     and not exists (
                         select 1 from pragma_index_list(t.name) i, pragma_index_info(i.name) c
                         where not i.partial and c.seqno = 0 and c.name = f.\"from\")
                     and not exists (
                         select 1 from pragma_table_info(t.name) c
                         where c.pk = 1 and c.name = f.\"from\")",
            )
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_>>()
            .unwrap();
        // An answer is found by its torrent and then by what it answers.
        assert_eq!(lacking, ["comments.parent_id"]);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let fault = |sql: &str| {
            let mut conn = Connection::open_in_memory().unwrap();
            conn.execute_batch(sql).unwrap();
            let before = schema(&conn);
            let fault = run(&mut conn).unwrap_err().to_string();
            assert_eq!(schema(&conn), before);
            fault
        };
        let old = "create table users (id, salt); create table magnet_trackers (id)";
        let told = fault(old);
        assert!(told.contains("earlier tracker"), "{told}");
        assert!(told.contains("wildkat import --from OLD --db NEW"), "{told}");
        assert!(fault("create table users (id)").contains("another program"));
        let newer = format!("pragma application_id = {APPLICATION_ID}; pragma user_version = 999");
        assert!(fault(&newer).contains("version 999"));
    }

    #[test]
    fn step_that_fails_leaves_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(&format!(
            "{}; create table torrents (x); pragma application_id = {APPLICATION_ID};
             pragma user_version = 1",
            STEPS[0]
        ))
        .unwrap();
        let before = schema(&conn);
        assert!(run(&mut conn).is_err());
        assert_eq!((schema(&conn), version(&conn).unwrap()), (before, 1));
    }
}
