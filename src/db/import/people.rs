//! Who a name was. The earlier tracker wrote names where ids belong, and let an account have the
//! name of one that is gone.

use rusqlite::{OptionalExtension, Result, params};

use super::Import;
use crate::db::names::check_name;

/// Longest name that anything is looked up by, in bytes.
const NAME_BYTES_MAX: usize = 1_000;

/// Somebody a row names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// The account, while it is there.
    pub(super) user_id: Option<i64>,
    /// Its name among ours; of an account that is gone, the name it had.
    pub(super) name: String,
}

impl Import<'_> {
    /// Learns the names of the source, into a table that is there for the time of the import: what
    /// the source itself would find by a name is up to its indexes and the order of its letters.
    pub(super) fn learn_names(&self) -> Result<()> {
        self.to.execute_batch(
            "create table imported_names (
                 name text primary key, user_id integer, created_at integer,
                 is_renewed integer not null
             ) strict, without rowid",
        )?;
        self.from.each("users", &["id", "username", "created_at", "created_by"], |row| {
            let (Some(user_id), name) = (row.id(), row.text("username")) else { return Ok(()) };
            if (1..=NAME_BYTES_MAX).contains(&name.len()) {
                // What two have is nobody's.
                self.to
                    .prepare_cached(
                        "insert into imported_names values (?1, ?2, ?3, ?4)
                         on conflict do update set user_id = null",
                    )?
                    .execute(params![
                        name,
                        user_id,
                        row.time("created_at"),
                        row.text("created_by") == "cli"
                    ])?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Forgets them, so that the tables are those of the site.
    pub(super) fn forget_names(&self) -> Result<()> {
        self.to.flush_prepared_statement_cache();
        self.to.execute_batch("drop table imported_names")
    }

    /// Who had this name when something was written, as [`Import::account`] has it.
    pub(super) fn person(&self, name: &str, at: Option<i64>) -> Result<Person> {
        let user_id = self.account(name, at)?;
        let username = user_id.map_or(Ok(None), |user_id| self.username(user_id))?;
        Ok(match username {
            Some(name) => Person { user_id, name },
            None => Person { user_id: None, name: name.to_owned() },
        })
    }

    /// The account, in the source, that had this name when something was written. What is older
    /// than the account of the name is of somebody before it, unless the account was made at the
    /// machine itself: that is how the owner's was renewed under another id. The name of somebody
    /// who is gone is kept back for good.
    pub(super) fn account(&self, name: &str, at: Option<i64>) -> Result<Option<i64>> {
        if name.is_empty() {
            return Ok(None);
        }
        let account = self
            .to
            .prepare_cached(
                "select user_id, created_at, is_renewed from imported_names
                 where name = ?1 and user_id is not null",
            )?
            .query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let is_theirs = |(_, created_at, is_renewed): &(i64, Option<i64>, bool)| {
            let is_older = at.zip(*created_at).is_some_and(|(at, created_at)| at < created_at);
            *is_renewed || !is_older
        };
        let account = account.filter(is_theirs);
        if account.is_none() {
            self.retire(name)?;
        }
        Ok(account.map(|(user_id, ..)| user_id))
    }

    /// The account of an id; where that is gone, who had the name when something was written.
    pub(super) fn member(&self, user_id: i64, name: &str, at: Option<i64>) -> Result<Person> {
        match self.username(user_id)? {
            Some(name) => Ok(Person { user_id: Some(user_id), name }),
            None => self.person(name, at),
        }
    }

    /// What the account of an id is called among ours.
    pub(super) fn username(&self, user_id: i64) -> Result<Option<String>> {
        self.to
            .prepare_cached("select username from users where user_id = ?1")?
            .query_row([user_id], |row| row.get(0))
            .optional()
    }

    /// Keeps a name back, so that nobody is taken for whoever had it. One that nobody can have
    /// needs not be kept back, nor one that somebody has.
    pub(super) fn retire(&self, name: &str) -> Result<()> {
        if check_name(name).is_ok() {
            self.to
                .prepare_cached(
                    "insert or ignore into retired_names (username, retired_at)
                     select ?1, ?2 where not exists (select 1 from users where username = ?1)",
                )?
                .execute(params![name, self.request.now])?;
        }
        Ok(())
    }

    /// Whether a row is in the target.
    pub(super) fn has(&self, sql: &str, id: i64) -> Result<bool> {
        self.to.prepare_cached(sql)?.exists([id])
    }
}
