//! Any query string of an announce or a scrape (BEP 3, 7, 23, 48).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::http::fuzzing::check(input));
