//! Keeping the site in order: a page for each part, under tabs that every role sees as far as it
//! may use them.
//!
//! - [`torrents`]: all torrents.
//! - [`users`], [`user`]: all accounts, and one.
//! - [`change`]: what is done to accounts; [`allowlist`]: from where they may be used.
//! - [`invites`]: ways in.
//! - [`trackers`]: what magnet links name; [`settings`]: what the owner sets.
//! - [`database`], [`restore`], [`danger`]: the whole of it, and what cannot be undone.
//! - [`events`]: what was done.

pub mod allowlist;
pub mod change;
pub mod danger;
pub mod database;
pub mod events;
pub mod invites;
pub mod restore;
pub mod settings;
pub mod torrents;
pub mod trackers;
pub mod user;
pub mod users;

use axum::extract::Query;
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;
use time::OffsetDateTime;

use super::page::go;
use super::permissions;
use super::session::Member;
use crate::clock;
use crate::db::users::Role;

/// A part of the administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// All torrents.
    Torrents,
    /// All accounts.
    Users,
    /// A further account.
    NewUser,
    /// Ways in.
    Invites,
    /// What magnet links name.
    Trackers,
    /// What the owner sets.
    Settings,
    /// The whole of it.
    Database,
    /// What cannot be undone.
    Danger,
    /// What happened.
    Events,
}

impl Tab {
    const ALL: [Tab; 9] = [
        Tab::Torrents,
        Tab::Users,
        Tab::NewUser,
        Tab::Invites,
        Tab::Trackers,
        Tab::Settings,
        Tab::Database,
        Tab::Danger,
        Tab::Events,
    ];

    /// Those that a role may use, in their order.
    pub fn of(role: Role) -> impl Iterator<Item = Tab> {
        let may_use = move |tab: &Tab| {
            let page = permissions::rule(&Method::GET, tab.path());
            page.is_some_and(|page| page.who.includes(Some(role)))
        };
        Tab::ALL.into_iter().filter(may_use)
    }

    /// Where it is.
    pub const fn path(self) -> &'static str {
        match self {
            Tab::Torrents => "/manage/admin/torrents",
            Tab::Users => "/manage/admin/users",
            Tab::NewUser => "/manage/admin/users/new",
            Tab::Invites => "/manage/admin/invites",
            Tab::Trackers => "/manage/admin/trackers",
            Tab::Settings => "/manage/admin/settings",
            Tab::Database => "/manage/admin/database",
            Tab::Danger => "/manage/admin/danger",
            Tab::Events => "/manage/admin/events",
        }
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Tab::Torrents => "Torrents",
            Tab::Users => "Users",
            Tab::NewUser => "Add user",
            Tab::Invites => "Invites",
            Tab::Trackers => "Trackers",
            Tab::Settings => "Settings",
            Tab::Database => "Database",
            Tab::Danger => "Danger zone",
            Tab::Events => "Events",
        }
    }

    /// The one that the earlier tracker called so.
    fn of_the_reference(name: &str) -> Option<Tab> {
        match name {
            "torrents" => Some(Tab::Torrents),
            "users" => Some(Tab::Users),
            "adduser" => Some(Tab::NewUser),
            "invites" => Some(Tab::Invites),
            "trackers" => Some(Tab::Trackers),
            "settings" => Some(Tab::Settings),
            "database" => Some(Tab::Database),
            "danger" => Some(Tab::Danger),
            "events" => Some(Tab::Events),
            _ => None,
        }
    }
}

/// What an address of the earlier tracker asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    tab: String,
}

/// `GET /manage/admin`: to the first tab, or the one that is named.
pub async fn enter(member: Member, Query(asked): Query<Asked>) -> Response {
    let named = Tab::of_the_reference(&asked.tab);
    let tab = named.or_else(|| Tab::of(member.role()).next());
    go(tab.map_or("/manage/dashboard", Tab::path))
}

/// Seconds since 1970.
fn now() -> i64 {
    clock::unix_secs().cast_signed()
}

/// A time as it stands in the names of files: `20260301-140509`, in UTC.
fn stamp(unix_secs: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(unix_secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, hour, minute, second) = (at.date(), at.hour(), at.minute(), at.second());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}
