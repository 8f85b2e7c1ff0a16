//! What the owner sets, in cards: each is a form of its own, saved whole or not at all.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use url::Url;

use super::change::log;
use super::{Tab, trackers};
use crate::db;
use crate::db::magnet_trackers;
use crate::db::settings::{self, Flag, Number, Setting, Settings, Text};
use crate::site::form::Form;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site};

/// Longest value that stands in the event of its change, in characters.
const LOGGED_CHARS_MAX: usize = 100;
/// What robots.txt says when nothing was typed.
const NO_ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// A setting with what people need to know of it.
struct Entry {
    setting: Setting,
    label: &'static str,
    hint: &'static str,
}

/// Settings that are saved together.
pub struct Card {
    id: &'static str,
    title: &'static str,
    entries: &'static [Entry],
}

const fn flag(flag: Flag, label: &'static str, hint: &'static str) -> Entry {
    Entry { setting: Setting::Flag(flag), label, hint }
}

const fn number(number: Number, label: &'static str, hint: &'static str) -> Entry {
    Entry { setting: Setting::Number(number), label, hint }
}

const fn text(text: Text, label: &'static str, hint: &'static str) -> Entry {
    Entry { setting: Setting::Text(text), label, hint }
}

/// The cards of the tab.
const CARDS: [Card; 8] = [
    Card {
        id: "open_tracker",
        title: "Tracker",
        entries: &[flag(
            settings::OPEN_TRACKER,
            "Track every torrent",
            "Otherwise only those that members have registered. Obeyed from the next announce on.",
        )],
    },
    Card {
        id: "free_signup",
        title: "New members",
        entries: &[
            flag(settings::FREE_SIGNUP, "Anybody may sign up", "Otherwise by invitation alone."),
            number(
                settings::INVITE_EXPIRY_DAYS,
                "Days an invitation lasts",
                "Zero: until it is used.",
            ),
        ],
    },
    Card {
        id: "complexity",
        title: "Passwords",
        entries: &[
            number(settings::PW_MIN_LENGTH, "Least characters", "For passwords from now on."),
            flag(settings::PW_REQUIRE_UPPER, "A capital letter", ""),
            flag(settings::PW_REQUIRE_LOWER, "A small letter", ""),
            flag(settings::PW_REQUIRE_DIGIT, "A digit", ""),
            flag(settings::PW_REQUIRE_SYMBOL, "A sign that is no letter or digit", ""),
            flag(
                settings::TOTP_REQUIRED_FOR_STAFF,
                "The staff must have a second factor",
                "Whoever has none is led to set it up.",
            ),
        ],
    },
    Card {
        id: "torrents_per_page",
        title: "Lists",
        entries: &[number(settings::TORRENTS_PER_PAGE, "Torrents on a page", "")],
    },
    Card {
        id: "upload_limits",
        title: "Uploads",
        entries: &[
            number(settings::UPLOAD_MAX_CONTENT_MB, "MiB of an upload", ""),
            number(settings::UPLOAD_MAX_FILES, "Files of an upload", ""),
            number(settings::UPLOAD_MAX_FILE_MB, "MiB of one file", ""),
        ],
    },
    Card {
        id: "privacy",
        title: "Privacy",
        entries: &[number(
            settings::ACTIVITY_LINK_DAYS,
            "Days for which a sign-in links a member to a swarm",
            "Of members who want to be shown as sharing.",
        )],
    },
    Card {
        id: "events",
        title: "Events",
        entries: &[number(
            settings::EVENTS_KEEP_DAYS,
            "Days that events are kept",
            "Zero: for ever. What is older is forgotten within the hour.",
        )],
    },
    Card {
        id: "robots_txt",
        title: "robots.txt",
        entries: &[text(
            settings::ROBOTS_TXT,
            "What crawlers are told",
            "Left empty, it asks them to leave everything alone.",
        )],
    },
];

/// The card of the tab with the trackers.
pub const PEER_QUERY: Card = Card {
    id: "peer_query_settings",
    title: "Other trackers",
    entries: &[
        flag(
            settings::PEER_QUERY_ENABLED,
            "Members may have another tracker asked how large a swarm is there",
            "",
        ),
        text(settings::PEER_QUERY_TRACKER, "Its announce URL", "http, https or udp."),
        number(settings::PEER_QUERY_RETRIES, "Attempts", ""),
        number(settings::PEER_QUERY_RETRY_WAIT_SECS, "Seconds between two attempts", ""),
    ],
};

/// A setting on the page.
#[derive(Debug)]
pub struct Field {
    /// As in the form.
    pub key: &'static str,
    /// What it is, in words.
    pub label: &'static str,
    /// What else is to be known.
    pub hint: &'static str,
    /// How it is typed.
    pub kind: Kind,
    /// As it is, or as it was typed.
    pub value: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// How a setting is typed.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A box to tick.
    Flag,
    /// A number within bounds.
    Number(i64, i64),
    /// A line.
    Line(usize),
    /// Several lines.
    Lines(usize),
}

/// A card on the page.
#[derive(Debug)]
pub struct Shown {
    /// As in the form.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its settings.
    pub fields: Vec<Field>,
}

/// What a form brought for a card: by key what was typed, and what is wrong with it.
pub type Typed = HashMap<&'static str, (String, Option<String>)>;

