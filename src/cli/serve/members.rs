//! The arguments of the members' site.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ServeArguments, on, refuse_if};
use crate::cli::Exit;
use crate::cli::domain::Domain;
use crate::config;

/// Where the database lies when nobody says so, if there is such a folder.
const FOLDER: &str = "/opt/tracker";
const FILE: &str = "tracker.db";
/// Longest name of an account.
const NAME_CHARS_MAX: usize = 32;

impl ServeArguments {
    /// Whether what concerns the members' site fits together.
    ///
    /// # Errors
    /// The fault and its cure.
    pub(super) fn check_members(&self) -> Result<(), Exit> {
        let no_site_port = self.web_https_port == 0 && self.manage_port == 0;
        let has_password =
            !self.super_user_password.is_empty() || self.super_user_password_file.is_some();
        refuse_if(
            self.registration && self.super_user.is_empty(),
            "--registration requires --super-user",
        )?;
        refuse_if(
            self.registration && no_site_port,
            "--registration requires --web-https-port or --manage-port (HTTPS required)",
        )?;
        refuse_if(
            has_password && self.super_user.is_empty(),
            "--super-user-password requires --super-user",
        )?;
        refuse_if(
            has_password && !self.registration,
            "--super-user-password is for the first start with --registration; \
             `wildkat admin set-password` gives an account another one",
        )?;
        refuse_if(
            self.registration && self.pair().is_none(),
            "--registration requires TLS: name a certificate with --cert and --key, or have one \
             made with --tls-self-signed",
        )?;
        refuse_if(
            self.registration && !is_name(&self.super_user),
            "--super-user is a name of 1 to 32 of the characters A-Z a-z 0-9 . _ -",
        )
    }

    /// The members' site, where there is to be one.
    ///
    /// # Errors
    /// When the file of the password cannot be read.
    pub(super) fn members(&self) -> Result<Option<config::Members>, Exit> {
        if !self.registration {
            return Ok(None);
        }
        let typed = Some(self.super_user_password.clone()).filter(|typed| !typed.is_empty());
        let read = self.super_user_password_file.as_deref();
        let read = read.map(|file| password_in("--super-user-password-file", file)).transpose()?;
        Ok(Some(config::Members {
            db: self.db_path(),
            owner: self.super_user.clone(),
            owner_password: read.or(typed),
            https_port: on(self.manage_port),
            http_port: on(self.manage_http_port),
        }))
    }

    /// Where the database lies.
    fn db_path(&self) -> PathBuf {
        db_path(self.db.as_deref())
    }

    /// Whether we issue our certificate ourselves.
    pub(super) fn makes_own_pair(&self) -> bool {
        self.tls_self_signed && (self.cert.is_none() || self.key.is_none())
    }

    /// Where a certificate of our own and its key lie: beside the database.
    pub(super) fn own_pair(&self) -> Option<(PathBuf, PathBuf)> {
        let beside = |name| self.db_path().with_file_name(name);
        self.makes_own_pair().then(|| (beside("self-signed.crt"), beside("self-signed.key")))
    }
}

/// Where the database lies, if `named` does not say it.
pub(in crate::cli) fn db_path(named: Option<&Path>) -> PathBuf {
    let usual = || {
        let given = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from);
        let folder = Some(PathBuf::from(FOLDER)).filter(|folder| folder.is_dir());
        given.or(folder).unwrap_or_default().join(FILE)
    };
    named.map_or_else(usual, Path::to_owned)
}

/// What a certificate of our own is issued to.
pub(super) fn own_names(domain: &Domain) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if let Some(host) = domain.named_host() {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        names.insert(0, bare.unwrap_or(host).to_owned());
    }
    names
}

fn is_name(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_fine)
}

/// The first line of a file that an option names.
pub(in crate::cli) fn password_in(option: &str, path: &Path) -> Result<String, Exit> {
    let cannot = |fault: &str| Exit::Failed(format!("Error: {option} {}: {fault}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| cannot(&error.to_string()))?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    if password.is_empty() { Err(cannot("its first line is empty")) } else { Ok(password) }
}
