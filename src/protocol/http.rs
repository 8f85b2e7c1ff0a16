//! The HTTP tracker protocol: query strings in, bencoded replies out.

/// Longest `info_hash` parameter: its name, 20 escaped bytes of three characters, and the `&`.
pub const INFO_HASH_PARAMETER_MAX: usize = "info_hash=".len() + 20 * 3 + 1;
