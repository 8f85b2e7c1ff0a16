//! Any announces from several threads at once.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::swarm::fuzzing::threads(input));
