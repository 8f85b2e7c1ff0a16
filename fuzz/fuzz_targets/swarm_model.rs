//! Any sequence of announces, beside a model that is plainly right.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| wildkat::swarm::fuzzing::model(input));
