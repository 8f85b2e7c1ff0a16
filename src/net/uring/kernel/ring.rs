//! One worker's ring, and all memory that its operations use.

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::cqueue::{buffer_select, more};
use io_uring::squeue::Entry;
use io_uring::types::{CancelBuilder, Fd, Fixed, Timespec};
use io_uring::{IoUring, opcode};

use super::buffers::{Buffers, Lease};
use super::parcels::{Parcel, Parcels};
use super::token::{Kind, Token};
use crate::config::Rings;

/// How long operations may take to come home when a ring is dropped.
const FAREWELL: Duration = Duration::from_secs(1);

/// A registered socket, by its place in what [`Ring::register`] was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File(pub u32);

/// What has become of an operation.
#[derive(Debug)]
pub struct Completion {
    /// Which operation.
    pub token: Token,
    /// Its result, a number of bytes mostly.
    pub result: io::Result<u32>,
    /// What was received.
    pub lease: Option<Lease>,
    /// The connection that was accepted.
    pub accepted: Option<OwnedFd>,
    /// Whether the operation goes on and will report again.
    pub goes_on: bool,
}

/// A ring.
///
/// Invariant: what an operation points at is in `lent` and stays there, unmoved and untouched by
/// us, until its last completion has been reaped. `in_flight` counts the operations for which that
/// is not so yet, and `drop` frees nothing before it is zero.
pub struct Ring {
    uring: ManuallyDrop<IoUring>,
    /// Operations for which the queue had no room.
    backlog: VecDeque<Entry>,
    in_flight: usize,
    lent: ManuallyDrop<Lent>,
}

struct Lent {
    buffers: Buffers,
    parcels: Parcels,
    ticks: Box<[Timespec; 2]>,
}

impl Ring {
    /// A ring for the calling thread alone.
    ///
    /// # Errors
    /// When the kernel refuses; the kind tells `probe` why.
    pub fn new(sizes: &Rings) -> io::Result<Ring> {
        let uring = IoUring::builder()
            .setup_cqsize(sizes.completions)
            .setup_coop_taskrun()
            .setup_single_issuer()
            .build(sizes.submissions)?;
        let Rings { buffers, buffer_len, .. } = *sizes;
        let buffers = Buffers::register(&uring, buffers, buffer_len)?;
        let lent = Lent { buffers, parcels: Parcels::default(), ticks: Box::default() };
        Ok(Ring {
            uring: ManuallyDrop::new(uring),
            backlog: VecDeque::new(),
            in_flight: 0,
            lent: ManuallyDrop::new(lent),
        })
    }

    /// The ring itself, to be asked what it can do.
    pub fn uring(&self) -> &IoUring {
        &self.uring
    }

