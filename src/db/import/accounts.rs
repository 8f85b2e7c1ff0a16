//! Accounts and what is their own: sign-ins, networks, invitations, days of awards, follows.

use std::net::IpAddr;

use ipnet::IpNet;
use rusqlite::{Result, params};

use super::source::Record;
use super::times::day;
use super::{Import, ImportError, each};
use crate::db::names::{NAME_CHARS_MAX, check_name, is_name};
use crate::db::users::{Role, household, network};

const USERS: &[&str] = &[
    "id",
    "username",
    "password_hash",
    "salt",
    "is_admin",
    "is_standard",
    "is_locked",
    "is_disabled",
    "created_by",
    "created_at",
    "last_login",
    "login_count",
    "last_password_change",
    "allow_dms",
    "show_online",
    "bounty_alerts",
    "allow_follow_visibility",
    "gravatar_opt_in",
    "gravatar_hash",
    "last_seen",
    "login_streak",
    "longest_streak",
    "last_login_date",
    "comment_pts_date",
    "comment_pts_today",
];
/// Sign-ins of an account that are kept.
const SIGN_INS_MAX: u32 = 20;
/// How long it may take to come by an invitation.
const COMING_SECS: i64 = 60;
/// Names that are tried before one is made of the id.
const TRIES_MAX: u32 = 50;
/// Collisions of names that are told at once.
const COLLISIONS_MAX: usize = 50;

pub(super) fn import(import: &mut Import<'_>) -> std::result::Result<(), ImportError> {
    let owner = owner(import)?;
    // Those who can keep their names come first, so that nobody is given somebody else's.
    let collisions = import_users(import, owner, Pass::Keeping)?;
    if !collisions.is_empty() && !import.request.renames_collisions {
        return Err(ImportError::Collisions(collisions));
    }
    import_users(import, owner, Pass::Renaming)?;
    let sessions = import.from.count("sessions")?;
    import.report.read("sessions", sessions);
    import_sign_ins(import)?;
    import_networks(import)?;
    import_invites(import)?;
    import_follows(import)?;
    Ok(())
}

/// Which accounts are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Keeping,
    Renaming,
}

/// The id of the account that is to own the site: of this very name, or the only one in other case.
fn owner(import: &Import<'_>) -> std::result::Result<Option<i64>, ImportError> {
    let Some(name) = import.request.super_user else { return Ok(None) };
    let ids: Vec<(i64, bool)> = import
        .to
        .prepare(
            "select user_id, name = ?1 is_it from imported_names
             where lower(name) = lower(?1) and user_id is not null order by is_it desc limit 2",
        )?
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_>>()?;
    match ids[..] {
        [(id, true), ..] | [(id, false)] => Ok(Some(id)),
        _ => Err(ImportError::NoSuchSuper(name.to_owned())),
    }
}

/// Adds accounts. Gives names that are those of two but for case, of whom the later was not added.
fn import_users(import: &mut Import<'_>, owner: Option<i64>, pass: Pass) -> Result<Vec<String>> {
    let from = import.from;
    let mut collisions = Vec::new();
    if let (Pass::Keeping, Some(owner)) = (pass, owner) {
        // First of all, so that of names that are the same the owner keeps it.
        from.each("users", USERS, |row| {
            if row.id() == Some(owner) { add(import, row, true, pass).map(drop) } else { Ok(()) }
        })?;
    }
    let rows = from.each("users", USERS, |row| {
        let Some(user_id) = row.id() else {
            if pass == Pass::Renaming {
                import.report.note("users", "left out: no id that can be", row.int("id"));
            }
            return Ok(());
        };
        if import.username(user_id)?.is_none() {
            let namesake = add(import, row, owner == Some(user_id), pass)?;
            collisions.extend(namesake.filter(|_| collisions.len() < COLLISIONS_MAX));
        }
        Ok(())
    })?;
    if pass == Pass::Keeping {
        import.report.rows("users", rows);
    }
    Ok(collisions)
}

/// Adds an account under its name; where that cannot be, in the second pass under another. Gives
/// its name and that of somebody else, where they are the same but for case.
fn add(
    import: &mut Import<'_>,
    row: &Record<'_>,
    is_owner: bool,
    pass: Pass,
) -> Result<Option<String>> {
    let (user_id, name) = (row.int("id"), row.text("username"));
    let is_fit = if is_owner { is_name(&name) } else { check_name(&name).is_ok() };
    if pass == Pass::Renaming {
        let mut tried = 2;
        let other = loop {
            let other = other_name(&name, user_id, tried);
            if insert(import, row, &other, is_owner)? {
                break other;
            }
            tried += 1;
        };
        let what = if is_fit {
            "renamed: another account has the name in other case"
        } else {
            "renamed: the name is kept back, or not made as names are"
        };
        import.report.note("users", what, format!("{name:?} is {other}"));
    } else if !is_fit {
        return Ok(None);
    } else if !insert(import, row, &name, is_owner)? {
        let namesake = import
            .to
            .prepare_cached("select username from users where username = ?1")?
            .query_row([&name], |row| row.get::<_, String>(0))?;
        return Ok(Some(format!("{namesake}, {name}")));
    }
    tell_of(import, row).map(|()| None)
}

