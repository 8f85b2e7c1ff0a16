//! The suite in `contract`, over epoll.

use super::*;

type TestServer = AnyServer<false>;

#[path = "contract/mod.rs"]
mod contract;
