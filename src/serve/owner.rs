//! The account of whoever owns the members' site, made at the first start.

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;

use crate::clock;
use crate::config;
use crate::db::events::{self, Event};
use crate::db::settings::Settings;
use crate::db::users::{self, NewUser, Role};
use crate::db::{self, Database, sessions};
use crate::site::password;

/// Times that a password is asked for.
const ATTEMPTS: usize = 5;

/// Why there is no owner.
#[derive(Debug)]
pub enum OwnerError {
    /// The database belongs to somebody else.
    Another(String),
    /// The name is that of an account which does not own the site.
    Taken(String),
    /// Nobody can be asked for a password, and none was given.
    NoPassword(String),
    /// The password that was given does not keep the rules, which it tells.
    Weak(String),
    /// The terminal, or the system's randomness, is gone.
    Unasked(String),
    /// The database cannot be used.
    Database(db::Error),
}

impl From<db::Error> for OwnerError {
    fn from(error: db::Error) -> OwnerError {
        OwnerError::Database(error)
    }
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnerError::Another(owner) => write!(
                f,
                "the owner of this database is {owner}: start with --super-user {owner}, or with \
                 another --db"
            ),
            OwnerError::Taken(name) => write!(
                f,
                "{name} is a member already, and this database has no owner: choose another name \
                 for --super-user"
            ),
            OwnerError::NoPassword(name) => write!(
                f,
                "the account {name} is to be made and needs a password: start once from a \
                 terminal, or name a file with --super-user-password-file, or set \
                 WILDKAT_SUPER_USER_PASSWORD"
            ),
            OwnerError::Weak(lacks) => write!(f, "the owner's password is refused. {lacks}"),
            OwnerError::Unasked(fault) => write!(f, "the password cannot be asked for: {fault}"),
            OwnerError::Database(error) => write!(f, "the owner cannot be looked up: {error}"),
        }
    }
}

/// Makes the account, unless it is there.
///
/// # Errors
/// [`OwnerError`]; nothing has changed then.
pub fn ensure(database: &Database, config: &config::Members) -> Result<(), OwnerError> {
    let name = &config.owner;
    let look = |conn: &db::Connection| -> db::Result<_> {
        Ok((users::owner(conn)?, users::by_name(conn, name)?, Settings::load(conn)?))
    };
    let (owner, namesake, settings) = database.read_now(look)?;
    match (owner, namesake) {
        (Some(owner), _) if owner.username.eq_ignore_ascii_case(name) => return Ok(()),
        (Some(owner), _) => return Err(OwnerError::Another(owner.username)),
        (None, Some(namesake)) => return Err(OwnerError::Taken(namesake.username)),
        (None, None) => {}
    }
    let password = match &config.owner_password {
        Some(password) => {
            password::check(&settings, password).map_err(OwnerError::Weak)?;
            password.clone()
        }
        None if std::io::stdin().is_terminal() => {
            ask(&format!("A password for {name}, who will own the members' site: "), &settings)?
        }
        None => return Err(OwnerError::NoPassword(name.clone())),
    };
    let no_randomness = || OwnerError::Unasked("the system gives no randomness".to_owned());
    let password_hash = password::hash(&password).ok_or_else(no_randomness)?;
    let now = clock::unix_secs().cast_signed();
    database.write_now(|tx| -> db::Result<()> {
        let new = NewUser {
            username: name,
            password_hash: &password_hash,
            role: Role::Super,
            created_how: "cli",
            created_by: None,
            now,
        };
        users::insert(tx, &new)?;
        let event = Event { actor: "cli", action: "create_user", target: name, ..Event::default() };
        events::insert(tx, now, &event)
    })?;
    tracing::info!("the account of the owner, {name}, is made");
    Ok(())
}