/// Another name like one that cannot be had: `bob-2` for `bob`, `member-system` for `system`,
/// `member-7` where nothing of it can be used.
fn other_name(name: &str, user_id: i64, tried: u32) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
    let kept: String = name.chars().filter(fine).collect();
    let kept = kept.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let kept = &kept[..kept.len().min(NAME_CHARS_MAX)];
    let end = format!("-{tried}");
    let base = match (kept.is_empty() || tried > TRIES_MAX, check_name(kept)) {
        (true, _) => format!("member-{user_id}"),
        (false, Ok(())) => kept.to_owned(),
        (false, Err(_)) => format!("member-{kept}"),
    };
    // The first try of a name that nobody else wants needs no number.
    let is_plain = tried == 2 && base != name;
    let end = if is_plain { "" } else { &end };
    let cut: String = base.chars().take(NAME_CHARS_MAX - end.len()).collect();
    format!("{cut}{end}")
}

/// Adds an account under a name; tells whether nobody has it yet.
fn insert(import: &Import<'_>, row: &Record<'_>, name: &str, is_owner: bool) -> Result<bool> {
    let role = match (is_owner, row.is("is_admin", false), row.is("is_standard", false)) {
        (true, _, _) => Role::Super,
        (_, true, _) => Role::Admin,
        (_, _, true) => Role::Standard,
        _ => Role::Basic,
    };
    let created_at = row.time("created_at").or_else(|| row.time("last_login"));
    let created_by = row.text("created_by");
    let (created_how, creator) = match (&*created_by, created_by.strip_prefix("invite:")) {
        (_, Some(inviter)) => ("invite", inviter),
        (how @ ("self" | "cli"), _) => (how, ""),
        ("", _) => ("import", ""),
        (creator, _) => ("staff", creator),
    };
    // It may be among those to come.
    let creator = import.account(creator, created_at)?;
    let inserted = import
        .to
        .prepare_cached(
            "insert into users (user_id, username, password_hash, role, is_disabled, created_how,
                 created_by, created_at, last_login_at, login_count, last_seen_at,
                 password_changed_at, allow_dms, show_online, bounty_alerts,
                 allow_follow_visibility, gravatar_opt_in, gravatar_hash)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                 ?18)
             on conflict (username) do nothing",
        )?
        .execute(params![
            row.int("id"),
            name,
            password_hash(row).unwrap_or_else(|| UNUSABLE.to_owned()),
            role,
            row.is("is_disabled", false) && !is_owner,
            created_how,
            creator,
            created_at.unwrap_or_default(),
            row.time("last_login"),
            row.int("login_count").max(0),
            row.time("last_seen"),
            row.time("last_password_change"),
            row.is("allow_dms", true),
            row.is("show_online", true),
            row.is("bounty_alerts", true),
            row.is("allow_follow_visibility", true),
            row.is("gravatar_opt_in", false) && gravatar_hash(row).is_some(),
            gravatar_hash(row),
        ])?;
    Ok(inserted == 1)
}

/// A hash that is of no password.
const UNUSABLE: &str = "!";

/// The hash of a password as `site::password` reads it; `None` where the source has none.
fn password_hash(row: &Record<'_>) -> Option<String> {
    let (salt, hash) = (row.text("salt"), row.text("password_hash").to_ascii_lowercase());
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_salt = (1..=256).contains(&salt.len())
        && salt.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'$');
    (is_hash && is_salt).then(|| format!("$pbkdf2-reference${salt}${hash}"))
}

/// The hash of an address of e-mail, if it is the kind that we use.
fn gravatar_hash(row: &Record<'_>) -> Option<String> {
    let hash = row.text("gravatar_hash").to_ascii_lowercase();
    let is_sha256 = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sha256.then_some(hash)
}

/// What an account has beside its row, and what is to be known of it.
fn tell_of(import: &mut Import<'_>, row: &Record<'_>) -> Result<()> {
    let (user_id, name) = (row.int("id"), row.text("username"));
    import.report.kept("users");
    let mut note = |what: &'static str| import.report.note("users", what, &name);
    if password_hash(row).is_none() {
        note("has no password that can be checked: `wildkat admin set-password` gives it one");
    }
    if row.is("is_locked", false) {
        note("was locked after wrong passwords, and is not any more");
    }
    if row.time("created_at").is_none() {
        note("has no time of its making that can be read");
    }
    if row.is("gravatar_opt_in", false) && gravatar_hash(row).is_none() {
        note("has to enter the address for Gravatar again: its hash was of the old kind");
    }
    let date = |column: &str| day(&row.text(column));
    let count = |column: &str| row.int(column).max(0);
    import
        .to
        .prepare_cached(
            "insert into daily_awards (user_id, last_login_day, login_streak, longest_streak,
                 comment_day, comment_points)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            user_id,
            date("last_login_date"),
            count("login_streak"),
            count("longest_streak").max(count("login_streak")),
            date("comment_pts_date"),
            count("comment_pts_today"),
        ])?;
    Ok(())
}

