-- What members say to each other, and points. Times are seconds since 1970 in UTC, points and cents
-- are integers. An account is named by its id while it is there; beside it stands its name, since
-- what was said or moved outlives who did it. A name without an id is of somebody who is gone: it is
-- in retired_names, so nobody else can have it. docs/database.md has the whole picture.

-- Points that are given by the day. Days are counted from 1970 in the site's time zone.
create table daily_awards (
    user_id        integer primary key references users (user_id) on delete cascade,
    last_login_day integer, -- the last one that was awarded
    login_streak   integer not null default 0 check (login_streak >= 0), -- days in a row
    longest_streak integer not null default 0 check (longest_streak >= 0),
    comment_day    integer, -- the day that comment_points is of
    comment_points integer not null default 0 check (comment_points >= 0)
) strict;

create table follows (
    follower_id integer not null references users (user_id) on delete cascade,
    followed_id integer not null references users (user_id) on delete cascade,
    followed_at integer not null,
    primary key (follower_id, followed_id),
    check (follower_id != followed_id)
) strict, without rowid;

create index follows_of on follows (followed_id, followed_at);

-- Comments on torrents. An answer is of the same torrent as what it answers, and younger, so there
-- is no circle. What has answers is not deleted but emptied.
create table comments (
    comment_id integer primary key autoincrement,
    torrent_id integer not null references torrents (torrent_id) on delete cascade,
    parent_id  integer check (parent_id < comment_id),
    author_id  integer references users (user_id) on delete set null,
    author     text    not null,
    body       text    not null,
    created_at integer not null,
    edited_at  integer,
    is_deleted integer not null default 0 check (is_deleted in (0, 1)),
    check (not is_deleted or body = ''),
    unique (torrent_id, comment_id),
    foreign key (torrent_id, parent_id) references comments (torrent_id, comment_id)
) strict;

create index comments_answering on comments (torrent_id, parent_id);
create index comments_of on comments (author_id, created_at);

-- Messages that answer each other; of a broadcast, one for each who receives it.
create table conversations (
    conversation_id integer primary key autoincrement,
    subject         text    not null,
    is_broadcast    integer not null default 0 check (is_broadcast in (0, 1)),
    started_at      integer not null
) strict;

create table direct_messages (
    message_id          integer primary key autoincrement,
    conversation_id     integer not null
                        references conversations (conversation_id) on delete cascade,
    sender_id           integer references users (user_id) on delete set null,
    sender              text    not null,
    recipient_id        integer references users (user_id) on delete set null,
    recipient           text    not null,
    body                text    not null,
    sent_at             integer not null,
    read_at             integer,
    hidden_by_sender    integer not null default 0 check (hidden_by_sender in (0, 1)),
    hidden_by_recipient integer not null default 0 check (hidden_by_recipient in (0, 1))
) strict;

create index messages_of_conversation on direct_messages (conversation_id, message_id);
create index messages_received on direct_messages (recipient_id, message_id);
create index messages_sent on direct_messages (sender_id, message_id);
create index messages_unread on direct_messages (recipient_id, conversation_id)
    where read_at is null and hidden_by_recipient = 0;

create table blocks (
    user_id    integer not null references users (user_id) on delete cascade,
    blocked_id integer not null references users (user_id) on delete cascade,
    blocked_at integer not null,
    primary key (user_id, blocked_id),
    check (user_id != blocked_id)
) strict, without rowid;

create index blocks_against on blocks (blocked_id);

create table bounties (
    bounty_id    integer primary key autoincrement,
    creator_id   integer references users (user_id) on delete set null,
    creator      text    not null,
    description  text    not null,
    -- `pending` exactly while there is a claim that is undecided; the last two are final.
    status       text    not null default 'open'
                 check (status in ('open', 'pending', 'fulfilled', 'expired')),
    initial_cost integer not null check (initial_cost >= 0),
    -- The sum of its contributions, kept by the trigger below. While it is not closed, its escrow
    -- account in the ledger has as much.
    total_escrow integer not null default 0 check (total_escrow >= 0),
    created_at   integer not null,
    expires_at   integer not null, -- from then on nobody may claim
    closed_at    integer,
    check ((status in ('fulfilled', 'expired')) = (closed_at is not null))
) strict;

