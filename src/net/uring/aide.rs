//! The thread beside the workers of a ring: it waits for what no ring waits for, the end of the
//! program, and makes what takes too long for a worker, the bodies of full scrapes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::{io, thread};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::kernel::Token;
use crate::clock::Now;
use crate::net::full_scrape::{Body, FullScrapes};
use crate::net::http::FullScrapeRequest;
use crate::net::worker::Shutdown;
use crate::tracker::Tracker;

/// Bodies that may be wanted at once. All who want one are handed the same, so the line is short.
const JOBS_MAX: usize = 4_096;
/// Bodies that are made at once: a plain and a compressed one.
const MAKERS: usize = 2;

/// A full scrape that a connection waits for.
#[derive(Debug)]
pub struct Job {
    /// The connection.
    pub token: Token,
    /// What it wants.
    pub request: FullScrapeRequest,
    /// The time of its request.
    pub now: Now,
    /// Where the body goes.
    pub mailbox: Arc<Mailbox>,
}

/// Through which others reach a worker.
#[derive(Debug)]
pub struct Mailbox {
    bell: OwnedFd,
    bodies: Mutex<Vec<(Token, Body)>>,
    is_ending: AtomicBool,
}

impl Mailbox {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no descriptor for its bell.
    pub fn new() -> io::Result<Mailbox> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Mailbox { bell, bodies: Mutex::default(), is_ending: AtomicBool::new(false) })
    }

    /// What becomes readable when there is something to fetch.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Whether the program is about to end.
    pub fn is_ending(&self) -> bool {
        // Acquire pairs with the release in `end`; nothing else is read by it.
        self.is_ending.load(Ordering::Acquire)
    }

    /// Silences the bell and empties the box.
    pub fn fetch(&self) -> Vec<(Token, Body)> {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]); // empty: it was silent
        std::mem::take(&mut *self.bodies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, token: Token, body: Body) {
        // The lock is held for a moment, and taken by a worker only when the bell has rung.
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).push((token, body));
        self.ring();
    }

    fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes()); // full: it is ringing already
    }
}

/// Starts the aide of the workers behind `mailboxes`. It ends when they have dropped what it
/// returns for them to send it jobs by.
///
/// # Errors
/// When the system gives no thread or event queue.
pub fn start(
    mailboxes: Vec<Arc<Mailbox>>,
    (tracker, full_scrapes): (Arc<Tracker>, Arc<FullScrapes>),
    shutdown: Shutdown,
) -> io::Result<(Sender<Job>, JoinHandle<()>)> {
    let (sender, jobs) = channel(JOBS_MAX);
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(MAKERS).build()?;
    let aide = move || runtime.block_on(run(mailboxes, (tracker, full_scrapes), shutdown, jobs));
    let thread = thread::Builder::new().name("aide".to_owned()).spawn(aide)?;
    Ok((sender, thread))
}

async fn run(
    mailboxes: Vec<Arc<Mailbox>>,
    (tracker, full_scrapes): (Arc<Tracker>, Arc<FullScrapes>),
    mut shutdown: Shutdown,
    mut jobs: Receiver<Job>,
) {
    let mut is_ending = false;
    loop {
        tokio::select! {
            () = shutdown.begun(), if !is_ending => {
                is_ending = true;
                for mailbox in &mailboxes {
                    mailbox.end();
                }
            }
            job = jobs.recv() => {
                let Some(job) = job else { return };
                let (tracker, full_scrapes) = (tracker.clone(), full_scrapes.clone());
                tokio::task::spawn_blocking(move || {
                    let body = full_scrapes.body(&tracker, job.now, job.request.accepts_gzip);
                    job.mailbox.put(job.token, body);
                });
            }
        }
    }
}
