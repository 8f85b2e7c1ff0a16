//! The live page.
//!
//! - [`figures`]: what there is to show of this moment and since the start, also as JSON.
//! - [`periods`]: what there is to show of today, yesterday and all time.
//! - [`announce_urls`]: where to announce.
//! - [`chart`]: announces over hours or days, as columns.
//! - [`page`]: how it is shown.

pub mod announce_urls;
pub mod chart;
pub mod figures;
pub mod page;
pub mod periods;
