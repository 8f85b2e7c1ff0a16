//! A database as the earlier tracker has it: its 22 tables, and rows of every awkward kind.

use std::path::Path;

use rusqlite::Connection;

const ACCOUNTS: &str = "
    create table users (id integer primary key autoincrement, username text not null unique,
        password_hash text not null, salt text not null, is_admin integer default 0,
        is_standard integer default 0, is_locked integer default 0, is_disabled integer default 0,
        failed_attempts integer default 0, created_by text default '', created_at text not null,
        last_login text, login_count integer default 0, last_password_change text,
        credits integer default 0, credits_awarded integer default 0, points integer default 0,
        login_streak integer default 0, longest_streak integer default 0, last_login_date text,
        comment_pts_date text, comment_pts_today integer default 0,
        gravatar_opt_in integer default 0, gravatar_hash text, allow_dms integer default 1,
        last_seen text, show_online integer default 1, bounty_alerts integer default 1,
        link_torrent_activity integer default 1, allow_follow_visibility integer default 1);
    create table sessions (id integer primary key autoincrement,
        user_id integer not null references users (id) on delete cascade, token text unique,
        created_at text, expires_at text);
    create table login_history (id integer primary key autoincrement,
        user_id integer not null references users (id) on delete cascade, ip_address text,
        logged_in_at text);
    create table ip_allowlist (id integer primary key autoincrement,
        user_id integer not null references users (id) on delete cascade, ip_address text,
        added_at text, added_by text, unique (user_id, ip_address));
    create table invite_codes (id integer primary key autoincrement, code text unique,
        created_by_username text, created_at text, consumed_at text, consumed_by_username text);
    create table settings (key text primary key, value text not null);
    create table events (id integer primary key autoincrement, timestamp text not null,
        actor text not null, action text not null, target text default '', detail text default '');
    create table magnet_trackers (id integer primary key autoincrement, url text unique,
        is_enabled integer default 1, sort_order integer default 0);
    create table user_follows (id integer primary key autoincrement, follower_user_id integer,
        followed_user_id integer, created_at text, unique (follower_user_id, followed_user_id));";

const SOCIAL: &str = "
    create table torrents (id integer primary key autoincrement, info_hash text unique, name text,
        total_size integer default 0, uploaded_by_id integer, uploaded_by_username text,
        registered_at text, piece_count integer default 0, piece_length integer default 0,
        is_private integer default 0, is_multifile integer default 0, files_json text default '[]',
        comments_locked integer default 0, peer_seeders integer, peer_leechers integer,
        peer_downloaded integer, peer_last_updated text, peer_last_tracker text);
    create table comments (id integer primary key autoincrement, info_hash text, user_id integer,
        username text, parent_id integer, body text, created_at text, edited_at text,
        is_deleted integer default 0);
    create table notifications (id integer primary key autoincrement, user_id integer, type text,
        from_username text, info_hash text, torrent_name text, comment_id integer, created_at text,
        is_read integer default 0);
    create table direct_messages (id integer primary key autoincrement, sender text,
        recipient text, subject text default '', body text, sent_at text, read_at text,
        del_by_sender integer default 0, del_by_recip integer default 0,
        is_broadcast integer default 0, reply_to_id integer, conversation_id integer);
    create table dm_blocklist (id integer primary key autoincrement,
        user_id integer references users (id) on delete cascade, blocked_username text,
        blocked_at text, unique (user_id, blocked_username));";

