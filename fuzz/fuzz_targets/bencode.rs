//! Any bytes as bencode (BEP 3).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::bencode::fuzzing::check(input));
