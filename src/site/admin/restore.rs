//! A file that becomes the whole database: read as it comes in, unpacked within bounds, looked at,
//! and only then put in place. Until then nothing of what there is changes, and afterwards all of
//! it is kept in a file beside.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use flate2::read::MultiGzDecoder;
use multer::{Constraints, Field, Multipart, SizeLimit};
use tokio::sync::mpsc;

use super::{Tab, now, stamp};
use crate::db::copies::{self, HEADER, Temporary};
use crate::db::events::{self, Event};
use crate::db::users;
use crate::site::account::verify::password_is_right;
use crate::site::form::CSRF_FIELD;
use crate::site::gate::Caller;
use crate::site::members::Members;
use crate::site::page::{Flash, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site};

/// Bytes of a request, and of a field of it that is no file.
const BODY_BYTES_MAX: u64 = 8 << 30;
const FIELD_BYTES_MAX: u64 = 4 << 10;
/// Bytes of a database, and how many may come out of one that goes in; a few free pages more.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
const RATIO_MAX: u64 = 100;
const SLACK_BYTES: u64 = 16 << 20;
/// Pieces of the file on their way from the connection to the disk.
const CHUNKS_MAX: usize = 4;

const GZIP: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug, Template)]
#[template(path = "admin/restored.html")]
struct RestoredPage {
    kept: String,
}

/// `POST /manage/admin/db-restore`: the token, the password and the file, in this order.
///
/// # Errors
/// [`Error::Forged`] when the form is not ours, [`Error::BadRequest`] when it is none, or the
/// database cannot be used.
pub async fn restore(
    State(site): State<Site>,
    caller: Caller,
    member: Member,
    request: Request,
) -> Result<Response, Error> {
    let members = site.members()?;
    let refused = match receive(members, (&caller, &member), request).await? {
        Ok(file) => match install(members.clone(), &member, file).await {
            Ok(kept) => return Ok(Html(RestoredPage { kept }.render()?).into_response()),
            Err(refused) => refused,
        },
        Err(refused) => refused,
    };
    let flash = Flash::error(format!("Nothing has changed: {refused}."));
    Ok(go_told(members, &member, Tab::Database.path(), flash).await?)
}

/// Reads the form; gives the file, unpacked, or what is wrong for whoever sent it.
async fn receive(
    members: &Members,
    (caller, member): (&Caller, &Member),
    request: Request,
) -> Result<Result<Temporary, String>, Error> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = multer::parse_boundary(kind.unwrap_or_default())
        .map_err(|_| Error::BadRequest("There is no form with a file in this."))?;
    let limit = SizeLimit::new()
        .whole_stream(BODY_BYTES_MAX)
        .for_field(CSRF_FIELD, FIELD_BYTES_MAX)
        .for_field("password", FIELD_BYTES_MAX);
    let constraints = Constraints::new().size_limit(limit);
    let body = request.into_body().into_data_stream();
    let mut form = Multipart::with_constraints(body, boundary, constraints);
    let token = next(&mut form).await?.filter(|field| field.name() == Some(CSRF_FIELD));
    let token = token.ok_or(Error::Forged)?.text().await.unwrap_or_default();
    if !caller.is_ours(&token) {
        return Err(Error::Forged);
    }
    let mut result = Err("no file was chosen".to_owned());
    let mut is_confirmed = false;
    // To the end, so that the browser has sent all and hears what we say.
    while let Some(field) = next(&mut form).await? {
        match field.name() {
            Some("password") => {
                let typed = field.text().await.unwrap_or_default();
                is_confirmed = password_is_right(members, member, &typed).await?;
            }
            Some("db_file") if !is_confirmed => {
                result = Err("this is not your password".to_owned());
            }
            Some("db_file") if field.file_name().is_some_and(|name| !name.is_empty()) => {
                result = unpack_all(members, field).await;
            }
            _ => {}
        }
    }
    Ok(result)
}

