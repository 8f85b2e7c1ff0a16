pub(crate) mod million;

use super::list::{Listed, Part, Scope, Sort, list, search};
use super::snapshots::Snapshot;
use super::*;
use crate::db::search::Query;
use crate::db::users::{self, Role};

/// An empty database with two members, 1 and 2.
pub(crate) fn open() -> Connection {
    let conn = users::tests::open();
    for name in ["ann", "ben"] {
        users::tests::add(&conn, name, Role::Standard);
    }
    conn
}

/// A torrent of one file, with hashes of its number.
pub(crate) fn sample(number: u32, name: &str) -> Metainfo {
    let mut v1 = InfoHash([0xee; 20]);
    v1.0[..4].copy_from_slice(&number.to_be_bytes());
    Metainfo {
        identity: Identity::V1(v1),
        name: name.to_owned(),
        piece_length: 16_384,
        piece_count: 1,
        files: vec![File { path: name.to_owned(), length: u64::from(number) + 1 }],
        total_size: u64::from(number) + 1,
        is_multifile: false,
        is_private: false,
        trackers: Vec::new(),
    }
}

pub(crate) fn add(conn: &Connection, metainfo: &Metainfo, uploader_id: i64) -> Option<i64> {
    let now = 1_000 + i64::try_from(metainfo.total_size).unwrap() / 3;
    let (without_trackers, uploader_id) = (Some(&b"de"[..]), Some(uploader_id));
    insert(conn, &NewTorrent { metainfo, without_trackers, uploader_id, now }).unwrap()
}

fn names(listed: &Listed) -> Vec<&str> {
    listed.torrents.iter().map(|torrent| &*torrent.name).collect()
}

/// What holds something of a torrent, and nothing once it is gone.
const TABLES: [&str; 6] = [
    "torrents",
    "torrent_contents",
    "torrent_snapshots",
    "torrent_refreshes",
    "torrent_search",
    "torrent_counts where torrents > 0",
];
const ALL: Scope = Scope { uploader_id: None };

fn part(page: u64, rows: u64) -> Part {
    Part { page, rows }
}

#[test]
fn torrent_is_found_by_each_of_its_hashes_with_what_is_inside() {
    let conn = open();
    let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([2; 32]));
    let metainfo =
        Metainfo { identity: Identity::Hybrid { v1, v2 }, is_private: true, ..sample(6, "a.iso") };
    let torrent_id = add(&conn, &metainfo, 2).unwrap();
    for info_hash in [v1, v2.truncated()] {
        let found = find(&conn, &info_hash).unwrap().unwrap();
        assert_eq!(found.torrent_id, torrent_id);
        assert_eq!(found.identity, metainfo.identity);
        assert_eq!((&*found.name, found.total_size, found.is_private), ("a.iso", 7, true));
        assert_eq!(found.uploader, Some((2, "ben".to_owned())));
    }
    assert_eq!(find(&conn, &InfoHash([3; 20])).unwrap(), None);
    assert_eq!(files(&conn, torrent_id).unwrap(), metainfo.files);
    assert_eq!(super::metainfo(&conn, torrent_id).unwrap().as_deref(), Some(&b"de"[..]));
}

#[test]
fn hash_is_registered_once_whoever_comes_second() {
    let conn = open();
    assert!(add(&conn, &sample(1, "first"), 1).is_some());
    assert_eq!(add(&conn, &sample(1, "second"), 2), None);
    let listed = list(&conn, ALL, Sort::Newest, part(1, 9)).unwrap();
    assert_eq!(names(&listed), ["first"]);
}

