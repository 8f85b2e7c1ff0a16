//! The members' site of the program as it is first started.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, tcgetattr};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::terminal::terminal;
use super::{Tracker, exit_code, free_port, signal, start};

pub const PASSWORD: &str = "Correct-Horse-9!";
/// As a form sends it.
const PASSWORD_SENT: &str = "Correct-Horse-9%21";
/// Of an upload, and bytes in each: together just below what is taken by default.
const FILES: usize = 1_000;
const FILE_BYTES: usize = 100_000;
/// What such an upload may add to the memory of the program, in kB.
const GROWTH_MAX: u64 = 64 << 10;

fn words(folder: &Path, port: u16) -> Vec<String> {
    let db = folder.join("site.db");
    let line = format!(
        "serve --host=127.0.0.1 --udp-port 0 --http-port 0 --registration --super-user admin \
         --tls-self-signed --web-https-port {port} --web-http-port 0 --db {}",
        db.display()
    );
    line.split_whitespace().map(str::to_owned).collect()
}

/// A connection to the site, which trusts the certificate that it has made.
pub fn site(folder: &Path, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("self-signed.crt")).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    StreamOwned::new(connection, stream)
}

/// Sends a head and reads the whole answer.
pub fn ask(folder: &Path, port: u16, head: &str, body: &[u8]) -> String {
    let mut stream = site(folder, port);
    let length = body.len();
    let head = format!(
        "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The value of a cookie that an answer sets.
fn cookie(answer: &str, name: &str) -> String {
    let start = format!("set-cookie: {name}=");
    let line = answer.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{answer}")).split(';').next().unwrap().to_owned()
}

/// What the form of a page has to send along.
pub fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"_csrf\" value=\"").unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Signs the owner in; gives the cookie.
pub fn sign_in(folder: &Path, port: u16) -> String {
    sign_in_as(folder, port, "admin", PASSWORD_SENT)
}

/// Signs in, with a password as a form sends it; gives the cookie.
pub fn sign_in_as(folder: &Path, port: u16, username: &str, password: &str) -> String {
    let page = ask(folder, port, "GET /manage HTTP/1.1", b"");
    let guest = cookie(&page, "__Host-wkguest");
    let form = format!("_csrf={}&username={username}&password={password}", csrf(&page));
    let head = format!("POST /manage/login HTTP/1.1\r\nCookie: __Host-wkguest={guest}");
    cookie(&ask(folder, port, &head, form.as_bytes()), "__Host-wksession")
}

/// Starts the program at a terminal, where `typed` is typed line by line as it is asked for.
fn start_at_terminal(words: &[String], typed: &[&str]) -> (Child, String) {
    let (mut ours, theirs) = terminal();
    // So that the terminal is the program's own, as in a shell.
    let mut command = Command::new("setsid");
    command.args(["--ctty", env!("CARGO_BIN_EXE_wildkat")]).args(words);
    let theirs_in = Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
    command.stdin(theirs_in).stdout(Stdio::null()).stderr(Stdio::from(OwnedFd::from(theirs)));
    let child = command.spawn().unwrap();
    drop(command);
    let reader = ours.try_clone().unwrap();
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || listen(reader, &said));
    let mut all = String::new();
    let mut typed = typed.iter();
    let start = Instant::now();
    while !all.contains("ready:") {
        assert!(start.elapsed() < Duration::from_secs(30), "{all}");
        let Ok(more) = heard.recv_timeout(Duration::from_secs(30)) else { panic!("{all}") };
        all.push_str(&more);
        if more.ends_with(": ") {
            // What is typed before that would be seen.
            while tcgetattr(&ours).unwrap().local_modes.contains(LocalModes::ECHO) {
                assert!(start.elapsed() < Duration::from_secs(30), "it is shown as it is typed");
                std::thread::yield_now();
            }
            writeln!(ours, "{}", typed.next().expect("no more is asked for")).unwrap();
        }
    }
    assert!(typed.next().is_none(), "{all}");
    (child, all)
}

fn listen(mut terminal: File, said: &std::sync::mpsc::Sender<String>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = terminal.read(&mut bytes) {
        let _ = said.send(String::from_utf8_lossy(&bytes[..length]).into_owned());
    }
}

