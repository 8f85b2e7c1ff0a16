//! The wall clock: whether it is kept right, and whether its date is possible.

pub mod adjtimex;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Scene;
use super::finding::{Cure, Looked, Seen};

/// Seconds since 1970 at 2026-01-01: no clock that is right shows less.
const EARLIEST: i64 = 1_767_225_600;
/// Seconds since 1970 at 2100-01-01.
const LATEST: i64 = 4_102_444_800;

/// Whether the kernel's clock is kept right by somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synchronisation {
    /// Whether it is.
    pub is_kept: bool,
    /// How wrong the clock may be, in microseconds.
    pub error_max: i64,
}

/// A moment as people read it.
pub fn shown(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "all checks have one shape")]
pub fn date(scene: &Scene) -> Looked {
    let (now, text) = (scene.live.now, shown(scene.live.now));
    let cure = Cure::lasting("timedatectl set-ntp true");
    Ok(vec![if (EARLIEST..LATEST).contains(&now) {
        Seen::ok(format!("the clock shows {text}"))
    } else {
        Seen::error(format!("the clock shows {text}, which cannot be"), cure)
    }])
}

pub fn synchronised(scene: &Scene) -> Looked {
    let Synchronisation { is_kept, error_max } = scene.live.synchronisation.clone()?;
    Ok(vec![if is_kept {
        let ms = error_max / 1_000;
        Seen::ok(format!("the clock is synchronised, to within {ms} ms"))
    } else {
        let is = "nothing synchronises the clock (adjtimex tells TIME_ERROR)";
        Seen::warning(is, Cure::lasting("timedatectl set-ntp true"))
    }])
}