async fn next(form: &mut Multipart<'static>) -> Result<Option<Field<'static>>, Error> {
    form.next_field().await.map_err(|error| match error {
        multer::Error::StreamSizeExceeded { .. } => Error::TooLarge,
        _ => Error::BadRequest("The form broke off. Nothing has changed."),
    })
}

/// Unpacks the file of a field as it comes in.
async fn unpack_all(members: &Members, mut field: Field<'static>) -> Result<Temporary, String> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let live = members.database.path().to_owned();
    let unpacking = tokio::task::spawn_blocking(move || -> Result<Temporary, String> {
        let file = Temporary::beside(&live).map_err(|error| error.to_string())?;
        let incoming = Incoming { receiver, chunk: Bytes::new(), packed: 0 };
        unpack(incoming, file.path())?;
        Ok(file)
    });
    loop {
        let chunk = field.chunk().await.map_err(|error| io::Error::other(error.to_string()));
        let Some(chunk) = chunk.transpose() else { break };
        let is_broken = chunk.is_err();
        // Who unpacks may have seen enough; the rest is read all the same.
        let _ = sender.send(chunk).await;
        if is_broken {
            break;
        }
    }
    drop(sender);
    unpacking.await.unwrap_or_else(|_| Err("the file cannot be read".to_owned()))
}

/// What comes in, for a thread that may wait.
struct Incoming {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    packed: u64,
}

impl Read for Incoming {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let Some(chunk) = self.receiver.blocking_recv() else { return Ok(0) };
            self.chunk = chunk?;
            self.packed += self.chunk.len() as u64;
        }
        let length = bytes.len().min(self.chunk.len());
        bytes[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

/// Something that is read through a decoder, and says how much went into it.
trait Source: Read {
    fn packed(&self) -> u64;
}

impl Source for MultiGzDecoder<io::Chain<io::Cursor<Vec<u8>>, Incoming>> {
    fn packed(&self) -> u64 {
        self.get_ref().get_ref().1.packed
    }
}

impl Source for io::Chain<io::Cursor<Vec<u8>>, Incoming> {
    fn packed(&self) -> u64 {
        self.get_ref().1.packed
    }
}

/// Writes a database, packed or not, to a file; says what is wrong with it.
fn unpack(mut incoming: Incoming, to: &Path) -> Result<(), String> {
    let mut head = Vec::new();
    let unread = |error: io::Error| format!("the file cannot be read: {error}");
    incoming.by_ref().take(2).read_to_end(&mut head).map_err(unread)?;
    let is_packed = head == GZIP;
    let whole = io::Cursor::new(head).chain(incoming);
    let mut source: Box<dyn Source> =
        if is_packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
    let mut start = Vec::new();
    source.by_ref().take(HEADER.len() as u64).read_to_end(&mut start).map_err(unread)?;
    if start != HEADER {
        return Err("the file is no database of SQLite".to_owned());
    }
    let unwritten = |error: io::Error| format!("it cannot be kept: {error}");
    let mut file = File::options().write(true).open(to).map_err(unwritten)?;
    file.write_all(&start).map_err(unwritten)?;
    let (mut piece, mut written) = (vec![0; 64 << 10], 0_u64);
    loop {
        let length = source.read(&mut piece).map_err(unread)?;
        if length == 0 {
            return file.sync_all().map_err(unwritten);
        }
        written += length as u64;
        if written > UNPACKED_BYTES_MAX.min(SLACK_BYTES + RATIO_MAX * source.packed()) {
            return Err("more comes out of the file than can be in a database".to_owned());
        }
        file.write_all(&piece[..length]).map_err(unwritten)?;
    }
}

/// Puts the file in place, if it is a database of ours; gives where the one before is kept. Goes on
/// to its end also if whoever sent it goes away.
async fn install(
    members: Arc<Members>,
    member: &Member,
    file: Temporary,
) -> Result<String, String> {
    let actor = member.username().to_owned();
    let work = move || -> Result<String, String> {
        let copy = copies::open(file.path()).map_err(|bad| bad.to_string())?;
        let owner = users::owner(&copy).ok().flatten().map(|owner| owner.user_id);
        let event =
            Event { actor_id: owner, actor: &actor, action: "db_restore", ..Event::default() };
        events::insert(&copy, now(), &event).map_err(|error| error.to_string())?;
        let what = format!("before-restore-{}", stamp(now()));
        let after = |conn: &crate::db::Connection| {
            if let Err(error) = members.reload_all(conn) {
                tracing::error!(%error, "the restored database is not obeyed until the next start");
            }
        };
        let kept = copies::replace(&members.database, &what, &copy, after);
        let kept = kept.map_err(|failed| failed.to_string())?;
        tracing::warn!("the database was restored; the one before is {}", kept.display());
        Ok(kept.display().to_string())
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err("the file cannot be read".to_owned()))
}
