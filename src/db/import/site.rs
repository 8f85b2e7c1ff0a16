//! What the owner has set, what was done, and the trackers of magnet links.

use rusqlite::{Result, params};

use super::{Import, each};
use crate::db::magnet_trackers::{self, TRACKERS_MAX};
use crate::db::settings::{self, Number, PEER_QUERY_TRACKER, Setting, Text};

/// What a value of a setting that no room knows yet has to be. It is kept under the key of the
/// earlier tracker, where the feature that comes will look for it.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    /// From, to.
    Number(i64, i64),
    Json,
    OneOf(&'static [&'static str]),
    Text,
}

const ENVIRONMENTS: Kind = Kind::OneOf(&["sandbox", "live"]);

/// Settings of features that are to come, with their ranges.
const LATER: &[(&str, Kind)] = &[
    ("points_login_daily", Kind::Number(0, 999)),
    ("points_streak_7day", Kind::Number(0, 999)),
    ("points_streak_30day", Kind::Number(0, 999)),
    ("points_upload", Kind::Number(0, 9_999)),
    ("points_comment", Kind::Number(0, 999)),
    ("points_comment_cap", Kind::Number(0, 999)),
    ("points_transfer_fee_pct", Kind::Number(0, 99)),
    ("points_penalty_torrent", Kind::Number(0, 9_999)),
    ("points_penalty_comment", Kind::Number(0, 999)),
    ("auto_promote_enabled", Kind::Flag),
    ("auto_promote_threshold", Kind::Number(1, 99_999)),
    ("bounty_min_cost", Kind::Number(1, 99_999)),
    ("bounty_refund_pct", Kind::Number(0, 100)),
    ("bounty_claimer_pct", Kind::Number(1, 100)),
    ("bounty_uploader_pct", Kind::Number(0, 100)),
    ("bounty_reject_penalty", Kind::Number(0, 9_999)),
    ("bounty_expiry_days", Kind::Number(1, 3_650)),
    ("bounty_confirm_votes", Kind::Number(1, 999)),
    ("bounty_pending_hours", Kind::Number(1, 720)),
    ("leaderboard_top_n", Kind::Number(3, 100)),
    ("admin_max_point_grant", Kind::Number(1, 999_999)),
    ("dm_enabled", Kind::Flag),
    ("dm_cost", Kind::Number(0, 9_999)),
    ("dm_daily_limit", Kind::Number(1, 999)),
    ("topup_enabled", Kind::Flag),
    ("topup_rollout_mode", Kind::OneOf(&["admin_only", "all_users"])),
    ("topup_provider", Kind::OneOf(&["coinbase", "paypal"])),
    ("topup_coinbase_enabled", Kind::Flag),
    ("topup_coinbase_env", ENVIRONMENTS),
    ("topup_auto_redirect_checkout", Kind::Flag),
    ("topup_paypal_enabled", Kind::Flag),
    ("topup_paypal_webhook_enforce", Kind::Flag),
    ("topup_paypal_env", ENVIRONMENTS),
    ("topup_provider_request_timeout_sec", Kind::Number(3, 120)),
    ("topup_pending_sla_minutes", Kind::Number(5, 10_080)),
    ("topup_base_rate_pts_per_usd", Kind::Number(1, 100_000)),
    ("topup_fixed_amounts_json", Kind::Json),
    ("topup_multiplier_bands_json", Kind::Json),
];
/// Secrets of payment providers: left where they are unless they are asked for.
const SECRETS: &[&str] = &[
    "topup_coinbase_api_key_sandbox",
    "topup_coinbase_api_key_live",
    "topup_coinbase_webhook_secret_sandbox",
    "topup_coinbase_webhook_secret_live",
    "topup_paypal_client_id_sandbox",
    "topup_paypal_client_id_live",
    "topup_paypal_client_secret_sandbox",
    "topup_paypal_client_secret_live",
    "topup_paypal_webhook_id_sandbox",
    "topup_paypal_webhook_id_live",
];
/// Settings without a successor: mirrors of others, commands to run, and what never had an effect.
const DROPPED: &[&str] = &[
    "_csrf_secret",
    "reward_enabled",
    "reward_threshold",
    "peer_query_tool",
    "peer_query_args",
    "topup_coinbase_api_key",
    "topup_coinbase_webhook_secret",
    "topup_coinbase_create_url",
    "topup_coinbase_request_timeout_sec",
    "topup_paypal_client_id",
    "topup_paypal_client_secret",
    "topup_paypal_webhook_id",
];
/// Longest value of a setting that no room knows yet, in characters.
const VALUE_CHARS_MAX: usize = 500;
/// Parts of keys whose values are never told.
const SECRET_PARTS: &[&str] = &["secret", "api_key", "client_id", "webhook_id"];
/// Actions whose target was an address, and those whose detail was one.
const TO_ADDRESS: &[&str] = &["login", "login_failed", "login_ip_blocked", "logout"];
const ABOUT_ADDRESS: &[&str] = &["ip_allowlist_add", "ip_allowlist_remove"];

pub(super) fn import(import: &mut Import<'_>) -> Result<()> {
    import_settings(import)?;
    import_events(import)?;
    import_trackers(import)
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "_csrf_secret" || SECRET_PARTS.iter().any(|part| key.contains(part))
}

