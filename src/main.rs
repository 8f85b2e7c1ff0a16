//! Arguments to `cli::run`, error to stderr, result to exit code.
fn main() {}
