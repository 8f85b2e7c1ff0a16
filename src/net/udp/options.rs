//! Datagrams as the kernel's calls want them, and the socket options that go with them.

#![allow(unsafe_code)] // message headers are pointers, and no safe crate has these options

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::address::{CONTROL_LEN, NAME_LEN};
use crate::limits;

/// A reply on its way out.
#[derive(Debug)]
pub struct Reply {
    /// The payload.
    pub bytes: Vec<u8>,
    /// Whom it goes to, as the kernel wrote the sender of the request.
    name: [u8; NAME_LEN],
    name_len: usize,
    /// Which address it goes out from, as a control message; none when `control_len` is zero.
    control: Aligned,
    control_len: usize,
}

/// Control messages begin at a multiple of the machine's word.
#[derive(Debug)]
#[repr(C, align(8))]
struct Aligned([u8; CONTROL_LEN]);

impl Default for Reply {
    fn default() -> Reply {
        Reply {
            bytes: Vec::with_capacity(limits::UDP_REPLY_V4_MAX),
            name: [0; NAME_LEN],
            name_len: 0,
            control: Aligned([0; CONTROL_LEN]),
            control_len: 0,
        }
    }
}

impl Reply {
    /// Sends it back to `name`, from the address that `control` says was asked.
    pub fn address(&mut self, name: &[u8], control: &[u8]) {
        self.name_len = name.len().min(NAME_LEN);
        self.name[..self.name_len].copy_from_slice(&name[..self.name_len]);
        self.control_len = super::address::answer_from(control, &mut self.control.0);
    }
}

/// A message header with its one part. It points at itself: it is filled where it lies.
pub struct Message {
    header: libc::msghdr,
    part: libc::iovec,
}

// SAFETY: the pointers in it are followed by the kernel alone, and only after `of` or `room_for`
// has been called where it lies then.
unsafe impl Send for Message {}

impl Default for Message {
    fn default() -> Message {
        let part = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Message { header: empty_header(), part }
    }
}

/// A header of nothing. Not every C library names all of its fields.
pub fn empty_header() -> libc::msghdr {
    // SAFETY: a header of zeros has null pointers and lengths of zero, which is a valid one.
    unsafe { std::mem::zeroed() }
}

impl Message {
    /// The header that sends `reply`. Valid until either is moved or changed.
    pub fn of(&mut self, reply: &mut Reply) -> *const libc::msghdr {
        self.part =
            libc::iovec { iov_base: reply.bytes.as_mut_ptr().cast(), iov_len: reply.bytes.len() };
        self.header.msg_iov = &raw mut self.part;
        self.header.msg_iovlen = 1;
        self.header.msg_name = reply.name.as_mut_ptr().cast();
        self.header.msg_namelen = reply.name_len as _;
        self.header.msg_control = match reply.control_len {
            0 => std::ptr::null_mut(),
            _ => reply.control.0.as_mut_ptr().cast(),
        };
        self.header.msg_controllen = reply.control_len as _;
        &raw const self.header
    }
}

/// Has the kernel say of each datagram which of this machine's addresses it was sent to.
///
/// # Errors
/// When the system does not know the option.
pub fn ask_for_destination(socket: &impl AsFd, is_ipv4: bool) -> io::Result<()> {
    let (level, option) = if is_ipv4 {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    };
    let on: libc::c_int = 1;
    // SAFETY: the option is an `int`, and the length is that of one.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as _,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that this socket has lost since it was opened, modulo 2³²: those that came while its
/// receive buffer was full, and broken ones. Zero where the system does not say (before Linux
/// 4.12).
pub fn drops(socket: &impl AsFd) -> u32 {
    const DROPS: usize = 8; // SK_MEMINFO_DROPS, the last of nine numbers
    let mut numbers = [0u32; DROPS + 1];
    let mut length: libc::socklen_t = size_of_val(&numbers) as _;
    // SAFETY: the kernel writes no more than `length` bytes, which is what there is.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            numbers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { numbers[DROPS] } else { 0 }
}
