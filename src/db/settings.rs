//! What the owner has set. Every setting has a default and a range, and only what differs from its
//! default is a row; so a value that is read is always within its range.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{Connection, Result, params};

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As in the table.
    pub key: &'static str,
    /// Where nothing is set.
    pub default: bool,
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// As in the table.
    pub key: &'static str,
    /// Where nothing is set.
    pub default: i64,
    /// The least it may be.
    pub min: i64,
    /// The most it may be.
    pub max: i64,
}

/// Words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// As in the table.
    pub key: &'static str,
    /// Where nothing is set.
    pub default: &'static str,
    /// Longest, in characters.
    pub chars_max: usize,
}

/// Any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Setting {
    Flag(Flag),
    Number(Number),
    Text(Text),
}

const fn flag(key: &'static str, default: bool) -> Flag {
    Flag { key, default }
}

const fn number(key: &'static str, default: i64, min: i64, max: i64) -> Number {
    Number { key, default, min, max }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $kind = $value;)*
        /// Every setting there is.
        pub const ALL: &[Setting] = &[$(Setting::$kind($name)),*];
    };
}

settings! {
    /// Least characters of a password.
    PW_MIN_LENGTH: Number = number("pw_min_length", 12, 6, 64);
    /// Whether a password needs a capital letter.
    PW_REQUIRE_UPPER: Flag = flag("pw_require_upper", true);
    /// Whether a password needs a small letter.
    PW_REQUIRE_LOWER: Flag = flag("pw_require_lower", true);
    /// Whether a password needs a digit.
    PW_REQUIRE_DIGIT: Flag = flag("pw_require_digit", true);
    /// Whether a password needs what is neither letter nor digit.
    PW_REQUIRE_SYMBOL: Flag = flag("pw_require_symbol", true);
    /// Whether the staff must have a second factor.
    TOTP_REQUIRED_FOR_STAFF: Flag = flag("totp_required_for_staff", false);
    /// Whether every torrent is tracked.
    OPEN_TRACKER: Flag = flag("open_tracker", false);
    /// Whether anybody may sign up.
    FREE_SIGNUP: Flag = flag("free_signup", false);
    /// Days after which an invitation that was not used ends; zero: never.
    INVITE_EXPIRY_DAYS: Number = number("invite_expiry_days", 0, 0, 3650);
    /// Whether torrents may be commented on.
    COMMENTS_ENABLED: Flag = flag("comments_enabled", true);
    /// Rows of a page.
    TORRENTS_PER_PAGE: Number = number("torrents_per_page", 50, 5, 500);
    /// MiB of an upload.
    UPLOAD_MAX_CONTENT_MB: Number = number("upload_max_content_mb", 100, 1, 2048);
    /// Files of an upload.
    UPLOAD_MAX_FILES: Number = number("upload_max_files", 1000, 1, 50_000);
    /// MiB of a file of an upload.
    UPLOAD_MAX_FILE_MB: Number = number("upload_max_file_mb", 10, 1, 1024);
    /// Whether pictures come from Gravatar for members who want that.
    GRAVATAR_ENABLED: Flag = flag("gravatar_enabled", false);
    /// What `/robots.txt` says.
    ROBOTS_TXT: Text = Text {
        key: "robots_txt",
        default: "User-agent: *\nDisallow: /announce\nDisallow: /scrape\nDisallow: /manage\n",
        chars_max: 4000,
    };
    /// Days for which a sign-in links a member to a swarm.
    ACTIVITY_LINK_DAYS: Number = number("activity_link_max_login_age_days", 30, 1, 365);
    /// Days after which an event is forgotten; zero: never.
    EVENTS_KEEP_DAYS: Number = number("events_keep_days", 0, 0, 3650);
    /// Whether members may have another tracker asked for a torrent.
    PEER_QUERY_ENABLED: Flag = flag("peer_query_enabled", false);
    /// Which one.
    PEER_QUERY_TRACKER: Text = Text {
        key: "peer_query_tracker",
        default: "http://tracker.opentrackr.org:1337/announce",
        chars_max: 255,
    };
    /// How often, until it answers.
    PEER_QUERY_RETRIES: Number = number("peer_query_retries", 3, 1, 10);
    /// Seconds between two attempts.
    PEER_QUERY_RETRY_WAIT_SECS: Number = number("peer_query_retry_wait_sec", 2, 0, 30);
    /// Points that an invitation costs a member.
    POINTS_INVITE_COST: Number = number("points_invite_cost", 1000, 1, 99_999);
}

