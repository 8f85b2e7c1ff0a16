//! Who may do what: one table, which the gate before every page of the members' site obeys, the
//! pages ask what to show, and the tests go through row by row. A path that is not in it cannot be
//! reached.

use axum::http::Method;

use crate::db::users::Role;

/// Who may make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody, signed in or not.
    Anyone,
    /// Members from this role upwards.
    From(Role),
}

/// What a request brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brings {
    /// Nothing: it reads.
    Nothing,
    /// A form of some fields, with its token among them; the gate reads it whole.
    Form,
    /// A form with files, its token first; the handler reads it as it comes in, and checks that.
    Files,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gets {
    /// A page, on which a message from the action before is shown.
    Page,
    /// A file, a figure, or a way to another page.
    Other,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// GET, which includes HEAD, or POST.
    pub method: Method,
    /// As the router has it.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// With what.
    pub brings: Brings,
    /// For what.
    pub gets: Gets,
}

const fn page(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::GET, path, who, brings: Brings::Nothing, gets: Gets::Page }
}

const fn fetch(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::GET, path, who, brings: Brings::Nothing, gets: Gets::Other }
}

const fn form(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::POST, path, who, brings: Brings::Form, gets: Gets::Other }
}

const fn files(path: &'static str, who: Who) -> Rule {
    Rule { method: Method::POST, path, who, brings: Brings::Files, gets: Gets::Other }
}

const ANYONE: Who = Who::Anyone;
const BASIC: Who = Who::From(Role::Basic);
const STANDARD: Who = Who::From(Role::Standard);
const ADMIN: Who = Who::From(Role::Admin);
const SUPER: Who = Who::From(Role::Super);

/// Every request of the members' site. What of it concerns one's own things alone is decided where
/// these are known: see the functions below.
pub const RULES: &[Rule] = &[
    // Coming in and going out.
    page("/manage", ANYONE),
    form("/manage/login", ANYONE),
    form("/manage/login/code", ANYONE),
    form("/manage/logout", BASIC),
    page("/manage/signup", ANYONE),
    form("/manage/signup", ANYONE),
    page("/manage/invite/{code}", ANYONE),
    form("/manage/invite/{code}", ANYONE),
    // One's own account, and those of others.
    page("/manage/profile", BASIC),
    form("/manage/profile/settings", BASIC),
    form("/manage/profile/end-session", BASIC),
    page("/manage/profile/second-factor", BASIC),
    form("/manage/profile/second-factor/begin", BASIC),
    form("/manage/profile/second-factor/confirm", BASIC),
    form("/manage/profile/second-factor/end", BASIC),
    page("/manage/password", BASIC),
    form("/manage/password", BASIC),
    page("/manage/user/{username}", STANDARD),
    // Torrents.
    page("/manage/dashboard", BASIC),
    page("/manage/search", BASIC),
    files("/manage/upload", BASIC),
    page("/manage/torrent/{info_hash}", BASIC),
    fetch("/manage/torrent/{info_hash}/download", BASIC),
    form("/manage/delete-torrent", BASIC),
    form("/manage/delete-all-torrents-user", BASIC),
    form("/manage/torrent/update-peers", BASIC),
    // Administration.
    page("/manage/admin", ADMIN),
    page("/manage/admin/torrents", ADMIN),
    page("/manage/admin/users", ADMIN),
    page("/manage/admin/users/new", ADMIN),
    form("/manage/admin/add-user", ADMIN),
    page("/manage/admin/user/{username}", ADMIN),
    page("/manage/admin/set-password/{username}", ADMIN),
    form("/manage/admin/set-password", ADMIN),
    form("/manage/admin/unlock", ADMIN),
    form("/manage/admin/disable-user", ADMIN),
    form("/manage/admin/enable-user", ADMIN),
    form("/manage/admin/set-role", ADMIN),
    form("/manage/admin/delete-user", ADMIN),
    form("/manage/admin/ip-lock", SUPER),
    form("/manage/admin/ip-lock-remove", SUPER),
    form("/manage/admin/ip-lock-clear", SUPER),
    page("/manage/admin/invites", ADMIN),
    form("/manage/admin/generate-invite", ADMIN),
    form("/manage/admin/delete-invite", ADMIN),
    page("/manage/admin/trackers", ADMIN),
    form("/manage/admin/tracker-add", ADMIN),
    form("/manage/admin/tracker-delete", ADMIN),
    form("/manage/admin/tracker-toggle", ADMIN),
    form("/manage/admin/tracker-move", ADMIN),
    page("/manage/admin/settings", SUPER),
    form("/manage/admin/save-settings", SUPER),
    page("/manage/admin/database", SUPER),
    fetch("/manage/admin/db-backup", SUPER),
    files("/manage/admin/db-restore", SUPER),
    page("/manage/admin/danger", SUPER),
    form("/manage/admin/delete-all-users", SUPER),
    form("/manage/admin/delete-all-torrents", SUPER),
    form("/manage/admin/system-wipe", SUPER),
    page("/manage/admin/events", ADMIN),
    fetch("/manage/admin/events.csv", SUPER),
];

