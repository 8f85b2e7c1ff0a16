//! Points. The earlier tracker wrote of each movement the side of one member, and not always with
//! it the balance. So here every row takes from, or gives to, an account of the site; what members
//! moved between each other or into bounties goes by way of [`Account::Import`]. In the end every
//! balance is as it was, every open bounty has its escrow, and that account has nothing.

use rusqlite::Result;

use super::source::Record;
use super::times::day;
use super::{Import, each};
use crate::db::ledger::{self, Account, Entry, Transfer};
use crate::protocol::ids::InfoHash;

/// Most points that are believed in one place: it takes millions of such for a sum to overflow.
pub(super) const POINTS_MAX: i64 = 1_000_000_000_000;

const LEDGER: &[&str] = &["id", "user_id", "delta", "reason", "ref_type", "ref_id", "created_at"];

pub(super) fn import(import: &mut Import<'_>) -> Result<()> {
    each!(import, "points_ledger", LEDGER, |row| add(import, row));
    name_credits(import)?;
    adjust_balances(import)?;
    fill_escrows(import)?;
    settle(import)
}

/// What a row of the earlier ledger was for, by its `ref_type`, and who was on the other side.
fn meaning(ref_type: &str) -> (&'static str, Account) {
    match ref_type {
        "login" => ("login", Account::Mint),
        "torrent" => ("upload", Account::Mint),
        "comment" => ("comment", Account::Mint),
        "penalty_torrent" | "penalty_comment" => ("penalty", Account::Burn),
        "invite" => ("invite", Account::Burn),
        "dm" => ("dm", Account::Burn),
        "bounty_reject" => ("claim_rejected", Account::Burn),
        "topup" => ("topup", Account::Sales),
        "topup_refund" => ("topup_refund", Account::Sales),
        "admin" => ("admin", Account::Adjust),
        "transfer" => ("transfer", Account::Import),
        "bounty" => ("bounty", Account::Import),
        "bounty_contrib" => ("bounty_contribution", Account::Import),
        "bounty_payout" => ("bounty_payout", Account::Import),
        "bounty_refund" => ("bounty_refund", Account::Import),
        _ => ("import", Account::Adjust),
    }
}

/// The key under which the site would write the same thing, so that it does not happen again:
/// nobody is awarded twice for an upload, or for a day.
fn key(user_id: i64, code: &str, ref_id: &str, delta: i64) -> Option<String> {
    match code {
        "upload" if delta > 0 => {
            let info_hash: InfoHash = ref_id.trim().parse().ok()?;
            Some(format!("upload:{info_hash}"))
        }
        "login" if delta > 0 => day(ref_id).map(|day| format!("login:{user_id}:{day}")),
        "topup" if delta > 0 => {
            let order_id: u32 = ref_id.parse().ok()?;
            Some(format!("topup:{order_id}:credit"))
        }
        _ => None,
    }
}

fn add(import: &mut Import<'_>, row: &Record<'_>) -> Result<()> {
    let (ledger_id, user_id, delta) = (row.int("id"), row.int("user_id"), row.int("delta"));
    let what = if import.username(user_id)?.is_none() {
        Some("left out: of an account that is gone")
    } else if delta == 0 {
        Some("left out: they moved nothing")
    } else if delta.unsigned_abs() > POINTS_MAX.unsigned_abs() {
        Some("left out: more points than can be")
    } else {
        None
    };
    if let Some(what) = what {
        import.report.note("points_ledger", what, "");
        return Ok(());
    }
    let (code, other) = meaning(&row.text("ref_type"));
    let (ref_id, at) = (row.text("ref_id"), row.time("created_at"));
    let actor = match code {
        "admin" => import.person(&ref_id, at)?.user_id,
        _ => Some(user_id),
    };
    let reason: String = row.text("reason").chars().take(500).collect();
    let subject: String = match ref_id.trim().parse::<InfoHash>() {
        Ok(info_hash) => info_hash.to_string(),
        Err(_) => ref_id.chars().take(100).collect(),
    };
    let spare = format!("import:{ledger_id}");
    let own = key(user_id, code, &ref_id, delta);
    for key in [own.as_ref().unwrap_or(&spare), &spare] {
        let entry = Entry {
            key,
            code,
            at: at.unwrap_or_default(),
            actor_id: actor,
            subject: &subject,
            reason: &reason,
            is_imported: true,
        };
        if ledger::post(import.to, &entry, &[toward(user_id, other, delta)])?.is_some() {
            import.report.kept("points_ledger");
            break;
        }
    }
    Ok(())
}

