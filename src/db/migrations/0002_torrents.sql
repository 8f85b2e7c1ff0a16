-- Torrents that members have registered. Times are seconds since 1970 in UTC, sizes are bytes.

create table torrents (
    torrent_id      integer primary key,
    -- Under which the swarm is kept: v1 where there is one, else the first 20 bytes of v2.
    info_hash       blob    not null unique check (length(info_hash) = 20),
    info_hash_v1    blob    unique check (length(info_hash_v1) = 20),
    info_hash_v2    blob    unique check (length(info_hash_v2) = 32),
    name            text    not null,
    total_size      integer not null check (total_size >= 0),
    file_count      integer not null,
    piece_length    integer not null,
    piece_count     integer not null,
    is_private      integer not null check (is_private in (0, 1)),
    is_multifile    integer not null check (is_multifile in (0, 1)),
    -- Null once the account is gone.
    uploader_id     integer references users (user_id) on delete set null,
    registered_at   integer not null,
    comments_locked integer not null default 0 check (comments_locked in (0, 1)),
    completed       integer not null default 0 check (completed >= 0),
    check (info_hash_v1 is not null or info_hash_v2 is not null)
) strict;

-- Each also holds the torrent_id, so that a page is counted off without touching the rows.
create index torrents_by_time     on torrents (registered_at);
create index torrents_by_name     on torrents (name collate nocase);
create index torrents_by_size     on torrents (total_size);
create index torrents_of_by_time  on torrents (uploader_id, registered_at);
create index torrents_of_by_name  on torrents (uploader_id, name collate nocase);
create index torrents_of_by_size  on torrents (uploader_id, total_size);

-- How many there are of each uploader, and of all under 0: to count a million takes too long for a
-- page. Those whose uploader is gone are under -1.
create table torrent_counts (
    uploader_id integer primary key,
    torrents    integer not null
) strict;

insert into torrent_counts values (0, 0);

create trigger torrents_are_counted after insert on torrents begin
    insert into torrent_counts values (coalesce(new.uploader_id, -1), 1)
        on conflict do update set torrents = torrents + 1;
    update torrent_counts set torrents = torrents + 1 where uploader_id = 0;
end;

create trigger torrents_are_counted_out after delete on torrents begin
    update torrent_counts set torrents = torrents - 1
        where uploader_id in (0, coalesce(old.uploader_id, -1));
end;

create trigger torrents_change_hands after update of uploader_id on torrents begin
    update torrent_counts set torrents = torrents - 1
        where uploader_id = coalesce(old.uploader_id, -1);
    insert into torrent_counts values (coalesce(new.uploader_id, -1), 1)
        on conflict do update set torrents = torrents + 1;
end;

-- Apart, since lists never read it.
create table torrent_contents (
    torrent_id integer primary key references torrents (torrent_id) on delete cascade,
    files      blob not null, -- see db::torrents::files
    metainfo   blob           -- the .torrent without trackers; null where it was not kept
) strict;

-- What another tracker said of a torrent; one row where it was ever asked with success.
create table torrent_snapshots (
    torrent_id integer primary key references torrents (torrent_id) on delete cascade,
    tracker    text    not null,
    taken_at   integer not null,
    seeders    integer not null,
    leechers   integer not null,
    completed  integer -- null where it was not said
) strict;

-- When another tracker was last asked for a torrent, or is to be.
create table torrent_refreshes (
    torrent_id integer primary key references torrents (torrent_id) on delete cascade,
    asked_at   integer not null,
    is_pending integer not null check (is_pending in (0, 1)),
    failure    text -- null when it went well, or is still to come
) strict;

create index torrent_refreshes_pending on torrent_refreshes (asked_at) where is_pending;

-- Hashes that are registered no more, with the number of a `tracker::registered::Removal`.
create table removed_torrents (
    info_hash  blob    primary key check (length(info_hash) = 20),
    removal    integer not null,
    removed_at integer not null
) strict, without rowid;

-- The grams of `db::search`; the rowid is the torrent_id.
create virtual table torrent_search using fts5 (
    grams, tokenize = 'ascii', detail = none, content = '', contentless_delete = 1
);

create trigger torrents_leave_search after delete on torrents begin
    delete from torrent_search where rowid = old.torrent_id;
end;
