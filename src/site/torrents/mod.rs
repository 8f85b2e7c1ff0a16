//! Torrents that members register, list, find and take away.
//!
//! - [`upload`]: `POST /manage/upload`.
//! - [`detail`]: one torrent, as it is asked for; [`change`]: what is done to it.
//! - [`reception`]: an upload, read file by file as it comes in.
//! - [`register`]: from a file of it to a row.
//! - [`summary`]: what became of each file of it.
//! - [`browse`]: the dashboard and the search, as they are asked for.
//! - [`list`]: many torrents, and what a search finds.
//! - [`show`]: one torrent.
//! - [`tree`]: its files, folder by folder.
//! - [`sharing`]: members in its swarm.
//! - [`pager`]: the way from page to page.

pub mod browse;
pub mod change;
pub mod detail;
pub mod list;
pub mod pager;
pub mod reception;
pub mod register;
pub mod sharing;
pub mod show;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod upload;

use time::OffsetDateTime;

use super::numbers;
pub use super::page::Viewer;

/// The size of a swarm, as people read it.
pub fn number(count: u32) -> String {
    numbers::count(count.into())
}

/// Seconds since 1970 as a day and a minute: `2026-03-01 14:05`, in UTC.
pub fn minute(unix_secs: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(unix_secs) else { return "–".to_owned() };
    let (date, hour, minute) = (at.date(), at.hour(), at.minute());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// The day alone: `2026-03-01`.
pub fn day(unix_secs: i64) -> String {
    minute(unix_secs).split(' ').next().unwrap_or_default().to_owned()
}
