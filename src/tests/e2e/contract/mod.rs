//! What every backend promises. `super::TestServer` runs on the one that is being tested.

#![allow(clippy::duplicate_mod, reason = "one suite, run over each backend")]

use super::*;

mod acceptance;
mod certificate;
mod drain;
mod http;
mod lists;
mod overload;
mod proxied;
mod resets;
mod udp;
