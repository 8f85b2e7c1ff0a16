//! Proxies, each a small one of our own that passes on what it is asked to.

use std::net::ToSocketAddrs;

use super::super::TestServer;
use super::*;
use crate::query::question::{Proxies, Reach};

/// How a proxy is spoken to.
#[derive(Clone, Copy, PartialEq)]
enum Speech {
    Http,
    Socks,
}

/// A proxy, and how many connections it has passed on.
struct Passing {
    address: SocketAddr,
    passed: Arc<AtomicUsize>,
}

/// A proxy on loopback that takes `user:secret` alone, if it is strict.
fn proxy(speech: Speech, is_strict: bool) -> Passing {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let passed = Arc::new(AtomicUsize::new(0));
    let count = passed.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = count.clone();
            std::thread::spawn(move || {
                let there = match speech {
                    Speech::Http => pass_http(&stream, is_strict),
                    Speech::Socks => pass_socks(&stream, is_strict),
                };
                if let Some(there) = there {
                    count.fetch_add(1, Ordering::SeqCst);
                    join(stream, there);
                }
            });
        }
    });
    Passing { address, passed }
}

/// Bytes in both directions until either end has enough.
fn join(here: TcpStream, there: TcpStream) {
    let (mut from, mut to) = (here.try_clone().unwrap(), there.try_clone().unwrap());
    let up = std::thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    let (mut from, mut to) = (there, here);
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(std::net::Shutdown::Both));
    up.join().unwrap();
}

fn pass_http(mut stream: &TcpStream, is_strict: bool) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    if is_strict
        && !head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpzzwnyzxq=")
    {
        stream.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n").unwrap();
        return None;
    }
    let (method, rest) = head.split_once(' ').unwrap();
    if method == "CONNECT" {
        let there = TcpStream::connect(rest.split(' ').next().unwrap()).ok()?;
        stream.write_all(b"HTTP/1.1 200 Go on\r\n\r\n").unwrap();
        return Some(there);
    }
    let (host, path) = rest.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut there = TcpStream::connect(host).ok()?;
    there.write_all(format!("{method} /{path}").as_bytes()).unwrap();
    Some(there)
}

/// RFC 1928, and RFC 1929 where it is strict.
fn pass_socks(mut stream: &TcpStream, is_strict: bool) -> Option<TcpStream> {
    let mut reading = stream;
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        reading.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let methods = read(2)?[1];
    let methods = read(methods.into())?;
    let method = if is_strict { 2 } else { 0 };
    if !methods.contains(&method) {
        stream.write_all(&[5, 0xff]).unwrap();
        return None;
    }
    stream.write_all(&[5, method]).unwrap();
    if is_strict {
        let user = read(2)?[1];
        let user = read(user.into())?;
        let password = read(1)?[0];
        let password = read(password.into())?;
        let is_known = (&user[..], &password[..]) == (b"user", b"secret");
        stream.write_all(&[1, u8::from(!is_known)]).unwrap();
        is_known.then_some(())?;
    }
    let host = match read(4)?[3] {
        1 => <[u8; 4]>::try_from(&read(4)?[..]).map(|ip| IpAddr::from(ip).to_string()).ok()?,
        4 => <[u8; 16]>::try_from(&read(16)?[..]).map(|ip| IpAddr::from(ip).to_string()).ok()?,
        _ => {
            let length = read(1)?[0];
            // A name that no resolver here knows, so that it was the proxy who resolved it.
            let name = String::from_utf8(read(length.into())?).unwrap();
            if name == "behind.proxy.invalid" { "127.0.0.1".to_owned() } else { name }
        }
    };
    let port = u16::from_be_bytes(read(2)?.try_into().unwrap());
    let address = (host.as_str(), port).to_socket_addrs().ok()?.next()?;
    let Ok(there) = TcpStream::connect(address) else {
        stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        return None;
    };
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    Some(there)
}

fn through(url: &str) -> Settings {
    let proxies = Proxies { http: url.to_owned(), https: url.to_owned(), ..Proxies::default() };
    Settings { proxies, timeout: Duration::from_secs(10), ..hasty() }
}

