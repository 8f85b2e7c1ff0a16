//! The database of the earlier tracker: copied to where nothing else is at it, looked at, and read
//! row by row, whatever its columns hold.

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Result, Row};

use super::ImportError;
use super::times::Offset;
use crate::db::copies::{self, HEADER, Temporary};
use crate::db::migrations::{self, Unfit};

/// What a packed file begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Bytes that may come out of one packed byte, and out of the first ones whatever they are. Rows do
/// not pack so well; a bomb packs a thousandfold.
const RATIO_MAX: u64 = 100;
const SLACK_BYTES: u64 = 16 << 20;
/// How long a running tracker may keep us from its file.
const BUSY: Duration = Duration::from_secs(10);
/// Longest text that is taken over, in bytes; the earlier tracker cut at 50,000 characters.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// Longest list of files, in bytes, which is also the longest value that is ever in memory.
const VALUE_BYTES_MAX: usize = 64 << 20;
/// The column that has it.
const LISTS: &str = "files_json";
/// Highest id that is believed. Beyond the highest that there can be nothing could be added.
const ID_MAX: i64 = 1 << 53;
/// All tables that are read, and whether something names their rows by id.
const TABLES: &[(&str, bool)] = &[
    ("users", true),
    ("sessions", false),
    ("login_history", false),
    ("ip_allowlist", false),
    ("invite_codes", false),
    ("settings", false),
    ("events", false),
    ("magnet_trackers", false),
    ("user_follows", false),
    ("torrents", false),
    ("comments", true),
    ("notifications", false),
    ("direct_messages", true),
    ("dm_blocklist", false),
    ("points_ledger", true),
    ("bounties", true),
    ("bounty_contributions", false),
    ("bounty_votes", false),
    ("bounty_comments", true),
    ("topup_orders", true),
    ("topup_webhook_events", false),
    ("topup_reconciliation_actions", false),
];

/// A copy of the source, which goes away with this.
pub(super) struct Source {
    pub(super) conn: Connection,
    /// The clock that its times are of.
    pub(super) offset: Offset,
    _file: Temporary,
}

impl Source {
    /// Copies the file at `from`, packed or not, beside `beside`, and opens the copy.
    ///
    /// # Errors
    /// What keeps it from being read, or what it is instead of a database of the earlier tracker.
    pub(super) fn open(
        from: &Path,
        beside: &Path,
        offset: Offset,
    ) -> std::result::Result<Source, ImportError> {
        let file = Temporary::beside(beside).map_err(ImportError::Target)?;
        let unread = |error| ImportError::Source(from.to_owned(), error);
        let mut head = Vec::new();
        // Before it is opened: a pipe would have us wait for whoever writes to it.
        let before = from.metadata().map_err(unread)?;
        if !before.is_file() {
            return Err(unread(io::Error::other("it is no file")));
        }
        let original = File::open(from).map_err(unread)?;
        (&original).take(HEADER.len() as u64).read_to_end(&mut head).map_err(unread)?;
        if head.starts_with(GZIP) {
            unpack(from, file.path())?;
        } else if head == HEADER {
            copy(from, &before, file.path())?;
        } else {
            return Err(ImportError::NotADatabase);
        }
        let conn = Connection::open(file.path())?;
        let source = Source { conn, offset, _file: file };
        source.check()?;
        Ok(source)
    }

    /// Whether it is whole, and of the earlier tracker.
    fn check(&self) -> std::result::Result<(), ImportError> {
        let damaged = |error: rusqlite::Error| ImportError::Damaged(error.to_string());
        // Nothing that the file declares is carried out.
        let switches =
            [DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER];
        for switch in switches {
            self.conn.set_db_config(switch, false).map_err(damaged)?;
        }
        self.conn
            .execute_batch(
                "pragma trusted_schema = off; pragma ignore_check_constraints = on;
                 pragma cell_size_check = on; pragma temp_store = memory;
                 pragma cache_size = -65536",
            )
            .map_err(damaged)?;
        self.conn.set_prepared_statement_cache_capacity(64);
        match migrations::version(&self.conn) {
            Err(Unfit::OfTheReference) => {}
            Err(Unfit::Database(error)) => return Err(damaged(error)),
            Ok(0) | Err(Unfit::Foreign) => return Err(ImportError::Foreign),
            Ok(_) | Err(Unfit::Newer(_)) => return Err(ImportError::Ours),
        }
        self.check_tables()?;
        // The quick one, which believes indexes: none is ever read.
        let told: String =
            self.conn.query_row("pragma quick_check(1)", [], |row| row.get(0)).map_err(damaged)?;
        if told != "ok" {
            return Err(ImportError::Damaged(told));
        }
        // Nothing is ever written to the copy.
        self.conn.execute_batch("pragma query_only = on").map_err(damaged)
    }

