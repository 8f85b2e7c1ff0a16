//! What the tables need of `src/protocol`.

#[path = "../../../src/protocol/announce.rs"]
pub mod announce;
#[path = "../../../src/protocol/ids.rs"]
pub mod ids;
