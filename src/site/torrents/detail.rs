//! One torrent, as it is asked for, and its .torrent.

use std::fmt::Write;
use std::net::IpAddr;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use axum::response::{Html, IntoResponse, Response};

use super::list::magnet;
use super::sharing::{ago, members as sharing};
use super::show::{Elsewhere, TorrentPage};
use super::{Viewer, browse};
use crate::clock;
use crate::db::settings::{ACTIVITY_LINK_DAYS, PEER_QUERY_ENABLED, Settings};
use crate::db::torrents::{self, Torrent, snapshots};
use crate::db::{self, magnet_trackers, users};
use crate::limits::UPLOADED_TORRENT;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::File;
use crate::protocol::metainfo::hand_out::with_trackers;
use crate::site::session::Member;
use crate::site::{Error, Site};

/// Peers of a swarm among whom members are looked for.
const PEERS_LOOKED_AT_MAX: usize = 1_000;

/// All that a page says of a torrent and the database knows.
struct Known {
    torrent: Torrent,
    files: Vec<File>,
    has_metainfo: bool,
    elsewhere: Elsewhere,
    trackers: Vec<String>,
    sign_ins: Vec<users::SignIn>,
}

/// `GET /manage/torrent/{info_hash}`.
///
/// # Errors
/// [`Error::NotFound`] when it is not registered, or the database cannot be read.
pub async fn show(
    State(site): State<Site>,
    member: Member,
    Path(info_hash): Path<String>,
) -> Result<Html<String>, Error> {
    let members = site.members()?;
    let info_hash: InfoHash = info_hash.parse().map_err(|_| Error::NotFound)?;
    let live = live(&site, &info_hash);
    let ips: Vec<IpAddr> = live.iter().map(|(ip, _)| *ip).collect();
    let settings = members.settings();
    let look = move |conn: &db::Connection| look(conn, &info_hash, &ips, &settings);
    let known = members.database.read(look).await?.ok_or(Error::NotFound)?;
    let sharing = sharing(&live, &known.sign_ins);
    let page = TorrentPage {
        viewer: &Viewer::from(&member),
        counts: browse::counts(&site, &known.torrent),
        elsewhere: known.elsewhere,
        files: &known.files,
        magnet: magnet(&known.torrent, &known.trackers),
        has_metainfo: known.has_metainfo,
        sharing: sharing.into_iter().map(|(name, age)| (name, ago(age))).collect(),
        torrent: &known.torrent,
    };
    Ok(Html(page.render()?))
}

/// Who is in the swarm that is announced under a hash.
fn live(site: &Site, info_hash: &InfoHash) -> Vec<(IpAddr, u32)> {
    let registered = site.members.as_deref().and_then(|members| members.registered());
    let canonical = registered.and_then(|registered| registered.resolve(info_hash).ok());
    let info_hash = canonical.unwrap_or(*info_hash);
    site.swarms.addresses(site.clock.now(), &info_hash, PEERS_LOOKED_AT_MAX)
}

fn look(
    conn: &db::Connection,
    info_hash: &InfoHash,
    ips: &[IpAddr],
    settings: &Settings,
) -> db::Result<Option<Known>> {
    let Some(torrent) = torrents::find(conn, info_hash)? else { return Ok(None) };
    let torrent_id = torrent.torrent_id;
    let (snapshot, refresh) = snapshots::find(conn, torrent_id)?;
    let now = clock::unix_secs().cast_signed();
    let since = now - settings.number(ACTIVITY_LINK_DAYS) * 86_400;
    let is_active = settings.is_on(PEER_QUERY_ENABLED);
    Ok(Some(Known {
        files: torrents::files(conn, torrent_id)?,
        has_metainfo: torrents::has_metainfo(conn, torrent_id)?,
        elsewhere: Elsewhere { is_active, snapshot, refresh, now },
        trackers: magnet_trackers::enabled(conn)?,
        sign_ins: users::sign_ins(conn, ips, since)?,
        torrent,
    }))
}

/// `GET /manage/torrent/{info_hash}/download`: the .torrent that was uploaded, with our trackers.
///
/// # Errors
/// [`Error::NotFound`] when it is not registered or was not kept, or the database cannot be read.
pub async fn download(
    State(site): State<Site>,
    _: Member,
    Path(info_hash): Path<String>,
) -> Result<Response, Error> {
    let info_hash: InfoHash = info_hash.parse().map_err(|_| Error::NotFound)?;
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let Some(torrent) = torrents::find(conn, &info_hash)? else { return Ok(None) };
        let metainfo = torrents::metainfo(conn, torrent.torrent_id)?;
        Ok(metainfo.zip(Some((torrent.name, magnet_trackers::enabled(conn)?))))
    };
    let found = site.members()?.database.read(look).await?;
    let (metainfo, (name, trackers)) = found.ok_or(Error::NotFound)?;
    // It was read when it came, so it is one.
    let file =
        with_trackers(&metainfo, &trackers, &UPLOADED_TORRENT).map_err(|_| Error::NotFound)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-bittorrent")),
        (CONTENT_DISPOSITION, attachment(&name)),
    ];
    Ok((headers, file).into_response())
}

/// Has a browser save what it gets as `<name>.torrent` (RFC 6266, with the name as in RFC 8187).
fn attachment(name: &str) -> HeaderValue {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || " ._-()[]".contains(*c);
    let plain: String =
        name.chars().map(|c| if is_plain(&c) { c } else { '_' }).take(150).collect();
    let short: String = name.chars().take(150).collect();
    let mut exact = String::new();
    for byte in short.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                exact.push(char::from(byte));
            }
            _ => drop(write!(exact, "%{byte:02X}")), // writing to a String cannot fail
        }
    }
    let text =
        format!("attachment; filename=\"{plain}.torrent\"; filename*=UTF-8''{exact}.torrent");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_called_as_its_torrent_and_never_more_than_a_name() {
        let header = |name| attachment(name).to_str().unwrap().to_owned();
        assert_eq!(
            header("ä \"x\"\r\nY: z/../a"),
            "attachment; filename=\"_ _x___Y_ z_.._a.torrent\"; \
             filename*=UTF-8''%C3%A4%20%22x%22%0D%0AY%3A%20z%2F..%2Fa.torrent"
        );
        assert!(header(&"ä".repeat(5_000)).len() < 1_200);
    }
}