    /// Registers the sockets that are used by [`File`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn register(&self, sockets: &[RawFd]) -> io::Result<()> {
        if sockets.is_empty() {
            return Ok(());
        }
        self.uring.submitter().register_files(sockets)
    }

    /// Hands over what was queued, if anything was, and `waits` until something has completed.
    ///
    /// # Errors
    /// When the ring is lost. A passing lack of memory or room is none: what completes makes room.
    pub fn submit(&mut self, waits: bool) -> io::Result<()> {
        while let Some(entry) = self.backlog.pop_front() {
            // SAFETY: as in `push`, by which it came here.
            if unsafe { self.uring.submission().push(&entry) }.is_err() {
                self.backlog.push_front(entry);
                break;
            }
        }
        let queue = self.uring.submission();
        let has_work = !queue.is_empty() || queue.cq_overflow();
        drop(queue);
        if !has_work && !waits {
            return Ok(());
        }
        // With a backlog there is more to hand over, which must not wait for a completion.
        let want = usize::from(waits && self.backlog.is_empty());
        match self.uring.submit_and_wait(want) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ETIME) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Moves what has completed into `completions`, as much as fits its capacity.
    pub fn reap(&mut self, completions: &mut Vec<Completion>) {
        let room = completions.capacity() - completions.len();
        for entry in self.uring.completion().take(room) {
            let (token, flags) = (Token::decode(entry.user_data()), entry.flags());
            let result = match entry.result() {
                error @ ..0 => Err(io::Error::from_raw_os_error(-error)),
                number => Ok(number.cast_unsigned()),
            };
            let goes_on = more(flags);
            if !goes_on {
                self.in_flight -= 1;
            }
            let mut completion = Completion { token, result, lease: None, accepted: None, goes_on };
            completion.take_possession(flags, &mut self.lent);
            completions.push(completion);
        }
    }

    /// Completes once, as soon as `file` has datagrams to be received.
    pub fn await_datagrams(&mut self, file: File) {
        self.poll(file, libc::POLLIN);
    }

    /// Completes once, as soon as `file` has room for replies.
    pub fn await_room(&mut self, file: File) {
        self.poll(file, libc::POLLOUT);
    }

    fn poll(&mut self, file: File, events: libc::c_short) {
        let operation = opcode::PollAdd::new(Fixed(file.0), u32::from(events.cast_unsigned()));
        // SAFETY: no memory of ours is used.
        unsafe { self.push(operation.build(), Token::new(Kind::Datagrams, file.0)) }
    }

    /// Accepts connections of `file` until a completion says that it goes on no more.
    pub fn accept(&mut self, file: File) {
        let operation = opcode::AcceptMulti::new(Fixed(file.0)).flags(libc::SOCK_CLOEXEC);
        // SAFETY: no memory of ours is used.
        unsafe { self.push(operation.build(), Token::new(Kind::Accept, file.0)) }
    }

    /// Receives from a connection until a completion says that it goes on no more.
    pub fn receive(&mut self, stream: BorrowedFd<'_>, token: Token) {
        let operation = opcode::RecvMulti::new(Fd(stream.as_raw_fd()), Buffers::GROUP);
        // SAFETY: the buffers are in `lent`.
        unsafe { self.push(operation.build(), token) }
    }

    /// The bytes that a connection sent, which may be overwritten.
    pub fn received(&mut self, lease: &Lease) -> &mut [u8] {
        self.lent.buffers.bytes_mut(lease)
    }

    /// Lets the kernel fill a buffer again.
    pub fn give_back(&mut self, lease: Lease) {
        self.lent.buffers.give_back(lease);
    }

    /// Sends what stands in `parcel` behind its first `skip` bytes. It is to be fetched with
    /// [`Ring::take_parcel`] when the send has completed.
    ///
    /// # Panics
    /// When the connection has a send under way or a parcel to fetch.
    pub fn send(&mut self, stream: BorrowedFd<'_>, token: Token, parcel: Parcel, skip: usize) {
        let (bytes, length) = self.lent.parcels.lend(token.index, parcel, skip);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let operation = opcode::Send::new(Fd(stream.as_raw_fd()), bytes, length).flags(flags);
        // SAFETY: the parcel stays in `lent` until `reap` has seen the completion.
        unsafe { self.push(operation.build(), token) }
    }

    /// The parcel of a connection whose send has completed.
    pub fn take_parcel(&mut self, index: u32) -> Option<Parcel> {
        self.lent.parcels.take(index)
    }

    /// Has an operation end early. It still completes, by itself or as cancelled.
    pub fn cancel(&mut self, token: Token) {
        let operation = opcode::AsyncCancel::new(token.encode());
        // SAFETY: no memory of ours is used.
        unsafe { self.push(operation.build(), Token::new(Kind::Cancel, token.index)) }
    }

    /// Completes after `period` as tick `which`, 0 or 1. Not to be called while that one runs.
    pub fn tick(&mut self, which: usize, period: Duration) {
        // The kernel reads it when the operation is handed over, and not again.
        self.lent.ticks[which] = Timespec::from(period);
        let operation = opcode::Timeout::new(&raw const self.lent.ticks[which]);
        // SAFETY: the time is in `lent`.
        unsafe { self.push(operation.build(), Token::new(Kind::Tick, which as u32)) }
    }

    /// Completes each time `bell` becomes readable, until a completion says that it goes on no
    /// more.
    pub fn listen_for(&mut self, bell: BorrowedFd<'_>) {
        let readable = u32::from(libc::POLLIN.cast_unsigned());
        let operation = opcode::PollAdd::new(Fd(bell.as_raw_fd()), readable).multi(true);
        // SAFETY: no memory of ours is used.
        unsafe { self.push(operation.build(), Token::new(Kind::Bell, 0)) }
    }

    /// # Safety
    /// What the operation points at is in `lent`, and stays there until it has completed.
    unsafe fn push(&mut self, entry: Entry, token: Token) {
        let entry = entry.user_data(token.encode());
        self.in_flight += 1;
        if !self.backlog.is_empty() {
            return self.backlog.push_back(entry);
        }
        // SAFETY: what the caller promises.
        if unsafe { self.uring.submission().push(&entry) }.is_ok() {
            return;
        }
        // The queue is full: what is in it goes first. What then finds no room waits.
        let _ = self.uring.submit();
        // SAFETY: what the caller promises.
        if unsafe { self.uring.submission().push(&entry) }.is_err() {
            self.backlog.push_back(entry);
        }
    }

    /// Has all operations end, and tells whether they have.
    fn bring_home(&mut self) -> bool {
        let deadline = Instant::now() + FAREWELL;
        self.in_flight -= self.backlog.len(); // the kernel never saw those
        self.backlog.clear();
        let mut completions = Vec::with_capacity(64);
        while self.in_flight > 0 && Instant::now() < deadline {
            let patience = Some(Timespec::from(Duration::from_millis(100)));
            if self.uring.submit().is_err() {
                // A full completion queue is emptied below.
            }
            let _ = self.uring.submitter().register_sync_cancel(patience, CancelBuilder::any());
            self.reap(&mut completions);
            completions.clear();
        }
        self.in_flight == 0
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let is_home = self.bring_home();
        // A ring ends some time after it is closed, and ports should be free before.
        let _ = self.uring.submitter().unregister_files(); // none: nothing was registered
        // SAFETY: neither is used or dropped again.
        unsafe {
            ManuallyDrop::drop(&mut self.uring);
            // What may still be written to is left to the process's end.
            if is_home {
                ManuallyDrop::drop(&mut self.lent);
            }
        }
    }
}

impl Completion {
    /// Takes over from the kernel what comes with the completion.
    fn take_possession(&mut self, flags: u32, lent: &mut Lent) {
        let length = *self.result.as_ref().unwrap_or(&0);
        match self.token.kind {
            Kind::Receive => {
                // SAFETY: each completion comes by here once, and operations of this kind alone
                // are given the buffers.
                let lease = |buffer| unsafe { lent.buffers.lease(buffer, length) };
                self.lease = buffer_select(flags).map(lease);
            }
            Kind::Accept if self.result.is_ok() => {
                // SAFETY: the kernel has just opened it for us, and nobody else knows of it.
                self.accepted = Some(unsafe { OwnedFd::from_raw_fd(length.cast_signed()) });
            }
            Kind::Send => lent.parcels.sent(self.token.index),
            Kind::Datagrams | Kind::Accept | Kind::Cancel | Kind::Tick | Kind::Bell => {}
        }
    }
}
