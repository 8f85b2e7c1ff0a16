//! What no single room can test.

mod architecture;
mod e2e;