const ECONOMY: &str = "
    create table points_ledger (id integer primary key autoincrement,
        user_id integer references users (id) on delete cascade, delta integer,
        balance_after integer, reason text, ref_type text default '', ref_id text default '',
        created_at text);
    create table bounties (id integer primary key autoincrement, created_by text, description text,
        status text default 'open', initial_cost integer default 0, total_escrow integer default 0,
        claimed_infohash text, claimed_by text, claimed_at text, fulfilled_by text,
        fulfilled_at text, created_at text, expires_at text);
    create table bounty_contributions (id integer primary key autoincrement,
        bounty_id integer references bounties (id) on delete cascade, username text,
        amount integer, contributed_at text);
    create table bounty_votes (id integer primary key autoincrement,
        bounty_id integer references bounties (id) on delete cascade, username text, voted_at text,
        unique (bounty_id, username));
    create table bounty_comments (id integer primary key autoincrement,
        bounty_id integer references bounties (id) on delete cascade, username text, body text,
        created_at text);
    create table topup_orders (id integer primary key autoincrement, order_uuid text unique,
        user_id integer, provider text default 'coinbase', provider_env text default 'sandbox',
        provider_checkout_id text default '', provider_charge_id text default '',
        provider_reference text default '', status text default 'created',
        status_reason text default '', status_detail text default '', amount_usd_cents integer,
        currency text default 'USD', base_rate_pts_per_usd integer, multiplier_bp integer,
        quoted_points integer, credited_points integer default 0, credits_ledger_id integer,
        created_at text, updated_at text, expires_at text, confirmed_at text, credited_at text,
        last_webhook_at text, created_by_admin_id integer);
    create table topup_webhook_events (id integer primary key autoincrement, provider text,
        event_id text, event_type text, signature_valid integer default 0, payload_json text,
        headers_json text, received_at text, processed_at text,
        process_status text default 'received', process_error text, linked_order_id integer,
        idempotency_key text);
    create table topup_reconciliation_actions (id integer primary key autoincrement,
        order_id integer, actor_user_id integer, action text, note text, old_status text,
        new_status text, created_at text);";

/// The two vectors of the specification: hash and salt, as the columns have them.
pub(super) const CORRECT_HORSE: [&str; 2] = [
    "6b957126a69b04bc3d71d2072f5bf7cd8b29b1efd8d65e8c219ec3c83cfa8741",
    "00112233445566778899aabbccddeeff",
];
pub(super) const PASSWORD_WITH_UMLAUTS: [&str; 2] = [
    "ba848f7766029e88340532375e146c127288c5b46b973e0329f4d497da79d90a",
    "ffeeddccbbaa99887766554433221100",
];

/// Accounts: 1 boss (made anew at the machine as 9, so 1 is gone), 2 ann, 3 Ann, 4 system, 5 ...,
/// 6 bob (made after another bob was gone), 7 carol (locked), 8 dave (hash of no kind).
const ROWS: &str = "
    insert into users (id, username, password_hash, salt, created_at, created_by, points) values
        (9, 'boss', '{hash}', '{salt}', '2024-03-01 10:00:00', 'cli', 7);
    insert into users (id, username, password_hash, salt, created_at, created_by, is_admin, points,
            last_login, login_count, login_streak, last_login_date, comment_pts_today,
            comment_pts_date, gravatar_opt_in, gravatar_hash) values
        (2, 'ann', '{hash2}', '{salt2}', '2024-01-02T10:00:00', 'invite:boss', 1, 120,
            '2024-05-01T08:00:00', 12, 3, '2024-05-01', 4, '2024-04-30', 1,
            '0bc83cb571cd1c50ba6f3e8a78ef1346');
    insert into users (id, username, password_hash, salt, created_at, created_by, is_standard,
            is_locked, is_disabled) values
        (3, 'Ann', '{hash}', '{salt}', '2024-01-03T10:00:00', 'self', 1, 0, 0),
        (4, 'system', '{hash}', '{salt}', '2024-01-04T10:00:00', 'ann', 0, 0, 1),
        (5, '..', '{hash}', '{salt}', '2024-01-05T10:00:00', '', 0, 0, 0),
        (6, 'bob', '{hash}', '{salt}', '2024-04-01T10:00:00', 'self', 0, 0, 0),
        (7, 'carol', '{hash}', '{salt}', '2024-01-07T10:00:00', 'gone', 0, 1, 0),
        (8, 'dave', 'plain', '{salt}', 'when?', 'self', 0, 0, 0);
    insert into sessions (user_id, token) values (2, 'secret token'), (1, 'of nobody');
    insert into login_history (user_id, ip_address, logged_in_at) values
        (2, '192.0.2.7', '2024-05-01T08:00:00'), (2, '2001:DB8:0:0::1', '2024-05-01T09:00:00'),
        (2, '::ffff:198.51.100.3', '2024-05-01T10:00:00'), (2, 'localhost', '2024-05-01T11:00:00'),
        (1, '192.0.2.9', '2024-01-01T00:00:00');
    insert into ip_allowlist (user_id, ip_address, added_at, added_by) values
        (2, '192.0.2.7', '2024-05-01T08:00:00', 'boss'), (2, 'any', '2024-05-01T08:00:00', 'boss'),
        (1, '192.0.2.7', '2024-05-01T08:00:00', 'boss');
    insert into invite_codes (code, created_by_username, created_at, consumed_at,
            consumed_by_username) values
        ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'ann', '2024-04-02T10:00:00', null, null),
        ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'bob', '2024-02-02T10:00:00',
            '2024-02-03T10:00:00', 'ann'),
        ('short', 'ann', '2024-04-02T10:00:00', null, null);
    insert into settings values ('torrents_per_page', '9999'), ('free_signup', '1'),
        ('dm_cost', '7'), ('points_upload', 'x'), ('_csrf_secret', 'deadbeef'), ('mystery', '1'),
        ('peer_query_tool', '/bin/sh'), ('topup_paypal_client_secret_live', 'hush-live'),
        ('topup_paypal_client_secret_sandbox', ''), ('topup_fixed_amounts_json', '[5,10]'),
        ('peer_query_tracker', 'javascript:x'), ('topup_coinbase_env', 'live');
    insert into events (timestamp, actor, action, target, detail) values
        ('2024-01-02T10:00:00', 'boss', 'create_user', 'ann', ''),
        ('2024-01-02T10:00:01', 'ann', 'login', '192.0.2.7', ''),
        ('2024-01-02T10:00:02', 'ann', 'login_failed', '192.0.2.8', ''),
        ('2024-01-02T10:00:03', 'boss', 'set_setting', 'topup_paypal_client_secret_live', 'hush'),
        ('2024-01-02T10:00:04', 'system', 'set_setting', '_csrf_secret', 'deadbeef'),
        ('2024-01-02T10:00:05', 'boss', 'set_setting', 'free_signup', '1'),
        ('2024-02-20T10:00:00', 'boss', 'delete_user', 'bob', ''),
        ('2024-02-21T10:00:00', 'boss', 'delete_user', 'erin', ''),
        ('2024-02-22T10:00:00', 'bob', 'logout', '192.0.2.8', ''),
        ('2024-02-23T10:00:00', 'boss', 'ip_allowlist_add', '2', '192.0.2.7');
    insert into magnet_trackers (url, is_enabled, sort_order) values
        ('udp://tracker.example:6969/announce', 1, 2), ('ftp://tracker.example/', 1, 1),
        ('http://old.example/announce', 0, 0);
    insert into user_follows (follower_user_id, followed_user_id, created_at) values
        (2, 6, '2024-05-01T08:00:00'), (2, 1, '2024-05-01T08:00:00'),
        (6, 6, '2024-05-01T08:00:00');";

