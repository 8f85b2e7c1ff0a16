//! Responders without a tracker: they look at the byte that says what is asked, and answer with as
//! many bytes as a tracker would. What they cost is what the kernel costs.

#![allow(unsafe_code)] // nothing is to stand between the loop and the kernel

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use io_uring::types::{BufRingEntry, Fixed, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode};

/// Datagrams in a batch.
const BATCH: usize = 64;
const REQUEST: usize = 2048;
/// Peers in the reply to an announce: as many as the load asks for.
const PEERS: usize = 30;
const REPLY: usize = 20 + 6 * PEERS;

/// Writes the reply to a request, and tells its length; 0 for none.
fn answer(request: &[u8], reply: &mut [u8; REPLY]) -> usize {
    if request.len() < 16 {
        return 0;
    }
    reply[..4].copy_from_slice(&request[8..12]);
    reply[4..8].copy_from_slice(&request[12..16]);
    match request[11] {
        0 => 16,
        1 => REPLY,
        _ => 8 + 12 * ((request.len() - 16) / 20).min(10),
    }
}

fn bind(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    let wanted: libc::c_int = 8 << 20;
    for name in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: the option is an int, and the pointer is to one.
        unsafe {
            let value = (&raw const wanted).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, 4);
        }
    }
    Ok(socket)
}

fn failed(result: libc::c_int) -> io::Result<usize> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result.cast_unsigned() as usize) }
}

/// Answers UDP, a batch for a call.
pub fn udp_mmsg(port: u16) -> io::Result<()> {
    let socket = bind(port)?;
    let mut requests = vec![[0_u8; REQUEST]; BATCH];
    let mut replies = vec![[0_u8; REPLY]; BATCH];
    let mut names = [MaybeUninit::<libc::sockaddr_in>::uninit(); BATCH];
    loop {
        // SAFETY: zeros are valid for all of these; every pointer outlives the calls below.
        unsafe {
            let mut vectors: [libc::iovec; BATCH] = std::mem::zeroed();
            let mut headers: [libc::mmsghdr; BATCH] = std::mem::zeroed();
            for at in 0..BATCH {
                vectors[at].iov_base = requests[at].as_mut_ptr().cast();
                vectors[at].iov_len = REQUEST;
                headers[at].msg_hdr.msg_iov = &raw mut vectors[at];
                headers[at].msg_hdr.msg_iovlen = 1;
                headers[at].msg_hdr.msg_name = names[at].as_mut_ptr().cast();
                headers[at].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as _;
            }
            let flags = libc::MSG_WAITFORONE;
            let (fd, none) = (socket.as_raw_fd(), std::ptr::null_mut());
            let count =
                failed(libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH as _, flags as _, none))?;
            for at in 0..count {
                let request = &requests[at][..headers[at].msg_len as usize];
                vectors[at].iov_base = replies[at].as_mut_ptr().cast();
                vectors[at].iov_len = answer(request, &mut replies[at]);
            }
            let mut sent = 0;
            while sent < count {
                let rest = headers[sent..].as_mut_ptr();
                sent += failed(libc::sendmmsg(fd, rest, (count - sent) as _, 0))?.max(1);
            }
        }
    }
}

const ENTRIES: u16 = 2048;
const SLOTS: usize = 1024;
/// What the kernel writes before a datagram: a head and a name.
const HEAD: usize = 16 + 16;

/// Answers UDP with a multishot receive.
pub fn udp_uring(port: u16) -> io::Result<()> {
    let socket = bind(port)?;
    let mut ring = IoUring::builder().setup_coop_taskrun().setup_single_issuer().build(1024)?;
    ring.submitter().register_files(&[socket.as_raw_fd()])?;
    let buffers = Buffers::register(&ring)?;
    // SAFETY: zeros are valid for a header.
    let mut wanted: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
    wanted.msg_namelen = 16;
    let mut slots: Vec<Box<Slot>> = (0..SLOTS).map(|_| Slot::new()).collect();
    let mut free: Vec<usize> = (0..SLOTS).collect();
    let receive = opcode::RecvMsgMulti::new(Fixed(0), &raw const *wanted, 0).build();
    let mut is_receiving = false;
    loop {
        if !is_receiving {
            // SAFETY: header and buffers outlive the ring's last use.
            let pushed = unsafe { ring.submission().push(&receive.clone().user_data(u64::MAX)) };
            is_receiving = pushed.is_ok();
        }
        ring.submit_and_wait(1)?;
        let done: Vec<_> = ring.completion().take(512).collect();
        for entry in done {
            if entry.user_data() != u64::MAX {
                free.push(entry.user_data() as usize);
                continue;
            }
            is_receiving &= cqueue::more(entry.flags());
            let Some(number) = cqueue::buffer_select(entry.flags()) else { continue };
            let bytes = buffers.bytes(number);
            if let Some(at) = free.pop()
                && let Ok(message) = RecvMsgOut::parse(bytes, &wanted)
            {
                let slot = &mut slots[at];
                slot.name[..message.name_data().len()].copy_from_slice(message.name_data());
                slot.vector.iov_len = answer(message.payload_data(), &mut slot.reply);
                let send = opcode::SendMsg::new(Fixed(0), &raw const slot.header);
                let send = send.build().user_data(at as u64);
                // SAFETY: the slot is not touched before the completion gives it back.
                while unsafe { ring.submission().push(&send) }.is_err() {
                    ring.submit()?;
                }
            }
            buffers.give_back(number);
        }
    }
}

