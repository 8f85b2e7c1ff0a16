//! Any bytes as what another tracker says to `wildkat query`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::query::fuzzing::check(input));
