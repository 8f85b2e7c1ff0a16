//! Lists of torrents that change while the tracker runs.

use super::*;

#[test]
fn changed_list_is_taken_up_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("denied");
    std::fs::write(&file, "# nothing yet\n").unwrap();
    let server = TestServer::with(|config| config.tracker.lists.denied = Some(file.clone()));
    let client = server.udp_client();
    let reason = "torrent not allowed on this tracker";
    // Over UDP and over HTTP.
    let refused = || {
        let reply = client.announce(&Announce::sample(7000, 0));
        let failure = server.get(&target(7000, "left=0")).failure();
        [reply.ends_with(reason.as_bytes()), failure.as_deref() == Some(reason)]
    };
    assert_eq!(refused(), [false; 2]);
    std::fs::write(&file, format!("{HASH} # on demand\n")).unwrap();
    drop(server.server.reload());
    wait_until("the torrent is denied", || refused() == [true; 2]);
    std::fs::write(&file, "no hash\n").unwrap();
    drop(server.server.reload());
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(refused(), [true; 2], "a bad list changes nothing");
    std::fs::write(&file, "").unwrap();
    drop(server.server.reload());
    wait_until("the torrent is welcome again", || refused() == [false; 2]);
}