impl Setting {
    /// As in the table.
    pub const fn key(self) -> &'static str {
        match self {
            Setting::Flag(Flag { key, .. })
            | Setting::Number(Number { key, .. })
            | Setting::Text(Text { key, .. }) => key,
        }
    }

    /// The one of a key.
    pub fn of_key(key: &str) -> Option<Setting> {
        ALL.iter().copied().find(|setting| setting.key() == key)
    }

    /// The value where nothing is set, as in the table.
    pub fn default(self) -> String {
        match self {
            Setting::Flag(flag) => u8::from(flag.default).to_string(),
            Setting::Number(number) => number.default.to_string(),
            Setting::Text(text) => text.default.to_owned(),
        }
    }

    /// What was typed, as it is kept.
    ///
    /// # Errors
    /// What is wrong with it, for whoever typed it.
    pub fn parse(self, typed: &str) -> std::result::Result<String, OutOfRange> {
        match self {
            Setting::Flag(_) if ["0", "1"].contains(&typed) => Ok(typed.to_owned()),
            Setting::Number(Number { min, max, .. }) => match typed.trim().parse::<i64>() {
                Ok(value) if (min..=max).contains(&value) => Ok(value.to_string()),
                _ => Err(OutOfRange(self)),
            },
            Setting::Text(Text { chars_max, .. }) if typed.chars().count() <= chars_max => {
                Ok(typed.to_owned())
            }
            _ => Err(OutOfRange(self)),
        }
    }
}

/// What was typed is no value of this setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange(Setting);

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Setting::Flag(_) => f.write_str("this is either on or off"),
            Setting::Number(Number { min, max, .. }) => {
                write!(f, "this is a whole number from {min} to {max}")
            }
            Setting::Text(Text { chars_max, .. }) => {
                write!(f, "this has at most {chars_max} characters")
            }
        }
    }
}

/// All settings at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// By key, what differs from the default.
    set: BTreeMap<&'static str, String>,
}

impl Settings {
    /// As they are in the database. What is out of its range, by a hand from outside, counts as not
    /// set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn load(conn: &Connection) -> Result<Settings> {
        let mut statement = conn.prepare_cached("select key, value from settings")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut set = BTreeMap::new();
        for row in rows {
            let (key, value): (String, String) = row?;
            let setting = Setting::of_key(&key);
            if let Some((setting, Ok(value))) = setting.map(|s| (s, s.parse(&value))) {
                set.insert(setting.key(), value);
            }
        }
        Ok(Settings { set })
    }

    /// Whether a switch is on.
    pub fn is_on(&self, flag: Flag) -> bool {
        self.set.get(flag.key).map_or(flag.default, |value| value == "1")
    }

    /// A number, within its range.
    pub fn number(&self, number: Number) -> i64 {
        let set = self.set.get(number.key).and_then(|value| value.parse().ok());
        set.unwrap_or(number.default)
    }

    /// Words.
    pub fn text(&self, text: Text) -> &str {
        self.set.get(text.key).map_or(text.default, |value| value)
    }

    /// Any of them, as in the table.
    pub fn value(&self, setting: Setting) -> String {
        self.set.get(setting.key()).cloned().unwrap_or_else(|| setting.default())
    }
}

/// Keeps a value that [`Setting::parse`] gave. Tells whether it differs from the one before.
///
/// # Errors
/// When the database cannot be written.
pub fn set(conn: &Connection, setting: Setting, value: &str) -> Result<bool> {
    if Settings::load(conn)?.value(setting) == value {
        return Ok(false);
    }
    if value == setting.default() {
        conn.prepare_cached("delete from settings where key = ?1")?.execute([setting.key()])?;
    } else {
        conn.prepare_cached("insert or replace into settings (key, value) values (?1, ?2)")?
            .execute(params![setting.key(), value])?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::tests::open;

    #[test]
    fn default_stands_until_something_is_set_and_when_it_is_set_back() {
        let conn = open();
        let setting = Setting::Number(TORRENTS_PER_PAGE);
        let now = || Settings::load(&conn).unwrap().number(TORRENTS_PER_PAGE);
        assert_eq!(now(), 50);
        assert!(set(&conn, setting, "20").unwrap() && !set(&conn, setting, "20").unwrap());
        assert_eq!(now(), 20);
        assert!(set(&conn, setting, "50").unwrap());
        assert_eq!(now(), 50);
    }

    #[test]
    fn ranges_are_kept_on_both_sides() {
        for setting in ALL {
            assert_eq!(Setting::of_key(setting.key()), Some(*setting));
            assert_eq!(setting.parse(&setting.default()), Ok(setting.default()));
            match *setting {
                Setting::Flag(_) => {
                    assert!(setting.parse("0").is_ok() && setting.parse("1").is_ok());
                    assert!(setting.parse("2").is_err() && setting.parse("").is_err());
                }
                Setting::Number(Number { min, max, .. }) => {
                    for (value, is_fine) in [(min - 1, false), (min, true), (max, true)] {
                        assert_eq!(setting.parse(&value.to_string()).is_ok(), is_fine);
                    }
                    assert!(setting.parse(&(max + 1).to_string()).is_err());
                    assert!(
                        ["", "x", "1.5", "9999999999999999999999"]
                            .iter()
                            .all(|typed| setting.parse(typed).is_err())
                    );
                }
                Setting::Text(Text { chars_max, .. }) => {
                    assert!(setting.parse(&"ä".repeat(chars_max)).is_ok());
                    assert!(setting.parse(&"ä".repeat(chars_max + 1)).is_err());
                }
            }
        }
    }

    #[test]
    fn what_a_hand_has_put_out_of_range_counts_as_not_set() {
        let conn = open();
        conn.execute("insert into settings values ('torrents_per_page', '9999'), ('x', 'y')", [])
            .unwrap();
        assert_eq!(Settings::load(&conn).unwrap(), Settings::default());
    }
}
