//! The house rules that a reader of the source can check: who imports whom, how long a line, a
//! function and a file may be, and where `unsafe` and SQL may stand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Columns in a line, lines in a function, lines in a file.
const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// Which rooms each room may import from; none may import from one that is not in its list.
const IMPORTS: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("clock", &[]),
    ("stats", &[]),
    ("limits", &["protocol"]),
    ("config", &["limits"]),
    ("swarm", &["protocol", "clock", "limits", "config"]),
    ("state", &["protocol", "swarm", "stats", "clock", "limits", "config"]),
    ("db", &["protocol", "config"]),
    ("tracker", &["protocol", "swarm", "stats", "clock", "limits", "config"]),
    // Of `protocol`, the data plane knows two heads and nothing else: see the test below.
    ("net", &["tracker", "protocol", "stats", "clock", "limits", "config"]),
    ("outbound", &["config", "limits"]),
    ("query", &["protocol", "limits"]),
    // Of `query`, the jobs know how another tracker is asked how large a swarm is there.
    (
        "jobs",
        &[
            "db", "protocol", "swarm", "state", "tracker", "net", "stats", "outbound", "query",
            "clock", "limits", "config",
        ],
    ),
    // Of `net` and `tracker`, the site knows what an announce on a web port is passed on to; of the
    // jobs, how the tracker's set is read from a database that has become another one.
    (
        "site",
        &[
            "db", "protocol", "swarm", "stats", "tracker", "net", "outbound", "jobs", "config",
            "limits", "clock",
        ],
    ),
    // It asks what the data plane would ask of the system, and the tracker what a client would.
    ("doctor", &["query", "net", "config", "limits"]),
    (
        "serve",
        &[
            "db", "protocol", "clock", "stats", "limits", "config", "swarm", "state", "tracker",
            "net", "outbound", "site", "jobs",
        ],
    ),
    ("cli", &["serve", "doctor", "query", "config", "db", "limits"]),
    ("lib", &[]),
    ("main", &[]),
];

/// Where `unsafe` may be allowed.
const UNSAFE_ROOMS: &[&str] = &[
    "swarm/index/memory",
    "swarm/map",
    "net/uring/kernel",
    "net/udp/options",
    "net/udp/batch",
    "doctor/clock/adjtimex",
];

struct Source {
    /// Below `src`: `net/udp/mod.rs`.
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut folders = vec![root()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(Source {
                    path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
                    text: std::fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    assert!(sources.len() > 20, "the walk found the sources");
    sources
}

/// The rooms named by `crate::room` in a text.
fn imported(text: &str) -> BTreeSet<&str> {
    let after = text.split("crate::").skip(1);
    let mut rooms = BTreeSet::new();
    for rest in after {
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                rooms.extend(list.split(',').filter_map(first_word));
            }
            None => rooms.extend(first_word(rest)),
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<&str> {
    text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|w| !w.is_empty())
}

#[test]
fn rooms_import_only_from_rooms_above() {
    for source in sources().iter().filter(|source| source.room() != "tests") {
        let room = source.room();
        let allowed = IMPORTS.iter().find(|(name, _)| *name == room);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{room} is not in the import table"));
        for other in imported(&source.text) {
            assert!(
                other == room || allowed.contains(&other),
                "{}: {room} may not import from {other}",
                source.path
            );
        }
    }
}

#[test]
fn sockets_never_see_a_peer_list() {
    for source in sources().iter().filter(|source| source.room() == "net") {
        for rest in source.text.split("protocol::").skip(1) {
            let module = first_word(rest).unwrap_or_default();
            assert!(
                ["http_head", "proxy_head"].contains(&module),
                "{}: net knows nothing of protocol::{module}",
                source.path
            );
        }
    }
}

#[test]
fn import_table_has_no_room_that_imports_from_below() {
    for (place, (room, allowed)) in IMPORTS.iter().enumerate() {
        for other in *allowed {
            let above = IMPORTS[..place].iter().any(|(name, _)| name == other);
            assert!(above, "{room} imports from {other}, which is not above it");
        }
    }
}

#[test]
fn lines_and_files_are_short_enough_to_read() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", source.path);
        for (number, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            assert!(columns <= COLUMNS_MAX, "{}:{} has {columns}", source.path, number + 1);
        }
    }
}

/// Collects the functions of a file that are too long.
#[derive(Default)]
struct LongFunctions {
    found: Vec<String>,
}

impl LongFunctions {
    fn judge(&mut self, name: &syn::Ident, block: &syn::Block) {
        let span = block.span();
        let lines = span.end().line - span.start().line + 1;
        if lines > FUNCTION_LINES_MAX {
            self.found.push(format!("{name} has {lines} lines"));
        }
    }
}

impl<'ast> Visit<'ast> for LongFunctions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.judge(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.judge(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[test]
fn functions_fit_a_screen() {
    for source in sources() {
        let file = syn::parse_file(&source.text).unwrap();
        let mut long = LongFunctions::default();
        long.visit_file(&file);
        assert!(long.found.is_empty(), "{}: {:?}", source.path, long.found);
    }
}

#[test]
fn unsafe_and_sql_stay_in_their_rooms() {
    for source in sources().iter().filter(|source| source.room() != "tests") {
        if source.text.contains("allow(unsafe_code)") {
            let is_fine = UNSAFE_ROOMS.iter().any(|room| source.path.starts_with(room));
            assert!(is_fine, "{} may not allow unsafe code", source.path);
        }
        let has_sql = source.text.contains("rusqlite");
        assert!(!has_sql || source.room() == "db", "{} speaks SQL", source.path);
    }
}

#[test]
fn every_file_is_part_of_the_house() {
    let sources = sources();
    for source in &sources {
        let path = Path::new(&source.path);
        let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        if ["main", "lib"].contains(&stem)
            || ["tests/process.rs", "tests/backend.rs", "tests/service.rs"]
                .contains(&&source.path[..])
        {
            continue;
        }
        // `a/b.rs` and `a/b/mod.rs` are declared in `a/mod.rs` or `a.rs`; the rooms in `lib.rs`.
        let (folder, name) = if stem == "mod" {
            (folder.parent().unwrap(), folder.file_name().unwrap().to_str().unwrap())
        } else {
            (folder, stem)
        };
        let parents = if folder.as_os_str().is_empty() {
            vec![PathBuf::from("lib.rs")]
        } else {
            vec![folder.join("mod.rs"), folder.with_extension("rs")]
        };
        let is_declared = sources.iter().any(|parent| {
            parents.iter().any(|path| Path::new(&parent.path) == path)
                && parent.text.contains(&format!("mod {name};"))
        });
        // The suite that is run over each backend is declared beside it, once for each.
        let is_shared = sources.iter().any(|other| {
            Path::new(&other.path).parent() == Some(folder)
                && other.text.contains(&format!("#[path = \"{name}/mod.rs\"]"))
        });
        let is_declared = is_declared || is_shared;
        assert!(is_declared, "{} is in no module", source.path);
    }
}

/// The names in backticks that read like tests: lower case, with at least three underscores.
fn tests_named_in(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name && name.matches('_').count() >= 3
    })
}

#[test]
fn documents_name_only_tests_that_exist() {
    let sources: String = sources().into_iter().map(|source| source.text).collect();
    let text = std::fs::read_to_string(root().join("../docs/protocol.md")).unwrap();
    assert!(tests_named_in(&text).count() > 40, "the document was read");
    for name in tests_named_in(&text) {
        assert!(sources.contains(&format!("fn {name}(")), "docs/protocol.md: no test {name}");
    }
}
