//! All SQL of the program. No page and no packet shapes a table.
//!
//! Read [`Database`] first: whoever asks gets a connection for the time of a closure, and what is
//! written is one transaction.
//!
//! - [`database`]: the file, one that writes and several that read.
//! - [`migrations`]: from an empty file, or any earlier one, to the present tables.
//! - [`users`], [`sessions`]: accounts, and who is signed in.
//! - [`login_failures`]: wrong passwords; [`second_factor`]: codes beside them.
//! - [`invites`]: ways in.
//! - [`user_list`], [`moderation`], [`allowlist`]: accounts as the staff sees and changes them.
//! - [`settings`]: what the owner has set.
//! - [`events`]: what was done.
//! - [`magnet_trackers`]: what magnet links name.
//! - [`copies`]: backups, and what is put in place of all.
//! - [`torrents`]: what members have registered.
//! - [`search`]: how it is found by words.
//! - [`ledger`]: points, which are moved and never made.
//! - [`names`]: what an account may be called.
//! - [`import`]: from a database of the earlier tracker to one of ours.

pub mod allowlist;
pub mod copies;
pub mod database;
pub mod events;
pub mod import;
pub mod invites;
pub mod ledger;
pub mod login_failures;
pub mod magnet_trackers;
pub mod migrations;
pub mod moderation;
pub mod names;
pub mod search;
pub mod second_factor;
pub mod sessions;
pub mod settings;
pub mod torrents;
pub mod user_list;
pub mod users;

pub use database::{Database, OpenError};
pub use rusqlite::{Connection, Error, Result, Transaction};

/// Whether an error passes: others were at the file for too long, or there is no room for now.
pub fn is_busy(error: &Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    let code = error.sqlite_error_code();
    code.is_some_and(|code| [DatabaseBusy, DatabaseLocked, DiskFull].contains(&code))
}

/// The pattern of `like … escape '\'` for what contains `text`, whatever signs are in it.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if ['%', '_', '\\'].contains(&c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
