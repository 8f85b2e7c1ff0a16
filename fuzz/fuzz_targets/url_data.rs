//! Any options after a UDP announce (BEP 41).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::udp::fuzzing::options(input));
