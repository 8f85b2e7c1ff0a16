//! What becomes of rows.

use super::*;
use crate::db::ledger::{Account, balance};
use crate::db::search::Query;
use crate::db::settings::{FREE_SIGNUP, PEER_QUERY_TRACKER, Settings, TORRENTS_PER_PAGE};
use crate::db::torrents::list::{Part, Scope, Sort, count, search};
use crate::db::users::{self, NewUser, Role};
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::File;

fn imported() -> (Folder, Report, Connection) {
    let folder = Folder::new();
    drop(sample::open(&folder.path("old.db")));
    let report = folder.import("old.db", |_| {}).unwrap();
    let target = folder.target();
    (folder, report, target)
}

#[test]
fn accounts_keep_their_ids_passwords_and_roles() {
    let (_folder, report, target) = imported();
    assert_eq!(
        found(
            &target,
            "select user_id, username, role, is_disabled, created_how, created_by,
                 datetime(created_at, 'unixepoch') from users order by user_id"
        ),
        [
            "2|ann|2|0|invite|9|2024-01-02 08:00:00",
            "3|Ann-2|1|0|self|-|2024-01-03 08:00:00",
            "4|member-system|0|1|staff|2|2024-01-04 08:00:00",
            "5|member-5|0|0|import|-|2024-01-05 08:00:00",
            "6|bob|0|0|self|-|2024-04-01 08:00:00",
            "7|carol|0|0|staff|-|2024-01-07 08:00:00",
            "8|dave|0|0|self|-|1970-01-01 00:00:00",
            "9|boss|3|0|cli|-|2024-03-01 10:00:00",
        ]
    );
    let kept = |user_id| users::password_hash(&target, user_id).unwrap();
    for (user_id, [hash, salt]) in [(9, sample::CORRECT_HORSE), (2, sample::PASSWORD_WITH_UMLAUTS)]
    {
        assert_eq!(kept(user_id), format!("$pbkdf2-reference${salt}${hash}"));
    }
    assert_eq!(kept(8), "!");
    let told = report.to_string();
    assert!(told.contains("\"system\" is member-system"), "{told}");
    assert!(told.contains("\"Ann\" is Ann-2"), "{told}");
    assert_eq!(report.times("users", "was locked after wrong passwords, and is not any more"), 1);
    assert_eq!(
        found(&target, "select * from daily_awards where user_id = 2"),
        ["2|19844|3|3|19843|4"]
    );
    let ann = users::find(&target, 2).unwrap().unwrap();
    assert!(!ann.link_torrent_activity && !ann.gravatar_opt_in && ann.gravatar_hash.is_none());
    assert_eq!((ann.login_count, ann.last_login_at), (12, Some(1_714_543_200)));
}

#[test]
fn names_of_the_gone_are_kept_back() {
    let (_folder, _report, target) = imported();
    assert_eq!(
        found(&target, "select username from retired_names order by username"),
        ["erin", "frank", "gone"]
    );
    let new = NewUser {
        username: "Erin",
        password_hash: "-",
        role: Role::Basic,
        created_how: "self",
        created_by: None,
        now: NOW,
    };
    assert_eq!(users::insert(&target, &new).unwrap(), None);
    let next = users::insert(&target, &NewUser { username: "zoe", ..new }).unwrap();
    assert_eq!(next, Some(10), "no id is given again");
}

#[test]
fn sign_ins_networks_invites_and_follows_are_those_of_accounts() {
    let (_folder, report, target) = imported();
    assert_eq!(
        found(&target, "select user_id, ip, household, network from login_history"),
        [
            "2|192.0.2.7|192.0.2.7|192.0.2.0/24",
            "2|2001:db8::1|2001:db8::|2001:db8::/56",
            "2|198.51.100.3|198.51.100.3|198.51.100.0/24",
        ]
    );
    assert_eq!(found(&target, "select * from ip_allowlist"), ["1|2|192.0.2.7/32|9|1714543200"]);
    assert_eq!(
        found(&target, "select code, created_by, consumed_at, consumed_by from invites"),
        [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|2|-|-",
            // By the bob before.
            "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb|-|1706947200|2",
        ]
    );
    assert_eq!(found(&target, "select * from follows"), ["2|6|1714543200"]);
    assert!(found(&target, "select * from sessions").is_empty());
    let counted = |name: &str| *report.tables.iter().find(|one| one.table == name).unwrap();
    assert_eq!((counted("sessions").read, counted("sessions").kept), (2, 0));
    assert_eq!((counted("login_history").read, counted("login_history").kept), (5, 3));
}

