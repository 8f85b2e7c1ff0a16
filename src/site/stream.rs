//! A body that is written while it is sent, by a thread that may wait: what is large is never whole
//! in memory.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Bytes that are sent at once, and how many such wait for a slow reader.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_MAX: usize = 4;

/// Where a body is written to. What is written last is sent by `flush`.
#[derive(Debug)]
pub struct Pipe {
    chunk: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Pipe {
    fn send(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        let sent = self.sender.blocking_send(Ok(chunk.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK_BYTES - self.chunk.len();
        let taken = room.min(bytes.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

struct Sent(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map_ok(Frame::data)
    }
}

/// The body that `write` writes. When that fails, the connection breaks, so that nobody takes a
/// part for the whole.
pub fn body(write: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static) -> Body {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { chunk: Vec::with_capacity(CHUNK_BYTES), sender };
        let written = write(&mut pipe).and_then(|()| pipe.flush());
        if let Err(error) = written {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tracing::error!(%error, "a file could not be sent whole");
            }
            let _ = pipe.sender.blocking_send(Err(error)); // whoever reads may be gone
        }
    });
    Body::new(Sent(receiver))
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn what_is_written_comes_out_in_order_and_a_failure_breaks_it() {
        let text: Vec<u8> = (0..500_000_u32).map(|number| number as u8).collect();
        let written = text.clone();
        let whole = body(move |pipe| pipe.write_all(&written));
        assert_eq!(to_bytes(whole, usize::MAX).await.unwrap(), text);
        let broken = body(|pipe| {
            pipe.write_all(b"a part")?;
            Err(io::Error::other("the disk"))
        });
        assert!(to_bytes(broken, usize::MAX).await.is_err());
    }
}
