//! The live page.
//!
//! - [`figures`]: what there is to show, also as JSON.
//! - [`page`]: how it is shown.

pub mod figures;
pub mod page;
