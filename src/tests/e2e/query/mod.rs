//! The query library against trackers that behave and trackers that do not, over real sockets. Each
//! test is named by the vector of the specification that it holds.

mod batch;
mod check;
mod dns;
mod foreign;
mod http;
mod proxy;
mod tls;
mod udp;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonschema::Validator;

use crate::cli::query::{document_of, view_of};
use crate::protocol::ids::InfoHash;
use crate::query::Client;
use crate::query::failure::Kind;
use crate::query::identity::Identity;
use crate::query::question::{Announce, Question, Scrape, Settings};
use crate::query::report::Report;
use crate::query::target::Target;

const HASH: InfoHash = InfoHash(*b"aaaaaaaaaaaaaaaaaaaa");

/// Settings under which a tracker that is silent costs a second.
fn hasty() -> Settings {
    let mut settings = Settings { timeout: Duration::from_secs(1), ..Settings::default() };
    settings.udp.wait = Duration::from_millis(150);
    settings
}

fn announce() -> Question {
    Question::Announce(Announce::of(HASH))
}

fn scrape() -> Question {
    Question::Scrape(Scrape::of(vec![HASH]))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Asks once, and holds what came of it against the schema of the documents.
fn ask_with(settings: Settings, url: &str, question: &Question) -> Report {
    let client = Client::new(settings).unwrap();
    let target = Target::parse(url).unwrap();
    let report = runtime().block_on(client.ask(&target, question, &Identity::own()));
    assert_schema(&document_of(&report, &view_of(&["-t", url, "-p"])));
    report
}

fn ask(url: &str, question: &Question) -> Report {
    ask_with(hasty(), url, question)
}

/// Holds a document against `docs/query.schema.json`.
fn assert_schema(document: &serde_json::Value) {
    static SCHEMA: std::sync::LazyLock<Validator> = std::sync::LazyLock::new(|| {
        let text = include_str!("../../../../docs/query.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    });
    let faults: Vec<String> =
        SCHEMA.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{document:#}");
}

fn kind(report: &Report) -> Option<Kind> {
    report.failure.as_ref().map(|failure| failure.kind)
}

fn finding_ids(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.id).collect()
}

/// An HTTP server that says what it is told to. It ends with the test's process; what it does to a
/// connection it does on a thread of its own, so that one that drips does not stop the others.
struct Mock {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Mock {
    /// What `answer` does with each connection, told the target asked for and how many came before.
    fn with(
        ip: IpAddr,
        answer: impl Fn(&str, usize, &mut TcpStream) + Send + Sync + 'static,
    ) -> Mock {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (count, answer) = (count.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(target) = read_target(&mut stream) else { return };
                    let before = count.fetch_add(1, Ordering::SeqCst);
                    answer(&target, before, &mut stream);
                });
            }
        });
        Mock { address, asked }
    }

    /// The same bytes to everybody.
    fn saying(bytes: impl Into<Vec<u8>>) -> Mock {
        let bytes = bytes.into();
        Mock::with([127, 0, 0, 1].into(), move |_, _, stream| {
            // Who asks may hang up at any time.
            let _ = stream.write_all(&bytes);
        })
    }

    fn announce_url(&self) -> String {
        format!("http://{}/announce", self.address)
    }
}

fn read_target(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    head.split(' ').nth(1).map(str::to_owned)
}

/// A whole reply with its length.
fn reply(status: &str, fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    reply("200 OK", "", body)
}
