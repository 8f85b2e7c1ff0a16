//! From where an account may be used, as the owner decides.

use std::net::IpAddr;

use axum::extract::State;
use axum::response::Response;
use ipnet::IpNet;

use super::change::user_url;
use super::now;
use crate::db;
use crate::db::allowlist::{self, NETWORKS_MAX};
use crate::db::events::{self, Event};
use crate::db::users::{self, User};
use crate::site::form::Form;
use crate::site::gate::{Caller, is_allowed};
use crate::site::page::{Flash, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site};

/// What is wrong, for whoever typed it; or the database cannot be used.
type Told = Result<Flash, Error>;

/// A network as it is kept, from one or a lone address as it is typed.
fn network(typed: &str) -> Option<IpNet> {
    let typed = typed.trim();
    if let Ok(ip) = typed.parse::<IpAddr>() {
        return Some(ip.to_canonical().into());
    }
    typed.parse::<IpNet>().ok().map(|network| network.trunc())
}

/// The network is written where the owner alone sees it.
fn log(
    conn: &db::Connection,
    actor: &Member,
    action: &str,
    user: &User,
    network: &str,
) -> db::Result<()> {
    let event = Event {
        actor_id: Some(actor.user_id()),
        actor: actor.username(),
        action,
        target: &user.username,
        ip: network,
        ..Event::default()
    };
    events::insert(conn, now(), &event)
}

/// Does something to the networks of an account, and undoes it where the owner would be locked out.
async fn change<F>(
    site: &Site,
    (member, caller): (Member, Caller),
    form: &Form,
    work: F,
) -> Result<Response, Error>
where
    F: FnOnce(&db::Transaction<'_>, &Member, &User) -> Told + Send + 'static,
{
    let members = site.members()?;
    let (actor, username) = (member.clone(), form.text("username").to_owned());
    let work = move |tx: &db::Transaction<'_>| -> Result<(Flash, String), Error> {
        let user = users::by_name(tx, &username)?.ok_or(Error::NotFound)?;
        let flash = work(tx, &actor, &user)?;
        if user.user_id == actor.user_id() {
            let entries = allowlist::of(tx, user.user_id)?;
            let networks: Vec<_> = entries.into_iter().map(|entry| entry.network).collect();
            if !is_allowed(&networks, caller.ip) {
                return Err(Error::BadRequest(
                    "This would lock you out of your own account: your present address would not \
                     be among its networks. Nothing has changed.",
                ));
            }
        }
        Ok((flash, user_url(&user.username)))
    };
    let (flash, url) = members.database.write(work).await?;
    Ok(go_told(members, &member, &url, flash).await?)
}

/// `POST /manage/admin/ip-lock`: adds the networks that are typed or ticked.
///
/// # Errors
/// [`Error::NotFound`] for no account, [`Error::BadRequest`] where the owner would be locked out.
pub async fn add(
    State(site): State<Site>,
    member: Member,
    caller: Caller,
    form: Form,
) -> Result<Response, Error> {
    let typed: Vec<String> = form
        .all("network")
        .flat_map(|field| field.split([',', ' ', '\n']))
        .map(|network| network.trim().to_owned())
        .filter(|network| !network.is_empty())
        .collect();
    let work = move |tx: &db::Transaction<'_>, actor: &Member, user: &User| {
        if typed.is_empty() {
            return Ok(Flash::error("Type an address or a network, or tick one."));
        }
        let Some(networks) = typed.iter().map(|typed| network(typed)).collect::<Option<Vec<_>>>()
        else {
            return Ok(Flash::error(
                "That is no address and no network such as 192.0.2.0/24 or 2001:db8::/56. \
                 Nothing has changed.",
            ));
        };
        if networks.iter().any(|network| network.prefix_len() == 0) {
            return Ok(Flash::error("That would be every address. Nothing has changed."));
        }
        if allowlist::of(tx, user.user_id)?.len() + networks.len() > NETWORKS_MAX {
            let told = format!("An account has at most {NETWORKS_MAX} networks.");
            return Ok(Flash::error(told));
        }
        let mut added = 0;
        for network in networks {
            let network = network.to_string();
            if allowlist::add(tx, user.user_id, &network, actor.user_id(), now())? {
                log(tx, actor, "ip_allowlist_add", user, &network)?;
                added += 1;
            }
        }
        Ok(match added {
            0 => Flash::info("It is there already."),
            _ => Flash::success(format!("{} may be used from there.", user.username)),
        })
    };
    change(&site, (member, caller), &form, work).await
}

/// `POST /manage/admin/ip-lock-remove`.
///
/// # Errors
/// As [`add`].
pub async fn remove(
    State(site): State<Site>,
    member: Member,
    caller: Caller,
    form: Form,
) -> Result<Response, Error> {
    let entry_id = form.number("entry_id")?;
    let work = move |tx: &db::Transaction<'_>, actor: &Member, user: &User| {
        let Some(network) = allowlist::remove(tx, user.user_id, entry_id)? else {
            return Ok(Flash::info("It was not there any more."));
        };
        log(tx, actor, "ip_allowlist_remove", user, &network)?;
        Ok(Flash::success(format!("{network} is taken away.")))
    };
    change(&site, (member, caller), &form, work).await
}

/// `POST /manage/admin/ip-lock-clear`: the account may be used from anywhere again.
///
/// # Errors
/// As [`add`].
pub async fn clear(
    State(site): State<Site>,
    member: Member,
    caller: Caller,
    form: Form,
) -> Result<Response, Error> {
    let work = |tx: &db::Transaction<'_>, actor: &Member, user: &User| {
        if allowlist::clear(tx, user.user_id)? == 0 {
            return Ok(Flash::info("There were no networks."));
        }
        log(tx, actor, "ip_allowlist_clear", user, "")?;
        Ok(Flash::success(format!("{} may be used from anywhere.", user.username)))
    };
    change(&site, (member, caller), &form, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_kept_in_one_way_however_they_are_typed() {
        for (typed, kept) in [
            (" 192.0.2.7 ", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8:0::1", "2001:db8::1/128"),
            ("2001:db8::1/56", "2001:db8::/56"),
        ] {
            assert_eq!(network(typed).unwrap().to_string(), kept);
        }
        for typed in ["", "x", "192.0.2", "192.0.2.0/33", "192.0.2.1;", "<b>"] {
            assert_eq!(network(typed), None, "{typed}");
        }
    }
}
