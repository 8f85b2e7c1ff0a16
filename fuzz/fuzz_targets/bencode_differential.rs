//! Our reading of bencode beside a reader of another make.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::bencode::fuzzing::differential(
    input
));
