//! Whether a password is somebody's, without letting anybody find out by trying.

use std::net::IpAddr;

use super::throttle::{PASSWORDS, SIGN_INS};
use crate::clock;
use crate::db::events::{self, Event};
use crate::db::users::{self, User};
use crate::db::{self, allowlist, login_failures};
use crate::site::Error;
use crate::site::gate::is_allowed;
use crate::site::members::Members;
use crate::site::password::Verdict;
use crate::site::session::Member;

/// What was found.
#[derive(Debug)]
pub enum Checked {
    /// It is the password of this account, which may be used.
    Right(Box<User>),
    /// It is not, or there is no such account, or it may not be used.
    Wrong,
    /// It was not looked at; in so many seconds it will be.
    Wait(u64),
}

/// Looks at a password for a name, typed at an address. Whatever there is of that name, the answer
/// takes as long. A try is counted before it is looked at, so that many at once are no more than
/// one after the other, and taken back when it was right; of an account with a second factor only
/// once that was right too, by [`forgive`].
///
/// # Errors
/// When the database cannot be used.
pub async fn check(
    members: &Members,
    name: &str,
    password: &str,
    ip: IpAddr,
) -> Result<Checked, Error> {
    let now = clock::unix_secs().cast_signed();
    let network = users::network(ip);
    if let Some(secs) = members.throttle.wait(&network, SIGN_INS, now) {
        return Ok(Checked::Wait(secs));
    }
    let (typed, from) = (name.to_owned(), network.clone());
    let work = move |tx: &db::Transaction<'_>| begin(tx, &typed, &from, now);
    let begun = match members.database.write(work).await? {
        Begun::Locked(until) => return Ok(Checked::Wait(until.abs_diff(now))),
        // A name that nobody has is counted in memory, and is no different.
        Begun::Nobody => {
            let key = format!("{network} {}", name.to_ascii_lowercase());
            if let Err(secs) = members.throttle.try_once(key, PASSWORDS, now) {
                return Ok(Checked::Wait(secs));
            }
            None
        }
        Begun::Known(known) => Some(known),
    };
    let kept = begun.as_ref().map(|known| known.kept.clone());
    let verdict = members.hashing.verify(password.to_owned(), kept).await;
    let known = begun.filter(|_| verdict != Verdict::Wrong);
    let Some(known) = known.filter(|known| !known.user.is_disabled) else {
        members.throttle.count(network.clone(), SIGN_INS, now);
        refused(members, name, network, ip, "login_failed").await?;
        return Ok(Checked::Wrong);
    };
    if !is_allowed(&known.allowed, ip) {
        refused(members, name, network, ip, "login_ip_blocked").await?;
        return Ok(Checked::Wrong);
    }
    let anew = match verdict {
        Verdict::RightButOld => members.hashing.hash(password.to_owned()).await,
        Verdict::Right | Verdict::Wrong => None,
    };
    let (user_id, has_totp) = (known.user.user_id, known.user.has_totp);
    let right = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        if let Some(anew) = anew {
            users::rehash(tx, user_id, &anew)?;
        }
        if has_totp { Ok(()) } else { login_failures::clear(tx, user_id, Some(&network)).map(drop) }
    };
    members.database.write(right).await?;
    Ok(Checked::Right(Box::new(known.user)))
}

/// Takes the tries from a network back, for an account whose second factor was right.
///
/// # Errors
/// When the database cannot be written.
pub fn forgive(tx: &db::Transaction<'_>, user_id: i64, ip: IpAddr) -> db::Result<()> {
    login_failures::clear(tx, user_id, Some(&users::network(ip))).map(drop)
}

/// Counts a try of an account's second factor; seconds until there is one when there is none.
///
/// # Errors
/// When the database cannot be written.
pub fn count(
    tx: &db::Transaction<'_>,
    user_id: i64,
    ip: IpAddr,
    now: i64,
) -> db::Result<Option<u64>> {
    let network = users::network(ip);
    if let Some(until) = login_failures::locked_until(tx, user_id, &network, now)? {
        return Ok(Some(until.abs_diff(now)));
    }
    login_failures::note(tx, user_id, &network, now)?;
    Ok(None)
}

/// What there is of a name, once the try is counted.
enum Begun {
    Nobody,
    Locked(i64),
    Known(Box<Known>),
}

struct Known {
    user: User,
    kept: String,
    allowed: Vec<String>,
}

fn begin(tx: &db::Transaction<'_>, name: &str, network: &str, now: i64) -> db::Result<Begun> {
    let Some(user) = users::by_name(tx, name)? else { return Ok(Begun::Nobody) };
    if let Some(until) = login_failures::locked_until(tx, user.user_id, network, now)? {
        return Ok(Begun::Locked(until));
    }
    login_failures::note(tx, user.user_id, network, now)?;
    let kept = users::password_hash(tx, user.user_id)?;
    let allowed = allowlist::of(tx, user.user_id)?.into_iter().map(|entry| entry.network).collect();
    Ok(Begun::Known(Box::new(Known { user, kept, allowed })))
}

/// Writes down that a try was refused, and that its network is locked if it was the one too many.
async fn refused(
    members: &Members,
    name: &str,
    network: String,
    ip: IpAddr,
    action: &'static str,
) -> Result<(), Error> {
    let (name, ip) = (name.to_owned(), ip.to_string());
    let work = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        let now = clock::unix_secs().cast_signed();
        let actor = if name.is_empty() { "(unknown)" } else { &name };
        events::insert(tx, now, &Event { actor, action, ip: &ip, ..Event::default() })?;
        let Some(user) = users::by_name(tx, &name)? else { return Ok(()) };
        if let Some(until) = login_failures::locked_until(tx, user.user_id, &network, now)? {
            let locked = Event {
                actor: "system",
                action: "lock_user",
                target: &user.username,
                detail: &format!("for one network, {} minutes", (until - now).div_euclid(60)),
                ip: &ip,
                ..Event::default()
            };
            events::insert(tx, now, &locked)?;
        }
        Ok(())
    };
    members.database.write(work).await.map_err(Error::from)
}

/// Whether what was typed is the password of whoever is signed in; before something dangerous.
///
/// # Errors
/// [`Error::TooMany`] after too many wrong ones, or the database cannot be used.
pub async fn password_is_right(
    members: &Members,
    member: &Member,
    typed: &str,
) -> Result<bool, Error> {
    match check(members, member.username(), typed, member.ip).await? {
        Checked::Wait(secs) => Err(Error::TooMany(secs)),
        Checked::Wrong => Ok(false),
        Checked::Right(_) => {
            // Its second factor, where it has one, this session has shown.
            let (user_id, ip) = (member.user_id(), member.ip);
            let clear = move |tx: &db::Transaction<'_>| forgive(tx, user_id, ip);
            members.database.write(clear).await?;
            Ok(true)
        }
    }
}
