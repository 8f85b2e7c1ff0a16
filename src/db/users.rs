//! Accounts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// What an account may do; a greater one may do all that a smaller one may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Registers torrents and sees its own.
    #[default]
    Basic = 0,
    /// Sees everybody's.
    Standard = 1,
    /// Keeps the site in order.
    Admin = 2,
    /// Owns it. There is one.
    Super = 3,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Role; 4] = [Role::Basic, Role::Standard, Role::Admin, Role::Super];

    /// What it is called: `Standard`.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Basic => "Basic",
            Role::Standard => "Standard",
            Role::Admin => "Admin",
            Role::Super => "Super",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Role> {
        let number = value.as_i64()?;
        let role = Role::ALL.into_iter().find(|role| *role as i64 == number);
        role.ok_or(FromSqlError::OutOfRange(number))
    }
}

impl ToSql for Role {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

/// An account, without what only signing in asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
#[expect(clippy::struct_excessive_bools, reason = "a member's choices are bools")]
pub struct User {
    pub user_id: i64,
    pub username: String,
    pub role: Role,
    pub is_disabled: bool,
    pub created_how: String,
    /// The name of who made or invited it, while that account is there.
    pub created_by: Option<String>,
    pub created_at: i64,
    pub last_login_at: Option<i64>,
    pub login_count: i64,
    pub last_seen_at: Option<i64>,
    pub password_changed_at: Option<i64>,
    pub allow_dms: bool,
    pub show_online: bool,
    pub bounty_alerts: bool,
    pub link_torrent_activity: bool,
    pub allow_follow_visibility: bool,
    pub gravatar_opt_in: bool,
    pub gravatar_hash: Option<String>,
    /// Whether a second factor is asked for.
    pub has_totp: bool,
}

const COLUMNS: &str = "u.user_id, u.username, u.role, u.is_disabled, u.created_how, c.username,
    u.created_at, u.last_login_at, u.login_count, u.last_seen_at, u.password_changed_at,
    u.allow_dms, u.show_online, u.bounty_alerts, u.link_torrent_activity,
    u.allow_follow_visibility, u.gravatar_opt_in, u.gravatar_hash,
    u.totp_confirmed_at is not null
    from users u left join users c on c.user_id = u.created_by";

fn read(row: &Row<'_>) -> Result<User> {
    Ok(User {
        user_id: row.get(0)?,
        username: row.get(1)?,
        role: row.get(2)?,
        is_disabled: row.get(3)?,
        created_how: row.get(4)?,
        created_by: row.get(5)?,
        created_at: row.get(6)?,
        last_login_at: row.get(7)?,
        login_count: row.get(8)?,
        last_seen_at: row.get(9)?,
        password_changed_at: row.get(10)?,
        allow_dms: row.get(11)?,
        show_online: row.get(12)?,
        bounty_alerts: row.get(13)?,
        link_torrent_activity: row.get(14)?,
        allow_follow_visibility: row.get(15)?,
        gravatar_opt_in: row.get(16)?,
        gravatar_hash: row.get(17)?,
        has_totp: row.get(18)?,
    })
}

/// What a member chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Whether others see when they are here.
    pub show_online: bool,
    /// Whether others see which torrents they share.
    pub link_torrent_activity: bool,
}

/// Keeps what a member has chosen.
///
/// # Errors
/// When the database cannot be written.
pub fn choose(conn: &Connection, user_id: i64, choices: &Choices) -> Result<()> {
    conn.prepare_cached(
        "update users set show_online = ?2, link_torrent_activity = ?3 where user_id = ?1",
    )?
    .execute(params![user_id, choices.show_online, choices.link_torrent_activity])?;
    Ok(())
}

/// An account to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// Within the rules for names.
    pub username: &'a str,
    /// As `site::password` writes it.
    pub password_hash: &'a str,
    /// What it may do.
    pub role: Role,
    /// `self`, `cli`, `invite`, `staff` or `import`.
    pub created_how: &'a str,
    /// Who made or invited it.
    pub created_by: Option<i64>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Makes an account; `None` when its name is taken, or was once, in whatever case.
