//! Any bytes as a head of the PROXY protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::proxy_head::fuzzing::check(input));