create index bounties_by_status on bounties (status, bounty_id);
create index bounties_by_end on bounties (expires_at) where closed_at is null;
create index bounties_of on bounties (creator_id, bounty_id);

create table bounty_contributions (
    contribution_id integer primary key autoincrement,
    bounty_id       integer not null references bounties (bounty_id) on delete cascade,
    contributor_id  integer references users (user_id) on delete set null,
    contributor     text    not null,
    amount          integer not null check (amount > 0),
    contributed_at  integer not null
) strict;

create index contributions_to on bounty_contributions (bounty_id, contribution_id);
create index contributions_of on bounty_contributions (contributor_id, contribution_id);

create trigger contributions_add_up after insert on bounty_contributions begin
    update bounties set total_escrow = total_escrow + new.amount where bounty_id = new.bounty_id;
end;

create table bounty_claims (
    claim_id   integer primary key autoincrement,
    bounty_id  integer not null references bounties (bounty_id) on delete cascade,
    claimer_id integer references users (user_id) on delete set null,
    claimer    text    not null,
    info_hash  blob    not null check (length(info_hash) = 20),
    torrent_id integer references torrents (torrent_id) on delete set null,
    claimed_at integer not null,
    state      text    not null default 'undecided'
               check (state in ('undecided', 'accepted', 'rejected', 'lapsed')),
    decided_at integer,
    -- Shares that were promised when it was made, in percent; null where nobody wrote them down.
    claimer_pct  integer check (claimer_pct between 0 and 100),
    uploader_pct integer check (uploader_pct between 0 and 100),
    refund_pct   integer check (refund_pct between 0 and 100),
    check (claimer_pct + uploader_pct <= 100),
    check ((state = 'undecided') = (decided_at is null))
) strict;

create unique index claims_undecided on bounty_claims (bounty_id) where state = 'undecided';
create unique index claims_accepted on bounty_claims (bounty_id) where state = 'accepted';
create index claims_on on bounty_claims (bounty_id, claim_id);
create index claims_of on bounty_claims (claimer_id, claim_id);
create index claims_by_torrent on bounty_claims (torrent_id);

-- A vote is for a claim, so that those of a claim that was rejected count for no other.
create table bounty_votes (
    vote_id  integer primary key,
    claim_id integer not null references bounty_claims (claim_id) on delete cascade,
    voter_id integer references users (user_id) on delete set null,
    voter    text    not null,
    voted_at integer not null,
    unique (claim_id, voter_id)
) strict;

create index votes_of on bounty_votes (voter_id);

create table bounty_comments (
    bounty_comment_id integer primary key autoincrement,
    bounty_id  integer not null references bounties (bounty_id) on delete cascade,
    author_id  integer references users (user_id) on delete set null,
    author     text    not null,
    body       text    not null,
    created_at integer not null,
    edited_at  integer,
    is_deleted integer not null default 0 check (is_deleted in (0, 1)),
    check (not is_deleted or body = '')
) strict;

create index bounty_comments_on on bounty_comments (bounty_id, bounty_comment_id);
create index bounty_comments_of on bounty_comments (author_id, created_at);

-- The ledger, of double entry: every movement takes from one account what it gives to another, so
-- all accounts together have nothing. Points come from `mint` (awards), `sales` (bought) and `adjust`
-- (given by the staff), and end in `burn`; `import` is where an imported history was evened out.
create table ledger_accounts (
    account_id integer primary key autoincrement,
    kind       text    not null
               check (kind in ('member', 'escrow', 'mint', 'burn', 'sales', 'adjust', 'import')),
    -- Null once the member is gone; the history stays under the name.
    user_id    integer unique references users (user_id) on delete set null,
    holder     text    not null default '',
    bounty_id  integer unique references bounties (bounty_id),
    balance    integer not null default 0,
    check (kind = 'member' or user_id is null),
    check ((kind = 'escrow') = (bounty_id is not null)),
    check (kind != 'escrow' or balance >= 0)
) strict;

create unique index ledger_accounts_of_the_site on ledger_accounts (kind)
    where kind not in ('member', 'escrow');
create index ledger_accounts_by_balance on ledger_accounts (kind, balance);

