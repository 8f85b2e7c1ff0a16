//! `wildkat admin`: what is done to the members' site from the machine that it runs on, beside a
//! server that runs or not.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

use super::serve::members::{db_path, password_in};
use super::{Exit, arguments};
use crate::serve::set_password;

/// give an account another password: wildkat admin set-password NAME
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    example = "{command_name} set-password ann",
    note = "The account keeps all that it has; its sessions end, and it may sign in from everywhere
  again. It asks for the password at a terminal. A server may be running."
)]
struct AdminArguments {
    /// what to do: set-password
    #[argh(positional)]
    action: String,
    /// the account
    #[argh(positional)]
    name: String,
    /// database of the members' site (default as for serve)
    #[argh(option)]
    db: Option<PathBuf>,
    /// file whose first line is the password, which is not asked for then
    #[argh(option)]
    password_file: Option<PathBuf>,
}

/// Carries out the verb.
///
/// # Errors
/// A usage error, or why it cannot be done; nothing has changed then.
pub(super) fn run(
    typed: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(), Exit> {
    let arguments: AdminArguments = arguments::read("admin", typed, &[], environment)?;
    if arguments.action != "set-password" {
        return Err(Exit::Usage(format!(
            "Error: {:?} is nothing to do; it is `wildkat admin set-password NAME`",
            arguments.action
        )));
    }
    let path = db_path(arguments.db.as_deref());
    let given = arguments.password_file.as_deref().map(|file| password_in("--password-file", file));
    let done = set_password(&path, &arguments.name, given.transpose()?);
    done.map_err(|error| Exit::Failed(format!("Error: {error}")))?;
    Err(Exit::Told(format!("{} has another password now.\n", arguments.name)))
}
