//! The pages, written from rows that are made here.

use askama::Template;

use super::list::{Asked, ListPage, Row, magnet};
use super::reception::{Bounds, Broken, Refused};
use super::show::{Elsewhere, TorrentPage};
use super::summary::{Fate, Summary, SummaryPage};
use super::*;
use crate::db::torrents::Torrent;
use crate::db::torrents::list::{Listed, Scope, Sort};
use crate::db::torrents::snapshots::{Refresh, Snapshot};
use crate::db::users::Role;
use crate::protocol::announce::Counts;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::{File, Identity, InfoHashV2};

const HOSTILE: &str =
    "<script>alert(1)</script>\"'&\u{202e}</textarea><img src=x onerror=alert(1)>";
const COUNTS: Counts = Counts { seeders: 3, leechers: 4, paused: 0, completed: 1_005 };

fn viewer(user_id: i64, sees_all: bool, is_staff: bool) -> Viewer {
    let role = match (sees_all, is_staff) {
        (_, true) => Role::Admin,
        (true, false) => Role::Standard,
        (false, false) => Role::Basic,
    };
    Viewer { user_id, username: "ann".into(), role, csrf: "token".to_owned(), flash: None }
}

fn torrent(name: &str) -> Torrent {
    Torrent {
        torrent_id: 1,
        identity: Identity::Hybrid { v1: InfoHash([0xab; 20]), v2: InfoHashV2([0xcd; 32]) },
        name: name.to_owned(),
        total_size: 5 << 30,
        file_count: 2,
        piece_length: 1 << 20,
        piece_count: 5_120,
        is_private: true,
        is_multifile: true,
        uploader: Some((7, HOSTILE.to_owned())),
        registered_at: 1_772_373_909,
        completed: 5,
    }
}

/// Nothing that came from outside has become markup.
fn assert_inert(page: &str) {
    for text in ["<script>alert", "<img src=x", "</textarea>", "\"'&"] {
        assert!(!page.contains(text), "{text} in {page}");
    }
}

fn list_page(asked: &Asked, viewer: &Viewer, names: &[&str], listed: Listed) -> String {
    let trackers = ["udp://t.example:6969".to_owned()];
    let rows = names.iter().map(|name| Row::new(torrent(name), COUNTS, &trackers)).collect();
    let bounds = Bounds::default();
    ListPage { asked, is_search: true, viewer, bounds, rows, listed }.render().unwrap()
}

#[test]
fn list_shows_whose_torrents_live_counts_and_the_way_to_other_pages() {
    let asked = Asked { q: HOSTILE.to_owned(), sort: "size".into(), ..Asked::default() };
    let listed = Listed { total: 2_000, is_cut: true, page: 2, pages: 40, ..Listed::default() };
    let page = list_page(&asked, &viewer(1, true, false), &["ubuntu.iso", HOSTILE], listed);
    assert_inert(&page);
    assert!(page.contains(">ubuntu.iso</a>") && page.contains("2,000+"), "{page}");
    assert!(page.contains("<td class=\"number good\">3</td>"));
    assert!(page.contains("<option value=\"size\" selected>"));
    assert!(page.contains("&#38;sort=size&#38;page=3\"") || page.contains("&amp;sort=size"));
    assert!(page.contains("href=\"/manage/torrent/abababababababababababababababababababab\""));
    let basic = list_page(&asked, &viewer(7, false, false), &["mine"], Listed::default());
    assert!(!basic.contains("name=\"of\"") && !basic.contains(">Owner<"), "{basic}");
}

#[test]
fn empty_list_says_what_to_do() {
    let asked = Asked { q: "word".to_owned(), ..Asked::default() };
    let page = list_page(&asked, &viewer(1, true, false), &[], Listed::default());
    assert!(page.contains("Nothing has all of these words"));
    let mine = Asked { of: "mine".into(), ..Asked::default() };
    let page = list_page(&mine, &viewer(1, true, false), &[], Listed::default());
    assert!(page.contains("You have not registered a torrent yet"));
}

#[test]
fn what_a_url_asks_for_is_read_as_what_makes_sense() {
    let asked = Asked { page: "x".into(), sort: "?".into(), ..Asked::default() };
    assert_eq!((asked.part(50).page, asked.sort()), (1, Sort::Newest));
    assert_eq!(asked.scope(&viewer(9, true, false)), Scope { uploader_id: None });
    assert_eq!(asked.scope(&viewer(9, false, false)), Scope { uploader_id: Some(9) });
}