insert into ledger_accounts (kind)
    values ('mint'), ('burn'), ('sales'), ('adjust'), ('import');
insert into ledger_accounts (kind, user_id, holder) select 'member', user_id, username from users;

create trigger users_have_an_account after insert on users begin
    insert into ledger_accounts (kind, user_id, holder) values ('member', new.user_id, new.username);
end;

-- For what points move. Only with some of them may a member's balance fall below zero.
create table ledger_codes (
    code         text    primary key,
    may_overdraw integer not null check (may_overdraw in (0, 1))
) strict, without rowid;

insert into ledger_codes values
    ('login', 0), ('upload', 0), ('comment', 0), ('comment_reversed', 1), ('penalty', 1),
    ('invite', 0), ('invite_refund', 0), ('transfer', 0), ('dm', 0), ('admin', 1),
    ('bounty', 0), ('bounty_contribution', 0), ('bounty_payout', 0), ('bounty_refund', 0),
    ('bounty_rest', 0), ('claim_rejected', 1), ('topup', 0), ('topup_refund', 1),
    ('account_closed', 1), ('import', 1);

create table ledger_entries (
    entry_id integer primary key autoincrement,
    -- What is done once is done under one key: `upload:<info hash>`, `login:<user_id>:<day>`.
    key      text    not null unique check (length(key) between 1 and 200),
    code     text    not null references ledger_codes (code),
    at       integer not null,
    actor_id integer references users (user_id) on delete set null,
    subject  text    not null default '', -- an info hash, the number of a bounty or an order
    reason   text    not null default '', -- for whoever reads the history
    -- As an earlier program has written it, which let members spend what they did not have.
    is_imported integer not null default 0 check (is_imported in (0, 1))
) strict;

create index ledger_entries_by_code on ledger_entries (code, at);
create index ledger_entries_by_actor on ledger_entries (actor_id);

create table ledger_transfers (
    transfer_id  integer primary key autoincrement,
    entry_id     integer not null references ledger_entries (entry_id),
    from_account integer not null references ledger_accounts (account_id),
    to_account   integer not null references ledger_accounts (account_id),
    amount       integer not null check (amount > 0),
    -- What both have afterwards.
    from_balance integer not null,
    to_balance   integer not null,
    check (from_account != to_account)
) strict;

create index ledger_transfers_of_entry on ledger_transfers (entry_id);
create index ledger_transfers_from on ledger_transfers (from_account, transfer_id);
create index ledger_transfers_to on ledger_transfers (to_account, transfer_id);

create trigger ledger_transfers_move before insert on ledger_transfers begin
    select raise(abort, 'a balance after a transfer does not follow from the one before')
        where new.from_balance is not
                (select balance - new.amount from ledger_accounts where account_id = new.from_account)
            or new.to_balance is not
                (select balance + new.amount from ledger_accounts where account_id = new.to_account);
    select raise(abort, 'a member has not that many points')
        from ledger_accounts
        where account_id = new.from_account and kind = 'member' and new.from_balance < 0
            and not (select may_overdraw or is_imported
                     from ledger_entries join ledger_codes using (code)
                     where entry_id = new.entry_id);
    update ledger_accounts set balance = new.from_balance where account_id = new.from_account;
    update ledger_accounts set balance = new.to_balance where account_id = new.to_account;
end;

create trigger ledger_transfers_stay before update on ledger_transfers begin
    select raise(abort, 'what was moved stays written: move it back');
end;

create trigger ledger_entries_stay before update of key, code, at on ledger_entries begin
    select raise(abort, 'what was moved stays written: move it back');
end;

-- Points that are bought. Statuses are those of the order's way from `created` to its end.
create table topup_orders (
    order_id        integer primary key autoincrement,
    order_uuid      text    not null unique,
    user_id         integer references users (user_id) on delete set null,
    username        text    not null,
    provider        text    not null,
    environment     text    not null check (environment in ('sandbox', 'live')),
    checkout_id     text    not null default '',
    charge_id       text    not null default '',
    reference       text    not null default '', -- where the member pays
    status          text    not null,
    status_reason   text    not null default '',
    status_detail   text    not null default '',
    amount_cents    integer not null check (amount_cents >= 0),
    currency        text    not null,
    points_per_usd  integer not null check (points_per_usd >= 0),
    multiplier_bp   integer not null check (multiplier_bp >= 0), -- 10000 is once
    quoted_points   integer not null check (quoted_points >= 0),
    credited_points integer not null default 0 check (credited_points >= 0),
    credit_entry_id integer references ledger_entries (entry_id),
    created_at      integer not null,
    updated_at      integer not null,
    expires_at      integer,
    confirmed_at    integer,
    credited_at     integer,
    last_webhook_at integer
) strict;

