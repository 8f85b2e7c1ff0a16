//! A ring of buffers that the kernel picks from when bytes arrive.
//!
//! A buffer is the kernel's from the moment it is offered until a completion names it; then there
//! is one [`Lease`] on it, which nobody can copy or make, until it is offered again.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// What the kernel wants the ring of entries to begin at a multiple of.
const PAGE: usize = 4096;

/// The right to one buffer that the kernel has filled. One that is dropped without being given
/// back is lost to the ring, and harms nobody.
#[derive(Debug)]
pub struct Lease {
    buffer: u16,
    length: u32,
}

/// Memory of its own, zeroed.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

impl Block {
    fn new(size: usize, align: usize) -> Block {
        let layout = Layout::from_size_align(size.max(1), align).expect("sizes are small");
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        Block { start: NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout)), layout }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it came from `alloc_zeroed` with this layout, and goes once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// The buffers of a ring.
pub struct Buffers {
    entries: Block,
    memory: Block,
    /// A power of two.
    count: u16,
    /// Bytes of each.
    size: u32,
    tail: u16,
}

impl Buffers {
    /// The number under which the kernel knows them.
    pub const GROUP: u16 = 0;

    /// `count` buffers, a power of two, of `size` bytes each, all offered to `uring`.
    ///
    /// # Errors
    /// When the kernel takes no such ring, or has no memory for it.
    pub fn register(uring: &IoUring, count: u16, size: u32) -> io::Result<Buffers> {
        assert!(count.is_power_of_two(), "the kernel finds an entry by masking");
        let entries = Block::new(usize::from(count) * size_of::<BufRingEntry>(), PAGE);
        let memory = Block::new(usize::from(count) * size as usize, 64);
        let mut buffers = Buffers { entries, memory, count, size, tail: 0 };
        let address = buffers.entries.start.as_ptr() as u64;
        // SAFETY: the block has room for `count` entries, and `Ring` keeps it until the kernel
        // has done with the ring it belongs to.
        unsafe { uring.submitter().register_buf_ring_with_flags(address, count, Self::GROUP, 0)? };
        for buffer in 0..count {
            buffers.offer(buffer);
        }
        Ok(buffers)
    }

    /// The lease on a buffer that a completion has named, with `length` bytes in it.
    ///
    /// # Safety
    /// The completion is of an operation that was given these buffers, and was not asked about
    /// before.
    pub unsafe fn lease(&self, buffer: u16, length: u32) -> Lease {
        Lease { buffer, length: length.min(self.size) }
    }

    /// What was received, to be decrypted in place.
    pub fn bytes_mut(&mut self, lease: &Lease) -> &mut [u8] {
        // SAFETY: the buffer lies in the block, the kernel wrote or zeroed all of it, and while
        // there is a lease on it the kernel does not touch it, and no one else can, since all
        // buffers are borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.address(lease.buffer), lease.length as usize) }
    }

    /// Lets the kernel fill a buffer again.
    #[expect(clippy::needless_pass_by_value, reason = "the lease ends here")]
    pub fn give_back(&mut self, lease: Lease) {
        self.offer(lease.buffer);
    }

    fn address(&self, buffer: u16) -> *mut u8 {
        let offset = usize::from(buffer % self.count) * self.size as usize;
        // SAFETY: the block has `count` buffers of `size` bytes, and `buffer` is below `count`.
        unsafe { self.memory.start.as_ptr().add(offset) }
    }

    fn offer(&mut self, buffer: u16) {
        #[expect(clippy::cast_ptr_alignment, reason = "the block begins at a page")]
        let entries = self.entries.start.as_ptr().cast::<BufRingEntry>();
        let place = usize::from(self.tail & (self.count - 1));
        // SAFETY: `place` is below `count`. The kernel reads an entry only once the tail is beyond
        // it, and the ring is never fuller than it is long, since a buffer is offered once.
        let entry = unsafe { &mut *entries.add(place) };
        entry.set_addr(self.address(buffer) as u64);
        entry.set_len(self.size);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, aligned to two bytes, and is written by us
        // alone. Release, so that the kernel, which acquires it, finds the entry written.
        unsafe {
            let tail = BufRingEntry::tail(entries).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}
