//! Points that were bought: orders, what providers have told, and what the staff has done.

use rusqlite::{Result, params};

use super::source::Record;
use super::{Import, each};

const ORDERS: &[&str] = &[
    "id",
    "order_uuid",
    "user_id",
    "provider",
    "provider_env",
    "provider_checkout_id",
    "provider_charge_id",
    "provider_reference",
    "status",
    "status_reason",
    "status_detail",
    "amount_usd_cents",
    "currency",
    "base_rate_pts_per_usd",
    "multiplier_bp",
    "quoted_points",
    "credited_points",
    "created_at",
    "updated_at",
    "expires_at",
    "confirmed_at",
    "credited_at",
    "last_webhook_at",
];
/// Statuses that an order may keep.
const STATUSES: &[&str] =
    &["created", "pending", "confirmed", "credited", "expired", "failed", "refunded"];
/// Whether there is such an order.
pub(super) const IS_THERE: &str = "select 1 from topup_orders where order_id = ?1";
/// Whether another order has a name that its provider gave.
const HAS_CHECKOUT: &str = "select 1 from topup_orders
     where provider = ?1 and environment = ?2 and checkout_id = ?3";
const HAS_CHARGE: &str = "select 1 from topup_orders
     where provider = ?1 and environment = ?2 and charge_id = ?3";

pub(super) fn import(import: &mut Import<'_>) -> Result<()> {
    each!(import, "topup_orders", ORDERS, |row| add(import, row));
    import_webhooks(import)?;
    import_reconciliations(import)
}

fn add(import: &mut Import<'_>, row: &Record<'_>) -> Result<()> {
    let Some(order_id) = row.id() else {
        import.report.note("topup_orders", "left out: no id that can be", row.int("id"));
        return Ok(());
    };
    let user_id = row.int("user_id");
    let username = import.username(user_id)?;
    if username.is_none() {
        import.report.note("topup_orders", "of an account that is gone", order_id);
    }
    let checkout_id = its_own(import, row, order_id, "provider_checkout_id", HAS_CHECKOUT)?;
    let charge_id = its_own(import, row, order_id, "provider_charge_id", HAS_CHARGE)?;
    let order_uuid = match row.text("order_uuid") {
        none if none.is_empty() => format!("import:{order_id}"),
        order_uuid => order_uuid,
    };
    let count = |column: &str| row.int(column).max(0);
    let created_at = row.time("created_at").unwrap_or_default();
    let inserted = import
        .to
        .prepare_cached(
            "insert into topup_orders (order_id, order_uuid, user_id, username, provider,
                 environment, checkout_id, charge_id, reference, status, status_reason,
                 status_detail, amount_cents, currency, points_per_usd, multiplier_bp,
                 quoted_points, credited_points, created_at, updated_at, expires_at, confirmed_at,
                 credited_at, last_webhook_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                 ?18, ?19, ?20, ?21, ?22, ?23, ?24)
             on conflict do nothing",
        )?
        .execute(params![
            order_id,
            order_uuid,
            username.is_some().then_some(user_id),
            username.unwrap_or_default(),
            row.text("provider"),
            environment(row),
            checkout_id,
            charge_id,
            row.text("provider_reference"),
            status(import, row, order_id),
            row.text("status_reason"),
            row.text("status_detail"),
            count("amount_usd_cents"),
            row.text("currency"),
            count("base_rate_pts_per_usd"),
            count("multiplier_bp"),
            count("quoted_points"),
            count("credited_points"),
            created_at,
            row.time("updated_at").unwrap_or(created_at),
            row.time("expires_at"),
            row.time("confirmed_at"),
            row.time("credited_at"),
            row.time("last_webhook_at"),
        ])?;
    match inserted {
        0 => import.report.note("topup_orders", "left out: its name is another's", order_id),
        _ => import.report.kept("topup_orders"),
    }
    Ok(())
}

fn environment(row: &Record<'_>) -> &'static str {
    if row.text("provider_env") == "live" { "live" } else { "sandbox" }
}

/// What the provider calls an order; nothing where another order is called so.
fn its_own(
    import: &mut Import<'_>,
    row: &Record<'_>,
    order_id: i64,
    column: &str,
    sql: &str,
) -> Result<String> {
    let name = row.text(column);
    let others = params![row.text("provider"), environment(row), name];
    if name.is_empty() || !import.to.prepare_cached(sql)?.exists(others)? {
        return Ok(name);
    }
    let what = "without what the provider calls them: another order is called so";
    import.report.note("topup_orders", what, format!("{order_id}: {name}"));
    Ok(String::new())
}

/// The status of an order. What could not be settled waits for somebody to look at it.
fn status(import: &mut Import<'_>, row: &Record<'_>, order_id: i64) -> &'static str {
    let written = row.text("status");
    if let Some(known) = STATUSES.iter().find(|known| **known == written) {
        return known;
    }
    if written != "exception" {
        let told = format!("{order_id}: {written:?}");
        import.report.note("topup_orders", "waits for review: their status is unknown", told);
    }
    "review"
}

fn import_webhooks(import: &mut Import<'_>) -> Result<()> {
    let columns = &[
        "provider",
        "event_id",
        "event_type",
        "signature_valid",
        "payload_json",
        "headers_json",
        "received_at",
        "processed_at",
        "process_status",
        "process_error",
        "linked_order_id",
    ];
    each!(import, "topup_webhook_events", columns, |row| {
        let order_id = match row.number("linked_order_id") {
            Some(order_id) if import.has(IS_THERE, order_id)? => Some(order_id),
            _ => None,
        };
        let status = row.text("process_status");
        let known = ["received", "processed", "ignored", "error"];
        let added = import
            .to
            .prepare_cached(
                "insert into topup_webhook_events (provider, event_id, event_type, is_authentic,
                     payload, headers, received_at, processed_at, process_status, process_error,
                     order_id)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) on conflict do nothing",
            )?
            .execute(params![
                row.text("provider"),
                row.text("event_id"),
                row.text("event_type"),
                row.is("signature_valid", false),
                row.text("payload_json"),
                row.text("headers_json"),
                row.time("received_at").unwrap_or_default(),
                row.time("processed_at"),
                if known.contains(&&*status) { &*status } else { "ignored" },
                row.text("process_error"),
                order_id,
            ])?;
        match added {
            0 => {
                let event = row.text("event_id");
                import.report.note("topup_webhook_events", "left out: it was told before", event);
            }
            _ => import.report.kept("topup_webhook_events"),
        }
        Ok(())
    });
    Ok(())
}

fn import_reconciliations(import: &mut Import<'_>) -> Result<()> {
    let columns =
        &["order_id", "actor_user_id", "action", "note", "old_status", "new_status", "created_at"];
    each!(import, "topup_reconciliation_actions", columns, |row| {
        let (order_id, actor_id) = (row.int("order_id"), row.int("actor_user_id"));
        if !import.has(IS_THERE, order_id)? {
            let what = "left out: on an order that is gone";
            import.report.note("topup_reconciliation_actions", what, order_id);
            return Ok(());
        }
        let actor = import.username(actor_id)?;
        import
            .to
            .prepare_cached(
                "insert into topup_reconciliations
                     (order_id, actor_id, actor, action, note, old_status, new_status, at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                order_id,
                actor.is_some().then_some(actor_id),
                actor.unwrap_or_default(),
                row.text("action"),
                row.text("note"),
                row.text("old_status"),
                row.text("new_status"),
                row.time("created_at").unwrap_or_default(),
            ])?;
        import.report.kept("topup_reconciliation_actions");
        Ok(())
    });
    Ok(())
}