/// A reply and what points at it.
struct Slot {
    reply: [u8; REPLY],
    name: [u8; 16],
    vector: libc::iovec,
    header: libc::msghdr,
}

impl Slot {
    fn new() -> Box<Slot> {
        // SAFETY: zeros are valid for all of it.
        let mut slot: Box<Slot> = Box::new(unsafe { std::mem::zeroed() });
        slot.vector.iov_base = slot.reply.as_mut_ptr().cast();
        slot.header.msg_iov = &raw mut slot.vector;
        slot.header.msg_iovlen = 1;
        slot.header.msg_name = slot.name.as_mut_ptr().cast();
        slot.header.msg_namelen = 16;
        slot
    }
}

/// Provided buffers, in memory that is never given back.
struct Buffers {
    entries: *mut BufRingEntry,
    bytes: *mut u8,
}

impl Buffers {
    fn register(ring: &IoUring) -> io::Result<Buffers> {
        let size = usize::from(ENTRIES) * size_of::<BufRingEntry>();
        // SAFETY: new mappings; the ring of buffers is page-aligned, as the kernel wants it.
        let map = |size| unsafe {
            let (access, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0)
        };
        let buffers = Buffers {
            entries: map(size).cast(),
            bytes: map(usize::from(ENTRIES) * REQUEST).cast(),
        };
        // SAFETY: the memory is as long as told, and stays.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(buffers.entries as u64, ENTRIES, 0, 0)?;
        }
        (0..ENTRIES).for_each(|number| buffers.give_back(number));
        Ok(buffers)
    }

    fn bytes(&self, number: u16) -> &[u8] {
        // SAFETY: the kernel has given this buffer to us.
        unsafe {
            let base = self.bytes.add(usize::from(number) * REQUEST);
            std::slice::from_raw_parts(base, REQUEST.max(HEAD))
        }
    }

    fn give_back(&self, number: u16) {
        // SAFETY: the entry behind the tail is ours; the kernel reads it after the tail's release.
        unsafe {
            let tail = BufRingEntry::tail(self.entries).cast_mut();
            let at = *tail;
            let entry = &mut *self.entries.add(usize::from(at % ENTRIES));
            entry.set_addr(self.bytes.add(usize::from(number) * REQUEST) as u64);
            entry.set_len(REQUEST as u32);
            entry.set_bid(number);
            std::sync::atomic::AtomicU16::from_ptr(tail)
                .store(at.wrapping_add(1), std::sync::atomic::Ordering::Release);
        }
    }
}

/// Answers HTTP requests, one after the other, with as many bytes as a tracker would.
pub fn http(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    // SAFETY: plain calls; descriptors are ours.
    let epoll = failed(unsafe { libc::epoll_create1(0) })?.cast_signed() as RawFd;
    let watch = |fd: RawFd| {
        let (events, data) = (libc::EPOLLIN.cast_unsigned(), u64::from(fd.cast_unsigned()));
        let mut event = libc::epoll_event { events, u64: data };
        // SAFETY: the event is read during the call alone.
        failed(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) })
    };
    watch(listener.as_raw_fd())?;
    let mut streams: HashMap<RawFd, TcpStream> = HashMap::new();
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
    let body = [b'x'; 86 + 6 * 50];
    let reply = |connection: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Vary: Accept-Encoding\r\nConnection: {connection}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    };
    let (keep, close) = (reply("keep-alive"), reply("close"));
    let mut request = [0; 4096];
    loop {
        // SAFETY: the kernel writes at most as many events as told.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 64, -1) };
        for event in &events[..failed(count)?] {
            let fd = event.u64 as RawFd;
            if fd == listener.as_raw_fd() {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    watch(stream.as_raw_fd())?;
                    streams.insert(stream.as_raw_fd(), stream);
                }
                continue;
            }
            let Some(stream) = streams.get_mut(&fd) else { continue };
            let length = stream.read(&mut request).unwrap_or(0);
            let closes = request[..length].windows(6).any(|word| word == b": clos");
            let is_lost =
                length == 0 || stream.write_all(if closes { &close } else { &keep }).is_err();
            if closes || is_lost {
                streams.remove(&fd);
            }
        }
    }
}
