//! Messages between members, whom they want none of, and what they were told of.

use rusqlite::{OptionalExtension, Result, params};

use super::people::Person;
use super::source::Record;
use super::{Import, bounties, each, topups};

pub(super) fn import(import: &mut Import<'_>) -> Result<()> {
    import_messages(import)?;
    import_blocks(import)?;
    import_notifications(import)
}

const MESSAGES: &[&str] = &[
    "id",
    "sender",
    "recipient",
    "subject",
    "body",
    "sent_at",
    "read_at",
    "del_by_sender",
    "del_by_recip",
    "is_broadcast",
    "reply_to_id",
    "conversation_id",
];

fn import_messages(import: &mut Import<'_>) -> Result<()> {
    each!(import, "direct_messages", MESSAGES, |row| {
        let Some(message_id) = row.id() else {
            import.report.note("direct_messages", "left out: no id that can be", row.int("id"));
            return Ok(());
        };
        let sent_at = row.time("sent_at");
        let sender = import.person(&row.text("sender"), sent_at)?;
        let recipient = import.person(&row.text("recipient"), sent_at)?;
        let is_hidden = [row.is("del_by_sender", false), row.is("del_by_recip", false)];
        let is_seen_by = |person: &Person, is_hidden: bool| person.user_id.is_some() && !is_hidden;
        if !is_seen_by(&sender, is_hidden[0]) && !is_seen_by(&recipient, is_hidden[1]) {
            let what = "left out: nobody is left who could read it";
            import.report.note("direct_messages", what, message_id);
            return Ok(());
        }
        for person in [&sender, &recipient].into_iter().filter(|one| one.user_id.is_none()) {
            let what = "with somebody whose account is gone, or was another's then";
            import.report.note("direct_messages", what, &person.name);
        }
        let conversation_id = conversation(import, row, message_id, sent_at.unwrap_or_default())?;
        import
            .to
            .prepare_cached(
                "insert into direct_messages (message_id, conversation_id, sender_id, sender,
                     recipient_id, recipient, body, sent_at, read_at, hidden_by_sender,
                     hidden_by_recipient)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                message_id,
                conversation_id,
                sender.user_id,
                sender.name,
                recipient.user_id,
                recipient.name,
                row.text("body"),
                sent_at.unwrap_or_default(),
                row.time("read_at"),
                is_hidden[0],
                is_hidden[1],
            ])?;
        import.report.kept("direct_messages");
        Ok(())
    });
    Ok(())
}

/// The conversation of a message: the one it is marked with, else that of what it answers, else its
/// own.
fn conversation(
    import: &Import<'_>,
    row: &Record<'_>,
    message_id: i64,
    sent_at: i64,
) -> Result<i64> {
    let answered = match row.number("reply_to_id") {
        Some(message_id) => import
            .to
            .prepare_cached("select conversation_id from direct_messages where message_id = ?1")?
            .query_row([message_id], |row| row.get::<_, i64>(0))
            .optional()?,
        None => None,
    };
    // A conversation has the id of its first message, so it is no later than any of them.
    let marked = row.number("conversation_id").filter(|id| (1..=message_id).contains(id));
    let conversation_id = marked.or(answered).unwrap_or(message_id);
    import
        .to
        .prepare_cached(
            "insert into conversations (conversation_id, subject, is_broadcast, started_at)
             values (?1, ?2, ?3, ?4) on conflict do nothing",
        )?
        .execute(params![
            conversation_id,
            row.text("subject"),
            row.is("is_broadcast", false),
            sent_at
        ])?;
    Ok(conversation_id)
}

