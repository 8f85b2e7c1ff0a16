//! Our reading of a UDP request (BEP 15) beside a reader of another make.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::udp::fuzzing::differential(input));
