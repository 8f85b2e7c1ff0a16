//! Certificates: trusted, refused and told of.

use super::super::TestServer;
use super::*;
use crate::query::failure::Kind::{Connect, Malformed, Tls};

fn trusting(server: &TestServer) -> Settings {
    let mut settings = Settings { timeout: Duration::from_secs(10), ..hasty() };
    settings.tls.ca_files = vec![server.folder.path().join("cert.pem")];
    settings
}

#[test]
fn trusted_certificate_is_told_of() {
    let server = TestServer::start();
    for address in &server.addresses().https {
        let url = format!("https://{address}/announce");
        let report = ask_with(trusting(&server), &url, &announce());
        assert_eq!(kind(&report), None, "{:?}", report.failure);
        let tls = report.trace.tls.unwrap();
        assert!(tls.is_verified && tls.verify_error.is_none());
        assert_eq!(
            (tls.protocol.as_deref(), tls.alpn.as_deref()),
            (Some("TLSv1.3"), Some("http/1.1"))
        );
        assert!(tls.certificate.unwrap().names.contains(&"localhost".to_owned()));
    }
}

#[test]
fn d2_certificates_that_are_not_trusted_are_refused_and_still_told_of() {
    let server = TestServer::start();
    let url = format!("https://{}/announce", server.addresses().https[0]);
    let patient = Settings { timeout: Duration::from_secs(10), ..hasty() };

    let self_signed = ask_with(patient.clone(), &url, &announce());
    assert_eq!(kind(&self_signed), Some(Tls));
    let tls = self_signed.trace.tls.unwrap();
    assert!(!tls.is_verified && tls.certificate.is_some());

    let mut settings = trusting(&server);
    settings.tls.server_name = Some("elsewhere.example".to_owned());
    let wrong_name = ask_with(settings, &url, &announce());
    assert_eq!(kind(&wrong_name), Some(Tls));
    assert!(wrong_name.failure.unwrap().message.contains("another name"));

    let mut settings = patient;
    settings.tls.insecure = true;
    let insecure = ask_with(settings, &url, &announce());
    assert_eq!(kind(&insecure), None, "{:?}", insecure.failure);
    assert!(finding_ids(&insecure).contains(&"https-unverified"));
    assert!(!insecure.trace.tls.unwrap().is_verified);
}

#[test]
fn d2_wrong_protocol_on_a_port_is_told() {
    let server = TestServer::start();
    let https = server.addresses().https[0];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&reply("400 Bad Request", "", "plain HTTP, please")).unwrap();
        drop(stream.read(&mut [0; 4_096]));
    });
    let plain_port = ask(&format!("https://{plain}/announce"), &announce());
    assert_eq!(kind(&plain_port), Some(Tls), "{:?}", plain_port.failure);
    let tls_port = ask(&format!("http://{https}/announce"), &announce());
    assert!([Some(Connect), Some(Malformed)].contains(&kind(&tls_port)), "{:?}", tls_port.failure);
}

#[test]
fn d2_redirect_from_https_to_http_is_refused() {
    let server = TestServer::with(|config| config.net.redirect_http = None);
    let https = server.addresses().https[0];
    // The page's port redirects nobody, so a server of our own does: TLS in front of a mock.
    let plain = Mock::saying(reply("302 Found", "Location: http://127.0.0.1:1/announce\r\n", ""));
    let front = tls_front(&server, plain.address);
    let report = ask_with(trusting(&server), &format!("https://{front}/announce"), &announce());
    assert_eq!(kind(&report), Some(Kind::Http), "{:?} {https}", report.failure);
    assert!(report.failure.unwrap().message.contains("from https to"));
}

/// A TLS server that hands one connection on to `plain`.
fn tls_front(server: &TestServer, plain: SocketAddr) -> SocketAddr {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = CertificateDer::from_pem_file(server.folder.path().join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(server.folder.path().join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = rustls::StreamOwned::new(connection, stream);
        let mut head = [0; 4_096];
        let length = tls.read(&mut head).unwrap();
        let mut plain = TcpStream::connect(plain).unwrap();
        plain.write_all(&head[..length]).unwrap();
        let mut bytes = Vec::new();
        plain.read_to_end(&mut bytes).unwrap();
        tls.write_all(&bytes).unwrap();
        tls.conn.send_close_notify();
        tls.flush().unwrap();
    });
    address
}