#[test]
fn http_and_https_trackers_are_asked_through_every_kind_of_proxy() {
    let server = TestServer::start();
    let urls = [
        format!("http://{}/announce", server.http()),
        format!("https://{}/announce", server.addresses().https[0]),
        format!("https://[::1]:{}/announce", server.addresses().https[1].port()),
    ];
    for (speech, scheme, is_strict) in [
        (Speech::Http, "http", false),
        (Speech::Http, "http", true),
        (Speech::Socks, "socks5", false),
        (Speech::Socks, "socks5h", true),
    ] {
        let proxy = proxy(speech, is_strict);
        let user = if is_strict { "user:secret@" } else { "" };
        for (place, url) in urls.iter().enumerate() {
            let mut settings = through(&format!("{scheme}://{user}{}", proxy.address));
            settings.tls.ca_files = vec![server.folder.path().join("cert.pem")];
            let report = ask_with(settings, url, &announce());
            assert_eq!(kind(&report), None, "{scheme} {url}: {:?}", report.failure);
            assert_eq!(proxy.passed.load(Ordering::SeqCst), place + 1, "{scheme} {url}");
            assert_eq!(report.trace.remote.unwrap().address, proxy.address);
            let http = report.trace.http.unwrap();
            assert_eq!(http.proxy.as_deref(), Some(&*format!("{scheme}://{}", proxy.address)));
            assert!(!format!("{http:?}").contains("secret"), "{http:?}");
        }
    }
}

#[test]
fn socks5h_leaves_names_to_the_proxy() {
    let mock = Mock::saying(ok(b"d8:intervali1800ee"));
    let url = format!("http://behind.proxy.invalid:{}/announce", mock.address.port());
    let proxy = proxy(Speech::Socks, false);
    let report = ask_with(through(&format!("socks5h://{}", proxy.address)), &url, &announce());
    assert_eq!(kind(&report), None, "{:?}", report.failure);
}

#[test]
fn proxies_that_refuse_or_are_dead_or_deaf_are_told_of() {
    let server = TestServer::start();
    let https = format!("https://{}/announce", server.addresses().https[0]);
    let (strict, socks) = (proxy(Speech::Http, true), proxy(Speech::Socks, true));
    let report = ask_with(through(&format!("http://{}", strict.address)), &https, &announce());
    let failure = report.failure.unwrap();
    assert_eq!((failure.kind, failure.step), (Kind::Connect, "proxy"), "{failure}");
    assert!(failure.message.contains("authorization"), "{failure}");
    let report = ask_with(through(&format!("socks5://{}", socks.address)), &https, &announce());
    assert_eq!(report.failure.unwrap().step, "proxy");

    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", dead.local_addr().unwrap());
    let hasty = Settings { timeout: Duration::from_secs(1), ..through(&url) };
    let report = ask_with(hasty, &https, &announce());
    assert_eq!(kind(&report), Some(Kind::Timeout), "{:?}", report.failure);
    drop(dead);
    let report = ask_with(through(&url), &https, &announce());
    assert_eq!(kind(&report), Some(Kind::Connect), "{:?}", report.failure);

    let unreachable = proxy(Speech::Socks, false);
    let report = ask_with(
        through(&format!("socks5://{}", unreachable.address)),
        "http://127.0.0.1:1/announce",
        &announce(),
    );
    assert_eq!(report.failure.unwrap().step, "proxy");
}

#[test]
fn nothing_goes_past_a_proxy_that_is_for_all_and_exceptions_do() {
    let mock = Mock::saying(ok(b"d8:intervali1800ee"));
    let proxy = proxy(Speech::Http, false);
    let mut settings = through(&format!("http://{}", proxy.address));
    settings.proxies.is_for_all = true;
    let report = ask_with(settings.clone(), "udp://127.0.0.1:1", &announce());
    assert_eq!(kind(&report), Some(Kind::Unsupported), "{:?}", report.failure);
    settings.proxies.except = "127.0.0.0/8".to_owned();
    let report = ask_with(settings, &mock.announce_url(), &announce());
    assert_eq!((kind(&report), proxy.passed.load(Ordering::SeqCst)), (None, 0));

    let reach = Reach::PublicOnly;
    let settings = Settings { reach, ..through(&format!("http://{}", proxy.address)) };
    let report = ask_with(settings, &mock.announce_url(), &announce());
    assert_eq!((kind(&report), proxy.passed.load(Ordering::SeqCst)), (Some(Kind::Failed), 0));
}
