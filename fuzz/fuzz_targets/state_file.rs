//! Any bytes as a saved state.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::state::fuzzing::check(input));
