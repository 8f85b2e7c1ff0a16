//! Bytes of connections while the kernel sends them: one parcel a connection at most.

use std::sync::Arc;

/// Bytes to be sent.
#[derive(Debug)]
pub enum Parcel {
    /// Replies, in a buffer that is used again.
    Owned(Vec<u8>),
    /// A piece of what many are sent, from the first number to the second.
    Shared(Arc<[u8]>, usize, usize),
}

impl Parcel {
    /// All of its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Parcel::Owned(bytes) => bytes,
            Parcel::Shared(bytes, start, end) => &bytes[*start..*end],
        }
    }
}

/// The parcels that are under way, by the number of their connection.
#[derive(Default)]
pub struct Parcels {
    places: Vec<Place>,
}

#[derive(Default)]
enum Place {
    #[default]
    Empty,
    Lent(Parcel),
    Returned(Parcel),
}

impl Parcels {
    /// Keeps the parcel of connection `index` while the kernel sends what stands in it behind the
    /// first `skip` bytes, and tells where that is and how long.
    ///
    /// # Panics
    /// When the connection has one under way already.
    pub fn lend(&mut self, index: u32, parcel: Parcel, skip: usize) -> (*const u8, u32) {
        let index = index as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, Place::default);
        }
        assert!(matches!(self.places[index], Place::Empty), "one send in flight a connection");
        // The bytes lie behind the `Vec` or `Arc` and stay there when that moves.
        let bytes = &parcel.bytes()[skip..];
        let lent = (bytes.as_ptr(), u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.places[index] = Place::Lent(parcel);
        lent
    }

    /// The kernel has done with the parcel of connection `index`.
    pub fn sent(&mut self, index: u32) {
        if let Some(place) = self.places.get_mut(index as usize)
            && let Place::Lent(parcel) = std::mem::take(place)
        {
            *place = Place::Returned(parcel);
        }
    }

    /// Takes back a parcel that was sent.
    pub fn take(&mut self, index: u32) -> Option<Parcel> {
        let place = self.places.get_mut(index as usize)?;
        match std::mem::take(place) {
            Place::Returned(parcel) => Some(parcel),
            other => {
                *place = other;
                None
            }
        }
    }
}