/// Gives an account another password, asked for at the terminal unless `given`. Its sessions end,
/// and it may sign in from everywhere again. A server may be using the database meanwhile.
///
/// # Errors
/// Why not; nothing has changed then.
pub fn set_password(db: &Path, name: &str, given: Option<String>) -> Result<(), String> {
    if !db.is_file() {
        return Err(format!("there is no database {}: name it with --db", db.display()));
    }
    let database = Database::open(db).map_err(|error| error.to_string())?;
    let look = |conn: &db::Connection| -> db::Result<_> {
        Ok((users::by_name(conn, name)?, Settings::load(conn)?))
    };
    let failed = |error: db::Error| format!("the database cannot be used: {error}");
    let (user, settings) = database.read_now(look).map_err(failed)?;
    let user = user.ok_or_else(|| format!("nobody is called {name}"))?;
    let password = match given {
        Some(password) => {
            password::check(&settings, &password)?;
            password
        }
        None if std::io::stdin().is_terminal() => {
            ask(&format!("A new password for {}: ", user.username), &settings)
                .map_err(|error| error.to_string())?
        }
        None => return Err("name a file with --password-file, or use a terminal".to_owned()),
    };
    let hash = password::hash(&password).ok_or("the system gives no randomness")?;
    let now = clock::unix_secs().cast_signed();
    let work = |tx: &db::Transaction<'_>| -> db::Result<()> {
        users::set_password(tx, user.user_id, &hash, now)?;
        sessions::end_all(tx, user.user_id, None)?;
        let event = Event {
            actor: "cli",
            action: "change_password",
            target: &user.username,
            ..Event::default()
        };
        events::insert(tx, now, &event)
    };
    database.write_now(work).map_err(failed)
}

/// Has a new password typed twice, until both are the same and keep the rules.
fn ask(prompt: &str, settings: &Settings) -> Result<String, OwnerError> {
    let read = |prompt: String| {
        rpassword::prompt_password(prompt).map_err(|error| OwnerError::Unasked(error.to_string()))
    };
    for _ in 0..ATTEMPTS {
        let password = read(prompt.to_owned())?;
        if let Err(lacks) = password::check(settings, &password) {
            eprintln!("{lacks}");
        } else if read("The same again: ".to_owned())? == password {
            return Ok(password);
        } else {
            eprintln!("These are not the same.");
        }
    }
    Err(OwnerError::Unasked("no password was chosen".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(owner: &str, password: Option<&str>) -> config::Members {
        config::Members {
            db: "unused".into(),
            owner: owner.to_owned(),
            owner_password: password.map(str::to_owned),
            https_port: None,
            http_port: None,
        }
    }

    #[test]
    fn owner_is_made_once_and_is_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("site.db")).unwrap();
        let fault = |config| ensure(&database, &config).unwrap_err().to_string();
        assert!(fault(config("root", Some("short"))).contains("at least 12"));
        ensure(&database, &config("root", Some("Correct-Horse-9!"))).unwrap();
        ensure(&database, &config("ROOT", None)).unwrap();
        assert!(fault(config("ann", None)).contains("--super-user root"));
        let sql = |conn: &db::Connection| users::owner(conn);
        let owner = database.read_now(sql).unwrap().unwrap();
        assert_eq!((owner.username.as_str(), owner.role), ("root", Role::Super));
        let kept = |conn: &db::Connection| users::password_hash(conn, owner.user_id);
        let kept = database.read_now(kept).unwrap();
        assert_eq!(password::verify("Correct-Horse-9!", &kept), password::Verdict::Right);
    }

    #[test]
    fn member_does_not_become_the_owner_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("site.db")).unwrap();
        let add = |tx: &db::Transaction<'_>| {
            let new = NewUser {
                username: "ann",
                password_hash: "-",
                role: Role::Basic,
                created_how: "self",
                created_by: None,
                now: 1,
            };
            users::insert(tx, &new)
        };
        database.write_now(add).unwrap();
        let fault = ensure(&database, &config("Ann", Some("Correct-Horse-9!"))).unwrap_err();
        assert!(matches!(fault, OwnerError::Taken(name) if name == "ann"));
    }
}
