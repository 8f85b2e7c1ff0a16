//! What is wanted of datagram sockets beyond what the standard library knows.

#![allow(unsafe_code)] // no safe crate has these options

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the kernel say of each datagram which of this machine's addresses it was sent to, so that
/// the reply can leave from there.
///
/// # Errors
/// When the system does not know the option.
pub fn ask_for_destination(socket: &impl AsFd, is_ipv4: bool) -> io::Result<()> {
    if is_ipv4 {
        set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    } else {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    }
}

/// Has replies leave at their size, whatever the kernel was told of how much their path takes.
/// What it is told of that can be forged, and costs it memory and then fragments. Replies that fit
/// [`UDP_PACKET_WHOLE`](crate::limits::UDP_PACKET_WHOLE) are marked never to be cut up, which
/// spares the kernel a number for each; where there are larger ones, routers `may_fragment` them.
/// Where the option is unknown, all is as usual.
pub fn ignore_path_mtu(socket: &impl AsFd, is_ipv4: bool, may_fragment: bool) {
    let (level, option) = if is_ipv4 {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER)
    };
    // IPv6 names the two by the same numbers.
    let value = if may_fragment { libc::IP_PMTUDISC_OMIT } else { libc::IP_PMTUDISC_PROBE };
    let _ = set(socket, level, option, value);
}

fn set(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option is an `int`, and the length is that of one.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as _,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A socket whose requests can be waited for, on the runtime of the calling task. Requests alone:
/// else each reply that leaves would be reported as room for another.
///
/// # Errors
/// When the runtime cannot watch it.
pub fn watched(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: the socket owns its descriptor, and has the same one for as long as it lives.
    unsafe { Ok(AsyncFd::register_with_interest(socket, Interest::READABLE)?) }
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
