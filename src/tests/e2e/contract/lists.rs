//! Lists of torrents that change while the tracker runs.

use super::*;

#[test]
fn changed_list_is_taken_up_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("denied");
    std::fs::write(&file, "# nothing yet\n").unwrap();
    let server = TestServer::with(|config| config.tracker.lists.denied = Some(file.clone()));
    let client = server.udp_client();
    let is_refused = || {
        let reply = client.announce(&Announce::sample(7000, 0));
        let over_udp = reply.ends_with(b"torrent not allowed on this tracker");
        let failure = server.get(&target(7000, "left=0")).failure();
        assert_eq!(over_udp, failure.as_deref() == Some("torrent not allowed on this tracker"));
        over_udp
    };
    assert!(!is_refused());
    std::fs::write(&file, format!("{HASH} # on demand\n")).unwrap();
    server.server.reload();
    wait_until("the torrent is denied", is_refused);
    std::fs::write(&file, "no hash\n").unwrap();
    server.server.reload();
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_refused(), "a bad list changes nothing");
    std::fs::write(&file, "").unwrap();
    server.server.reload();
    wait_until("the torrent is welcome again", || !is_refused());
}
