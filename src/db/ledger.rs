//! Points, in double entry: what one account is given another one gives, so all accounts together
//! have nothing, and no point comes from nowhere. An [`Entry`] is something that happened; its
//! transfers are what it moved.
//!
//! Invariant: the balance of an account is what all transfers have brought it less what they have
//! taken. Triggers of the tables see to it, and to that nothing that was written changes.

use rusqlite::{Connection, OptionalExtension, Result, params};

/// Who has points, or where they come from and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// The member of a `user_id`.
    Member(i64),
    /// What is held back for a bounty, by its id, until it is closed.
    Escrow(i64),
    /// Awards come from here.
    Mint,
    /// What is spent ends here.
    Burn,
    /// What is bought comes from here.
    Sales,
    /// What the staff gives and takes.
    Adjust,
    /// Where an imported history is evened out.
    Import,
}

/// Something that moves points.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What is done once is done under one key, of 1 to 200 characters.
    pub key: &'a str,
    /// One of `ledger_codes`.
    pub code: &'a str,
    /// Seconds since 1970.
    pub at: i64,
    /// Who did it; `None` for the program.
    pub actor_id: Option<i64>,
    /// An info hash, the number of a bounty or an order.
    pub subject: &'a str,
    /// For whoever reads the history.
    pub reason: &'a str,
    /// Whether an earlier program has written it: it may take what a member does not have.
    pub is_imported: bool,
}

/// Points from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Transfer {
    pub from: Account,
    pub to: Account,
    /// Above zero.
    pub amount: i64,
}

/// The row of an account; that of a bounty is made when it is first asked for.
fn account_id(conn: &Connection, account: Account) -> Result<i64> {
    let by_id = |sql: &str, id: i64| conn.prepare_cached(sql)?.query_row([id], |row| row.get(0));
    let kind = match account {
        Account::Member(user_id) => {
            return by_id("select account_id from ledger_accounts where user_id = ?1", user_id);
        }
        Account::Escrow(bounty_id) => {
            let sql = "select account_id from ledger_accounts where bounty_id = ?1";
            if let Some(found) = by_id(sql, bounty_id).optional()? {
                return Ok(found);
            }
            conn.prepare_cached("insert into ledger_accounts (kind, bounty_id) values (?1, ?2)")?
                .execute(params!["escrow", bounty_id])?;
            return Ok(conn.last_insert_rowid());
        }
        Account::Mint => "mint",
        Account::Burn => "burn",
        Account::Sales => "sales",
        Account::Adjust => "adjust",
        Account::Import => "import",
    };
    conn.prepare_cached(
        "select account_id from ledger_accounts
         where kind = ?1 and kind not in ('member', 'escrow')",
    )?
    .query_row([kind], |row| row.get(0))
}

/// Points of an account.
///
/// # Errors
/// When the database cannot be read, or there is no such account.
pub fn balance(conn: &Connection, account: Account) -> Result<i64> {
    let account_id = account_id(conn, account)?;
    conn.prepare_cached("select balance from ledger_accounts where account_id = ?1")?
        .query_row([account_id], |row| row.get(0))
}