create unique index topup_orders_by_checkout on topup_orders (provider, environment, checkout_id)
    where checkout_id != '';
create unique index topup_orders_by_charge on topup_orders (provider, environment, charge_id)
    where charge_id != '';
create index topup_orders_of on topup_orders (user_id, order_id);
create index topup_orders_by_status on topup_orders (status, order_id);
create index topup_orders_by_entry on topup_orders (credit_entry_id);

-- What providers have told. Of what is truly theirs, each thing is there once; what is not can
-- stand in nothing's way.
create table topup_webhook_events (
    webhook_id     integer primary key autoincrement,
    provider       text    not null,
    event_id       text    not null,
    event_type     text    not null,
    is_authentic   integer not null check (is_authentic in (0, 1)),
    payload        text    not null,
    headers        text    not null, -- those of the signature
    received_at    integer not null,
    processed_at   integer,
    process_status text    not null
                   check (process_status in ('received', 'processed', 'ignored', 'error')),
    process_error  text    not null default '',
    order_id       integer references topup_orders (order_id) on delete set null
) strict;

create unique index topup_webhooks_once on topup_webhook_events (provider, event_id)
    where is_authentic and event_id != '';
create index topup_webhooks_of on topup_webhook_events (order_id, webhook_id);
create index topup_webhooks_by_status on topup_webhook_events (process_status, webhook_id);

-- What the staff has done to orders.
create table topup_reconciliations (
    reconciliation_id integer primary key autoincrement,
    order_id   integer not null references topup_orders (order_id) on delete cascade,
    actor_id   integer references users (user_id) on delete set null,
    actor      text    not null,
    action     text    not null,
    note       text    not null,
    old_status text    not null,
    new_status text    not null,
    at         integer not null
) strict;

create index topup_reconciliations_of on topup_reconciliations (order_id, reconciliation_id);
create index topup_reconciliations_by on topup_reconciliations (actor_id, reconciliation_id);

-- Kinds are rows, so that a later one needs no other table.
create table notification_kinds (kind text primary key) strict, without rowid;

insert into notification_kinds values
    ('reply'), ('mention'), ('followed_upload'), ('follow_new_follower'),
    ('bounty_new'), ('bounty_mention'), ('bounty_claimed'), ('bounty_rejected'),
    ('bounty_fulfilled'), ('bounty_contribution'), ('bounty_expired'), ('bounty_uploader_payout'),
    ('followed_bounty_fulfilled'), ('topup_credited'), ('topup_refunded');

-- A notification goes with what it is about, and shows the name that has at that time.
create table notifications (
    notification_id   integer primary key autoincrement,
    user_id           integer not null references users (user_id) on delete cascade,
    kind              text    not null references notification_kinds (kind),
    actor_id          integer references users (user_id) on delete set null,
    actor             text    not null default '',
    torrent_id        integer references torrents (torrent_id) on delete cascade,
    comment_id        integer references comments (comment_id) on delete set null,
    bounty_id         integer references bounties (bounty_id) on delete cascade,
    bounty_comment_id integer
                      references bounty_comments (bounty_comment_id) on delete set null,
    order_id          integer references topup_orders (order_id) on delete cascade,
    points            integer,
    created_at        integer not null,
    is_read           integer not null default 0 check (is_read in (0, 1))
) strict;

create index notifications_of on notifications (user_id, notification_id);
create index notifications_unread on notifications (user_id, notification_id) where is_read = 0;
create index notifications_by_actor on notifications (actor_id);
create index notifications_by_torrent on notifications (torrent_id);
create index notifications_by_comment on notifications (comment_id);
create index notifications_by_bounty on notifications (bounty_id);
create index notifications_by_bounty_comment on notifications (bounty_comment_id);
create index notifications_by_order on notifications (order_id);
