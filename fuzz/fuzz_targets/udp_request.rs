//! Any datagram as a request of the UDP protocol (BEP 15).

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::protocol::udp::fuzzing::check(input));
