//! Strangers' bytes as text that is safe to keep and to show.

use crate::limits::query as limits;
use crate::protocol::metainfo::text;

/// The bytes as text: no control characters, nothing that turns the direction of what follows, and
/// cut off where no honest text goes on.
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(limits::TEXT_MAX)];
    let mut shown = text::shown(cut);
    if cut.len() < bytes.len() {
        shown.push('…');
    }
    shown
}

/// The bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes as blank-separated pairs of hex digits, as far as they are worth showing.
pub fn dump(bytes: &[u8]) -> String {
    let pairs: Vec<String> =
        bytes.iter().take(limits::BODY_SHOWN).map(|byte| hex(&[*byte])).collect();
    pairs.join(" ")
}
