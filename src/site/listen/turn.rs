//! Whose turn it is on a connection: ours while a handler works or makes its reply, the client's
//! at any other time. A client answers only for its own time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

use crate::limits;

/// What one connection has done so far. Its stream, its requests and its watcher share it.
#[derive(Debug)]
pub struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests that wait for us. While there is one, it is our turn.
    ours: usize,
    /// The client's turns before the one that runs.
    waited: Duration,
    /// When its present turn began, where `ours` is nothing.
    since: Instant,
    moved: u64,
}

impl Activity {
    /// A connection that begins now, with the client's turn.
    pub fn begin() -> Arc<Activity> {
        let state = State { ours: 0, waited: Duration::ZERO, since: Instant::now(), moved: 0 };
        Arc::new(Activity(Mutex::new(state)))
    }

    /// How long it has been the client's turn, all in all.
    pub fn waited(&self) -> Duration {
        self.change(|state| match state.ours {
            0 => state.waited + state.since.elapsed(),
            _ => state.waited,
        })
    }

    /// How much longer it has been the client's turn than `before`.
    pub fn waited_since(&self, before: Duration) -> Duration {
        self.waited().saturating_sub(before)
    }

    /// Counts bytes that went either way.
    pub fn add_moved(&self, bytes: usize) {
        self.change(|state| state.moved += bytes as u64);
    }

    /// A request that has arrived: it is our turn.
    pub fn request(self: &Arc<Activity>) -> Arc<Turn> {
        let turn = Turn { activity: self.clone(), is_ours: Mutex::new(false) };
        turn.set(true);
        Arc::new(turn)
    }

    /// Returns once `window` of the client's time has passed with less than
    /// [`limits::WEB_PACE_MIN`].
    pub async fn slackens(&self, window: Duration) {
        let enough = limits::WEB_PACE_MIN * window.as_millis() as u64 / 1_000;
        loop {
            let (waited, moved) = (self.waited(), self.moved());
            while let Some(wait) = left(window, self.waited_since(waited)) {
                sleep(wait).await;
            }
            if self.moved() - moved < enough {
                return;
            }
        }
    }

    fn moved(&self) -> u64 {
        self.change(|state| state.moved)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When to look again whether the client has had `patience`, of which it has used `waited`; `None`
/// when it has. Never very soon, because while it is our turn the rest stays what it is.
pub fn left(patience: Duration, waited: Duration) -> Option<Duration> {
    let rest = patience.checked_sub(waited).filter(|rest| !rest.is_zero())?;
    Some(rest.max(patience / 8))
}

/// One request's part in whose turn it is. It is the client's once this is dropped.
#[derive(Debug)]
pub struct Turn {
    activity: Arc<Activity>,
    is_ours: Mutex<bool>,
}

impl Turn {
    /// Ours, to go on; or the client's, to send more or to take what it is given.
    fn set(&self, is_ours: bool) {
        let mut was_ours = self.is_ours.lock().unwrap_or_else(PoisonError::into_inner);
        if *was_ours == is_ours {
            return;
        }
        *was_ours = is_ours;
        self.activity.change(|state| {
            if is_ours {
                if state.ours == 0 {
                    state.waited += state.since.elapsed();
                }
                state.ours += 1;
            } else {
                state.ours -= 1;
                state.since = Instant::now();
            }
        });
    }

    /// Passes the reply of a handler on. From here the turn is ours only while a body that is made
    /// on the way has nothing to give.
    pub fn reply(self: Arc<Turn>, reply: Response) -> Response {
        self.set(false);
        reply.map(|body| Body::new(Turning::given(body, self)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// A body of a request or a reply, which says whose turn it is while it is read.
#[derive(Debug)]
pub struct Turning<B> {
    body: B,
    turn: Arc<Turn>,
    /// Whether there being more of it makes it our turn, or its being awaited.
    is_ours_when_ready: bool,
}

impl<B> Turning<B> {
    /// What the client sends: who waits for more of it waits for the client.
    pub fn sent(body: B, turn: Arc<Turn>) -> Turning<B> {
        Turning { body, turn, is_ours_when_ready: true }
    }

    /// What the client is given: while there is no more of it, the client waits for us.
    fn given(body: B, turn: Arc<Turn>) -> Turning<B> {
        Turning { body, turn, is_ours_when_ready: false }
    }
}

impl<B: hyper::body::Body + Unpin> hyper::body::Body for Turning<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.turn.set(frame.is_ready() == self.is_ours_when_ready);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
