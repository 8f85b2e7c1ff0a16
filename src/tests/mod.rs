//! What no single room can test.
//!
//! - [`corpus`]: every input in `fuzz/corpus`, through the check it is for.

mod corpus;
