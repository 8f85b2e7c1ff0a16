//! How large a table is for how many peers.

/// Slots of a segment, in tables of several. A slot is looked for within one segment, which is
/// also what is copied in one go when a table is replaced: 512 words are copied in microseconds.
pub const SEGMENT_SLOTS: usize = 512;

/// Slots of the smallest tables. With the one word before them these fill what allocators hand
/// out: 24, 40, 56, 72 and 104 bytes where a slot is a word.
pub const SMALL: [usize; 5] = [2, 4, 6, 8, 12];

/// Slots of the other tables of one segment.
const MIDDLE: [usize; 11] = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, SEGMENT_SLOTS];

/// Tables of up to so many slots are read whole by who chooses peers. Those of larger ones lie in
/// lines.
pub const WHOLE_SLOTS_MAX: usize = 128;

/// Slots of a line: their state words come from memory at once.
pub const LINE_SLOTS: usize = 8;

/// Up to so many segments a table is replaced in one go, by whoever comes first; above, segment by
/// segment. Copying 2,048 slots takes some 50 µs.
pub const WHOLE_SEGMENTS_MAX: usize = 4;

/// How a table is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Segments: 1, 3, 5 or 7 times a power of two, which is seldom much more than is asked for.
    pub segments: usize,
    /// Slots of each segment; [`SEGMENT_SLOTS`] where there are several.
    pub slots: usize,
    /// Whether a slot has lanes for a peer id.
    pub has_ids: bool,
}

impl Shape {
    /// The table for `peers` peers and about a third more. Small ones are filled to the brim, since
    /// all their slots are looked at anyway.
    pub fn for_peers(peers: usize, has_ids: bool) -> Shape {
        let roomy = peers + peers / 3;
        let small = SMALL.into_iter().find(|slots| peers <= *slots);
        let one = small.or_else(|| MIDDLE.into_iter().find(|slots| roomy <= *slots));
        match one {
            Some(slots) => Shape { segments: 1, slots, has_ids },
            // Filled to 60 % at first: 512 × 0.6 = 307.
            None => Shape::of_segments(peers.div_ceil(307).max(2), has_ids),
        }
    }

    /// The table of at least so many full segments.
    pub fn of_segments(segments: usize, has_ids: bool) -> Shape {
        // Four steps from a power of two to the next: 4, 5, 6, 7, 8, 10, 12, 14, 16, …
        let step = (segments / 4).max(1).checked_ilog2().unwrap_or(0);
        let segments = segments.div_ceil(1 << step) << step;
        Shape { segments, slots: SEGMENT_SLOTS, has_ids }
    }

    /// All slots.
    pub const fn total(self) -> usize {
        self.segments * self.slots
    }

    /// Whether it is read by lines, which then begin where those of memory do.
    pub const fn is_lined(self) -> bool {
        self.total() > WHOLE_SLOTS_MAX
    }

    /// Its place in [`SMALL`].
    pub fn small_index(self) -> Option<usize> {
        SMALL.iter().position(|slots| self.segments == 1 && *slots == self.slots)
    }

    /// The segment of a hash.
    pub const fn segment(self, hash: u64) -> usize {
        (((hash >> 32) * self.segments as u64) >> 32) as usize
    }

    /// Where in its segment the search for a hash begins.
    pub const fn start(self, hash: u64) -> usize {
        (((hash & 0xffff_ffff) * self.slots as u64) >> 32) as usize
    }

    /// The segments of this shape in which stand the hashes that `segment` of `other` has.
    pub const fn overlapping(
        self,
        other: Shape,
        segment: usize,
    ) -> std::ops::RangeInclusive<usize> {
        let count = other.segments as u64;
        let first = ((segment as u64) << 32).div_ceil(count);
        let last = ((segment as u64 + 1) << 32).div_ceil(count) - 1;
        self.segment(first << 32)..=self.segment(last << 32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn table_has_room_and_not_too_much(peers in 1_usize..50_000_000) {
            let shape = Shape::for_peers(peers, false);
            prop_assert!(shape.total() >= peers);
            prop_assert!(peers < 600 || shape.total() * 8 <= peers * 17, "{shape:?}");
            let mut odd = shape.segments;
            while odd.is_multiple_of(2) {
                odd /= 2;
            }
            prop_assert!([1, 3, 5, 7].contains(&odd), "{shape:?}");
        }

        #[test]
        fn overlapping_segments_hold_exactly_the_hashes_of_one(
            hash: u64, old in 1_usize..3_000, new in 1_usize..3_000,
        ) {
            let (old, new) = (Shape::of_segments(old, false), Shape::of_segments(new, false));
            let segments = old.overlapping(new, new.segment(hash));
            prop_assert!(segments.contains(&old.segment(hash)));
            prop_assert!(segments.count() <= old.segments.div_ceil(new.segments) + 1);
        }
    }
}
