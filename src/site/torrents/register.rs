//! From an uploaded file to a torrent that is registered.

use super::reception::Refused;
use super::summary::Fate;
use crate::db::torrents::{NewTorrent, insert};
use crate::db::{self, Connection};
use crate::limits::UPLOADED_TORRENT;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::hand_out::with_trackers;
use crate::protocol::metainfo::{Identity, Metainfo, TorrentError};

/// A file that is a .torrent, with the trackers and other sources of peers taken out.
#[derive(Clone, Debug)]
pub struct Accepted {
    metainfo: Metainfo,
    without_trackers: Vec<u8>,
}

impl Accepted {
    /// Reads a file. Takes some ten milliseconds for a large one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(content: &[u8]) -> Result<Accepted, TorrentError> {
        let metainfo = Metainfo::decode(content, &UPLOADED_TORRENT)?;
        let without_trackers = with_trackers(content, &[], &UPLOADED_TORRENT)?;
        Ok(Accepted { metainfo, without_trackers })
    }

    /// Writes it down for a member. The identity comes back where it is registered now: to be told
    /// to the tracker once the transaction is done, and not before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn register(
        &self,
        conn: &Connection,
        uploader_id: i64,
        now: i64,
    ) -> db::Result<(Fate, Option<Identity>)> {
        let Accepted { metainfo, without_trackers } = self;
        let (without_trackers, uploader_id) = (Some(&without_trackers[..]), Some(uploader_id));
        let new = NewTorrent { metainfo, without_trackers, uploader_id, now };
        if insert(conn, &new)?.is_none() {
            return Ok((Fate::Refused(Refused::Duplicate), None));
        }
        let identity = metainfo.identity;
        let info_hash = identity.info_hashes().next().unwrap_or(InfoHash([0; 20]));
        Ok((Fate::Registered { info_hash, name: metainfo.name.clone() }, Some(identity)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::torrents::tests::open;
    use crate::db::torrents::{find, metainfo};

    const SECRET: &[u8] = b"d8:announce24:http://elsewhere/secret/4:infod6:lengthi5e4:name1:n\
        12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

    #[test]
    fn torrent_is_registered_once_and_without_the_trackers_of_its_uploader() {
        let conn = open();
        let accepted = Accepted::read(SECRET).unwrap();
        let (fate, identity) = accepted.register(&conn, 1, 5).unwrap();
        let hash = identity.unwrap().v1().unwrap();
        assert_eq!(fate, Fate::Registered { info_hash: hash, name: "n".to_owned() });
        let torrent = find(&conn, &hash).unwrap().unwrap();
        let kept = metainfo(&conn, torrent.torrent_id).unwrap().unwrap();
        assert!(kept.starts_with(b"d4:info") && !kept.windows(6).any(|part| part == b"secret"));
        let again = Accepted::read(&kept).unwrap();
        assert_eq!(again.metainfo.identity, torrent.identity, "the hash stays");
        let (fate, identity) = again.register(&conn, 2, 6).unwrap();
        assert_eq!((fate, identity), (Fate::Refused(Refused::Duplicate), None));
    }
}
