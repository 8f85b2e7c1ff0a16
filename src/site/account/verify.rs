//! Whether a password is somebody's, without letting anybody find out by trying.

use std::net::IpAddr;

use super::throttle::SIGN_INS;
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

/// Looks at a password for a name, typed at an address. Whatever there is of that name, the same is
/// done, so that neither the answer nor its time tells. A try is counted before it is looked at, so
/// that many at once are no more than one after the other, and taken back when it was right; of an
/// account with a second factor only once that was right too, by [`forgive`].
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
    if let Err(secs) = members.throttle.try_once(network.clone(), SIGN_INS, now) {
        return Ok(Checked::Wait(secs));
    }
    let (typed, from) = (name.to_owned(), network.clone());
    let work = move |tx: &db::Transaction<'_>| begin(tx, &typed, &from, now);
    let begun = match members.database.write(work).await? {
        Ok(begun) => begun,
        Err(until) => {
            members.throttle.take_back(&network);
            return Ok(Checked::Wait(until.abs_diff(now)));
        }
    };
    let kept = begun.known.as_ref().map(|known| known.kept.clone());
    let verdict = members.hashing.verify(password.to_owned(), kept, begun.any_old_hash).await;
    let known = begun.known.filter(|_| verdict != Verdict::Wrong);
    let Some(known) = known.filter(|known| !known.user.is_disabled) else {
        refused(members, name, network, ip, "login_failed").await?;
        return Ok(Checked::Wrong);
    };
    if !is_allowed(&known.allowed, ip) {
        refused(members, name, network, ip, "login_ip_blocked").await?;
        return Ok(Checked::Wrong);
    }
    members.throttle.take_back(&network);
    let anew = match verdict {
        Verdict::RightButOld => members.hashing.hash(password.to_owned()).await,
        Verdict::Right | Verdict::Wrong => None,
    };
    let (user_id, has_totp) = (known.user.user_id, known.user.has_totp);
    let name = name.to_owned();
    let right = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        if let Some(anew) = anew {
            users::rehash(tx, user_id, &anew)?;
        }
        if has_totp { Ok(()) } else { forgive(tx, &name, ip) }
    };
    members.database.write(right).await?;
    Ok(Checked::Right(Box::new(known.user)))
}

/// Takes the tries from a network back, for an account whose second factor was right.
///
/// # Errors
/// When the database cannot be written.
pub fn forgive(tx: &db::Transaction<'_>, name: &str, ip: IpAddr) -> db::Result<()> {
    login_failures::clear(tx, name, Some(&users::network(ip))).map(drop)
}

/// Counts a try of an account's second factor; seconds until there is one when there is none.
///
/// # Errors
/// When the database cannot be written.
pub fn count(
    tx: &db::Transaction<'_>,
    name: &str,
    ip: IpAddr,
    now: i64,
) -> db::Result<Option<u64>> {
    let locked = note(tx, name, &users::network(ip), now)?;
    Ok(locked.err().map(|until| until.abs_diff(now)))
}

/// Counts a try, unless its network is locked: until when, then.
fn note(
    tx: &db::Transaction<'_>,
    name: &str,
    network: &str,
    now: i64,
) -> db::Result<Result<(), i64>> {
    if let Some(until) = login_failures::locked_until(tx, name, network, now)? {
        return Ok(Err(until));
    }
    login_failures::note(tx, name, network, now)?;
    Ok(Ok(()))
}

/// What there is to be looked at, once the try is counted.
struct Begun {
    known: Option<Box<Known>>,
    any_old_hash: bool,
}

struct Known {
    user: User,
    kept: String,
    allowed: Vec<String>,
}

/// Counts a try and fetches what it is for, or tells until when none is looked at.
fn begin(
    tx: &db::Transaction<'_>,
    name: &str,
    network: &str,
    now: i64,
) -> db::Result<Result<Begun, i64>> {
    if let Err(until) = note(tx, name, network, now)? {
        return Ok(Err(until));
    }
    let known = match users::by_name(tx, name)? {
        None => None,
        Some(user) => {
            let kept = users::password_hash(tx, user.user_id)?;
            let allowed = allowlist::of(tx, user.user_id)?;
            let allowed = allowed.into_iter().map(|entry| entry.network).collect();
            Some(Box::new(Known { user, kept, allowed }))
        }
    };
    Ok(Ok(Begun { known, any_old_hash: users::any_old_hash(tx)? }))
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
        if let Some(until) = login_failures::locked_until(tx, &name, &network, now)? {
            let locked = Event {
                actor: "system",
                action: "lock_user",
                target: &name,
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
            let (name, ip) = (member.username().to_owned(), member.ip);
            let clear = move |tx: &db::Transaction<'_>| forgive(tx, &name, ip);
            members.database.write(clear).await?;
            Ok(true)
        }
    }
}
