//! Bounties: what is wanted, who has put points to it, who claims it, and what was said.

use rusqlite::{OptionalExtension, Result, params};

use super::ledger::POINTS_MAX;
use super::people::Person;
use super::source::Record;
use super::{Import, each};
use crate::protocol::ids::InfoHash;

const BOUNTIES: &[&str] = &[
    "id",
    "created_by",
    "description",
    "status",
    "initial_cost",
    "total_escrow",
    "claimed_infohash",
    "claimed_by",
    "claimed_at",
    "fulfilled_by",
    "fulfilled_at",
    "created_at",
    "expires_at",
];
/// Whether there is such a bounty.
pub(super) const IS_THERE: &str = "select 1 from bounties where bounty_id = ?1";

pub(super) fn import(import: &mut Import<'_>) -> Result<()> {
    each!(import, "bounties", BOUNTIES, |row| add(import, row));
    import_contributions(import)?;
    complete_contributions(import)?;
    import_votes(import)?;
    import_comments(import)
}

fn add(import: &mut Import<'_>, row: &Record<'_>) -> Result<()> {
    let Some(bounty_id) = row.id() else {
        import.report.note("bounties", "left out: no id that can be", row.int("id"));
        return Ok(());
    };
    let created_at = row.time("created_at");
    let creator = import.person(&row.text("created_by"), created_at)?;
    let created_at = created_at.unwrap_or_default();
    let expires_at = row.end_of_day("expires_at").or(row.time("expires_at"));
    let expires_at = expires_at.unwrap_or(created_at);
    let claim = claim(import, row)?;
    let status = match (&*row.text("status"), &claim) {
        (status @ ("open" | "fulfilled" | "expired"), _) => status.to_owned(),
        ("pending", Some(_)) => "pending".to_owned(),
        ("pending", None) => {
            import.report.note("bounties", "open again: their claim names no torrent", bounty_id);
            "open".to_owned()
        }
        (unknown, _) => {
            let told = format!("{bounty_id}: {unknown:?}");
            import.report.note("bounties", "closed: their status is unknown", told);
            "expired".to_owned()
        }
    };
    let closed_at = match &*status {
        "fulfilled" => Some(row.time("fulfilled_at").unwrap_or(expires_at)),
        "expired" => Some(expires_at),
        _ => None,
    };
    import
        .to
        .prepare_cached(
            "insert into bounties (bounty_id, creator_id, creator, description, status,
                 initial_cost, created_at, expires_at, closed_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            bounty_id,
            creator.user_id,
            creator.name,
            row.text("description"),
            status,
            row.int("initial_cost").max(0),
            created_at,
            expires_at,
            closed_at,
        ])?;
    import.report.kept("bounties");
    match claim {
        Some(claim) => add_claim(import, &claim, bounty_id, &status, closed_at),
        None => Ok(()),
    }
}

/// Adds the claim that decided what became of a bounty, or that is still to be decided.
fn add_claim(
    import: &Import<'_>,
    claim: &Claim,
    bounty_id: i64,
    status: &str,
    closed_at: Option<i64>,
) -> Result<()> {
    let state = match status {
        "pending" => "undecided",
        "fulfilled" => "accepted",
        "expired" => "lapsed",
        _ => return Ok(()),
    };
    let Claim { claimer, info_hash, claimed_at } = claim;
    let torrent_id = import.torrent_id(&info_hash.to_string())?;
    import
        .to
        .prepare_cached(
            "insert into bounty_claims (bounty_id, claimer_id, claimer, info_hash, torrent_id,
                 claimed_at, state, decided_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            bounty_id,
            claimer.user_id,
            claimer.name,
            info_hash.0,
            torrent_id,
            claimed_at.unwrap_or_default(),
            state,
            closed_at,
        ])?;
    Ok(())
}

/// That somebody says a torrent is what is wanted.
struct Claim {
    claimer: Person,
    info_hash: InfoHash,
    claimed_at: Option<i64>,
}

fn claim(import: &Import<'_>, row: &Record<'_>) -> Result<Option<Claim>> {
    let Ok(info_hash) = row.text("claimed_infohash").trim().parse() else { return Ok(None) };
    let claimed_at = row.time("claimed_at");
    let claimer = import.person(&row.text("claimed_by"), claimed_at)?;
    let is_somebody = !claimer.name.is_empty();
    Ok(is_somebody.then_some(Claim { claimer, info_hash, claimed_at }))
}

