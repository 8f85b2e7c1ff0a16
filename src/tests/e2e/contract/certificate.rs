//! Renewal of the certificate under open connections.

use super::*;

/// A handshake that succeeds only with the certificate in `pem`.
fn can_connect(server: &TestServer, pem: &std::path::Path) -> bool {
    let mut stream = tls_stream(connect(server.addresses().https[0]), pem);
    stream.conn.complete_io(&mut stream.sock).is_ok()
}

#[test]
fn new_connections_get_the_new_certificate_and_old_ones_go_on() {
    let server = TestServer::start();
    let path = |name: &str| server.folder.path().join(name);
    let files = TlsFiles { cert: path("cert.pem"), key: path("key.pem") };
    std::fs::copy(&files.cert, path("old.pem")).unwrap();
    let mut open = server.https_stream();
    assert_eq!(ask(&mut open, &target(7000, "left=0"), "").failure(), None);

    write_pair(&files);
    assert!(can_connect(&server, &path("old.pem")), "nothing is read before it is asked for");
    drop(server.server.reload());
    assert!(can_connect(&server, &files.cert));
    assert!(!can_connect(&server, &path("old.pem")));
    assert_eq!(ask(&mut open, &target(7000, "left=0"), "").failure(), None);

    std::fs::copy(&files.cert, path("good.pem")).unwrap();
    std::fs::write(&files.cert, "half a file").unwrap();
    drop(server.server.reload());
    assert!(can_connect(&server, &path("good.pem")), "a bad pair changes nothing");
}
