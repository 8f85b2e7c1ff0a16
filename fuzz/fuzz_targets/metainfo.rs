//! Any bytes as a .torrent (BEP 3, 52).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::metainfo::fuzzing::check(input));
