//! Any bytes as the head of an HTTP request.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::http_head::fuzzing::check(input));
