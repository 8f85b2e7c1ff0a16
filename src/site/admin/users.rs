//! All accounts, and a new one.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::change::{log, user_url};
use super::{Tab, now};
use crate::db::names::check_name;
use crate::db::user_list::{self, Listed, State as Doing, Wanted};
use crate::db::users::{self, NewUser, Role, User};
use crate::db::{self};
use crate::site::form::Form;
use crate::site::members::Members;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::permissions::{may_make, may_manage};
use crate::site::session::Member;
use crate::site::torrents::pager::Pager;
use crate::site::{Error, Site, numbers, password};

/// What a URL asks of the accounts. What is odd is read as the nearest that makes sense.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    role: String,
    state: String,
    page: String,
}

/// States to choose, as they are called in a URL and by people.
pub const STATES: [(&str, &str, Doing); 3] = [
    ("active", "In use", Doing::Active),
    ("disabled", "Disabled", Doing::Disabled),
    ("locked", "Locked", Doing::Locked),
];

impl Asked {
    fn wanted(&self) -> Wanted {
        let state = STATES.iter().find(|(word, ..)| *word == self.state);
        Wanted {
            name: self.q.trim().to_owned(),
            role: role(&self.role),
            state: state.map(|(.., state)| *state),
        }
    }
}

/// The role of a name as forms have it: `standard`.
pub fn role(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name))
}

#[derive(Debug, Template)]
#[template(path = "admin/users.html")]
struct UsersPage<'a> {
    viewer: Viewer,
    tab: Tab,
    asked: &'a Asked,
    listed: Listed,
}

impl UsersPage<'_> {
    fn total(&self) -> String {
        numbers::count(self.listed.total)
    }

    fn may_manage(&self, user: &User) -> bool {
        may_manage(self.viewer.role, user.role)
    }

    fn url(&self, page: u64) -> String {
        self.pager().url(&page)
    }

    fn pager(&self) -> Pager {
        let Asked { q, role, state, .. } = self.asked;
        let parameters = [("q", &**q), ("role", role), ("state", state)];
        Pager::new(Tab::Users.path(), &parameters, (self.listed.page, self.listed.pages))
    }
}

/// `GET /manage/admin/users`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let (wanted, page) = (asked.wanted(), asked.page.trim().parse().unwrap_or(1));
    let look = move |conn: &db::Connection| user_list::list(conn, &wanted, page, now());
    let listed = site.members()?.database.read(look).await?;
    let page = UsersPage { viewer: Viewer::from(&member), tab: Tab::Users, asked: &asked, listed };
    Ok(Html(page.render()?))
}

#[derive(Debug, Template)]
#[template(path = "admin/new_user.html")]
struct NewUserPage<'a> {
    viewer: Viewer,
    tab: Tab,
    username: &'a str,
    role: Role,
    roles: Vec<Role>,
    rules: Vec<String>,
    faults: Faults,
}

/// What is wrong with a new account, field by field.
#[derive(Debug, Default)]
struct Faults {
    username: Option<String>,
    password: Option<String>,
    role: Option<String>,
}

impl Faults {
    fn is_none(&self) -> bool {
        self.username.is_none() && self.password.is_none() && self.role.is_none()
    }
}

fn new_page(
    members: &Members,
    member: &Member,
    (username, role): (&str, Role),
    faults: Faults,
) -> Result<Response, Error> {
    let roles = Role::ALL.into_iter().filter(|role| may_make(member.role(), *role)).collect();
    let wants = password::rules(&members.settings(), "").into_iter().map(|(rule, _)| rule);
    let is_fine = faults.is_none();
    let page = NewUserPage {
        viewer: Viewer::from(member),
        tab: Tab::NewUser,
        username,
        role,
        roles,
        rules: wants.collect(),
        faults,
    };
    let status = if is_fine { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Html(page.render()?)).into_response())
}

/// `GET /manage/admin/users/new`.
///
/// # Errors
/// When the page cannot be written.
pub async fn new(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    new_page(site.members()?, &member, ("", Role::Basic), Faults::default())
}

/// `POST /manage/admin/add-user`.
///
/// # Errors
/// When the database cannot be written, or the system gives no randomness.
pub async fn add(State(site): State<Site>, member: Member, form: Form) -> Result<Response, Error> {
    let members = site.members()?;
    let username = form.text("username").to_owned();
    let typed = form.raw("password").to_owned();
    let asked =
        if form.text("role").is_empty() { Some(Role::Basic) } else { role(form.text("role")) };
    let role = asked.filter(|role| may_make(member.role(), *role));
    let faults = Faults {
        username: check_name(&username).err(),
        password: password::check(&members.settings(), &typed).err(),
        role: role.is_none().then(|| "You may not make such an account.".to_owned()),
    };
    let again = (&*username, role.unwrap_or_default());
    let (Some(role), true) = (role, faults.is_none()) else {
        return new_page(members, &member, again, faults);
    };
    let password_hash = members.hashing.hash(typed).await.ok_or(Error::Busy)?;
    let (actor, name) = (member.clone(), username.clone());
    let work = move |tx: &db::Transaction<'_>| -> Result<bool, Error> {
        let new = NewUser {
            username: &name,
            password_hash: &password_hash,
            role,
            created_how: "staff",
            created_by: Some(actor.user_id()),
            now: now(),
        };
        let is_made = users::insert(tx, &new)?.is_some();
        if is_made {
            log(tx, &actor, "create_user", &name, role.name())?;
        }
        Ok(is_made)
    };
    if !members.database.write(work).await? {
        let username = Some("This name is taken.".to_owned());
        return new_page(members, &member, again, Faults { username, ..Faults::default() });
    }
    let flash = Flash::success(format!("{username} is a member now."));
    Ok(go_told(members, &member, &user_url(&username), flash).await?)
}