/// Writes down that something happened and moves its points. `None` when it is written already, by
/// its key: nothing has changed then.
///
/// # Errors
/// When the database cannot be written, an account is not there, or a member would have less than
/// nothing where the code does not allow it. The transaction is then to be given up.
pub fn post(conn: &Connection, entry: &Entry<'_>, transfers: &[Transfer]) -> Result<Option<i64>> {
    let Entry { key, code, at, actor_id, subject, reason, is_imported } = entry;
    let inserted = conn
        .prepare_cached(
            "insert into ledger_entries (key, code, at, actor_id, subject, reason, is_imported)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (key) do nothing",
        )?
        .execute(params![key, code, at, actor_id, subject, reason, is_imported])?;
    if inserted == 0 {
        return Ok(None);
    }
    let entry_id = conn.last_insert_rowid();
    for Transfer { from, to, amount } in transfers {
        let (from, to) = (account_id(conn, *from)?, account_id(conn, *to)?);
        conn.prepare_cached(
            "insert into ledger_transfers
                 (entry_id, from_account, to_account, amount, from_balance, to_balance)
             select ?1, f.account_id, t.account_id, ?4, f.balance - ?4, t.balance + ?4
             from ledger_accounts f, ledger_accounts t
             where f.account_id = ?2 and t.account_id = ?3",
        )?
        .execute(params![entry_id, from, to, amount])?;
    }
    Ok(Some(entry_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::Role;
    use crate::db::users::tests::{add, open};

    fn entry<'a>(key: &'a str, code: &'a str) -> Entry<'a> {
        Entry { key, code, at: 7, actor_id: None, subject: "", reason: "", is_imported: false }
    }

    fn give(user_id: i64, amount: i64) -> [Transfer; 1] {
        [Transfer { from: Account::Mint, to: Account::Member(user_id), amount }]
    }

    /// That of all accounts together, and what transfers say that each has.
    fn is_even(conn: &Connection) -> bool {
        conn.query_row(
            "select (select sum(balance) from ledger_accounts) = 0 and not exists (
                 select 1 from ledger_accounts a where balance !=
                     (select coalesce(sum(amount), 0) from ledger_transfers
                      where to_account = a.account_id)
                     - (select coalesce(sum(amount), 0) from ledger_transfers
                        where from_account = a.account_id))",
            [],
            |row| row.get(0),
        )
        .unwrap()
    }

    #[test]
    fn what_one_gives_another_has_and_once() {
        let conn = open();
        let (ann, ben) = (add(&conn, "ann", Role::Basic), add(&conn, "ben", Role::Basic));
        assert!(post(&conn, &entry("login:1:2", "login"), &give(ann, 100)).unwrap().is_some());
        assert!(post(&conn, &entry("login:1:2", "login"), &give(ann, 100)).unwrap().is_none());
        let from = Account::Member(ann);
        let transfers = [
            Transfer { from, to: Account::Member(ben), amount: 75 },
            Transfer { from, to: Account::Burn, amount: 25 },
        ];
        post(&conn, &entry("t:1", "transfer"), &transfers).unwrap();
        let balances = [from, Account::Member(ben), Account::Burn, Account::Mint]
            .map(|account| balance(&conn, account).unwrap());
        assert_eq!(balances, [0, 75, 25, -100]);
        assert!(is_even(&conn));
    }

    #[test]
    fn nobody_spends_what_is_not_there_unless_it_is_taken_by_force() {
        let conn = open();
        let ann = Account::Member(add(&conn, "ann", Role::Basic));
        let spend = [Transfer { from: ann, to: Account::Burn, amount: 1 }];
        assert!(post(&conn, &entry("dm:1", "dm"), &spend).is_err());
        post(&conn, &entry("claim:1:reject", "claim_rejected"), &spend).unwrap();
        assert_eq!(balance(&conn, ann).unwrap(), -1);
        for amount in [0, -1] {
            let none = [Transfer { from: Account::Mint, to: ann, amount }];
            assert!(post(&conn, &entry(&format!("n:{amount}"), "login"), &none).is_err());
        }
    }

    #[test]
    fn history_stays_as_it_was_written_and_outlives_the_member() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Basic);
        post(&conn, &entry("upload:aa", "upload"), &give(ann, 25)).unwrap();
        for sql in [
            "update ledger_transfers set amount = 26",
            "update ledger_entries set at = 8",
            "insert into ledger_transfers
                 (entry_id, from_account, to_account, amount, from_balance, to_balance)
                 values (1, 1, 2, 5, 0, 5)",
        ] {
            assert!(conn.execute(sql, []).is_err(), "{sql}");
        }
        conn.execute("delete from users", []).unwrap();
        let (holder, balance): (String, i64) = conn
            .query_row(
                "select holder, balance from ledger_accounts where kind = 'member'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((&*holder, balance, is_even(&conn)), ("ann", 25, true));
    }
}
