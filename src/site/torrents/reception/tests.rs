use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::post;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::site::listen;

const BOUNDS: Bounds = Bounds { body_bytes_max: 4_000, files_max: 3, file_bytes_max: 100 };

/// A field of a form; a file where it has a file name.
fn field(name: &str, file_name: Option<&str>, content: &str) -> String {
    let file = file_name.map(|file_name| format!("; filename=\"{file_name}\""));
    let file = file.unwrap_or_default();
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
}

fn form(body: impl Into<Body>) -> Request {
    Request::post("/")
        .header(CONTENT_TYPE, "multipart/form-data; boundary=b")
        .body(body.into())
        .unwrap()
}

/// What is read of a form, a line for each part, and how it ends.
async fn read(request: Request, bounds: Bounds) -> (Vec<String>, Option<Broken>) {
    let mut lines = Vec::new();
    let mut reception = match Reception::begin(request, bounds) {
        Ok(reception) => reception,
        Err(broken) => return (lines, Some(broken)),
    };
    loop {
        lines.push(match reception.next().await {
            Ok(None) => return (lines, None),
            Err(broken) => return (lines, Some(broken)),
            Ok(Some(Part::Value { name, value })) => format!("{name}={value}"),
            Ok(Some(Part::File { file_name, content: Ok(content) })) => {
                format!("{file_name}: {} bytes", content.len())
            }
            Ok(Some(Part::File { file_name, content: Err(refused) })) => {
                format!("{file_name}: {refused}")
            }
        });
    }
}

#[tokio::test]
async fn every_file_has_its_fate_and_none_spoils_the_others() {
    let body = [
        field("_csrf", None, "secret"),
        field("torrent", Some("a.torrent"), &"x".repeat(100)),
        field("torrent", Some("a;b\u{202e}.torrent"), &"x".repeat(101)),
        field("torrent", Some(""), ""),
        field("other", Some("c"), "ignored"),
        field("torrent", Some("empty"), ""),
        field("torrent", Some("fourth"), "x"),
        "--b--\r\n".to_owned(),
    ]
    .concat();
    let (lines, broken) = read(form(body), BOUNDS).await;
    assert_eq!(
        lines,
        [
            "_csrf=secret",
            "a.torrent: 100 bytes",
            "a;b\u{fffd}.torrent: larger than 0 MiB",
            "torrent=",
            "empty: the file is empty",
            "fourth: more than 3 files in one upload",
        ]
    );
    assert!(broken.is_none(), "{broken:?}");
}

#[tokio::test]
async fn body_that_is_too_large_is_refused_before_or_while_it_comes() {
    let long = field("torrent", Some("a"), &"x".repeat(5_000));
    let mut request = form(long.clone());
    request.headers_mut().insert(CONTENT_LENGTH, 5_000.into());
    let (lines, broken) = read(request, BOUNDS).await;
    assert!(lines.is_empty() && matches!(broken, Some(Broken::TooLarge(4_000))), "{broken:?}");
    let (_, broken) = read(form(long), BOUNDS).await;
    let broken = broken.unwrap();
    assert_eq!(broken.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(matches!(broken, Broken::TooLarge(4_000)), "{broken:?}");
}

#[tokio::test]
async fn what_is_no_form_or_breaks_off_is_said_to() {
    let mut request = form("a=b");
    request.headers_mut().insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    assert!(matches!(read(request, BOUNDS).await.1, Some(Broken::Unreadable(_))));
    let whole = [field("torrent", Some("a"), "abc"), field("torrent", Some("b"), "abc")].concat();
    for length in 0..whole.len() {
        let (lines, broken) = read(form(whole[..length].to_owned()), BOUNDS).await;
        assert!(matches!(broken, Some(Broken::Unreadable(_))), "{length}: {lines:?}");
    }
    let many = field("x", None, "y").repeat(VALUES_MAX + 1) + "--b--\r\n";
    let (lines, broken) = read(form(many), BOUNDS).await;
    assert_eq!(lines.len(), VALUES_MAX);
    assert!(broken.is_some());
}

/// A head that never ends is cut off long before the body's own bound.
#[tokio::test]
async fn head_of_a_part_does_not_grow_us() {
    let bounds = Bounds::default();
    let chunks = std::iter::once(Bytes::from_static(b"--b\r\nA: "))
        .chain(std::iter::repeat_n(Bytes::from(vec![b'x'; 100_000]), 900));
    let stream = Chunks(chunks);
    let (lines, broken) = read(form(Body::new(stream)), bounds).await;
    assert!(lines.is_empty());
    let broken = broken.unwrap().to_string();
    assert!(broken.contains("the head of a part is too long"), "{broken}");
}

/// A body that comes in pieces.
struct Chunks<I>(I);

impl<I: Iterator<Item = Bytes> + Unpin> hyper::body::Body for Chunks<I> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

async fn serve(router: Router) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(listen::serve_plain(listener, router, stopped, listen::Bounds::default()));
    (address, stop)
}

/// A hundred megabytes over a socket, a thousand files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_files_are_read_in_bounded_memory() {
    const FILES: usize = 1_000;
    let receive = async |request: Request| {
        let before = resident();
        let mut reception = Reception::begin(request, Bounds::default()).unwrap();
        let (mut bytes, mut grown) = (0, 0);
        while let Some(part) = reception.next().await.unwrap() {
            let Part::File { content, .. } = part else { panic!("{part:?}") };
            bytes += content.unwrap().len();
            grown = resident().saturating_sub(before).max(grown);
        }
        format!("{bytes} {grown}")
    };
    let (address, _stop) = serve(Router::new().route("/", post(receive))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let file = field("torrent", Some("a.torrent"), &"x".repeat(100_000));
    let length = FILES * file.len() + "--b--\r\n".len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..FILES {
        stream.write_all(file.as_bytes()).await.unwrap();
    }
    stream.write_all(b"--b--\r\n").await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (bytes, grown) = reply.lines().last().unwrap().split_once(' ').expect(&reply);
    assert_eq!(bytes.parse(), Ok(FILES * 100_000));
    let grown: u64 = grown.parse().unwrap();
    assert!(grown < 64 << 20, "grew by {} kB", grown >> 10);
}
