//! A stream that gives up when the client does nothing in its turn. It bounds what no timeout of
//! HTTP covers: an h2 client that never begins, and a client that takes no more of its reply.
//!
//! It also lingers at the end (RFC 9112, section 9.6): a socket closed on bytes that nobody read
//! resets the connection, which costs the client the end of its reply.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::turn::{Activity, left};

/// A client's silence after which nothing more is awaited at the end of a connection.
const LINGER: Duration = Duration::from_secs(2);
/// How long that may take when the client is never silent: about a file too large, at a modest
/// pace.
const LINGER_MAX: Duration = Duration::from_secs(30);

/// `stream`, which fails with [`io::ErrorKind::TimedOut`] once somebody has waited on it for
/// `patience` of the client's time in which no byte went either way.
#[derive(Debug)]
pub struct Stalling<S> {
    stream: S,
    patience: Duration,
    activity: Arc<Activity>,
    /// When the last byte went, and the client's time then.
    moved: (Instant, Duration),
    deadline: Pin<Box<Sleep>>,
    /// When lingering ends in any case, once our side is closed.
    lingers_until: Option<Instant>,
}

impl<S> Stalling<S> {
    /// Watches `stream`, beginning now, and counts into `activity` what goes over it.
    pub fn new(stream: S, patience: Duration, activity: Arc<Activity>) -> Stalling<S> {
        let moved = (Instant::now(), activity.waited());
        let deadline = Box::pin(sleep(patience));
        Stalling { stream, patience, activity, moved, deadline, lingers_until: None }
    }

    /// Passes `outcome` on: a finished one, in which `bytes` went, puts the deadline off; an
    /// unfinished one waits for it.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(outcome) = outcome {
            self.activity.add_moved(outcome.as_ref().map_or(0, bytes));
            self.moved = (Instant::now(), self.activity.waited());
            self.deadline.as_mut().reset(self.moved.0 + self.patience);
            return Poll::Ready(outcome);
        }
        loop {
            ready!(self.deadline.as_mut().poll(context));
            let Some(wait) = left(self.patience, self.activity.waited_since(self.moved.1)) else {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            };
            self.deadline.as_mut().reset(Instant::now() + wait);
        }
    }
}

impl<S: AsyncRead + Unpin> Stalling<S> {
    /// Reads what still comes, for nobody, until the client has closed its side or is silent.
    fn linger(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut unwanted = [MaybeUninit::uninit(); 4 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut unwanted);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            if read.is_pending() {
                return self.deadline.as_mut().poll(context).map(Ok);
            }
            let now = Instant::now();
            if buffer.filled().is_empty() || now >= until {
                return Poll::Ready(Ok(()));
            }
            self.deadline.as_mut().reset(until.min(now + LINGER));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(context, outcome, |()| buffer.filled().len() - filled)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, outcome, |written| *written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Not watched: a flush of an empty buffer is always done at once, and would count as a
        // byte that went.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let until = if let Some(until) = self.lingers_until {
            until
        } else {
            // A client that has long been silent has what we sent.
            let silent = self.moved.0 + LINGER;
            let closed = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.watch(context, closed, |()| 0))?;
            self.deadline.as_mut().reset(silent);
            *self.lingers_until.insert(Instant::now() + LINGER_MAX)
        };
        self.linger(until, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_read_and_bytes_put_it_off() {
        let (mut near, far) = duplex(64);
        let mut far = Stalling::new(far, PATIENCE, Activity::begin());
        let begun = Instant::now();
        sleep(PATIENCE / 2).await;
        near.write_all(b"a").await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'a');
        let error = far.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= PATIENCE / 2 + PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn reader_that_takes_nothing_ends_a_write() {
        let (_near, far) = duplex(4);
        let mut far = Stalling::new(far, PATIENCE, Activity::begin());
        let error = far.write_all(b"more than four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
    #[tokio::test(start_paused = true)]
    async fn silence_while_it_is_our_turn_ends_nothing() {
        let (mut near, far) = duplex(64);
        let activity = Activity::begin();
        let mut far = Stalling::new(far, PATIENCE, activity.clone());
        let turn = activity.request();
        let reading = tokio::spawn(async move { far.read_u8().await });
        sleep(10 * PATIENCE).await;
        assert!(!reading.is_finished());
        drop(turn);
        sleep(PATIENCE / 2).await;
        near.write_all(b"a").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), b'a');
    }
    /// A stream whose end the other side does not take, as TLS has one.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn end_that_is_not_taken_is_given_up() {
        let begun = Instant::now();
        let error = Stalling::new(Endless, PATIENCE, Activity::begin()).shutdown().await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn end_waits_for_the_client_while_it_sends() {
        let (mut near, far) = duplex(64);
        let mut far = Stalling::new(far, PATIENCE, Activity::begin());
        let begun = Instant::now();
        let ending = tokio::spawn(async move {
            far.shutdown().await.unwrap();
            begun.elapsed()
        });
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0, "our side is closed at once");
        for _ in 0..5 {
            near.write_all(b"too late").await.unwrap();
            sleep(LINGER / 2).await;
        }
        drop(near);
        assert_eq!(ending.await.unwrap(), 5 * LINGER / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn end_comes_soon_for_a_silent_client_and_surely_for_any() {
        let (_near, far) = duplex(64);
        let mut far = Stalling::new(far, PATIENCE, Activity::begin());
        let begun = Instant::now();
        far.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), LINGER);

        let mut far = Stalling::new(duplex(64).0, PATIENCE, Activity::begin());
        far.shutdown().await.unwrap();
        assert_eq!(begun.elapsed(), LINGER, "it is closed on the other side");

        let (mut busy, far) = duplex(64);
        let mut far = Stalling::new(far, PATIENCE, Activity::begin());
        sleep(PATIENCE / 2).await;
        let ending = tokio::spawn(async move { far.shutdown().await });
        while !ending.is_finished() {
            let _ = busy.write_all(b"x").await;
            sleep(LINGER / 2).await;
        }
        assert!(begun.elapsed() <= LINGER + PATIENCE / 2 + LINGER_MAX + LINGER);
    }
}
