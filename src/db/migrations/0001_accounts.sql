-- Accounts and what belongs to them. Times are seconds since 1970 in UTC; whoever is gone leaves
-- null where an id stood, and a name where history must stay readable.

create table users (
    -- Never used again, so that nobody inherits what an account that is gone has left.
    user_id             integer primary key autoincrement,
    username            text    not null unique collate nocase
                                check (length(username) between 1 and 32),
    -- A PHC string (Argon2id), or `$pbkdf2-reference$salt$hash` as imported; see site::password.
    password_hash       text    not null,
    -- 0 Basic, 1 Standard, 2 Admin, 3 Super.
    role                integer not null default 0 check (role between 0 and 3),
    is_disabled         integer not null default 0 check (is_disabled in (0, 1)),
    -- `self`, `cli`, `invite`, `staff` or `import`, and who it was.
    created_how         text    not null,
    created_by          integer references users (user_id) on delete set null,
    created_at          integer not null,
    last_login_at       integer,
    login_count         integer not null default 0,
    last_seen_at        integer,
    password_changed_at integer,
    -- What the member chose.
    allow_dms               integer not null default 1 check (allow_dms in (0, 1)),
    show_online             integer not null default 1 check (show_online in (0, 1)),
    bounty_alerts           integer not null default 1 check (bounty_alerts in (0, 1)),
    link_torrent_activity   integer not null default 0 check (link_torrent_activity in (0, 1)),
    allow_follow_visibility integer not null default 1 check (allow_follow_visibility in (0, 1)),
    gravatar_opt_in         integer not null default 0 check (gravatar_opt_in in (0, 1)),
    gravatar_hash           text, -- SHA-256 of the address, 64 hex digits
    -- Second factor: null until it is set up; confirmed once a first code was right.
    totp_secret         blob,
    totp_confirmed_at   integer,
    totp_last_step      integer not null default 0 -- no code counts twice
) strict;

create unique index users_super on users (role) where role = 3;
create index users_by_role on users (role, username);
create index users_disabled on users (username) where is_disabled = 1;

-- Names of accounts that are gone: nobody else is to be taken for them.
create table retired_names (
    username   text primary key collate nocase,
    retired_at integer not null default (unixepoch())
) strict, without rowid;

create trigger users_leave_their_names after delete on users begin
    insert or ignore into retired_names (username) values (old.username);
end;

-- How many there are, to page through a hundred thousand without counting them.
create table user_counts (only integer primary key check (only = 0), users integer not null) strict;
insert into user_counts values (0, 0);
create trigger users_are_counted after insert on users begin
    update user_counts set users = users + 1;
end;
create trigger users_are_counted_out after delete on users begin
    update user_counts set users = users - 1;
end;

create table sessions (
    session_id   integer primary key,
    token_hash   blob    not null unique check (length(token_hash) = 32), -- SHA-256
    user_id      integer not null references users (user_id) on delete cascade,
    created_at   integer not null,
    expires_at   integer not null,
    last_seen_at integer not null,
    ip           text    not null,
    user_agent   text    not null,
    -- When the password was last typed in it: what is dangerous asks for it again.
    confirmed_at integer not null,
    -- What the next page says: `success`, `info` or `error`, and the words.
    flash_kind   text,
    flash_text   text
) strict;

create index sessions_of on sessions (user_id);
create index sessions_by_end on sessions (expires_at);

-- Successful logins, the newest 20 of each account.
create table login_history (
    login_id     integer primary key,
    user_id      integer not null references users (user_id) on delete cascade,
    ip           text    not null,
    -- The address itself, or the /64 of an IPv6 one: see db::users::household.
    household    text    not null,
    network      text    not null, -- its /24, or /56 of IPv6: see db::users::network
    logged_in_at integer not null
) strict;

create index login_history_of on login_history (user_id, logged_in_at);
create index login_history_from on login_history (household, logged_in_at);

-- Wrong passwords for an account from a network (a /24, or a /56 of IPv6), until a right one.
create table login_failures (
    user_id      integer not null references users (user_id) on delete cascade,
    network      text    not null,
    failures     integer not null,
    failed_at    integer not null,
    -- Until then no password from there is looked at.
    locked_until integer not null default 0,
    primary key (user_id, network)
) strict, without rowid;

-- Networks that an account may be used from; none: any.
create table ip_allowlist (
    entry_id integer primary key,
    user_id  integer not null references users (user_id) on delete cascade,
    network  text    not null, -- CIDR, normalised
    added_by integer references users (user_id) on delete set null,
    added_at integer not null,
    unique (user_id, network)
) strict;

-- Codes that stand in for the second factor, once each.
create table backup_codes (
    user_id   integer not null references users (user_id) on delete cascade,
    code_hash blob    not null check (length(code_hash) = 32), -- SHA-256
    primary key (user_id, code_hash)
) strict, without rowid;

create table invites (
    invite_id   integer primary key,
    code        text    not null unique check (length(code) = 43),
    created_by  integer references users (user_id) on delete set null,
    -- Points that were paid for it.
    cost        integer not null default 0 check (cost >= 0),
    created_at  integer not null,
    expires_at  integer, -- null: never
    consumed_at integer,
    consumed_by integer references users (user_id) on delete set null
) strict;

create index invites_of on invites (created_by, created_at);
create index invites_by_time on invites (consumed_at, created_at);

-- Only what differs from the default; see db::settings.
create table settings (
    key   text primary key,
    value text not null
) strict, without rowid;

-- What was done, by whom, to whom. Rows are added, and go by age alone.
create table events (
    event_id integer primary key,
    at       integer not null,
    actor_id integer, -- no reference: an event outlives its actor
    actor    text    not null,
    action   text    not null,
    target   text    not null default '',
    detail   text    not null default '',
    -- Shown to the owner alone.
    ip       text    not null default ''
) strict;

create index events_by_action on events (action, event_id);
create index events_by_actor on events (actor collate nocase, event_id);

-- Announce URLs of magnet links and of the .torrent files that are handed out.
create table magnet_trackers (
    tracker_id integer primary key,
    url        text    not null unique check (length(url) <= 255),
    is_enabled integer not null default 1 check (is_enabled in (0, 1)),
    sort_order integer not null
) strict;