    /// Whether the tables are tables, and their ids of one row each.
    fn check_tables(&self) -> std::result::Result<(), ImportError> {
        let damaged = |error: rusqlite::Error| ImportError::Damaged(error.to_string());
        let is_there = |sql: &str, table: &str| {
            self.conn.prepare(sql).and_then(|mut sql| sql.exists([table])).map_err(damaged)
        };
        for (table, has_ids) in TABLES {
            let is_fine = if is_there(HAS_NAME, table)? || *table == "users" {
                is_there(IS_TABLE, table)? && (!has_ids || is_there(HAS_IDS, table)?)
            } else {
                true
            };
            if !is_fine {
                return Err(ImportError::Altered(table));
            }
        }
        Ok(())
    }

    /// The columns of a table; none where there is no such table.
    fn columns_of(&self, table: &str) -> Result<Vec<String>> {
        self.conn
            .prepare(
                "select c.name from pragma_table_list t join pragma_table_info(t.name) c
                 where t.schema = 'main' and t.type = 'table' and t.name = ?1",
            )?
            .query_map([table], |row| row.get(0))?
            .collect()
    }

    /// How many rows a table has.
    pub(super) fn count(&self, table: &str) -> Result<u64> {
        if self.columns_of(table)?.is_empty() {
            return Ok(0);
        }
        let sql = format!("select count(*) from \"{table}\" not indexed");
        self.conn.query_row(&sql, [], |row| row.get(0))
    }

    /// Shows every row of a table, the oldest first, as a scan goes. Columns and tables that a very
    /// old file lacks are empty.
    pub(super) fn each(
        &self,
        table: &str,
        columns: &[&'static str],
        mut show: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<Rows> {
        let there = self.columns_of(table)?;
        let mut seen = Rows::default();
        if there.is_empty() {
            return Ok(seen);
        }
        let is_there = |column: &str| there.iter().any(|name| name.eq_ignore_ascii_case(column));
        let wanted = |column: &&str| if is_there(column) { value(column) } else { "null".into() };
        let wanted: Vec<_> = columns.iter().map(wanted).collect();
        let sql = format!("select {} from \"{table}\" not indexed", wanted.join(", "));
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record = Record { row, columns, offset: self.offset, is_cut: Cell::new(false) };
            show(&record)?;
            seen.read += 1;
            seen.cut += u64::from(record.is_cut.get());
        }
        Ok(seen)
    }
}

/// Whether anything is called so.
const HAS_NAME: &str = "select 1 from sqlite_schema where lower(name) = ?1";
/// Whether it is an ordinary table.
const IS_TABLE: &str = "select 1 from pragma_table_list
     where schema = 'main' and type = 'table' and wr = 0 and name = ?1";
/// Whether its rows are found by a column `id`, so that no two have the same.
const HAS_IDS: &str = "select 1 from pragma_table_info(?1)
     where name = 'id' and pk = 1 and upper(type) = 'INTEGER'
         and (select count(*) from pragma_table_info(?1) where pk > 0) = 1";
/// What a column is asked for: what is too long is cut before it is in memory, or left where it is.
fn value(column: &str) -> String {
    let bytes_max = if column == LISTS { VALUE_BYTES_MAX } else { TEXT_BYTES_MAX };
    format!(
        "case when octet_length(\"{column}\") > {VALUE_BYTES_MAX} then x''
              when octet_length(\"{column}\") > {bytes_max}
                  then substr(\"{column}\", 1, {bytes_max} + 1)
              else \"{column}\" end"
    )
}

/// How many rows a table had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rows {
    pub(super) read: u64,
    /// Of them, those of which a text was cut.
    pub(super) cut: u64,
}

/// A row of the source. Its columns may hold anything, as SQLite has it.
pub(super) struct Record<'r> {
    row: &'r Row<'r>,
    columns: &'r [&'static str],
    offset: Offset,
    is_cut: Cell<bool>,
}