/// So many points to a member, or from one where they are below zero.
fn toward(user_id: i64, other: Account, delta: i64) -> Transfer {
    let member = Account::Member(user_id);
    let (from, to) = if delta > 0 { (other, member) } else { (member, other) };
    Transfer { from, to, amount: delta.abs() }
}

/// Orders name what they brought.
fn name_credits(import: &Import<'_>) -> Result<()> {
    import.to.execute(
        "update topup_orders set credit_entry_id =
             (select entry_id from ledger_entries where key = 'topup:' || order_id || ':credit')",
        [],
    )?;
    Ok(())
}

fn entry<'a>(import: &Import<'_>, key: &'a str, subject: &'a str, reason: &'a str) -> Entry<'a> {
    let at = import.request.now;
    Entry { key, code: "import", at, actor_id: None, subject, reason, is_imported: true }
}

/// What a member had is what they have, whatever the rows add up to.
fn adjust_balances(import: &mut Import<'_>) -> Result<()> {
    let from = import.from;
    from.each("users", &["id", "points"], |row| {
        let (user_id, points) = (row.int("id"), row.int("points"));
        let Some(name) = import.username(user_id)? else { return Ok(()) };
        let kept = points.clamp(-POINTS_MAX, POINTS_MAX);
        let balance = ledger::balance(import.to, Account::Member(user_id))?;
        if kept == balance {
            return Ok(());
        }
        let told = format!("{name}: {points} points, where the rows add up to {balance}");
        let what = if kept == points {
            "balances kept by one more row"
        } else {
            "balances brought within what can be"
        };
        import.report.note("points_ledger", what, told);
        let key = format!("import:balance:{user_id}");
        let entry = entry(import, &key, "", "balance as it was imported");
        let transfer = toward(user_id, Account::Adjust, kept.saturating_sub(balance));
        ledger::post(import.to, &entry, &[transfer])?;
        Ok(())
    })?;
    Ok(())
}

fn fill_escrows(import: &mut Import<'_>) -> Result<()> {
    let mut open = import.to.prepare(
        "select bounty_id, total_escrow from bounties where closed_at is null and total_escrow > 0",
    )?;
    let mut open = open.query([])?;
    while let Some(row) = open.next()? {
        let (bounty_id, amount): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (key, subject) = (format!("import:escrow:{bounty_id}"), bounty_id.to_string());
        let entry = entry(import, &key, &subject, "escrow of an open bounty");
        let transfer = Transfer { from: Account::Import, to: Account::Escrow(bounty_id), amount };
        ledger::post(import.to, &entry, &[transfer])?;
    }
    Ok(())
}

/// What is left on the way was spent: fees of transfers, shares of the house, bounties that had
/// expired. What is missing there was moved by accounts that are gone.
fn settle(import: &mut Import<'_>) -> Result<()> {
    let rest = ledger::balance(import.to, Account::Import)?;
    let (from, to, what) = match rest {
        0 => return Ok(()),
        1.. => (Account::Import, Account::Burn, "fees, shares of the house, bounties expired"),
        _ => (Account::Adjust, Account::Import, "moved by accounts that are gone"),
    };
    let entry = entry(import, "import:rest", "", what);
    ledger::post(import.to, &entry, &[Transfer { from, to, amount: rest.abs() }])?;
    import.report.note("points_ledger", what, format!("{} points", rest.abs()));
    Ok(())
}
