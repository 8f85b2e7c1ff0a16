//! Imports of databases made here as the earlier tracker makes them.

mod files;
mod hostile;
mod large;
mod rows;
mod sample;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::*;

/// When every import of these tests is: 2025-01-01.
const NOW: i64 = 1_735_689_600;

/// A folder with a source and a place for a target.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What lies in it, by name.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Imports `old.db`, or what is named, with this changed.
    fn import(
        &self,
        from: &str,
        change: impl FnOnce(&mut Request<'_>),
    ) -> Result<Report, ImportError> {
        let (from, to) = (self.path(from), self.path("new.db"));
        let mut request = Request {
            from: &from,
            to: &to,
            is_dry: false,
            offset: "+02:00".parse().unwrap(),
            super_user: Some("boss"),
            renames_collisions: true,
            with_payment_secrets: false,
            now: NOW,
        };
        change(&mut request);
        run(&request)
    }

    fn target(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        Connection::open_with_flags(self.path("new.db"), flags).unwrap()
    }
}

/// What a query finds, each row with bars between its columns.
fn found(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let columns = statement.column_count();
    let shown = |value: rusqlite::types::Value| match value {
        rusqlite::types::Value::Null => "-".to_owned(),
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Real(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Blob(bytes) => format!("{bytes:02x?}"),
    };
    statement
        .query_map([], |row| {
            let values: Result<Vec<_>, _> = (0..columns).map(|place| row.get(place)).collect();
            Ok(values?.into_iter().map(shown).collect::<Vec<_>>().join("|"))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn bytes(path: &Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}