///
/// # Errors
/// When the database cannot be written.
pub fn insert(conn: &Connection, new: &NewUser<'_>) -> Result<Option<i64>> {
    let inserted = conn
        .prepare_cached(
            "insert into users (username, password_hash, role, created_how, created_by, created_at)
             select ?1, ?2, ?3, ?4, ?5, ?6
             where not exists (select 1 from retired_names where username = ?1)
             on conflict (username) do nothing",
        )?
        .execute(params![
            new.username,
            new.password_hash,
            new.role,
            new.created_how,
            new.created_by,
            new.now
        ])?;
    Ok((inserted == 1).then(|| conn.last_insert_rowid()))
}

/// The account of an id.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, user_id: i64) -> Result<Option<User>> {
    conn.prepare_cached(&format!("select {COLUMNS} where u.user_id = ?1"))?
        .query_row([user_id], read)
        .optional()
}

/// The account of a name, in whatever case.
///
/// # Errors
/// When the database cannot be read.
pub fn by_name(conn: &Connection, username: &str) -> Result<Option<User>> {
    conn.prepare_cached(&format!("select {COLUMNS} where u.username = ?1"))?
        .query_row([username], read)
        .optional()
}

/// The one who owns the site; `None` where nobody does yet.
///
/// # Errors
/// When the database cannot be read.
pub fn owner(conn: &Connection) -> Result<Option<User>> {
    conn.prepare_cached(&format!("select {COLUMNS} where u.role = 3"))?
        .query_row([], read)
        .optional()
}

/// The hash of an account's password.
///
/// # Errors
/// When the database cannot be read, or there is no such account.
pub fn password_hash(conn: &Connection, user_id: i64) -> Result<String> {
    conn.prepare_cached("select password_hash from users where user_id = ?1")?
        .query_row([user_id], |row| row.get(0))
}

/// Gives an account another hash of the same password.
///
/// # Errors
/// When the database cannot be written.
pub fn rehash(conn: &Connection, user_id: i64, password_hash: &str) -> Result<()> {
    conn.prepare_cached("update users set password_hash = ?2 where user_id = ?1")?
        .execute(params![user_id, password_hash])?;
    Ok(())
}

/// Gives an account another password and lets it sign in again from everywhere. Its sessions are
/// the caller's affair.
///
/// # Errors
/// When the database cannot be written.
pub fn set_password(conn: &Connection, user_id: i64, password_hash: &str, now: i64) -> Result<()> {
    conn.prepare_cached(
        "update users set password_hash = ?2, password_changed_at = ?3 where user_id = ?1",
    )?
    .execute(params![user_id, password_hash, now])?;
    conn.prepare_cached(
        "delete from login_failures where name = (select username from users where user_id = ?1)",
    )?
    .execute([user_id])?;
    Ok(())
}

/// Whether any account has a hash that the earlier tracker has made.
///
/// # Errors
/// When the database cannot be read.
pub fn any_old_hash(conn: &Connection) -> Result<bool> {
    // As the index of these says it.
    conn.prepare_cached(
        "select exists (select 1 from users
             where substr(password_hash, 1, 18) = '$pbkdf2-reference$')",
    )?
    .query_row([], |row| row.get(0))
}

/// That an account has signed in from an address in the time that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// From where.
    pub ip: IpAddr,
    /// Who.
    pub user_id: i64,
    /// What the account is called.
    pub username: String,
    /// Whether the account is in use and lets its activity be linked.
    pub is_eligible: bool,
}

/// What belongs to one household: an IPv4 address itself, or the /64 of an IPv6 one.
pub fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// What belongs to one customer of a provider, as rate limits have it: the /24 of an IPv4 address,
/// or the /56 of an IPv6 one.
pub fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("{}/24", Ipv4Addr::from_bits(ip.to_bits() >> 8 << 8)),
        IpAddr::V6(ip) => format!("{}/56", Ipv6Addr::from_bits(ip.to_bits() >> 72 << 72)),
    }
}

