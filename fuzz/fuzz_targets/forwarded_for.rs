//! Any `X-Forwarded-For`, and who is taken for the client.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::net::proxy::fuzzing::check(input));
