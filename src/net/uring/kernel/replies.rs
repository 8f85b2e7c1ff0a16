//! Places for the replies of datagram sockets while the kernel sends them.

use crate::net::udp::message::{Message, Reply};

/// The right to write one reply. One that is dropped is a place lost, and harms nobody.
#[derive(Debug)]
pub struct Slot(u32);

/// A fixed number of places. Each is free, held by a [`Slot`], or the kernel's.
pub struct Replies {
    /// In a box, since the kernel knows their addresses.
    places: Box<[Place]>,
    free: Vec<u32>,
}

struct Place {
    reply: Reply,
    message: Message,
}

impl Replies {
    /// `count` places, each with room for the largest reply.
    pub fn new(count: u32) -> Replies {
        let place = |_| Place { reply: Reply::default(), message: Message::default() };
        // The place that was used last is used next, while it lies in the cache.
        Replies { places: (0..count).map(place).collect(), free: (0..count).rev().collect() }
    }

    /// A free place, if there is one.
    pub fn take(&mut self) -> Option<Slot> {
        self.free.pop().map(Slot)
    }

    /// Whether no place is free.
    pub fn is_exhausted(&self) -> bool {
        self.free.is_empty()
    }

    /// The reply to be written.
    pub fn reply_mut(&mut self, slot: &Slot) -> &mut Reply {
        &mut self.places[slot.0 as usize].reply
    }

    /// Gives back a place whose reply is not to be sent.
    #[expect(clippy::needless_pass_by_value, reason = "the right ends here")]
    pub fn give_back(&mut self, slot: Slot) {
        self.free.push(slot.0);
    }

    /// Makes the reply ready for the kernel, and tells its number and the header to be sent. The
    /// place stays the kernel's until [`Replies::sent`].
    #[expect(clippy::needless_pass_by_value, reason = "the right ends here")]
    pub fn lend(&mut self, slot: Slot) -> (u32, *const libc::msghdr) {
        let Place { reply, message } = &mut self.places[slot.0 as usize];
        (slot.0, message.of(reply))
    }

    /// The kernel has done with the place of this number, which `lend` gave out.
    pub fn sent(&mut self, number: u32) {
        self.free.push(number);
    }
}
