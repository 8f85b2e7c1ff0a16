//! Datagrams by the batch: one call takes in what has come, one sends all replies.

#![allow(unsafe_code)] // the two calls take arrays of pointers, and no safe crate has them

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::address::{CONTROL_LEN, NAME_LEN};
use super::message::{Message, Reply, empty_header};
use crate::limits::{UDP_BATCH, UDP_REQUEST_MAX};

/// A batch: the requests that came, and the replies to some of them.
pub struct Batch {
    requests: Box<[Request]>,
    received: Box<[libc::mmsghdr]>,
    replies: Box<[(Reply, Message)]>,
    /// How many replies there are.
    replied: usize,
    sending: Vec<libc::mmsghdr>,
}

#[repr(C, align(8))]
struct Request {
    control: [u8; CONTROL_LEN],
    name: [u8; NAME_LEN],
    packet: [u8; UDP_REQUEST_MAX],
}

/// A datagram of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its sender, as the kernel wrote it.
    pub name: &'a [u8],
    /// The control messages that came with it.
    pub control: &'a [u8],
    /// What was sent.
    pub payload: &'a [u8],
}

// SAFETY: the pointers in the headers are written anew and followed within one call.
unsafe impl Send for Batch {}

impl Default for Batch {
    fn default() -> Batch {
        let request = |_| Request {
            control: [0; CONTROL_LEN],
            name: [0; NAME_LEN],
            packet: [0; UDP_REQUEST_MAX],
        };
        let header = |_| libc::mmsghdr { msg_hdr: empty_header(), msg_len: 0 };
        Batch {
            requests: (0..UDP_BATCH).map(request).collect(),
            received: (0..UDP_BATCH).map(header).collect(),
            replies: (0..UDP_BATCH).map(|_| Default::default()).collect(),
            replied: 0,
            sending: Vec::with_capacity(UDP_BATCH),
        }
    }
}

impl Batch {
    /// Takes in up to [`UDP_BATCH`] datagrams that have come, and tells how many. The replies of
    /// the last batch are forgotten.
    ///
    /// # Errors
    /// `WouldBlock` when none has come.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        self.replied = 0;
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; UDP_BATCH];
        let places = self.requests.iter_mut().zip(&mut self.received).zip(&mut parts);
        for ((request, received), part) in places {
            part.iov_base = request.packet.as_mut_ptr().cast();
            part.iov_len = UDP_REQUEST_MAX;
            let header = &mut received.msg_hdr;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_name = request.name.as_mut_ptr().cast();
            header.msg_namelen = NAME_LEN as _;
            header.msg_control = request.control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_LEN as _;
        }
        // SAFETY: there are `UDP_BATCH` headers, each of which points at memory of this batch or
        // of this function with the length that it has.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.received.as_mut_ptr(),
                UDP_BATCH as _,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    /// What was sent in each of the first `count` datagrams.
    pub fn payloads(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        let datagrams = self.requests.iter().zip(&self.received).take(count);
        datagrams.map(|(request, received)| payload(request, received))
    }

    /// The datagram of this number, and room for its reply.
    ///
    /// # Panics
    /// When the last batch had not as many.
    pub fn datagram(&mut self, number: usize) -> (Datagram<'_>, &mut Reply) {
        let (request, received) = (&self.requests[number], &self.received[number]);
        let header = &received.msg_hdr;
        #[allow(clippy::unnecessary_cast, reason = "C libraries differ in the type of this")]
        let control_len = (header.msg_controllen as usize).min(CONTROL_LEN);
        let datagram = Datagram {
            name: &request.name[..(header.msg_namelen as usize).min(NAME_LEN)],
            control: &request.control[..control_len],
            payload: payload(request, received),
        };
        (datagram, &mut self.replies[self.replied].0)
    }

    /// The reply that was written last is to be sent.
    pub fn keep_reply(&mut self) {
        self.replied += 1;
    }

    /// Sends the replies, and tells how many the kernel would not take.
    pub fn send(&mut self, socket: &impl AsFd) -> usize {
        self.sending.clear();
        for (reply, message) in &mut self.replies[..self.replied] {
            // SAFETY: the header was made this moment, and is copied.
            let msg_hdr = unsafe { message.of(reply).read() };
            self.sending.push(libc::mmsghdr { msg_hdr, msg_len: 0 });
        }
        let (mut done, mut unsent) = (0, 0);
        while let Some(rest) = self.sending.get_mut(done..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the headers point at the replies of this batch, which nobody touches.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_fd().as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as _,
                    libc::MSG_DONTWAIT as _,
                )
            };
            match usize::try_from(result) {
                Ok(sent) => done += sent.max(1),
                // A full send buffer loses replies, as the network may: the client asks again.
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => {
                    return unsent + self.sending.len() - done;
                }
                // The fault of this one reply.
                Err(_) => (done, unsent) = (done + 1, unsent + 1),
            }
        }
        unsent
    }
}

fn payload<'a>(request: &'a Request, received: &libc::mmsghdr) -> &'a [u8] {
    &request.packet[..(received.msg_len as usize).min(UDP_REQUEST_MAX)]
}
