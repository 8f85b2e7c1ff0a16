//! All accounts, a page at a time: by an index over the names, which is small enough to be looked
//! through whole.

use rusqlite::{Connection, Result, ToSql, params_from_iter};

use super::users::{self, Role, User};
use super::{containing, login_failures};

/// Accounts on a page.
pub const ROWS: u64 = 50;

/// How an account is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may be used.
    Active,
    /// The staff has shut it.
    Disabled,
    /// Somewhere its password was wrong too often.
    Locked,
}

/// Which accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Part of a name, in whatever case; empty: any.
    pub name: String,
    /// What they may do; `None`: whatever.
    pub role: Option<Role>,
    /// How they are doing; `None`: whatever.
    pub state: Option<State>,
}

/// A page of accounts, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Each with whether it is locked.
    pub users: Vec<(User, bool)>,
    /// Accounts on all pages.
    pub total: u64,
    /// Which page it is, from 1.
    pub page: u64,
    /// Pages, at least 1.
    pub pages: u64,
}

/// The page `page`, or the last one.
///
/// # Errors
/// When the database cannot be read.
pub fn list(conn: &Connection, wanted: &Wanted, page: u64, now: i64) -> Result<Listed> {
    let (condition, values) = condition(wanted, now);
    let total: u64 = if condition.is_empty() {
        conn.prepare_cached("select users from user_counts")?.query_row([], |row| row.get(0))?
    } else {
        let count = format!("select count(*) from users where {condition}");
        conn.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?
    };
    let pages = total.div_ceil(ROWS).max(1);
    let page = page.clamp(1, pages);
    let condition = if condition.is_empty() { "true" } else { &condition };
    let offset = (page - 1) * ROWS;
    let ids = format!(
        "select user_id from users where {condition} order by username limit {ROWS} offset {offset}"
    );
    let mut ids = conn.prepare(&ids)?;
    let ids = ids.query_map(params_from_iter(&values), |row| row.get(0))?;
    let ids: Vec<i64> = ids.collect::<Result<_>>()?;
    let found = ids.into_iter().filter_map(|user_id| {
        let user = users::find(conn, user_id).transpose()?;
        Some(user.and_then(|user| {
            let is_locked = login_failures::summary(conn, &user.username, now)?.1;
            Ok((user, is_locked))
        }))
    });
    Ok(Listed { users: found.collect::<Result<_>>()?, total, page, pages })
}

fn condition(wanted: &Wanted, now: i64) -> (String, Vec<Box<dyn ToSql>>) {
    let mut conditions = Vec::new();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if !wanted.name.is_empty() {
        conditions.push(r"username like ? escape '\'");
        values.push(Box::new(containing(&wanted.name)));
    }
    if let Some(role) = wanted.role {
        conditions.push("role = ?");
        values.push(Box::new(role));
    }
    match wanted.state {
        None => {}
        Some(State::Disabled) => conditions.push("is_disabled = 1"),
        Some(State::Active) => conditions.push("is_disabled = 0"),
        Some(State::Locked) => {
            conditions.push("username in (select name from login_failures where locked_until > ?)");
            values.push(Box::new(now));
        }
    }
    (conditions.join(" and "), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::moderation;
    use crate::db::users::tests::{add, open};

    fn names(conn: &Connection, wanted: &Wanted) -> Vec<String> {
        let listed = list(conn, wanted, 1, 100).unwrap();
        assert_eq!(listed.total, listed.users.len() as u64);
        listed.users.into_iter().map(|(user, _)| user.username).collect()
    }

    #[test]
    fn accounts_are_found_by_part_of_a_name_role_and_state() {
        let conn = open();
        add(&conn, "Ann", Role::Admin);
        let ben = add(&conn, "ben_x", Role::Basic);
        add(&conn, "anna", Role::Basic);
        let named = |name: &str| Wanted { name: name.to_owned(), ..Wanted::default() };
        assert_eq!(names(&conn, &named("")), ["Ann", "anna", "ben_x"]);
        assert_eq!(names(&conn, &named("AN")), ["Ann", "anna"]);
        assert_eq!(names(&conn, &named("_")), ["ben_x"]);
        assert_eq!(names(&conn, &named("%")), [""; 0]);
        let basic = Wanted { role: Some(Role::Basic), ..named("an") };
        assert_eq!(names(&conn, &basic), ["anna"]);
        moderation::set_disabled(&conn, ben, true).unwrap();
        conn.execute("insert into login_failures values ('ann', '192.0.2.0/24', 5, 1, 200)", [])
            .unwrap();
        for (state, expected) in [
            (State::Disabled, &["ben_x"][..]),
            (State::Locked, &["Ann"]),
            (State::Active, &["Ann", "anna"]),
        ] {
            assert_eq!(names(&conn, &Wanted { state: Some(state), ..named("") }), expected);
        }
        assert!(list(&conn, &named("Ann"), 1, 199).unwrap().users[0].1);
        assert!(!list(&conn, &named("Ann"), 1, 200).unwrap().users[0].1);
    }

    #[test]
    fn page_beyond_the_last_is_the_last() {
        let conn = open();
        for number in 0..120 {
            add(&conn, &format!("m{number:03}"), Role::Basic);
        }
        let page = |page| list(&conn, &Wanted::default(), page, 0).unwrap();
        assert_eq!((page(1).users.len(), page(3).users.len(), page(3).pages), (50, 20, 3));
        assert_eq!(page(u64::MAX), page(3));
        assert_eq!(page(0), page(1));
    }

    /// Prints how long a page takes: in a release build, with `--run-ignored=only --no-capture`.
    #[test]
    #[ignore = "a measurement of a hundred thousand accounts"]
    fn page_of_a_hundred_thousand_accounts_is_there_at_once() {
        let conn = open();
        conn.execute_batch("begin").unwrap();
        for number in 0..100_000_u32 {
            let role = if number.is_multiple_of(9) { Role::Standard } else { Role::Basic };
            add(&conn, &format!("member{}", number.wrapping_mul(0x9e37_79b1)), role);
        }
        conn.execute_batch("update users set is_disabled = 1 where user_id % 50 = 0; commit")
            .unwrap();
        let mut took = Vec::new();
        for number in 0..500 {
            let wanted = match number % 5 {
                0 => Wanted::default(),
                1 => Wanted { name: "77".into(), ..Wanted::default() },
                2 => Wanted { name: "nobody".into(), ..Wanted::default() },
                3 => Wanted { role: Some(Role::Standard), ..Wanted::default() },
                _ => Wanted { state: Some(State::Disabled), ..Wanted::default() },
            };
            let start = std::time::Instant::now();
            list(&conn, &wanted, number * 4, 1).unwrap();
            took.push(start.elapsed());
        }
        took.sort();
        println!("median {:?}, p99 {:?}", took[250], took[495]);
        assert!(took[495].as_millis() < 50);
    }
}
