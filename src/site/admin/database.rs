//! The whole database: taken away as a file, and put back from one.

use std::io::{self, Write};
use std::path::Path;

use askama::Template;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::change::log;
use super::{Tab, now, stamp};
use crate::db;
use crate::db::copies::{self, Failed, Temporary};
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site, numbers, stream};

#[derive(Debug, Template)]
#[template(path = "admin/database.html")]
struct DatabasePage {
    viewer: Viewer,
    tab: Tab,
    size: String,
    file_name: String,
}

/// `GET /manage/admin/database`.
///
/// # Errors
/// When the page cannot be written.
pub async fn show(State(site): State<Site>, member: Member) -> Result<Html<String>, Error> {
    let path = site.members()?.database.path();
    // What was written last lies beside it for a while.
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let bytes = length(path) + length(Path::new(&beside));
    let page = DatabasePage {
        viewer: Viewer::from(&member),
        tab: Tab::Database,
        size: numbers::bytes(bytes),
        file_name: path.display().to_string(),
    };
    Ok(Html(page.render()?))
}

/// `GET /manage/admin/db-backup`: the database as it is at this moment, without who is signed in,
/// packed while it is sent. One at a time.
///
/// # Errors
/// [`Error::Busy`] while another one is made, or the database cannot be used.
pub async fn backup(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    let members = site.members()?;
    let turn = members.copying.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
    let path = members.database.path().to_owned();
    let copy = move |conn: &db::Connection| -> Result<Temporary, Failed> {
        let copy = Temporary::beside(&path)?;
        copies::copy_for_away(conn, copy.path())?;
        Ok(copy)
    };
    let copy = match members.database.read(copy).await {
        Ok(copy) => copy,
        Err(failed) => {
            tracing::error!(cause = %failed, "no backup was made");
            let flash = Flash::error(format!("No backup was made: {failed}."));
            return Ok(go_told(members, &member, Tab::Database.path(), flash).await?);
        }
    };
    let work = move |tx: &db::Transaction<'_>| log(tx, &member, "db_backup", "", "");
    members.database.write(work).await?;
    let body = stream::body(move |pipe| {
        let mut file = std::fs::File::open(copy.path())?;
        let mut packed = GzEncoder::new(pipe, Compression::default());
        io::copy(&mut file, &mut packed)?;
        packed.finish()?.flush()?;
        drop((copy, turn));
        Ok(())
    });
    let name = format!("attachment; filename=\"tracker-backup-{}.db.gz\"", stamp(now()));
    let headers = [(CONTENT_TYPE, "application/gzip".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, body).into_response())
}
