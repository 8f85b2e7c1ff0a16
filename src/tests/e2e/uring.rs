//! The suite in `contract`, over io_uring. A host that
//! refuses io_uring fails them, and says so.

use super::*;

type TestServer = AnyServer<true>;

#[path = "contract/mod.rs"]
mod contract;
