//! What was done on the site: searched, leafed through, and taken away as a table.

use std::io;

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::Tab;
use crate::db::events::{self, Logged, Wanted};
use crate::db::users::Role;
use crate::db::{self, Database};
use crate::site::page::Viewer;
use crate::site::session::Member;
use crate::site::stream::{self, Pipe};
use crate::site::{Error, Site, numbers};

/// Events of a page, and of a piece of the table that is taken away.
const ROWS: usize = 100;
const EXPORTED_AT_ONCE: usize = 1_000;

/// What kind of thing was done; each has its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Something is gone, or was undone for good.
    Danger,
    /// Who may do what, and who tried.
    Security,
    /// The site at work.
    Success,
    /// Points and money.
    Economy,
    /// Anything else.
    Neutral,
}

impl Category {
    /// The category of an action, whole words only: `unlock_user` locks nobody.
    pub fn of(action: &str) -> Category {
        match action {
            "delete_user"
            | "delete_all_users"
            | "delete_torrent"
            | "delete_all_torrents"
            | "delete_all_torrents_user"
            | "delete_all_comments"
            | "delete_all_comments_global"
            | "delete_invite"
            | "delete_magnet_tracker"
            | "disable_user"
            | "db_restore"
            | "SYSTEM_WIPE" => Category::Danger,
            "login_failed"
            | "login_ip_blocked"
            | "lock_user"
            | "unlock_user"
            | "enable_user"
            | "change_password"
            | "set_admin"
            | "set_standard"
            | "set_setting"
            | "db_backup"
            | "ip_allowlist_add"
            | "ip_allowlist_remove"
            | "ip_allowlist_clear" => Category::Security,
            "login" | "create_user" | "register_torrent" | "create_invite" | "auto_promote"
            | "add_magnet_tracker" | "enable_tracker" => Category::Success,
            _ if ["points_", "bounty_", "topup_", "transfer_"]
                .iter()
                .any(|start| action.starts_with(start)) =>
            {
                Category::Economy
            }
            _ if action.starts_with("totp_") || action.starts_with("session_") => {
                Category::Security
            }
            _ => Category::Neutral,
        }
    }

    /// As in a class of the style sheet, and for those who see no colour.
    pub const fn name(self) -> &'static str {
        match self {
            Category::Danger => "danger",
            Category::Security => "security",
            Category::Success => "success",
            Category::Economy => "economy",
            Category::Neutral => "neutral",
        }
    }
}

/// What a URL asks of the events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    actor: String,
    action: String,
    target: String,
    /// Events before this id; nonsense: the newest.
    before: String,
}

impl Asked {
    fn wanted(&self, role: Role) -> Wanted {
        let text = |text: &str| text.trim().to_owned();
        Wanted {
            anywhere: text(&self.q),
            actor: text(&self.actor),
            action: text(&self.action),
            target: text(&self.target),
            with_ip: role == Role::Super,
        }
    }

    fn query(&self) -> String {
        let fields = [
            ("q", &self.q),
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        query.finish()
    }
}

#[derive(Debug, Template)]
#[template(path = "admin/events.html")]
struct EventsPage<'a> {
    viewer: Viewer,
    tab: Tab,
    asked: &'a Asked,
    events: Vec<Logged>,
    older: Option<String>,
    /// How many events were looked at, when a search has stopped before it came to the oldest.
    cut: Option<String>,
}

impl EventsPage<'_> {
    fn is_owner(&self) -> bool {
        self.viewer.role == Role::Super
    }
}

/// `GET /manage/admin/events`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let (wanted, before) = (asked.wanted(member.role()), asked.before.trim().parse().ok());
    let look = move |conn: &db::Connection| events::find(conn, &wanted, before, ROWS);
    let found = site.members()?.database.read(look).await?;
    let older =
        found.older.map(|id| format!("{}?{}&before={id}", Tab::Events.path(), asked.query()));
    let page = EventsPage {
        viewer: Viewer::from(&member),
        tab: Tab::Events,
        cut: (older.is_some() && found.events.len() < ROWS)
            .then(|| numbers::count(events::SCANNED_MAX.unsigned_abs())),
        asked: &asked,
        events: found.events,
        older,
    };
    Ok(Html(page.render()?))
}

/// `GET /manage/admin/events.csv`: all that a search finds, with addresses.
///
/// # Errors
/// When there is no members' site.
pub async fn export(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let database = site.members()?.database.clone();
    let wanted = asked.wanted(member.role());
    let body: Body = stream::body(move |pipe| write(&database, &wanted, pipe));
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"tracker-events.csv\""),
    ];
    Ok((headers, body).into_response())
}

fn write(database: &Database, wanted: &Wanted, pipe: &mut Pipe) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(pipe);
    table.write_record([
        "event_id", "at", "category", "actor_id", "actor", "action", "target", "detail", "ip",
    ])?;
    let mut before = None;
    loop {
        // Each piece for itself, so that a slow reader keeps nothing of the database.
        let look = |conn: &db::Connection| events::find(conn, wanted, before, EXPORTED_AT_ONCE);
        let found = database.read_now(look).map_err(|error: db::Error| io::Error::other(error))?;
        for event in &found.events {
            table.write_record([
                event.event_id.to_string().as_str(),
                &event.at.to_string(),
                Category::of(&event.action).name(),
                &event.actor_id.map(|id| id.to_string()).unwrap_or_default(),
                &harmless(&event.actor),
                &harmless(&event.action),
                &harmless(&event.target),
                &harmless(&event.detail),
                &event.ip,
            ])?;
        }
        before = found.older;
        if before.is_none() {
            return table.flush();
        }
    }
}

/// So that no program for tables takes what a stranger typed for a formula.
fn harmless(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_is_of_its_category_by_the_whole_word() {
        for (action, category) in [
            ("delete_user", Category::Danger),
            ("SYSTEM_WIPE", Category::Danger),
            ("unlock_user", Category::Security),
            ("login_failed", Category::Security),
            ("login", Category::Success),
            ("bounty_claim", Category::Economy),
            ("unlock_comments", Category::Neutral),
            ("", Category::Neutral),
        ] {
            assert_eq!(Category::of(action), category, "{action}");
        }
    }

    #[test]
    fn nothing_typed_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@a", "\tx"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        assert_eq!(harmless("a=b"), "a=b");
    }
}