#[test]
fn owner_is_asked_for_a_password_once_and_the_site_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let words = words(folder.path(), port);
    let typed = ["short", PASSWORD, PASSWORD];
    let (child, said) = start_at_terminal(&words, &typed);
    assert!(said.contains("at least 12") && !said.contains(PASSWORD), "{said}");
    let mut first = Tracker(child);
    assert!(ask(folder.path(), port, "GET /manage HTTP/1.1", b"").contains("Sign in"));
    let session = sign_in(folder.path(), port);
    signal(&first, "-TERM");
    assert_eq!(exit_code(&mut first), Some(0));

    let (mut again, _) = start(&words);
    let head = format!("GET /manage/dashboard HTTP/1.1\r\nCookie: __Host-wksession={session}");
    let page = ask(folder.path(), port, &head, b"");
    assert!(page.contains("Register torrents"), "sessions outlive a restart: {page}");

    let file = folder.path().join("another");
    std::fs::write(&file, "Another-Horse-10?").unwrap();
    let (file, db) = (file.to_str().unwrap(), folder.path().join("site.db"));
    let db = db.to_str().unwrap();
    let set = ["admin", "set-password", "Admin", "--db", db, "--password-file", file];
    let (code, said, stderr) = super::output(&set);
    assert_eq!((code, said.contains("another password")), (Some(0), true), "{stderr}");
    let page = ask(folder.path(), port, &head, b"");
    assert!(page.contains("303"), "beside a server that runs, its sessions have ended: {page}");
    let (code, _, stderr) = super::output(&["admin", "set-password", "nobody", "--db", db]);
    assert!(code == Some(1) && stderr.contains("nobody is called"), "{stderr}");
    let (code, _, stderr) = super::output(&["admin", "set-password", "x", "--db", "/no/such"]);
    assert!(code == Some(1) && stderr.contains("/no/such"), "{stderr}");
    signal(&again, "-TERM");
    assert_eq!(exit_code(&mut again), Some(0));
}

#[test]
fn without_a_terminal_the_first_start_says_where_the_password_may_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let words = words(folder.path(), free_port());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, _, stderr) = super::output(&words);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--super-user-password-file"), "{stderr}");
}

/// A .torrent of some [`FILE_BYTES`], unlike any other.
fn torrent(number: usize) -> Vec<u8> {
    let pieces = FILE_BYTES / 20 - 10;
    let length = pieces * 16_384;
    let mut file = format!(
        "d4:infod6:lengthi{length}e4:name8:{number:08}12:piece lengthi16384e6:pieces{}:",
        pieces * 20
    )
    .into_bytes();
    file.resize(file.len() + pieces * 20, b'a');
    file.extend(b"ee");
    file
}

fn memory(process: &Child, field: &str) -> u64 {
    let status = File::open(format!("/proc/{}/status", process.id())).unwrap();
    let lines = BufReader::new(status).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// As [`words`], with the owner's password in a file.
pub fn words_with_password(folder: &Path, port: u16) -> Vec<String> {
    let mut words = words(folder, port);
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    words.extend(["--super-user-password-file".to_owned(), password.display().to_string()]);
    words
}

/// The body of an upload of [`FILES`] torrents.
pub fn upload(csrf: &str) -> Vec<u8> {
    let field = "--b\r\nContent-Disposition: form-data; name=";
    let mut body = format!("{field}\"_csrf\"\r\n\r\n{csrf}\r\n").into_bytes();
    for number in 0..FILES {
        let name = format!("{field}\"torrent\"; filename=\"{number}.torrent\"\r\n\r\n");
        body.extend(name.bytes());
        body.extend(torrent(number));
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    body
}

#[test]
fn upload_of_a_thousand_files_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let words = words_with_password(folder.path(), port);
    let (tracker, _) = start(&words);
    let session = sign_in(folder.path(), port);
    let with_session = format!("Cookie: __Host-wksession={session}");
    let head = format!("GET /manage/dashboard HTTP/1.1\r\n{with_session}");
    let page = ask(folder.path(), port, &head, b"");
    let body = upload(&csrf(&page));
    // The highest so far is forgotten: it was the password's.
    std::fs::write(format!("/proc/{}/clear_refs", tracker.0.id()), "5").unwrap();
    let before = memory(&tracker.0, "VmRSS:");
    let head = format!(
        "POST /manage/upload HTTP/1.1\r\n{with_session}\r\n\
         Content-Type: multipart/form-data; boundary=b"
    );
    let answer = ask(folder.path(), port, &head, &body);
    assert!(answer.contains("1,000 registered"), "{}", &answer[..answer.len().min(2_000)]);
    let growth = memory(&tracker.0, "VmHWM:") - before;
    println!("{} MB of files: {growth} kB more than {before} kB", body.len() >> 20);
    assert!(growth < GROWTH_MAX, "{growth} kB more than {before} kB");
}
