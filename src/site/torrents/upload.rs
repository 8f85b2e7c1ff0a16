//! `POST /manage/upload`: files as they come in, and what became of each.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};

use super::browse;
use super::reception::{Broken, Part, Reception, Refused};
use super::register::Accepted;
use super::summary::{Fate, Summary, SummaryPage};
use crate::clock;
use crate::db;
use crate::db::events::{self, Event};
use crate::protocol::metainfo::Identity;
use crate::site::form::CSRF_FIELD;
use crate::site::gate::Caller;
use crate::site::members::Members;
use crate::site::page::Viewer;
use crate::site::session::Member;
use crate::site::{Error, Site};

/// Files that are written down in one transaction, and bytes of them: each transaction waits for
/// the disk once.
const BATCH_FILES: usize = 64;
const BATCH_BYTES: usize = 4 << 20;

/// Registers what is a torrent and not there yet. Every file has a line in the answer.
///
/// # Errors
/// [`Error::Forged`] when the form is not ours; nothing is read then. Or the database cannot be
/// used; what was written down by then stays.
pub async fn upload(
    State(site): State<Site>,
    caller: Caller,
    member: Member,
    request: Request,
) -> Result<Response, Error> {
    let members = site.members()?;
    let bounds = browse::bounds(&members.settings());
    let mut batch = Batch::new(members, &member);
    let broken = match Reception::begin(request, bounds) {
        Ok(mut reception) => receive(&mut reception, &caller, &mut batch).await?,
        Err(fault) => Some(fault),
    };
    batch.write_down().await?;
    let status = broken.as_ref().map(Broken::status).unwrap_or_default();
    let summary = Summary { files: batch.fates, broken };
    let page = SummaryPage { viewer: &Viewer::from(&member), summary: &summary };
    Ok((status, Html(page.render()?)).into_response())
}

/// Reads an upload to its end; gives why that was not possible.
async fn receive(
    reception: &mut Reception,
    caller: &Caller,
    batch: &mut Batch<'_>,
) -> Result<Option<Broken>, Error> {
    let mut is_ours = false;
    loop {
        match reception.next().await {
            Ok(Some(Part::Value { name, value })) if !is_ours => {
                is_ours = name == CSRF_FIELD && caller.is_ours(&value);
            }
            Ok(Some(Part::Value { .. })) => continue,
            Ok(Some(Part::File { file_name, content })) if is_ours => {
                batch.take(file_name, content).await?;
            }
            Ok(None) if is_ours => return Ok(None),
            Ok(_) => {}
            Err(fault) => return Ok(Some(fault)),
        }
        if !is_ours {
            return Err(Error::Forged); // its token comes first
        }
    }
}

/// Files that were read and are not written down yet.
struct Batch<'a> {
    members: &'a Arc<Members>,
    member: &'a Member,
    accepted: Vec<(String, Accepted)>,
    bytes: usize,
    fates: Vec<(String, Fate)>,
}

impl<'a> Batch<'a> {
    fn new(members: &'a Arc<Members>, member: &'a Member) -> Batch<'a> {
        Batch { members, member, accepted: Vec::new(), bytes: 0, fates: Vec::new() }
    }

    async fn take(
        &mut self,
        file_name: String,
        content: Result<Vec<u8>, Refused>,
    ) -> Result<(), Error> {
        let content = match content {
            Ok(content) => content,
            Err(refused) => return self.refuse(file_name, refused).await,
        };
        self.bytes += content.len();
        let read = tokio::task::spawn_blocking(move || Accepted::read(&content)).await;
        match read {
            Ok(Ok(accepted)) => self.accepted.push((file_name, accepted)),
            Ok(Err(error)) => return self.refuse(file_name, Refused::NotTorrent(error)).await,
            Err(_) => return Err(Error::Busy), // the program is ending
        }
        if self.accepted.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES {
            self.write_down().await?;
        }
        Ok(())
    }

    /// The lines are in the order of the files, so those before come first.
    async fn refuse(&mut self, file_name: String, refused: Refused) -> Result<(), Error> {
        self.write_down().await?;
        self.fates.push((file_name, Fate::Refused(refused)));
        Ok(())
    }

    /// Writes down what was read, all or nothing of it, and then has the tracker know.
    async fn write_down(&mut self) -> Result<(), Error> {
        if self.accepted.is_empty() {
            return Ok(());
        }
        let accepted = std::mem::take(&mut self.accepted);
        self.bytes = 0;
        let (user_id, username) = (self.member.user_id(), self.member.username().to_owned());
        let work = move |tx: &db::Transaction<'_>| register(tx, accepted, user_id, &username);
        let tracker = self.members.clone();
        let after = move |(_, identities): &Registered| {
            let Some(registered) = tracker.registered() else { return };
            for identity in identities {
                registered.insert(*identity, 0);
            }
        };
        let (fates, _) = self.members.database.write_and(work, after).await?;
        self.fates.extend(fates);
        Ok(())
    }
}

type Registered = (Vec<(String, Fate)>, Vec<Identity>);

fn register(
    tx: &db::Transaction<'_>,
    accepted: Vec<(String, Accepted)>,
    user_id: i64,
    username: &str,
) -> db::Result<Registered> {
    let now = clock::unix_secs().cast_signed();
    let (mut fates, mut identities) = (Vec::new(), Vec::new());
    for (file_name, accepted) in accepted {
        let (fate, identity) = accepted.register(tx, user_id, now)?;
        if let Fate::Registered { info_hash, name } = &fate {
            let event = Event {
                actor_id: Some(user_id),
                actor: username,
                action: "register_torrent",
                target: &info_hash.to_string(),
                detail: name,
                ..Event::default()
            };
            events::insert(tx, now, &event)?;
        }
        fates.push((file_name, fate));
        identities.extend(identity);
    }
    Ok((fates, identities))
}