fn import_contributions(import: &mut Import<'_>) -> Result<()> {
    let columns = &["bounty_id", "username", "amount", "contributed_at"];
    each!(import, "bounty_contributions", columns, |row| {
        let (bounty_id, amount) = (row.int("bounty_id"), row.int("amount"));
        let at = row.time("contributed_at");
        if !(1..=POINTS_MAX).contains(&amount) || !import.has(IS_THERE, bounty_id)? {
            let what = "left out: of no number of points, or to a bounty that is gone";
            import.report.note("bounty_contributions", what, bounty_id);
            return Ok(());
        }
        let contributor = import.person(&row.text("username"), at)?;
        contribute(import, bounty_id, &contributor, amount, at.unwrap_or_default())?;
        import.report.kept("bounty_contributions");
        Ok(())
    });
    Ok(())
}

fn contribute(
    import: &Import<'_>,
    bounty_id: i64,
    contributor: &Person,
    amount: i64,
    at: i64,
) -> Result<()> {
    import
        .to
        .prepare_cached(
            "insert into bounty_contributions
                 (bounty_id, contributor_id, contributor, amount, contributed_at)
             values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![bounty_id, contributor.user_id, contributor.name, amount, at])?;
    Ok(())
}

/// What a bounty holds is the sum of what was put to it. Of one that holds something and has no
/// contribution, its creator put it.
fn complete_contributions(import: &mut Import<'_>) -> Result<()> {
    let from = import.from;
    from.each("bounties", BOUNTIES, |row| {
        let (bounty_id, escrow) = (row.int("id"), row.int("total_escrow"));
        let found = import
            .to
            .prepare_cached(
                "select total_escrow, creator_id, creator, created_at from bounties
                 where bounty_id = ?1",
            )?
            .query_row([bounty_id], |row| {
                let creator = Person { user_id: row.get(1)?, name: row.get(2)? };
                Ok((row.get::<_, i64>(0)?, creator, row.get(3)?))
            })
            .optional()?;
        let Some((sum, creator, created_at)) = found else { return Ok(()) };
        if sum == 0 && (1..=POINTS_MAX).contains(&escrow) {
            contribute(import, bounty_id, &creator, escrow, created_at)?;
        } else if sum != escrow {
            let what = "hold what was put to them, where another sum was written";
            import.report.note("bounties", what, format!("{bounty_id}: {sum}, not {escrow}"));
        }
        Ok(())
    })?;
    Ok(())
}

fn import_votes(import: &mut Import<'_>) -> Result<()> {
    each!(import, "bounty_votes", &["bounty_id", "username", "voted_at"], |row| {
        let at = row.time("voted_at");
        // What was voted before it was made was voted on one that was rejected.
        let claim: Option<i64> = import
            .to
            .prepare_cached(
                "select claim_id from bounty_claims where bounty_id = ?1 and claimed_at <= ?2",
            )?
            .query_row([row.int("bounty_id"), at.unwrap_or_default()], |row| row.get(0))
            .optional()?;
        let voter = import.person(&row.text("username"), at)?;
        let Some(claim_id) = claim else {
            let what = "left out: for a claim that was rejected, or a bounty that is gone";
            import.report.note("bounty_votes", what, row.int("bounty_id"));
            return Ok(());
        };
        let added = import
            .to
            .prepare_cached(
                "insert into bounty_votes (claim_id, voter_id, voter, voted_at)
                 values (?1, ?2, ?3, ?4) on conflict do nothing",
            )?
            .execute(params![claim_id, voter.user_id, voter.name, at.unwrap_or_default()])?;
        if added == 1 {
            import.report.kept("bounty_votes");
        }
        Ok(())
    });
    Ok(())
}

fn import_comments(import: &mut Import<'_>) -> Result<()> {
    let columns = &["id", "bounty_id", "username", "body", "created_at"];
    each!(import, "bounty_comments", columns, |row| {
        let (bounty_id, at) = (row.int("bounty_id"), row.time("created_at"));
        let Some(comment_id) = row.id() else {
            import.report.note("bounty_comments", "left out: no id that can be", row.int("id"));
            return Ok(());
        };
        if !import.has(IS_THERE, bounty_id)? {
            let what = "left out: on a bounty that is gone";
            import.report.note("bounty_comments", what, bounty_id);
            return Ok(());
        }
        let author = import.person(&row.text("username"), at)?;
        import
            .to
            .prepare_cached(
                "insert into bounty_comments
                     (bounty_comment_id, bounty_id, author_id, author, body, created_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                comment_id,
                bounty_id,
                author.user_id,
                author.name,
                row.text("body"),
                at.unwrap_or_default(),
            ])?;
        import.report.kept("bounty_comments");
        Ok(())
    });
    Ok(())
}
