//! Arguments to `cli::run`, and its result to the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    wildkat::cli::run(std::env::args_os().collect())
}