fn import_settings(import: &mut Import<'_>) -> Result<()> {
    each!(import, "settings", &["key", "value"], |row| {
        let (key, value) = (row.text("key"), row.text("value"));
        if let Some(setting) = Setting::of_key(&key) {
            let fit = fit(setting, &value);
            if fit != value.trim() {
                let shown = format!("{key}: {value:?} is {fit:?}");
                import.report.note("settings", "brought into their ranges", shown);
            }
            settings::set(import.to, setting, &fit)?;
            import.report.kept("settings");
            return Ok(());
        }
        let later = LATER.iter().find(|(later, _)| *later == key);
        let is_wanted_secret =
            SECRETS.contains(&&*key) && import.request.with_payment_secrets && !value.is_empty();
        let kind = later.map(|(_, kind)| *kind).or(is_wanted_secret.then_some(Kind::Text));
        let what = match kind.map(|kind| kind.fit(&value)) {
            Some(Some(fit)) => {
                import
                    .to
                    .prepare_cached("insert or replace into settings (key, value) values (?1, ?2)")?
                    .execute(params![key, fit])?;
                import.report.kept("settings");
                if fit != value && !is_secret(&key) {
                    let shown = format!("{key}: {value:?} is {fit:?}");
                    import.report.note("settings", "brought into their ranges", shown);
                }
                return Ok(());
            }
            Some(None) => "left out: it has no such value",
            None if SECRETS.contains(&&*key) && value.is_empty() => "left out: it was not set",
            None if SECRETS.contains(&&*key) => {
                "left out: a secret, which --with-payment-secrets takes over"
            }
            None if DROPPED.contains(&&*key) => "left out: it has no successor",
            None => "left out: it is unknown",
        };
        import.report.note("settings", what, key);
        Ok(())
    });
    Ok(())
}

/// The value of a setting that is nearest to this one.
fn fit(setting: Setting, value: &str) -> String {
    let value = value.trim();
    let is_tracker = setting.key() == PEER_QUERY_TRACKER.key;
    if is_tracker && magnet_trackers::check_url(value).is_err() {
        return setting.default();
    }
    setting.parse(value).unwrap_or_else(|_| match setting {
        Setting::Number(Number { min, max, .. }) => {
            let number = value.parse::<i64>();
            number.map_or_else(|_| setting.default(), |number| number.clamp(min, max).to_string())
        }
        Setting::Text(Text { chars_max, .. }) => value.chars().take(chars_max).collect(),
        Setting::Flag(_) => setting.default(),
    })
}

impl Kind {
    /// The value that is nearest to this one; `None` where there is none.
    fn fit(self, value: &str) -> Option<String> {
        let value = value.trim();
        match self {
            Kind::Flag => ["0", "1"].contains(&value).then(|| value.to_owned()),
            Kind::Number(min, max) => {
                value.parse::<i64>().ok().map(|number| number.clamp(min, max).to_string())
            }
            Kind::OneOf(values) => values.contains(&value).then(|| value.to_owned()),
            Kind::Text => Some(value.chars().take(VALUE_CHARS_MAX).collect()),
            Kind::Json => {
                let is_json = value.chars().count() <= 10 * VALUE_CHARS_MAX
                    && serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
                is_json.then(|| value.to_owned())
            }
        }
    }
}

fn import_events(import: &mut Import<'_>) -> Result<()> {
    each!(import, "events", &["timestamp", "actor", "action", "target", "detail"], |row| {
        let (actor, action) = (row.text("actor"), row.text("action"));
        let (mut target, mut detail) = (row.text("target"), row.text("detail"));
        let at = row.time("timestamp");
        if at.is_none() {
            import.report.note("events", "without a time that can be read", row.text("timestamp"));
        }
        if action == "set_setting" && is_secret(&target) && !detail.is_empty() {
            detail.clear();
            import.report.note("events", "without the secret that was in it", &target);
        }
        if action == "delete_user" {
            import.retire(&target)?;
        }
        // Addresses are the owner's alone to see, in a column of their own.
        let ip = match &*action {
            action if TO_ADDRESS.contains(&action) => std::mem::take(&mut target),
            action if ABOUT_ADDRESS.contains(&action) => std::mem::take(&mut detail),
            _ => String::new(),
        };
        // What a stranger has typed for a name is nobody's.
        let is_typed = ["login_failed", "login_ip_blocked"].contains(&&*action);
        let actor_id = if is_typed { None } else { actor_id(import, &actor, at)? };
        import
            .to
            .prepare_cached(
                "insert into events (at, actor_id, actor, action, target, detail, ip)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                at.unwrap_or_default(),
                actor_id,
                actor,
                action,
                target,
                detail,
                ip
            ])?;
        import.report.kept("events");
        Ok(())
    });
    Ok(())
}

/// Whose name an event has; of one that is no account's, nobody's.
fn actor_id(import: &Import<'_>, actor: &str, at: Option<i64>) -> Result<Option<i64>> {
    let is_program = ["system", "self", "cli", "coinbase_webhook", "paypal_webhook"];
    if is_program.contains(&actor) || actor.starts_with("invite:") {
        return Ok(None);
    }
    import.person(actor, at).map(|person| person.user_id)
}

fn import_trackers(import: &mut Import<'_>) -> Result<()> {
    let mut kept = 0;
    each!(import, "magnet_trackers", &["url", "is_enabled", "sort_order"], |row| {
        let typed = row.text("url");
        let url = match magnet_trackers::check_url(&typed) {
            Ok(url) if kept < TRACKERS_MAX => url,
            Ok(url) => {
                import.report.note("magnet_trackers", "left out: there are too many", url);
                return Ok(());
            }
            Err(fault) => {
                let told = format!("{typed}: {fault}");
                import.report.note("magnet_trackers", "left out: no announce URL", told);
                return Ok(());
            }
        };
        let added = import
            .to
            .prepare_cached(
                "insert into magnet_trackers (url, is_enabled, sort_order) values (?1, ?2, ?3)
                 on conflict do nothing",
            )?
            .execute(params![url, row.is("is_enabled", true), row.int("sort_order")])?;
        if added == 1 {
            kept += 1;
            import.report.kept("magnet_trackers");
        }
        Ok(())
    });
    Ok(())
}