const MORE_ROWS: &str = "
    insert into torrents (info_hash, name, total_size, uploaded_by_id, uploaded_by_username,
            registered_at, piece_count, piece_length, is_private, is_multifile, files_json,
            comments_locked, peer_seeders, peer_leechers, peer_downloaded, peer_last_updated,
            peer_last_tracker) values
        ('AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'Walrus Collection', 30, 2, 'ann',
            '2024-02-01T12:00:00', 2, 16, 1, 1,
            '[{\"path\":\"disc 1/a.flac\",\"size\":10},{\"path\":\"../b.flac\",\"size\":20}]', 1,
            5, 6, 7, '2024-05-01T00:00:00', 'http://other.example/announce'),
        ('BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB', 'renewed.iso', 5, 1, 'boss',
            '2024-02-02T12:00:00', 1, 16, 0, 0, '[{\"path\":\"renewed.iso\",\"size\":5}]', 0,
            null, null, null, null, null),
        ('CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC', 'left behind', 6, null, '[deleted]',
            '2024-02-03T12:00:00', 1, 16, 0, 0, 'no json', 0, null, null, null, null, null),
        ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'the same', 6, 2, 'ann',
            '2024-02-03T12:00:00', 1, 16, 0, 0, '[]', 0, null, null, null, null, null),
        ('xyz', 'no hash', 6, 2, 'ann', '2024-02-03T12:00:00', 1, 16, 0, 0, '[]', 0,
            null, null, null, null, null);
    insert into comments (id, info_hash, user_id, username, parent_id, body, created_at, edited_at,
            is_deleted) values
        (1, 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 2, 'ann', null, '[deleted]',
            '2024-02-01T13:00:00', null, 1),
        (2, 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 77, 'erin', 1, 'hello @ann',
            '2024-02-01T14:00:00', '2024-02-01T15:00:00', 0),
        (3, 'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB', 1, 'boss', 2, 'of another torrent',
            '2024-02-02T14:00:00', null, 0),
        (4, 'DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD', 2, 'ann', null, 'on what is gone',
            '2024-02-02T14:00:00', null, 0);
    insert into notifications (user_id, type, from_username, info_hash, torrent_name, comment_id,
            created_at, is_read) values
        (2, 'mention', 'erin', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'Walrus', 2,
            '2024-02-01T14:00:00', 1),
        (2, 'bounty_contribution', 'bob', 'BOUNTY:1', 'wanted', 30, '2024-04-05T14:00:00', 0),
        (2, 'bounty_mention', 'bob', 'BOUNTY:1', 'wanted', 1, '2024-04-05T14:00:00', 0),
        (2, 'topup_credited', 'system', 'TOPUP:1', 'text', 0, '2024-04-05T14:00:00', 0),
        (6, 'follow_new_follower', 'ann', 'FOLLOW:USER', 'text', 2, '2024-05-01T08:00:00', 0),
        (2, 'reply', 'erin', 'DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD', 'gone', 4,
            '2024-02-01T14:00:00', 0),
        (1, 'reply', 'ann', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'to nobody', 2,
            '2024-02-01T14:00:00', 0),
        (2, 'bounty_expired', 'system', 'BOUNTY:99', 'gone', 0, '2024-02-01T14:00:00', 0);
    insert into direct_messages (id, sender, recipient, subject, body, sent_at, read_at,
            del_by_sender, del_by_recip, is_broadcast, reply_to_id, conversation_id) values
        (1, 'bob', 'ann', 'Hi', 'from the first bob', '2024-02-10T10:00:00', null, 0, 0, 0, null,
            1),
        (2, 'ann', 'bob', 'Re: Hi', 'to the first bob', '2024-02-11T10:00:00', null, 0, 0, 0, 1, 1),
        (3, 'ann', 'bob', 'New', 'to the second bob', '2024-04-02T10:00:00',
            '2024-04-03T10:00:00', 1, 0, 0, null, 3),
        (4, 'bob', 'ann', 'Re: New', 'an answer', '2024-04-04T10:00:00', null, 0, 0, 0, 3, null),
        (5, 'boss', 'ann', 'All', 'from before the owner was renewed', '2024-02-01T10:00:00', null,
            0, 0, 1, null, 5),
        (6, 'erin', 'frank', 'x', 'between those who are gone', '2024-02-01T10:00:00', null, 0, 0,
            0, null, 6),
        (7, 'ann', 'carol', 'x', 'hidden by both', '2024-02-01T10:00:00', null, 1, 1, 0, null, 7);
    insert into dm_blocklist (user_id, blocked_username, blocked_at) values
        (2, 'bob', '2024-02-12T10:00:00'), (2, 'carol', '2024-02-12T10:00:00'),
        (1, 'ann', '2024-02-12T10:00:00');";

