//! A torrent from its upload to its end, as the rooms act on it together: file, database, tracker.

use std::sync::Arc;

use crate::clock::Now;
use crate::db::torrents::tests::open;
use crate::db::torrents::{delete, find};
use crate::jobs::keep_registered;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::Metainfo;
use crate::protocol::metainfo::hand_out::with_trackers;
use crate::site::torrents::register::Accepted;
use crate::stats::{Ledger, Protocol, Stats};
use crate::swarm::Swarms;
use crate::tracker::registered::Removal;
use crate::tracker::{HttpAnswer, Tracker, Worker};
use crate::{config, db, limits};

const FILE: &[u8] = b"d8:announce16:http://elsewhere4:infod6:lengthi5e4:name5:a.iso\
    12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";

fn announce(worker: &mut Worker, info_hash: &InfoHash, rest: &str) -> String {
    let hash: String = url::form_urlencoded::byte_serialize(&info_hash.0).collect();
    let query = format!("info_hash={hash}&peer_id=-TT0001-aaaaaaaaaaaa&port=6881&{rest}");
    let mut body = Vec::new();
    let client = (Protocol::Http, [192, 0, 2, 1].into());
    let request = (&b"/announce"[..], query.as_bytes());
    let answer = worker.answer_http(Now::from_secs(1), client, request, &mut body);
    assert_eq!(answer, HttpAnswer::Body);
    body.escape_ascii().to_string()
}

fn started(conn: &db::Connection) -> (Arc<Tracker>, Worker) {
    let swarms = Arc::new(Swarms::new(&config::Swarm::default()));
    let registered = keep_registered::load(conn, false).unwrap();
    let tracker = Tracker::new(config::Tracker::default(), swarms, None).unwrap();
    let tracker = Arc::new(tracker.registering(registered));
    let worker = Worker::new(tracker.clone(), Stats::new(1, Ledger::default(), 0).worker(0));
    (tracker, worker)
}

#[test]
fn torrent_is_answered_from_its_upload_on_and_refused_once_it_is_gone_also_after_a_restart() {
    let conn = open();
    let (tracker, mut worker) = started(&conn);
    let registered = tracker.admission().registered().unwrap();
    let accepted = Accepted::read(FILE).unwrap();
    let info_hash = Metainfo::decode(FILE, &limits::UPLOADED_TORRENT).unwrap().identity;
    let info_hash = info_hash.v1().unwrap();
    let refusal = announce(&mut worker, &info_hash, "left=5");
    assert!(refusal.contains("22:torrent not registered"), "{refusal}");

    let (_, identity) = accepted.register(&conn, 1, 5).unwrap();
    registered.insert(identity.unwrap(), 0);
    assert!(announce(&mut worker, &info_hash, "left=5&event=started").contains("8:interval"));
    let done = announce(&mut worker, &info_hash, "left=0&event=completed");
    assert!(done.contains("8:completei1e10:downloadedi1e"), "{done}");
    assert_eq!(keep_registered::save(&conn, registered).unwrap(), 1);

    let (tracker, mut worker) = started(&conn);
    let registered = tracker.admission().registered().unwrap();
    let again = announce(&mut worker, &info_hash, "left=0");
    assert!(again.contains("10:downloadedi1e"), "completions outlive a restart: {again}");
    let torrent = find(&conn, &info_hash).unwrap().unwrap();
    delete(&conn, &torrent, Removal::Duplicate as u8, 9).unwrap();
    registered.remove(torrent.identity, Removal::Duplicate);
    let refusal = announce(&mut worker, &info_hash, "left=0");
    assert!(refusal.contains("removed as a duplicate"), "{refusal}");
    let (_, mut worker) = started(&conn);
    assert_eq!(announce(&mut worker, &info_hash, "left=0"), refusal);
}

#[test]
fn torrent_that_is_handed_out_is_the_one_that_came_but_for_its_trackers() {
    let limits = &limits::UPLOADED_TORRENT;
    let ours = ["udp://t:6969".to_owned(), "https://t/announce".to_owned()];
    let handed_out = with_trackers(FILE, &ours, limits).unwrap();
    let read = Metainfo::decode(&handed_out, limits).unwrap();
    let came = Metainfo::decode(FILE, limits).unwrap();
    assert_eq!(read.identity, came.identity);
    assert_eq!(read.trackers, ours.map(|url| vec![url]));
    assert_eq!(read.files, came.files);
}