impl Card {
    /// As it is shown: with what is set, or what was typed.
    pub fn shown(&self, settings: &Settings, typed: Option<&Typed>) -> Shown {
        let fields = self.entries.iter().map(|Entry { setting, label, hint }| {
            let key = setting.key();
            let typed = typed.and_then(|typed| typed.get(key)).cloned();
            let (value, error) = typed.unwrap_or_else(|| (settings.value(*setting), None));
            let kind = match *setting {
                Setting::Flag(_) => Kind::Flag,
                Setting::Number(Number { min, max, .. }) => Kind::Number(min, max),
                Setting::Text(Text { chars_max, .. }) if chars_max > 300 => Kind::Lines(chars_max),
                Setting::Text(Text { chars_max, .. }) => Kind::Line(chars_max),
            };
            Field { key, label, hint, kind, value, error }
        });
        Shown { id: self.id, title: self.title, fields: fields.collect() }
    }

    /// What a form brought, all of it parsed.
    fn read(&self, form: &Form) -> Typed {
        let read = |entry: &Entry| {
            let setting = entry.setting;
            let key = setting.key();
            let typed = match setting {
                Setting::Flag(_) => u8::from(form.is_on(key)).to_string(),
                Setting::Number(_) => form.text(key).to_owned(),
                Setting::Text(_) => typed_text(setting, form.raw(key)),
            };
            match setting.parse(&typed) {
                Ok(value) => (key, (value, None)),
                Err(error) => (key, (typed, Some(format!("No: {error}.")))),
            }
        };
        let mut typed: Typed = self.entries.iter().map(read).collect();
        if let Some((url, error @ None)) = typed.get_mut(settings::PEER_QUERY_TRACKER.key) {
            *error = magnet_trackers::check_url(url).err().map(str::to_owned);
        }
        typed
    }
}

/// Lines end as they do here, and robots.txt is never empty.
fn typed_text(setting: Setting, typed: &str) -> String {
    let typed = typed.replace("\r\n", "\n").replace('\r', "\n");
    match setting.key() {
        key if key == settings::ROBOTS_TXT.key && typed.trim().is_empty() => NO_ROBOTS.to_owned(),
        key if key == settings::PEER_QUERY_TRACKER.key => {
            let typed = typed.trim();
            Url::parse(typed).map_or(typed.to_owned(), |url| url.to_string())
        }
        _ => typed,
    }
}

#[derive(Debug, Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage {
    viewer: Viewer,
    tab: Tab,
    cards: Vec<Shown>,
}

/// `GET /manage/admin/settings`.
///
/// # Errors
/// When the page cannot be written.
pub async fn show(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    page(&site, &member, None)
}

fn page(site: &Site, member: &Member, typed: Option<(&str, &Typed)>) -> Result<Response, Error> {
    let settings = site.members()?.settings();
    let typed_for = |card: &Card| typed.filter(|(id, _)| *id == card.id).map(|(_, typed)| typed);
    let cards = CARDS.iter().map(|card| card.shown(&settings, typed_for(card))).collect();
    let page = SettingsPage { viewer: Viewer::from(member), tab: Tab::Settings, cards };
    let status = if typed.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, Html(page.render()?)).into_response())
}

/// `POST /manage/admin/save-settings`: one card, whole or not at all.
///
/// # Errors
/// [`Error::BadRequest`] for no card of ours, or the database cannot be written.
pub async fn save(State(site): State<Site>, member: Member, form: Form) -> Result<Response, Error> {
    let members = site.members()?;
    let id = form.text("form_id");
    let card = CARDS.iter().chain([&PEER_QUERY]).find(|card| card.id == id);
    let card = card.ok_or(Error::BadRequest("There are no such settings."))?;
    let typed = card.read(&form);
    let is_peer_query = card.id == PEER_QUERY.id;
    if typed.values().any(|(_, error)| error.is_some()) {
        if is_peer_query {
            return trackers::page(&site, &member, None, Some(&typed)).await;
        }
        return page(&site, &member, Some((card.id, &typed)));
    }
    let actor = member.clone();
    let values: Vec<(Setting, String)> = card
        .entries
        .iter()
        .filter_map(|entry| Some((entry.setting, typed.get(entry.setting.key())?.0.clone())))
        .collect();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<usize> {
        let mut changed = 0;
        for (setting, value) in values {
            if settings::set(tx, setting, &value)? {
                let detail: String = value.chars().take(LOGGED_CHARS_MAX).collect();
                log(tx, &actor, "set_setting", setting.key(), &detail)?;
                changed += 1;
            }
        }
        Ok(changed)
    };
    let changed = members.change_settings(work).await?;
    let flash = match changed {
        0 => Flash::info("Nothing was different."),
        _ => Flash::success(format!("{}: saved.", card.title)),
    };
    let tab = if is_peer_query { Tab::Trackers } else { Tab::Settings };
    Ok(go_told(members, &member, tab.path(), flash).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_has_an_effect_is_in_one_card() {
        // Their features are still to come.
        let awaited = ["comments_enabled", "gravatar_enabled", "points_invite_cost"];
        let entries = CARDS.iter().chain([&PEER_QUERY]).flat_map(|card| card.entries);
        let mut keys: Vec<_> = entries.map(|entry| entry.setting.key()).chain(awaited).collect();
        let mut all: Vec<_> = settings::ALL.iter().map(|setting| setting.key()).collect();
        keys.sort_unstable();
        all.sort_unstable();
        assert_eq!(keys, all);
    }
}