const ECONOMY_ROWS: &str = "
    insert into points_ledger (user_id, delta, balance_after, reason, ref_type, ref_id, created_at)
        values
        (2, 1, 1, 'daily login', 'login', '2024-01-03', '2024-01-03T10:00:00'),
        (2, 25, 26, 'upload', 'torrent', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
            '2024-02-01T12:00:00'),
        (2, 25, 51, 'upload again', 'torrent', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
            '2024-02-01T13:00:00'),
        (2, 0, 51, 'nothing', 'login', '2024-01-04', '2024-01-04T10:00:00'),
        (2, -100, -49, 'spent too much', 'invite', '', '2024-02-02T10:00:00'),
        (2, 200, 151, 'granted', 'admin', 'boss', '2024-02-03T10:00:00'),
        (2, -40, 111, 'sent', 'transfer', 'bob', '2024-04-02T10:00:00'),
        (6, 30, 30, 'received', 'transfer', 'ann', '2024-04-02T10:00:00'),
        (2, -50, 61, 'bounty', 'bounty', '', '2024-04-03T10:00:00'),
        (6, -30, 0, 'added', 'bounty_contrib', '1', '2024-04-05T14:00:00'),
        (2, 2500, 2561, 'top-up', 'topup', '1', '2024-04-06T14:00:00'),
        (1, 5, 5, 'of nobody', 'login', '2024-01-01', '2024-01-01T10:00:00');
    insert into bounties (id, created_by, description, status, initial_cost, total_escrow,
            claimed_infohash, claimed_by, claimed_at, fulfilled_by, fulfilled_at, created_at,
            expires_at) values
        (1, 'ann', 'wanted', 'pending', 50, 80, 'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB', 'bob',
            '2024-04-10T10:00:00', null, null, '2024-04-03T10:00:00', '2024-07-01'),
        (2, 'bob', 'of the first bob', 'expired', 20, 20, null, null, null, null, null,
            '2024-02-01T10:00:00', '2024-02-10'),
        (3, 'ann', 'done', 'fulfilled', 10, 15, 'CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC', 'erin',
            '2024-02-10T10:00:00', 'ann', '2024-02-11T10:00:00', '2024-02-01T10:00:00',
            '2024-05-01');
    insert into bounty_contributions (bounty_id, username, amount, contributed_at) values
        (1, 'ann', 50, '2024-04-03T10:00:00'), (1, 'bob', 30, '2024-04-05T14:00:00'),
        (3, 'ann', 10, '2024-02-01T10:00:00'), (99, 'ann', 10, '2024-02-01T10:00:00');
    insert into bounty_votes (bounty_id, username, voted_at) values
        (1, 'carol', '2024-04-09T10:00:00'), (1, 'Ann', '2024-04-11T10:00:00');
    insert into bounty_comments (id, bounty_id, username, body, created_at) values
        (1, 1, 'bob', 'I have it, @ann', '2024-04-05T14:00:00');
    insert into topup_orders (id, order_uuid, user_id, provider, provider_env,
            provider_checkout_id, status, amount_usd_cents, base_rate_pts_per_usd, multiplier_bp,
            quoted_points, credited_points, credits_ledger_id, created_at, updated_at, credited_at)
        values
        (1, 'u1', 2, 'paypal', 'live', 'CHK', 'credited', 1000, 200, 12500, 2500, 2500, 11,
            '2024-04-06T13:00:00', '2024-04-06T14:00:00', '2024-04-06T14:00:00'),
        (2, 'u2', 1, 'paypal', 'live', 'CHK', 'exception', 500, 200, 10000, 1000, 0, null,
            '2024-04-07T13:00:00', '2024-04-07T14:00:00', null);
    insert into topup_webhook_events (provider, event_id, event_type, signature_valid,
            payload_json, headers_json, received_at, process_status, linked_order_id) values
        ('paypal', 'WH-1', 'CAPTURE', 0, '{}', '{}', '2024-04-06T13:59:00', 'ignored', null),
        ('paypal', 'WH-1', 'CAPTURE', 1, '{}', '{}', '2024-04-06T14:00:00', 'processed', 1),
        ('paypal', 'WH-1', 'CAPTURE', 1, '{}', '{}', '2024-04-06T14:01:00', 'processed', 1);
    insert into topup_reconciliation_actions (order_id, actor_user_id, action, note, old_status,
            new_status, created_at) values
        (2, 2, 'mark', 'looked at', 'pending', 'exception', '2024-04-07T14:00:00'),
        (99, 2, 'mark', '', '', '', '2024-04-07T14:00:00');";

/// Makes the empty tables.
pub(super) fn tables(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("pragma journal_mode = wal").unwrap();
    for sql in [ACCOUNTS, SOCIAL, ECONOMY] {
        conn.execute_batch(sql).unwrap();
    }
    conn
}

/// Makes a whole database, which is open until the connection is dropped.
pub(super) fn open(path: &Path) -> Connection {
    let conn = tables(path);
    let count: i64 = conn
        .query_row(
            "select count(*) from sqlite_schema where type = 'table' and name != 'sqlite_sequence'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(count, 22);
    let [hash, salt] = CORRECT_HORSE;
    let [hash2, salt2] = PASSWORD_WITH_UMLAUTS;
    let rows = ROWS.replace("{hash}", hash).replace("{salt}", salt);
    let rows = rows.replace("{hash2}", hash2).replace("{salt2}", salt2);
    // Orphans come of the earlier tracker's own connection without foreign keys.
    conn.execute_batch("pragma foreign_keys = off").unwrap();
    for sql in [&*rows, MORE_ROWS, ECONOMY_ROWS] {
        conn.execute_batch(sql).unwrap();
    }
    conn
}