fn torrent_page(viewer: &Viewer, elsewhere: Elsewhere) -> String {
    let torrent = torrent(HOSTILE);
    let file = |path: String| File { path, length: 1_536 };
    let files = [file(format!("dir/{HOSTILE}")), file("z.txt".to_owned())];
    TorrentPage {
        viewer,
        torrent: &torrent,
        counts: COUNTS,
        elsewhere,
        files: &files,
        magnet: magnet(&torrent, &["udp://t.example:6969".to_owned()]),
        has_metainfo: true,
        sharing: vec![(HOSTILE.to_owned(), "5m ago".to_owned())],
    }
    .render()
    .unwrap()
}

#[test]
fn torrent_is_shown_with_its_swarm_files_and_links_and_nothing_in_it_is_markup() {
    let snapshot = Snapshot {
        tracker: HOSTILE.to_owned(),
        taken_at: 1_772_373_909,
        seeders: 8,
        leechers: 9,
        completed: None,
    };
    let elsewhere = Elsewhere { snapshot: Some(snapshot), ..Elsewhere::default() };
    let page = torrent_page(&viewer(1, true, false), elsewhere);
    assert_inert(&page);
    for text in [
        "xt=urn:btih:abababababababababababababababababababab",
        "xt=urn:btmh:1220cdcd",
        "tr=udp%3A%2F%2Ft.example%3A6969",
        "5.0 GB (5,368,709,120 bytes)",
        "5,120 of 1.0 MB",
        "2026-03-01 14:05 UTC",
        "<dd class=\"good\" data-seeders>3</dd>",
        "8 seeders, 9 leechers. Asked",
        "z.txt</span> <span class=\"muted\">1.5 KB",
        "/download\"",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
}

#[test]
fn only_its_owner_and_the_staff_are_offered_to_remove_a_torrent() {
    let form = "action=\"/manage/delete-torrent\"";
    let page = |viewer| torrent_page(&viewer, Elsewhere::default());
    assert!(!page(viewer(1, true, false)).contains(form));
    let owner = page(viewer(7, false, false));
    assert!(owner.contains(form) && !owner.contains("name=\"removal\""));
    let staff = page(viewer(1, true, true));
    assert!(staff.contains(form) && staff.contains("removed as a duplicate</option>"));
}

#[test]
fn summary_has_a_line_for_each_file_and_a_sentence_for_all() {
    let registered = Fate::Registered { info_hash: InfoHash([1; 20]), name: HOSTILE.to_owned() };
    let summary = Summary {
        files: vec![
            (HOSTILE.to_owned(), registered),
            ("b".to_owned(), Fate::Refused(Refused::Duplicate)),
            ("c".to_owned(), Fate::Refused(Refused::TooLarge(10 << 20))),
            ("d".to_owned(), Fate::Refused(Refused::Empty)),
            ("e".to_owned(), Fate::Refused(Refused::TooMany(1_000))),
        ],
        broken: Some(Broken::TooLarge(100 << 20)),
    };
    assert_eq!(
        summary.sentence(),
        "1 registered, 1 already there, 1 too large, 1 not valid, 1 over the number of files"
    );
    let page = SummaryPage { viewer: &viewer(1, true, false), summary: &summary }.render().unwrap();
    assert_inert(&page);
    assert!(page.contains("larger than 10 MiB") && page.contains("100 MiB in all"), "{page}");
    assert_eq!(Summary::default().sentence(), "No file was received");
}

#[test]
fn other_tracker_can_be_asked_when_it_may_and_it_is_said_when_that_is() {
    let refresh = |is_pending, failure: Option<&str>| {
        Some(Refresh { asked_at: 1_000, is_pending, failure: failure.map(str::to_owned) })
    };
    let page = |now, refresh| {
        let elsewhere = Elsewhere { is_active: true, snapshot: None, refresh, now };
        torrent_page(&viewer(1, true, false), elsewhere)
    };
    let form = "action=\"/manage/torrent/update-peers\"";
    assert!(page(1_000, None).contains(form));
    let pending = page(1_000, refresh(true, None));
    assert!(pending.contains("is being asked") && !pending.contains(form));
    let failed = page(1_010, refresh(false, Some(HOSTILE)));
    assert!(failed.contains("asked again in 1m") && !failed.contains(form), "{failed}");
    assert_inert(&failed);
    assert!(page(1_060, refresh(false, Some("no answer"))).contains(form));
    assert!(!torrent_page(&viewer(1, true, false), Elsewhere::default()).contains(form));
}