#[test]
fn deleting_leaves_nothing_but_the_reason_and_registering_again_not_even_that() {
    let conn = open();
    let metainfo = sample(1, "findable");
    add(&conn, &metainfo, 1);
    let hash = metainfo.identity.v1().unwrap();
    let torrent = find(&conn, &hash).unwrap().unwrap();
    let said =
        Snapshot { tracker: "t".into(), taken_at: 5, seeders: 1, leechers: 2, completed: None };
    snapshots::finish(&conn, torrent.torrent_id, 5, &Ok(said)).unwrap();
    assert!(delete(&conn, &torrent, 4, 9).unwrap());
    assert!(!delete(&conn, &torrent, 4, 9).unwrap());
    for table in TABLES {
        let rows: u64 =
            conn.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert_eq!(removed(&conn, 9).unwrap(), [(hash, 4)]);
    add(&conn, &metainfo, 2);
    assert_eq!(removed(&conn, 9).unwrap(), []);
    let found = search(&conn, &Query::new("INDAB"), ALL, Sort::Newest, part(1, 9)).unwrap();
    assert_eq!(names(&found), ["findable"]);
}

#[test]
fn every_page_of_every_order_holds_what_it_should() {
    let conn = open();
    let name =
        |number: u32| format!("{}{number:02}", if number.is_multiple_of(2) { 'A' } else { 'b' });
    for number in 0..23 {
        add(&conn, &sample(number, &name(number)), i64::from(number % 3 == 0) + 1);
    }
    for uploader_id in [None, Some(2)] {
        let scope = Scope { uploader_id };
        let all: Vec<u32> =
            (0..23).filter(|number| uploader_id.is_none() || number % 3 == 0).collect();
        for (sort, rows) in [(Sort::Newest, 4), (Sort::Oldest, 5), (Sort::Name, 3), (Sort::Size, 7)]
        {
            let mut expected = all.clone();
            match sort {
                Sort::Newest | Sort::Size => expected.reverse(),
                Sort::Oldest => {}
                Sort::Name => expected.sort_by_key(|number| (number % 2, *number)),
            }
            let expected: Vec<_> = expected.iter().map(|number| name(*number)).collect();
            let pages: Vec<_> = expected.chunks(rows).collect();
            for (at, page) in pages.iter().enumerate() {
                let asked = part(at as u64 + 1, rows as u64);
                let listed = list(&conn, scope, sort, asked).unwrap();
                assert_eq!(names(&listed), *page, "{sort:?} {at}");
                assert_eq!((listed.total, listed.pages), (all.len() as u64, pages.len() as u64));
            }
            let beyond = list(&conn, scope, sort, part(99, rows as u64)).unwrap();
            assert_eq!(names(&beyond), *pages[pages.len() - 1]);
            assert_eq!(beyond.page, pages.len() as u64);
        }
    }
    let empty = list(&open(), ALL, Sort::Name, part(3, 5)).unwrap();
    assert_eq!(empty, Listed { page: 1, pages: 1, ..Listed::default() });
}

#[test]
fn search_obeys_scope_order_and_pages() {
    let conn = open();
    let names = ["ubuntu-24.04.2-live.iso", "Ubuntu 22", "debian_12", "Ünal 24"];
    for (number, name) in (0..).zip(names) {
        add(&conn, &sample(number, name), 1 + i64::from(number % 2));
    }
    let find = |typed: &str, uploader_id, sort, page| {
        let found =
            search(&conn, &Query::new(typed), Scope { uploader_id }, sort, part(page, 2)).unwrap();
        (found.torrents.iter().map(|torrent| torrent.name.clone()).collect::<Vec<_>>(), found.total)
    };
    let newest = |typed: &str| find(typed, None, Sort::Newest, 1).0;
    assert_eq!(newest("24"), ["Ünal 24", "ubuntu-24.04.2-live.iso"]);
    assert_eq!(newest("ubuntu.24"), ["ubuntu-24.04.2-live.iso"]);
    assert_eq!(newest("ünal"), ["Ünal 24"]);
    assert_eq!(newest("nothing like it"), [""; 0]);
    assert_eq!(newest("00000001EEEE"), ["Ubuntu 22"], "a part of its hash");
    assert_eq!(find("u", Some(2), Sort::Newest, 1).0, ["Ubuntu 22"], "of hers alone");
    assert_eq!(
        find("n", None, Sort::Name, 2),
        (vec!["ubuntu-24.04.2-live.iso".into(), "Ünal 24".into()], 4)
    );
    assert_eq!(find("n", None, Sort::Size, 1).0, ["Ünal 24", "debian_12"]);
    assert_eq!(find("", None, Sort::Oldest, 1).1, 4, "nothing asked for is everything");
}

#[test]
fn completions_are_saved_and_never_lowered() {
    let conn = open();
    let metainfo = sample(1, "x");
    add(&conn, &metainfo, 1);
    let hash = metainfo.identity.v1().unwrap();
    save_completed(&conn, &[(hash, 5), (InfoHash([9; 20]), 1)]).unwrap();
    save_completed(&conn, &[(hash, 4)]).unwrap();
    let mut all = Vec::new();
    each_registered(&conn, |identity, completed| all.push((identity, completed))).unwrap();
    assert_eq!(all, [(metainfo.identity, 5)]);
}

#[test]
fn torrents_stay_when_the_account_of_their_uploader_goes() {
    let conn = open();
    add(&conn, &sample(1, "kept"), 2);
    conn.execute("delete from users where user_id = 2", []).unwrap();
    let listed = list(&conn, ALL, Sort::Newest, part(1, 9)).unwrap();
    assert_eq!(listed.torrents[0].uploader, None);
    let mine = Scope { uploader_id: Some(2) };
    let found = search(&conn, &Query::new("kept"), mine, Sort::Newest, part(1, 9)).unwrap();
    assert!(found.torrents.is_empty());
    let count = |scope| super::list::count(&conn, scope).unwrap();
    assert_eq!((count(ALL), count(mine)), (1, 0));
}