#[test]
fn settings_are_brought_into_their_ranges_and_secrets_stay_behind() {
    let (folder, report, target) = imported();
    let settings = Settings::load(&target).unwrap();
    assert_eq!(settings.number(TORRENTS_PER_PAGE), 500);
    assert!(settings.is_on(FREE_SIGNUP));
    assert_eq!(settings.text(PEER_QUERY_TRACKER), PEER_QUERY_TRACKER.default);
    let keys = "select key, value from settings order by key";
    assert_eq!(
        found(&target, keys),
        [
            "dm_cost|7",
            "free_signup|1",
            "topup_coinbase_env|live",
            "topup_fixed_amounts_json|[5,10]",
            "torrents_per_page|500",
        ]
    );
    let what = "left out: a secret, which --with-payment-secrets takes over";
    assert_eq!(report.times("settings", what), 1);
    let told = report.to_string();
    assert!(!told.contains("hush") && !told.contains("deadbeef"), "{told}");
    drop(target);
    std::fs::remove_file(folder.path("new.db")).unwrap();
    folder.import("old.db", |request| request.with_payment_secrets = true).unwrap();
    let secrets = found(&folder.target(), "select value from settings where key like '%secret%'");
    assert_eq!(secrets, ["hush-live"]);
}

#[test]
fn events_tell_no_secret_and_show_addresses_to_the_owner_alone() {
    let (_folder, _report, target) = imported();
    assert_eq!(
        found(&target, "select actor_id, actor, action, target, detail, ip from events"),
        [
            "9|boss|create_user|ann||",
            "2|ann|login|||192.0.2.7",
            "-|ann|login_failed|||192.0.2.8",
            "9|boss|set_setting|topup_paypal_client_secret_live||",
            "-|system|set_setting|_csrf_secret||",
            "9|boss|set_setting|free_signup|1|",
            "9|boss|delete_user|bob||",
            "9|boss|delete_user|erin||",
            "-|bob|logout|||192.0.2.8",
            "9|boss|ip_allowlist_add|2||192.0.2.7",
        ]
    );
    assert_eq!(
        found(&target, "select url, is_enabled from magnet_trackers order by sort_order"),
        ["http://old.example/announce|0", "udp://tracker.example:6969/announce|1"]
    );
}

#[test]
fn torrents_are_found_as_if_they_had_been_uploaded() {
    let (_folder, _report, target) = imported();
    assert_eq!(
        found(
            &target,
            "select hex(info_hash), name, uploader_id, file_count, total_size, is_private,
                 is_multifile, comments_locked, datetime(registered_at, 'unixepoch')
             from torrents order by torrent_id"
        ),
        [
            format!("{}|Walrus Collection|2|2|30|1|1|1|2024-02-01 10:00:00", "AA".repeat(20)),
            // Its uploader's id is gone: the owner was made anew under another.
            format!("{}|renewed.iso|9|1|5|0|0|0|2024-02-02 10:00:00", "BB".repeat(20)),
            format!("{}|left behind|-|1|6|0|0|0|2024-02-03 10:00:00", "CC".repeat(20)),
        ]
    );
    let walrus = torrents_find(&target, 0xaa);
    let file = |path: &str, length| File { path: path.to_owned(), length };
    assert_eq!(
        crate::db::torrents::files(&target, walrus).unwrap(),
        [file("disc 1/a.flac", 10), file("b.flac", 20)]
    );
    assert!(!crate::db::torrents::has_metainfo(&target, walrus).unwrap());
    let of = |uploader_id| count(&target, Scope { uploader_id }).unwrap();
    assert_eq!((of(None), of(Some(2)), of(Some(9)), of(Some(-1))), (3, 1, 1, 1));
    let part = Part { page: 1, rows: 10 };
    for (typed, uploader_id) in
        [("walrus", None), ("COLLECT", Some(2)), ("aaaaaaaa", None), ("left", None)]
    {
        let scope = Scope { uploader_id };
        let listed = search(&target, &Query::new(typed), scope, Sort::Newest, part).unwrap();
        assert_eq!(listed.total, 1, "{typed}");
    }
    assert_eq!(
        found(&target, "select * from torrent_snapshots"),
        [format!("{walrus}|http://other.example/announce|1714514400|5|6|7")]
    );
}

fn torrents_find(target: &Connection, byte: u8) -> i64 {
    crate::db::torrents::find(target, &InfoHash([byte; 20])).unwrap().unwrap().torrent_id
}

