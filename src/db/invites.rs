//! Codes by which somebody may make an account, once each.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented in the migration")]
pub struct Invite {
    pub invite_id: i64,
    pub code: String,
    /// Who made it, while that account is there: id and name.
    pub created_by: Option<(i64, String)>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub consumed_at: Option<i64>,
    /// Who came by it, while that account is there.
    pub consumed_by: Option<String>,
}

const COLUMNS: &str = "i.invite_id, i.code, i.created_by, c.username, i.created_at, i.expires_at,
    i.consumed_at, u.username
    from invites i
    left join users c on c.user_id = i.created_by
    left join users u on u.user_id = i.consumed_by";

fn read(row: &Row<'_>) -> Result<Invite> {
    let (creator_id, creator): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
    Ok(Invite {
        invite_id: row.get(0)?,
        code: row.get(1)?,
        created_by: creator_id.zip(creator),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        consumed_at: row.get(6)?,
        consumed_by: row.get(7)?,
    })
}

impl Invite {
    /// Whether somebody may still come by it.
    pub fn is_open(&self, now: i64) -> bool {
        self.consumed_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// Makes an invitation, which ends by itself unless `expires_at` is `None`.
///
/// # Errors
/// When the database cannot be written.
pub fn insert(
    conn: &Connection,
    code: &str,
    created_by: i64,
    now: i64,
    expires_at: Option<i64>,
) -> Result<i64> {
    conn.prepare_cached(
        "insert into invites (code, created_by, created_at, expires_at) values (?1, ?2, ?3, ?4)",
    )?
    .execute(params![code, created_by, now, expires_at])?;
    Ok(conn.last_insert_rowid())
}

/// The invitation of a code, whether or not it is still open.
///
/// # Errors
/// When the database cannot be read.
pub fn find(conn: &Connection, code: &str) -> Result<Option<Invite>> {
    conn.prepare_cached(&format!("select {COLUMNS} where i.code = ?1"))?
        .query_row([code], read)
        .optional()
}

/// Uses an invitation up for a new account. Of several who try, one succeeds.
///
/// # Errors
/// When the database cannot be written.
pub fn consume(conn: &Connection, invite_id: i64, user_id: i64, now: i64) -> Result<bool> {
    let consumed = conn
        .prepare_cached(
            "update invites set consumed_at = ?3, consumed_by = ?2
             where invite_id = ?1 and consumed_at is null
                 and (expires_at is null or expires_at > ?3)",
        )?
        .execute([invite_id, user_id, now])?;
    Ok(consumed == 1)
}

/// Invitations, the open ones first and then the latest, from the `skipped`th on: those of a
/// member, or everybody's.
///
/// # Errors
/// When the database cannot be read.
pub fn list(
    conn: &Connection,
    created_by: Option<i64>,
    skipped: u64,
    rows: u64,
) -> Result<Vec<Invite>> {
    conn.prepare_cached(&format!(
        "select {COLUMNS} where ?1 is null or i.created_by = ?1
         order by i.consumed_at is not null, i.created_at desc, i.invite_id desc
         limit ?2 offset ?3"
    ))?
    .query_map(params![created_by, rows, skipped], read)?
    .collect()
}

/// How many there are: of a member, or everybody's.
///
/// # Errors
/// When the database cannot be read.
pub fn count(conn: &Connection, created_by: Option<i64>) -> Result<u64> {
    conn.prepare_cached("select count(*) from invites where ?1 is null or created_by = ?1")?
        .query_row([created_by], |row| row.get(0))
}

/// Takes an invitation away that nobody has used; gives its code.
///
/// # Errors
/// When the database cannot be written.
pub fn delete(conn: &Connection, invite_id: i64) -> Result<Option<String>> {
    conn.prepare_cached(
        "delete from invites where invite_id = ?1 and consumed_at is null returning code",
    )?
    .query_row([invite_id], |row| row.get(0))
    .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::Role;
    use crate::db::users::tests::{add, open};

    #[test]
    fn code_is_used_once_and_in_its_time() {
        let conn = open();
        let (ann, ben) = (add(&conn, "ann", Role::Admin), add(&conn, "ben", Role::Basic));
        let (code, other) = ("a".repeat(43), "b".repeat(43));
        let first = insert(&conn, &code, ann, 1, None).unwrap();
        let second = insert(&conn, &other, ann, 1, Some(10)).unwrap();
        let found = find(&conn, &code).unwrap().unwrap();
        assert_eq!(found.created_by, Some((ann, "ann".to_owned())));
        assert!(found.is_open(5) && find(&conn, "x").unwrap().is_none());
        assert!(consume(&conn, first, ben, 5).unwrap() && !consume(&conn, first, ben, 5).unwrap());
        assert!(!consume(&conn, second, ben, 10).unwrap(), "it has ended");
        let listed = list(&conn, Some(ann), 0, 9).unwrap();
        assert_eq!([listed[0].invite_id, listed[1].invite_id], [second, first]);
        assert_eq!(listed[1].consumed_by.as_deref(), Some("ben"));
        assert!(
            delete(&conn, first).unwrap().is_none() && delete(&conn, second).unwrap().is_some()
        );
        assert_eq!(count(&conn, None).unwrap(), 1);
    }
}