/// Who has signed in since then from the households of these addresses.
///
/// # Errors
/// When the database cannot be read.
pub fn sign_ins(conn: &Connection, ips: &[IpAddr], since: i64) -> Result<Vec<SignIn>> {
    let households: BTreeSet<_> = ips.iter().map(|ip| household(*ip)).collect();
    let mut statement = conn.prepare_cached(
        "select distinct h.ip, u.user_id, u.username,
             u.link_torrent_activity and not u.is_disabled
         from login_history h join users u using (user_id)
         where h.household = ?1 and h.logged_in_at >= ?2",
    )?;
    let mut found = Vec::new();
    for household in households {
        let mut rows = statement.query(params![household.to_string(), since])?;
        while let Some(row) = rows.next()? {
            let ip: String = row.get(0)?;
            let Ok(ip) = ip.parse() else { continue };
            let (user_id, username, is_eligible) = (row.get(1)?, row.get(2)?, row.get(3)?);
            found.push(SignIn { ip, user_id, username, is_eligible });
        }
    }
    Ok(found)
}

/// Writes a successful sign-in down; of each account the newest 20 are kept.
///
/// # Errors
/// When the database cannot be written.
pub fn signed_in(conn: &Connection, user_id: i64, ip: IpAddr, now: i64) -> Result<()> {
    conn.prepare_cached(
        "update users set last_login_at = ?2, last_seen_at = ?2, login_count = login_count + 1
         where user_id = ?1",
    )?
    .execute(params![user_id, now])?;
    conn.prepare_cached(
        "insert into login_history (user_id, ip, household, network, logged_in_at)
         values (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![user_id, ip.to_string(), household(ip).to_string(), network(ip), now])?;
    conn.prepare_cached(
        "delete from login_history where user_id = ?1 and login_id not in (
             select login_id from login_history where user_id = ?1
             order by logged_in_at desc, login_id desc limit 20)",
    )?
    .execute([user_id])?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::db::migrations;

    /// An empty database with all tables.
    pub(crate) fn open() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("pragma foreign_keys = on").unwrap();
        migrations::run(&mut conn).unwrap();
        conn
    }

    /// Makes an account with a password that fits nothing.
    pub(crate) fn add(conn: &Connection, username: &str, role: Role) -> i64 {
        insert(conn, &NewUser { role, ..named(username) }).unwrap().unwrap()
    }

    fn named(username: &str) -> NewUser<'_> {
        NewUser {
            username,
            password_hash: "-",
            role: Role::Basic,
            created_how: "self",
            created_by: None,
            now: 1,
        }
    }

    #[test]
    fn name_is_taken_in_whatever_case_and_the_next_write_works() {
        let conn = open();
        let ann = add(&conn, "Ann", Role::Basic);
        assert_eq!(insert(&conn, &named("aNN")).unwrap(), None);
        assert_eq!(by_name(&conn, "ANN").unwrap().unwrap().user_id, ann);
        add(&conn, "ben", Role::Basic);
    }

    #[test]
    fn there_is_one_owner_and_no_id_is_used_twice() {
        let conn = open();
        let owner_id = add(&conn, "owner", Role::Super);
        assert_eq!(owner(&conn).unwrap().unwrap().user_id, owner_id);
        let second = conn.execute("update users set role = 3 where role = 0", []);
        assert_eq!(second.unwrap(), 0);
        let ann = add(&conn, "ann", Role::Basic);
        assert!(conn.execute("update users set role = 3 where user_id = ?1", [ann]).is_err());
        conn.execute("delete from users where user_id = ?1", [ann]).unwrap();
        assert_eq!(insert(&conn, &named("ANN")).unwrap(), None, "nobody is taken for another");
        assert!(add(&conn, "ben", Role::Basic) > ann);
    }

    #[test]
    fn twenty_sign_ins_are_kept() {
        let conn = open();
        let ann = add(&conn, "ann", Role::Basic);
        for now in 0..25 {
            signed_in(&conn, ann, "192.0.2.1".parse().unwrap(), now).unwrap();
        }
        let sql = "select count(*), min(logged_in_at) from login_history";
        let kept: (i64, i64) =
            conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(kept, (20, 5));
        let user = find(&conn, ann).unwrap().unwrap();
        assert_eq!((user.login_count, user.last_login_at), (25, Some(24)));
    }
}