fn import_sign_ins(import: &mut Import<'_>) -> Result<()> {
    each!(import, "login_history", &["user_id", "ip_address", "logged_in_at"], |row| {
        let (user_id, ip) = (row.int("user_id"), row.text("ip_address"));
        let Some(name) = import.username(user_id)? else {
            import.report.note("login_history", "left out: of an account that is gone", "");
            return Ok(());
        };
        let (Ok(ip), Some(at)) = (ip.trim().parse::<IpAddr>(), row.time("logged_in_at")) else {
            let told = format!("{name}: {ip:?} at {:?}", row.text("logged_in_at"));
            import.report.note("login_history", "left out: no address, or no time", told);
            return Ok(());
        };
        let ip = ip.to_canonical();
        import
            .to
            .prepare_cached(
                "insert into login_history (user_id, ip, household, network, logged_in_at)
                 values (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                user_id,
                ip.to_string(),
                household(ip).to_string(),
                network(ip),
                at
            ])?;
        import.report.kept("login_history");
        Ok(())
    });
    import.to.execute(
        "delete from login_history where login_id in (
             select login_id from (
                 select login_id, row_number() over (
                     partition by user_id order by logged_in_at desc, login_id desc) place
                 from login_history)
             where place > ?1)",
        [SIGN_INS_MAX],
    )?;
    Ok(())
}

fn import_networks(import: &mut Import<'_>) -> Result<()> {
    each!(import, "ip_allowlist", &["user_id", "ip_address", "added_at", "added_by"], |row| {
        let (user_id, ip, at) = (row.int("user_id"), row.text("ip_address"), row.time("added_at"));
        let Some(name) = import.username(user_id)? else {
            import.report.note("ip_allowlist", "left out: of an account that is gone", "");
            return Ok(());
        };
        let alone = ip.trim().parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical()));
        let Ok(network) = alone.or_else(|_| ip.trim().parse::<IpNet>().map(|net| net.trunc()))
        else {
            let told = format!("{name}: {ip:?}");
            import.report.note("ip_allowlist", "left out: no address", told);
            return Ok(());
        };
        let by = import.person(&row.text("added_by"), at)?;
        let added = import
            .to
            .prepare_cached(
                "insert into ip_allowlist (user_id, network, added_by, added_at)
                 values (?1, ?2, ?3, ?4) on conflict do nothing",
            )?
            .execute(params![user_id, network.to_string(), by.user_id, at.unwrap_or_default()])?;
        match added {
            0 => import.report.note("ip_allowlist", "left out: it is there already", name),
            _ => import.report.kept("ip_allowlist"),
        }
        Ok(())
    });
    Ok(())
}

fn import_invites(import: &mut Import<'_>) -> Result<()> {
    let columns =
        &["code", "created_by_username", "created_at", "consumed_at", "consumed_by_username"];
    each!(import, "invite_codes", columns, |row| {
        let (code, created_at) = (row.text("code"), row.time("created_at"));
        let creator = import.person(&row.text("created_by_username"), created_at)?;
        let consumer = row.text("consumed_by_username");
        let consumed_at = row.time("consumed_at");
        let is_consumed = consumed_at.is_some() || !consumer.is_empty();
        let consumed_at = consumed_at.or(created_at.filter(|_| is_consumed));
        // Whoever comes by an invitation exists from a moment after it is looked at.
        let come_at = consumed_at.map(|at| at.saturating_add(COMING_SECS));
        let consumer = import.person(&consumer, come_at)?;
        let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if code.len() != 43 || !code.bytes().all(is_code) {
            import.report.note("invite_codes", "left out: no code of an invitation", creator.name);
            return Ok(());
        }
        let added = import
            .to
            .prepare_cached(
                "insert into invites (code, created_by, created_at, consumed_at, consumed_by)
                 values (?1, ?2, ?3, ?4, ?5) on conflict do nothing",
            )?
            .execute(params![
                code,
                creator.user_id,
                created_at.unwrap_or_default(),
                consumed_at.or(is_consumed.then_some(0)),
                consumer.user_id
            ])?;
        if added == 1 {
            import.report.kept("invite_codes");
        }
        Ok(())
    });
    Ok(())
}

fn import_follows(import: &mut Import<'_>) -> Result<()> {
    let columns = &["follower_user_id", "followed_user_id", "created_at"];
    each!(import, "user_follows", columns, |row| {
        let [follower, other] = ["follower_user_id", "followed_user_id"].map(|name| row.int(name));
        let are_there = import.username(follower)?.is_some() && import.username(other)?.is_some();
        if !are_there || follower == other {
            let what = "left out: of an account that is gone, or of one and the same";
            import.report.note("user_follows", what, "");
            return Ok(());
        }
        let added = import
            .to
            .prepare_cached(
                "insert into follows (follower_id, followed_id, followed_at) values (?1, ?2, ?3)
                 on conflict do nothing",
            )?
            .execute([follower, other, row.time("created_at").unwrap_or_default()])?;
        if added == 1 {
            import.report.kept("user_follows");
        }
        Ok(())
    });
    Ok(())
}