fn import_blocks(import: &mut Import<'_>) -> Result<()> {
    each!(import, "dm_blocklist", &["user_id", "blocked_username", "blocked_at"], |row| {
        let (user_id, at) = (row.int("user_id"), row.time("blocked_at"));
        let blocked = import.person(&row.text("blocked_username"), at)?;
        let blocked_id = blocked.user_id.filter(|blocked_id| *blocked_id != user_id);
        let (Some(blocked_id), Some(_)) = (blocked_id, import.username(user_id)?) else {
            let what = "left out: an account of the two is gone, or was another's then";
            import.report.note("dm_blocklist", what, blocked.name);
            return Ok(());
        };
        let added = import
            .to
            .prepare_cached(
                "insert into blocks (user_id, blocked_id, blocked_at) values (?1, ?2, ?3)
                 on conflict do nothing",
            )?
            .execute([user_id, blocked_id, at.unwrap_or_default()])?;
        if added == 1 {
            import.report.kept("dm_blocklist");
        }
        Ok(())
    });
    Ok(())
}

const NOTIFICATIONS: &[&str] =
    &["user_id", "type", "from_username", "info_hash", "comment_id", "created_at", "is_read"];

/// What a notification is about, of which there is one or nothing but its actor.
#[derive(Default)]
struct About {
    torrent_id: Option<i64>,
    comment_id: Option<i64>,
    bounty_id: Option<i64>,
    bounty_comment_id: Option<i64>,
    order_id: Option<i64>,
    points: Option<i64>,
}

fn import_notifications(import: &mut Import<'_>) -> Result<()> {
    each!(import, "notifications", NOTIFICATIONS, |row| {
        let (user_id, kind, at) = (row.int("user_id"), row.text("type"), row.time("created_at"));
        let is_known = import
            .to
            .prepare_cached("select 1 from notification_kinds where kind = ?1")?
            .exists([&kind])?;
        let what = if import.username(user_id)?.is_none() {
            Some("left out: to an account that is gone")
        } else if is_known {
            None
        } else {
            Some("left out: of no known kind")
        };
        if let Some(what) = what {
            import.report.note("notifications", what, kind);
            return Ok(());
        }
        let Some(about) = about(import, row, &kind)? else {
            import.report.note("notifications", "left out: about what is gone", kind);
            return Ok(());
        };
        let actor = match &*row.text("from_username") {
            "system" => Person::default(),
            name => import.person(name, at)?,
        };
        import
            .to
            .prepare_cached(
                "insert into notifications (user_id, kind, actor_id, actor, torrent_id, comment_id,
                     bounty_id, bounty_comment_id, order_id, points, created_at, is_read)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                user_id,
                kind,
                actor.user_id,
                actor.name,
                about.torrent_id,
                about.comment_id,
                about.bounty_id,
                about.bounty_comment_id,
                about.order_id,
                about.points,
                at.unwrap_or_default(),
                row.is("is_read", false),
            ])?;
        import.report.kept("notifications");
        Ok(())
    });
    Ok(())
}

/// Reads what the columns hold, which are named for torrents and used for everything. `None` when
/// it is gone.
fn about(import: &Import<'_>, row: &Record<'_>, kind: &str) -> Result<Option<About>> {
    let (subject, number) = (row.text("info_hash"), row.int("comment_id"));
    if subject == "FOLLOW:USER" {
        return Ok(Some(About::default()));
    }
    if let Some(bounty_id) = subject.strip_prefix("BOUNTY:").and_then(|id| id.parse().ok()) {
        let is_comment = kind == "bounty_mention";
        let sql = "select 1 from bounty_comments where bounty_comment_id = ?1";
        let comment_id = (is_comment && import.has(sql, number)?).then_some(number);
        let about = About {
            bounty_id: Some(bounty_id),
            bounty_comment_id: comment_id,
            points: Some(number).filter(|points| !is_comment && *points > 0),
            ..About::default()
        };
        return Ok(import.has(bounties::IS_THERE, bounty_id)?.then_some(about));
    }
    if let Some(order_id) = subject.strip_prefix("TOPUP:").and_then(|id| id.parse().ok()) {
        let about = About { order_id: Some(order_id), ..About::default() };
        return Ok(import.has(topups::IS_THERE, order_id)?.then_some(about));
    }
    let Some(torrent_id) = import.torrent_id(&subject)? else { return Ok(None) };
    let sql = "select 1 from comments where comment_id = ?1";
    let comment_id = import.has(sql, number)?.then_some(number);
    Ok(Some(About { torrent_id: Some(torrent_id), comment_id, ..About::default() }))
}
