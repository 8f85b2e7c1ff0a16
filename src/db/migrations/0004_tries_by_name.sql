-- Wrong passwords are kept by the name that was typed, whether or not it is anybody's: whoever tries
-- names is to learn nothing of who is here.

drop table login_failures;

-- Wrong passwords for a name from a network (a /24, or a /56 of IPv6), until a right one.
create table login_failures (
    name         text    not null collate nocase,
    network      text    not null,
    failures     integer not null,
    failed_at    integer not null,
    -- Until then no password from there is looked at.
    locked_until integer not null default 0,
    primary key (name, network)
) strict, without rowid;

create index login_failures_by_time on login_failures (failed_at);

-- While there is any of these, every password is looked at in both ways; see site::password.
create index users_with_old_hashes on users (user_id)
    where substr(password_hash, 1, 18) = '$pbkdf2-reference$';

-- Every form that is dangerous asks for the password itself.
alter table sessions drop column confirmed_at;

-- A row that goes is looked for in every column that may refer to it.
create index users_made_by on users (created_by);
create index ip_allowlist_added_by on ip_allowlist (added_by);
create index invites_consumed_by on invites (consumed_by);