impl Record<'_> {
    fn value(&self, column: &str) -> ValueRef<'_> {
        let place = self.columns.iter().position(|name| *name == column);
        debug_assert!(place.is_some(), "{column} was not asked for");
        let value = place.and_then(|place| self.row.get_ref(place).ok());
        let value = value.unwrap_or(ValueRef::Null);
        // What was left where it is.
        if value == ValueRef::Blob(&[]) {
            self.is_cut.set(true);
        }
        value
    }

    /// The bytes of a text, however long; none where there is none.
    pub(super) fn bytes(&self, column: &str) -> &[u8] {
        match self.value(column) {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
            _ => &[],
        }
    }

    /// A text, cut where it is longer than any can be; empty where there is none.
    pub(super) fn text(&self, column: &str) -> String {
        match self.value(column) {
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Null => String::new(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                let cut = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
                if cut.len() < bytes.len() {
                    self.is_cut.set(true);
                }
                String::from_utf8_lossy(cut).into_owned()
            }
        }
    }

    /// A number; `None` where there is none.
    pub(super) fn number(&self, column: &str) -> Option<i64> {
        match self.value(column) {
            ValueRef::Integer(number) => Some(number),
            ValueRef::Real(number) => format!("{number:.0}").parse().ok(),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
            ValueRef::Blob(_) | ValueRef::Null => None,
        }
    }

    /// The id of the row; `None` where it is none that can be.
    pub(super) fn id(&self) -> Option<i64> {
        self.number("id").filter(|id| (1..=ID_MAX).contains(id))
    }

    /// A number; zero where there is none.
    pub(super) fn int(&self, column: &str) -> i64 {
        self.number(column).unwrap_or_default()
    }

    /// Whether a switch is on; as `default` where nothing was ever set.
    pub(super) fn is(&self, column: &str, default: bool) -> bool {
        self.number(column).map_or(default, |number| number != 0)
    }

    /// A time, in seconds since 1970; `None` where there is none that can be read.
    pub(super) fn time(&self, column: &str) -> Option<i64> {
        self.offset.seconds(std::str::from_utf8(self.bytes(column)).ok()?)
    }

    /// When a day is over, in seconds since 1970.
    pub(super) fn end_of_day(&self, column: &str) -> Option<i64> {
        self.offset.end_of(std::str::from_utf8(self.bytes(column)).ok()?)
    }
}

/// The file that SQLite keeps beside one, for what is not in it yet.
fn companion(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn unchanged(one: &Metadata, other: &Metadata) -> bool {
    let modified = |metadata: &Metadata| metadata.modified().ok();
    one.len() == other.len() && modified(one) == modified(other)
}

/// Copies an unpacked database, with what its log holds. While a tracker runs with it, SQLite sees
/// to it that the copy is of one moment; else the files are copied as they lie, so that nothing,
/// not even an index of the log, is made beside them.
fn copy(from: &Path, before: &Metadata, to: &Path) -> std::result::Result<(), ImportError> {
    if companion(from, "-shm").metadata().is_ok_and(|file| file.len() > 0) {
        return copy_live(from, to).map_err(|error| ImportError::Live(error.to_string()));
    }
    let logs = ["-wal", "-journal"].map(|end| {
        let log = companion(from, end);
        let before = log.metadata().ok();
        (log, companion(to, end), before)
    });
    copy_bytes(from, to)?;
    for (log, to, before) in &logs {
        if before.is_some() {
            copy_bytes(log, to)?;
        }
    }
    let unread = |error| ImportError::Source(from.to_owned(), error);
    let is_still = unchanged(before, &from.metadata().map_err(unread)?)
        && logs.iter().all(|(log, _, before)| match (before, log.metadata().ok()) {
            (None, None) => true,
            (Some(before), Some(after)) => unchanged(before, &after),
            _ => false,
        });
    if is_still { Ok(()) } else { Err(ImportError::Live("it changes meanwhile".to_owned())) }
}

fn copy_live(from: &Path, to: &Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(from, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.execute_batch("begin")?;
    copies::copy(&conn, to)
}

/// Makes or fills a file that its owner alone reads.
fn writable(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn copy_bytes(from: &Path, to: &Path) -> std::result::Result<(), ImportError> {
    let mut source =
        File::open(from).map_err(|error| ImportError::Source(from.to_owned(), error))?;
    let mut target = writable(to).map_err(ImportError::Target)?;
    io::copy(&mut source, &mut target).map_err(ImportError::Target)?;
    Ok(())
}

/// Unpacks a database, no further than one can be.
fn unpack(from: &Path, to: &Path) -> std::result::Result<(), ImportError> {
    let unread = |error| ImportError::Source(from.to_owned(), error);
    let packed = File::open(from).map_err(unread)?;
    let bytes_max = SLACK_BYTES + RATIO_MAX * packed.metadata().map_err(unread)?.len();
    let mut unpacking = MultiGzDecoder::new(io::BufReader::new(packed));
    let mut target = writable(to).map_err(ImportError::Target)?;
    let (mut piece, mut written) = (vec![0; 64 << 10], 0_u64);
    loop {
        let length = match unpacking.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ImportError::Damaged(error.to_string())),
        };
        let start = HEADER.len().min(length);
        if written == 0 && piece[..start] != HEADER[..start] {
            return Err(ImportError::NotADatabase);
        }
        written += length as u64;
        if written > bytes_max {
            return Err(ImportError::TooLarge);
        }
        target.write_all(&piece[..length]).map_err(ImportError::Target)?;
    }
    if written == 0 { Err(ImportError::NotADatabase) } else { Ok(()) }
}