/// The row for a request; `None` where there is none.
pub fn rule(method: &Method, path: &str) -> Option<&'static Rule> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    RULES.iter().find(|rule| rule.method == *method && rule.path == path)
}

impl Who {
    /// Whether a member of this role is among them; `None`: nobody is signed in.
    pub fn includes(self, role: Option<Role>) -> bool {
        match (self, role) {
            (Who::Anyone, _) => true,
            (Who::From(least), Some(role)) => role >= least,
            (Who::From(_), None) => false,
        }
    }
}

/// Whether a member may take a torrent away: its uploader, and the staff.
pub fn may_delete_torrent(role: Role, is_own: bool) -> bool {
    is_own || role >= Role::Admin
}

/// Whether the torrents of others are listed to a member.
pub fn sees_all_torrents(role: Role) -> bool {
    role >= Role::Standard
}

/// Whether a member of the staff may change the account of another: its password, its role, whether
/// it may be used. The owner's is the owner's own affair.
pub fn may_manage(actor: Role, target: Role) -> bool {
    target < Role::Super && actor >= Role::Admin && actor > target
}

/// Whether a member of the staff may make an account of this role.
pub fn may_make(actor: Role, role: Role) -> bool {
    match actor {
        Role::Super => role < Role::Super,
        Role::Admin => role == Role::Basic,
        _ => false,
    }
}

/// Whether a member of the staff may turn the role of somebody they manage into another.
pub fn may_set_role(actor: Role, from: Role, to: Role) -> bool {
    may_manage(actor, from) && may_manage(actor, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_and_what_changes_something_is_a_form() {
        for (number, rule) in RULES.iter().enumerate() {
            let others = RULES[number + 1..].iter();
            assert!(!others.clone().any(|o| o.path == rule.path && o.method == rule.method));
            assert_eq!(rule.method == Method::POST, rule.brings != Brings::Nothing, "{rule:?}");
            assert!(rule.path.starts_with("/manage"));
        }
    }

    #[test]
    fn staff_manages_those_below_alone() {
        let may = |actor, target| may_manage(actor, target);
        assert!(may(Role::Admin, Role::Standard) && may(Role::Super, Role::Admin));
        assert!(!may(Role::Admin, Role::Admin) && !may(Role::Super, Role::Super));
        assert!(!may(Role::Standard, Role::Basic));
        let (basic, standard, admin) = (Role::Basic, Role::Standard, Role::Admin);
        assert!(may_set_role(admin, basic, standard) && may_set_role(admin, standard, basic));
        assert!(!may_set_role(admin, basic, admin) && !may_set_role(admin, admin, basic));
        assert!(may_set_role(Role::Super, basic, admin) && may_set_role(Role::Super, admin, basic));
        assert!(!may_set_role(Role::Super, basic, Role::Super));
        assert!(may_make(admin, basic) && !may_make(admin, standard));
        assert!(may_make(Role::Super, admin) && !may_make(Role::Super, Role::Super));
    }
}
