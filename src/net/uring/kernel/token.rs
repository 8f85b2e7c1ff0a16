//! The 64 bits that go to the kernel with an operation and come back with its completion.
//!
//! ```text
//! 63      56 55              32 31               0
//! │ kind     │ generation       │ index           │
//! ```

/// What kind of operation a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Datagrams of one socket are to be received, or there is room for replies.
    Datagrams,
    /// Connections of one listening socket, again and again.
    Accept,
    /// Bytes of one connection, again and again.
    Receive,
    /// Bytes to one connection.
    Send,
    /// A cancellation, which is told by what it cancelled.
    Cancel,
    /// The tick of the timers.
    Tick,
    /// The bell of the mailbox.
    Bell,
}

const KINDS: [Kind; 7] = [
    Kind::Datagrams,
    Kind::Accept,
    Kind::Receive,
    Kind::Send,
    Kind::Cancel,
    Kind::Tick,
    Kind::Bell,
];

/// Names an operation: its kind, the socket or connection it is about, and for connections
/// the generation of their place, so that no late completion meets the next one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The kind.
    pub kind: Kind,
    /// Which of the sockets or connections.
    pub index: u32,
    /// 24 bits; zero where places are not used again.
    pub generation: u32,
}

/// Generations count up to here and begin anew.
pub const GENERATION_MAX: u32 = (1 << 24) - 1;

impl Token {
    /// A token of a place that has no generations.
    pub const fn new(kind: Kind, index: u32) -> Token {
        Token { kind, index, generation: 0 }
    }

    pub(super) fn encode(self) -> u64 {
        let generation = u64::from(self.generation & GENERATION_MAX);
        (self.kind as u64) << 56 | generation << 32 | u64::from(self.index)
    }

    pub(super) fn decode(bits: u64) -> Token {
        Token {
            kind: KINDS[(bits >> 56) as usize % KINDS.len()],
            index: bits as u32,
            generation: (bits >> 32) as u32 & GENERATION_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went() {
        for kind in KINDS {
            for (index, generation) in [(0, 0), (1, GENERATION_MAX), (u32::MAX, 1)] {
                let token = Token { kind, index, generation };
                assert_eq!(Token::decode(token.encode()), token);
            }
        }
    }
}