#[test]
fn comments_and_messages_are_of_whoever_had_the_name_then() {
    let (_folder, _report, target) = imported();
    assert_eq!(
        found(
            &target,
            "select comment_id, torrent_id, parent_id, author_id, author, body, is_deleted
             from comments"
        ),
        [
            "1|1|-|2|ann||1",
            "2|1|1|-|erin|hello @ann|0",
            // An answer to another torrent's stands for itself.
            "3|2|-|9|boss|of another torrent|0",
        ]
    );
    assert_eq!(
        found(
            &target,
            "select message_id, conversation_id, sender_id, sender, recipient_id, recipient,
                 hidden_by_sender from direct_messages"
        ),
        [
            "1|1|-|bob|2|ann|0",
            "2|1|2|ann|-|bob|0",
            "3|3|2|ann|6|bob|1",
            "4|3|6|bob|2|ann|0",
            "5|5|9|boss|2|ann|0",
        ]
    );
    assert_eq!(
        found(&target, "select conversation_id, subject, is_broadcast from conversations"),
        ["1|Hi|0", "3|New|0", "5|All|1"]
    );
    // The bob that ann wants nothing of is the one before.
    assert_eq!(found(&target, "select user_id, blocked_id from blocks"), ["2|7"]);
    assert_eq!(
        found(
            &target,
            "select user_id, kind, actor_id, actor, torrent_id, comment_id, bounty_id,
                 bounty_comment_id, order_id, points, is_read from notifications"
        ),
        [
            "2|mention|-|erin|1|2|-|-|-|-|1",
            "2|bounty_contribution|6|bob|-|-|1|-|-|30|0",
            "2|bounty_mention|6|bob|-|-|1|1|-|-|0",
            "2|topup_credited|-||-|-|-|-|1|-|0",
            "6|follow_new_follower|2|ann|-|-|-|-|-|-|0",
        ]
    );
}

#[test]
fn ledger_is_even_and_every_balance_is_as_it_was() {
    let (_folder, report, target) = imported();
    let of = |account| balance(&target, account).unwrap();
    let members = [2, 3, 6, 9].map(|user_id| of(Account::Member(user_id)));
    assert_eq!(members, [120, 0, 0, 7]);
    assert_eq!((of(Account::Escrow(1)), of(Account::Import)), (80, 0));
    let sum = found(&target, "select sum(balance) from ledger_accounts");
    assert_eq!(sum, ["0"]);
    assert_eq!(
        found(
            &target,
            "select key, code, subject, amount, from_balance, to_balance from ledger_entries
             join ledger_transfers using (entry_id)
             where key not like 'import:%' order by entry_id"
        ),
        [
            "login:2:19725|login|2024-01-03|1|-1|1".to_owned(),
            format!("upload:{0}|upload|{0}|25|-26|26", "a".repeat(40)),
            "topup:1:credit|topup|1|2500|-2500|2561".to_owned(),
        ]
    );
    assert_eq!(report.times("points_ledger", "balances kept by one more row"), 2);
    assert_eq!(report.times("points_ledger", "left out: they moved nothing"), 1);
    assert_eq!(report.times("points_ledger", "left out: of an account that is gone"), 1);
    let again = crate::db::ledger::Entry {
        key: "login:2:19725",
        code: "login",
        at: NOW,
        actor_id: None,
        subject: "",
        reason: "",
        is_imported: false,
    };
    assert_eq!(crate::db::ledger::post(&target, &again, &[]).unwrap(), None);
}

#[test]
fn bounties_and_orders_are_in_the_state_they_were_in() {
    let (_folder, _report, target) = imported();
    assert_eq!(
        found(
            &target,
            "select bounty_id, creator_id, creator, status, initial_cost, total_escrow,
                 datetime(expires_at, 'unixepoch'), closed_at is null from bounties"
        ),
        [
            "1|2|ann|pending|50|80|2024-07-01 22:00:00|1",
            "2|-|bob|expired|20|20|2024-02-10 22:00:00|0",
            // What was put to it is what it holds.
            "3|2|ann|fulfilled|10|10|2024-05-01 22:00:00|0",
        ]
    );
    assert_eq!(
        found(
            &target,
            "select bounty_id, claimer_id, claimer, torrent_id, state from bounty_claims"
        ),
        ["1|6|bob|2|undecided", "3|-|erin|3|accepted"]
    );
    // Carol voted for a claim before.
    assert_eq!(found(&target, "select claim_id, voter_id, voter from bounty_votes"), ["1|3|Ann-2"]);
    assert_eq!(
        found(&target, "select bounty_id, contributor_id, amount from bounty_contributions"),
        ["1|2|50", "1|6|30", "3|2|10", "2|-|20"]
    );
    assert_eq!(
        found(
            &target,
            "select order_id, user_id, username, checkout_id, status, key from topup_orders
             left join ledger_entries on entry_id = credit_entry_id"
        ),
        ["1|2|ann|CHK|credited|topup:1:credit", "2|-|||review|-"]
    );
    assert_eq!(
        found(&target, "select event_id, is_authentic, order_id from topup_webhook_events"),
        ["WH-1|0|-", "WH-1|1|1"]
    );
    assert_eq!(
        found(&target, "select order_id, actor, note from topup_reconciliations"),
        ["2|ann|looked at"]
    );
}
