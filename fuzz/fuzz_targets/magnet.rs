//! Any text as a magnet link (BEP 9).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::metainfo::fuzzing::link(input));
