//! What is told of a span of time: an hour, a day, or all of it.

use std::net::IpAddr;

use super::counter::{Counter, Protocol};

/// What came in some span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Announces answered: by UDP, HTTP and HTTPS, of each from IPv4 and from IPv6 addresses.
    pub announces: [[u64; 2]; 3],
    /// Bytes of replies, as sent: HTTP bodies, UDP payloads.
    pub bytes_sent: u64,
    /// Bytes that compression saved.
    pub bytes_saved: u64,
    /// HTTP bodies sent compressed.
    pub gzip_replies: u64,
    /// HTTP bodies sent as they are.
    pub plain_replies: u64,
}

impl Figures {
    /// How many numbers these are.
    pub const WORDS: usize = 10;

    /// All announces.
    pub fn total(&self) -> u64 {
        self.announces.as_flattened().iter().sum()
    }

    /// Announces by one protocol.
    pub fn by(&self, protocol: Protocol) -> u64 {
        self.announces[protocol as usize].iter().sum()
    }

    /// Announces from IPv4 and from IPv6 addresses.
    pub fn families(&self) -> [u64; 2] {
        [0, 1].map(|family| self.announces.iter().map(|protocol| protocol[family]).sum())
    }

    /// Takes those of another span in. Stays at the largest number there is, should a damaged file
    /// lead there.
    pub fn add(&mut self, other: &Figures) {
        let sums = self.words().into_iter().zip(other.words());
        let mut sums = sums.map(|(one, other)| one.saturating_add(other));
        *self = Figures::from_words(std::array::from_fn(|_| sums.next().unwrap_or_default()));
    }

    /// The numbers in a row, in the order of the fields.
    pub fn words(&self) -> [u64; Figures::WORDS] {
        let mut words = [0; Figures::WORDS];
        words[..6].copy_from_slice(self.announces.as_flattened());
        words[6..].copy_from_slice(&[
            self.bytes_sent,
            self.bytes_saved,
            self.gzip_replies,
            self.plain_replies,
        ]);
        words
    }

    /// What [`Figures::words`] has put in a row.
    pub fn from_words(words: [u64; Figures::WORDS]) -> Figures {
        let [.., bytes_sent, bytes_saved, gzip_replies, plain_replies] = words;
        let announces = [0, 1, 2].map(|protocol| [words[2 * protocol], words[2 * protocol + 1]]);
        Figures { announces, bytes_sent, bytes_saved, gzip_replies, plain_replies }
    }
}

/// [`Figures`] that are being counted.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each field is documented at the figure")]
pub struct HourCounters {
    /// As [`Figures::announces`].
    announces: [[Counter; 2]; 3],
    pub bytes_sent: Counter,
    pub bytes_saved: Counter,
    pub gzip_replies: Counter,
    pub plain_replies: Counter,
}

impl HourCounters {
    /// Announces by `protocol` from addresses of the family of `address`.
    pub fn announces(&self, protocol: Protocol, address: IpAddr) -> &Counter {
        &self.announces[protocol as usize][usize::from(address.is_ipv6())]
    }

    /// What has been counted.
    pub fn read(&self) -> Figures {
        Figures {
            announces: [0, 1, 2].map(|protocol: usize| {
                [0, 1].map(|family: usize| self.announces[protocol][family].read())
            }),
            bytes_sent: self.bytes_sent.read(),
            bytes_saved: self.bytes_saved.read(),
            gzip_replies: self.gzip_replies.read(),
            plain_replies: self.plain_replies.read(),
        }
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.announces.as_flattened().iter().for_each(Counter::clear);
        for counter in
            [&self.bytes_sent, &self.bytes_saved, &self.gzip_replies, &self.plain_replies]
        {
            counter.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_the_same_figures() {
        let words = std::array::from_fn(|word| word as u64 + 1);
        let mut figures = Figures::from_words(words);
        assert_eq!(figures.words(), words);
        assert_eq!((figures.total(), figures.families()), (21, [9, 12]));
        assert_eq!(Protocol::ALL.map(|protocol| figures.by(protocol)), [3, 7, 11]);
        figures.add(&Figures { bytes_sent: u64::MAX, ..Figures::default() });
        assert_eq!((figures.bytes_sent, figures.bytes_saved), (u64::MAX, 8));
    }
}
