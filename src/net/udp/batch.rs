//! Datagrams by the batch: one call takes in what has come, one sends all replies.
//!
//! This is `recvmmsg` and `sendmmsg` on both backends. An operation of io_uring for each datagram
//! costs more than its share of such a call; `docs/benchmarks.md` has the figures.

#![allow(unsafe_code)] // the two calls take arrays of pointers, and no safe crate has them

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::address::{CONTROL_LEN, NAME_LEN, answer_from};
use crate::limits::{UDP_BATCH, UDP_REPLY_V4_MAX, UDP_REQUEST_MAX};

/// A batch: the requests that came, and the replies to some of them.
///
/// Some 230 kB that are used over and over, and so stay near to the processor.
pub struct Batch {
    requests: Box<[Request]>,
    received: Box<[libc::mmsghdr]>,
    replies: Box<[Reply]>,
    sending: Box<[libc::mmsghdr]>,
    parts: Box<[libc::iovec]>,
    /// How many replies there are, and how many of them have been sent or have failed.
    replied: usize,
    done: usize,
}

#[repr(C, align(8))]
struct Request {
    control: [u8; CONTROL_LEN],
    name: [u8; NAME_LEN],
    packet: [u8; UDP_REQUEST_MAX],
}

#[repr(C, align(8))]
struct Reply {
    /// Which address it goes out from, as a control message.
    control: [u8; CONTROL_LEN],
    /// Whom it goes to, as the kernel wrote the sender of the request.
    name: [u8; NAME_LEN],
    payload: Vec<u8>,
}

/// A datagram of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its sender, as the kernel wrote it.
    pub name: &'a [u8],
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
        let reply = |_| Reply {
            control: [0; CONTROL_LEN],
            name: [0; NAME_LEN],
            payload: Vec::with_capacity(UDP_REPLY_V4_MAX),
        };
        let header = |_| libc::mmsghdr { msg_hdr: empty_header(), msg_len: 0 };
        let part = |_| libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Batch {
            requests: (0..UDP_BATCH).map(request).collect(),
            received: (0..UDP_BATCH).map(header).collect(),
            replies: (0..UDP_BATCH).map(reply).collect(),
            sending: (0..UDP_BATCH).map(header).collect(),
            parts: (0..UDP_BATCH).map(part).collect(),
            replied: 0,
            done: 0,
        }
    }
}

/// A header of nothing. Not every C library names all of its fields.
fn empty_header() -> libc::msghdr {
    // SAFETY: a header of zeros has null pointers and lengths of zero, which is a valid one.
    unsafe { std::mem::zeroed() }
}

impl Batch {
    /// Takes in up to [`UDP_BATCH`] datagrams that have come, and tells how many. The replies of
    /// the last batch are forgotten.
    ///
    /// # Errors
    /// `WouldBlock` when none has come.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        (self.replied, self.done) = (0, 0);
        let places = self.requests.iter_mut().zip(&mut self.received).zip(&mut self.parts);
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
        // SAFETY: there are `UDP_BATCH` headers, each of which points at memory of this batch with
        // the length that it has.
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

