//! What was done, by whom, to whom. Rows are added in the transaction of what they tell of.

use rusqlite::{Connection, Result, params};

/// Something that was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// The account that did it; `None` for the program, or a stranger.
    pub actor_id: Option<i64>,
    /// What it was called then: a name, `system`, `cli`, or what was typed for a name.
    pub actor: &'a str,
    /// Which kind of thing, as the specification names them: `login`, `create_user`.
    pub action: &'a str,
    /// To whom or what.
    pub target: &'a str,
    /// What else is to be known. Never a secret.
    pub detail: &'a str,
    /// From where; shown to the owner alone.
    pub ip: &'a str,
}

/// Writes an event down.
///
/// # Errors
/// When the database cannot be written.
pub fn insert(conn: &Connection, now: i64, event: &Event<'_>) -> Result<()> {
    let Event { actor_id, actor, action, target, detail, ip } = event;
    conn.prepare_cached(
        "insert into events (at, actor_id, actor, action, target, detail, ip)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![now, actor_id, actor, action, target, detail, ip])?;
    Ok(())
}
