//! Feeds what is committed in `fuzz/corpus` to the checks behind the fuzz targets, so that an input
//! that once broke something is tried by every compiler, without a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::net::proxy;
use crate::protocol::{bencode, http, http_head, metainfo, proxy_head, udp};
use crate::{query, state, swarm};

/// Panics when an input is not dealt with as it should be.
type Check = fn(&[u8]);

/// Each fuzz target by the name of its file, with the check that it runs.
const CHECKS: [(&str, Check); 15] = [
    ("bencode", bencode::fuzzing::check),
    ("bencode_differential", bencode::fuzzing::differential),
    ("forwarded_for", proxy::fuzzing::check),
    ("http_head", http_head::fuzzing::check),
    ("http_query", http::fuzzing::check),
    ("magnet", metainfo::fuzzing::link),
    ("metainfo", metainfo::fuzzing::check),
    ("proxy_head", proxy_head::fuzzing::check),
    ("query_reply", query::fuzzing::check),
    ("state_file", state::fuzzing::check),
    ("swarm_model", swarm::fuzzing::model),
    ("swarm_threads", swarm::fuzzing::threads),
    ("udp_differential", udp::fuzzing::differential),
    ("udp_request", udp::fuzzing::check),
    ("url_data", udp::fuzzing::options),
];

#[test]
fn every_committed_input_passes_its_check() {
    for (target, check) in CHECKS {
        let inputs = entries(&fuzz().join("corpus").join(target));
        assert!(!inputs.is_empty(), "fuzz/corpus/{target} is empty");
        for input in inputs {
            println!("{}", input.display()); // shown only with a failure, and so names its input
            check(&fs::read(&input).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_a_check() {
    let checks: BTreeSet<_> = CHECKS.iter().map(|(target, _)| (*target).to_owned()).collect();
    for folder in ["corpus", "fuzz_targets"] {
        let names = entries(&fuzz().join(folder)).into_iter();
        let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
        assert_eq!(names.collect::<BTreeSet<_>>(), checks, "fuzz/{folder} and CHECKS");
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