    /// The first `count` datagrams.
    pub fn datagrams(&self, count: usize) -> impl Iterator<Item = Datagram<'_>> {
        let datagrams = self.requests.iter().zip(&self.received).take(count);
        datagrams.map(|(request, received)| datagram(request, received))
    }

    /// The datagram of this number, and room for its reply's payload.
    ///
    /// # Panics
    /// When the last batch had not as many.
    pub fn datagram(&mut self, number: usize) -> (Datagram<'_>, &mut Vec<u8>) {
        let datagram = datagram(&self.requests[number], &self.received[number]);
        (datagram, &mut self.replies[self.replied].payload)
    }

    /// The reply that was written last is to be sent to whom the datagram of this number came from,
    /// from the address that it came to.
    ///
    /// # Panics
    /// When the last batch had not as many, or more replies are kept than there are datagrams.
    pub fn keep_reply(&mut self, number: usize) {
        let (request, received) = (&self.requests[number], &self.received[number].msg_hdr);
        #[allow(clippy::unnecessary_cast, reason = "C libraries differ in the type of this")]
        let control_len = (received.msg_controllen as usize).min(CONTROL_LEN);
        let reply = &mut self.replies[self.replied];
        reply.name = request.name;
        let header = &mut self.sending[self.replied].msg_hdr;
        header.msg_namelen = received.msg_namelen.min(NAME_LEN as _);
        header.msg_controllen =
            answer_from(&request.control[..control_len], &mut reply.control) as _;
        self.replied += 1;
    }

    /// Sends the replies that are left, until the kernel has no room for more, and tells how many
    /// it would not take for a fault of their own.
    pub fn send(&mut self, socket: &impl AsFd) -> usize {
        let rest = self.done..self.replied;
        let headers = self.sending[rest.clone()].iter_mut();
        for ((header, part), reply) in
            headers.zip(&mut self.parts[rest.clone()]).zip(&mut self.replies[rest])
        {
            part.iov_base = reply.payload.as_mut_ptr().cast();
            part.iov_len = reply.payload.len();
            let header = &mut header.msg_hdr;
            header.msg_iov = part;
            header.msg_iovlen = 1;
            header.msg_name = reply.name.as_mut_ptr().cast();
            header.msg_control = match header.msg_controllen {
                0 => std::ptr::null_mut(),
                _ => reply.control.as_mut_ptr().cast(),
            };
        }
        let mut unsent = 0;
        while self.has_replies() {
            let rest = &mut self.sending[self.done..self.replied];
            // SAFETY: the headers point at the replies and parts of this batch, which nobody
            // touches meanwhile, with the lengths that they have.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_fd().as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as _,
                    libc::MSG_DONTWAIT as _,
                )
            };
            match usize::try_from(result) {
                Ok(sent) => self.done += sent.max(1),
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => (self.done, unsent) = (self.done + 1, unsent + 1),
            }
        }
        unsent
    }

    /// Whether replies are left that the kernel had no room for.
    pub fn has_replies(&self) -> bool {
        self.done < self.replied
    }

    /// Forgets the replies that are left, and tells how many they are. It loses them as the network
    /// may: the clients ask again.
    pub fn give_up(&mut self) -> usize {
        self.replied - std::mem::replace(&mut self.done, self.replied)
    }
}

fn datagram<'a>(request: &'a Request, received: &libc::mmsghdr) -> Datagram<'a> {
    Datagram {
        name: &request.name[..(received.msg_hdr.msg_namelen as usize).min(NAME_LEN)],
        payload: &request.packet[..(received.msg_len as usize).min(UDP_REQUEST_MAX)],
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    /// A socket with a name. Of the kernel's sockets, the local ones alone are full when nobody
    /// reads what was sent to them.
    fn socket(name: &str) -> UnixDatagram {
        let name = format!("wk-{}-{name}", std::process::id());
        let socket =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    #[test]
    fn replies_that_the_kernel_has_no_room_for_wait_and_go_out_once() {
        let [server, client] = ["server", "client"].map(socket);
        let [from, to] = [&client, &server].map(|socket| socket.local_addr().unwrap());
        let mut batch = Batch::default();
        assert!(batch.receive(&server).is_err(), "nothing has come");
        let asked: Vec<u8> =
            (0..UDP_BATCH as u8).take_while(|n| client.send_to_addr(&[*n], &to).is_ok()).collect();
        assert!(asked.len() > 1);
        server.send_to_addr(b"takes room", &from).unwrap();
        let received = batch.receive(&server).unwrap();
        assert_eq!(received, asked.len());
        for number in 0..received {
            let (datagram, reply) = batch.datagram(number);
            *reply = datagram.payload.to_vec();
            batch.keep_reply(number);
        }
        let mut heard = Vec::new();
        let mut listen = || {
            let mut packet = [0; 16];
            while client.recv(&mut packet).is_ok() {
                heard.push(packet[0]);
            }
        };
        assert_eq!(batch.send(&server), 0);
        assert!(batch.has_replies(), "more than fit");
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), "takes room".len());
        listen();
        assert_eq!(batch.send(&server), 0);
        assert!(!batch.has_replies());
        listen();
        assert_eq!(heard, asked);
    }
}
