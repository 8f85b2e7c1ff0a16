//! Whether a password is somebody's, without letting anybody find out by trying.

use std::net::IpAddr;

use super::throttle::{PASSWORDS, SIGN_INS};
use crate::clock;
use crate::db::events::{self, Event};
use crate::db::users::{self, User};
use crate::db::{self, login_failures, sessions};
use crate::site::Error;
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
/// takes as long and is counted the same.
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
    let key = format!("{network} {}", name.to_ascii_lowercase());
    let throttle = &members.throttle;
    let wait = throttle.wait(&network, SIGN_INS, now).or(throttle.wait(&key, PASSWORDS, now));
    if let Some(secs) = wait {
        return Ok(Checked::Wait(secs));
    }
    let (typed, from) = (name.to_owned(), network.clone());
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let Some(user) = users::by_name(conn, &typed)? else { return Ok(None) };
        let locked = login_failures::locked_until(conn, user.user_id, &from, now)?;
        Ok(Some((users::password_hash(conn, user.user_id)?, user, locked)))
    };
    let found = members.database.read(look).await?;
    if let Some((_, _, Some(until))) = &found {
        return Ok(Checked::Wait(until.abs_diff(now)));
    }
    let kept = found.as_ref().map(|(kept, ..)| kept.clone());
    let verdict = members.hashing.verify(password.to_owned(), kept).await;
    let user = found.map(|(_, user, _)| user).filter(|user| !user.is_disabled);
    let Some(user) = user.filter(|_| verdict != Verdict::Wrong) else {
        throttle.count(network.clone(), SIGN_INS, now);
        throttle.count(key, PASSWORDS, now);
        note(members, name, network, ip).await?;
        return Ok(Checked::Wrong);
    };
    throttle.clear(&key);
    let anew = match verdict {
        Verdict::RightButOld => members.hashing.hash(password.to_owned()).await,
        Verdict::Right | Verdict::Wrong => None,
    };
    let user_id = user.user_id;
    let right = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        if let Some(anew) = anew {
            users::rehash(tx, user_id, &anew)?;
        }
        login_failures::clear(tx, user_id, Some(&network)).map(drop)
    };
    members.database.write(right).await?;
    Ok(Checked::Right(Box::new(user)))
}

/// Writes a wrong password down, and that it was the one too many.
async fn note(members: &Members, name: &str, network: String, ip: IpAddr) -> Result<(), Error> {
    let (name, ip) = (name.to_owned(), ip.to_string());
    let work = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        let now = clock::unix_secs().cast_signed();
        let actor = if name.is_empty() { "(unknown)" } else { &name };
        let failed = Event { actor, action: "login_failed", ip: &ip, ..Event::default() };
        events::insert(tx, now, &failed)?;
        let Some(user) = users::by_name(tx, &name)? else { return Ok(()) };
        if let Some(until) = login_failures::note(tx, user.user_id, &network, now)? {
            let locked = Event {
                actor: "system",
                action: "lock_user",
                target: &user.username,
                detail: &format!("for one network, {} minutes", (until - now) / 60),
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
            let session_id = member.session.session_id;
            let now = clock::unix_secs().cast_signed();
            let stamp = move |tx: &db::Transaction<'_>| sessions::confirmed(tx, session_id, now);
            members.database.write(stamp).await?;
            Ok(true)
        }
    }
}
