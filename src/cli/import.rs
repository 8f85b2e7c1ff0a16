//! `wildkat import`: a database of the earlier tracker becomes one of ours.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use argh::{ArgsInfo, FromArgs};

use super::{Exit, arguments};
use crate::db::import::{self, Offset, Request};

/// make a database of the members' site from one of the earlier tracker:
/// wildkat import --from OLD --db NEW
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    example = "{command_name} --from tracker.db --dry-run --super-user admin
{command_name} --from tracker-backup.db.gz --db new.db --super-user admin --time-zone +02:00",
    note = "Members keep their passwords. The old database is only read; the new one appears whole,
  at the end, or not at all. `wildkat serve --registration --db new.db` starts with it."
)]
struct ImportArguments {
    /// database of the earlier tracker, or a .db.gz that it made as a backup
    #[argh(option)]
    from: PathBuf,
    /// where the new database is to be; nothing may be there yet
    #[argh(option)]
    db: Option<PathBuf>,
    /// do it all, tell what came of it, and keep nothing
    #[argh(switch)]
    dry_run: bool,
    /// account that is to own the site
    #[argh(option)]
    super_user: Option<String>,
    /// clock of the earlier tracker, as UTC or its distance from it: +02:00, -0330 (default UTC)
    #[argh(option, default = "\"UTC\".to_owned()")]
    time_zone: String,
    /// give accounts other names whose names differ in case alone
    #[argh(switch)]
    rename_collisions: bool,
    /// take over the secrets of payment providers
    #[argh(switch)]
    with_payment_secrets: bool,
    /// file for what is told
    #[argh(option)]
    report: Option<PathBuf>,
}

/// Carries out the verb.
///
/// # Errors
/// A usage error, why it cannot be done, or what was done.
pub(super) fn run(
    typed: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(), Exit> {
    let arguments: ImportArguments = arguments::read("import", typed, &[], environment)?;
    let failed = |error: &dyn std::fmt::Display| Exit::Failed(format!("Error: {error}"));
    let offset: Offset = arguments
        .time_zone
        .parse()
        .map_err(|fault| Exit::Usage(format!("Error: --time-zone: {fault}")))?;
    let to = match (&arguments.db, arguments.dry_run) {
        (Some(path), _) => path.clone(),
        (None, true) => std::env::temp_dir().join(format!("wildkat-{}.db", std::process::id())),
        (None, false) => {
            return Err(Exit::Usage(
                "Error: --db says where the new database is to be; --dry-run needs none".to_owned(),
            ));
        }
    };
    // Before hours of work, not after.
    let report =
        arguments.report.as_deref().map(|path| open_report(path, &arguments)).transpose()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let request = Request {
        from: &arguments.from,
        to: &to,
        is_dry: arguments.dry_run,
        offset,
        super_user: arguments.super_user.as_deref(),
        renames_collisions: arguments.rename_collisions,
        with_payment_secrets: arguments.with_payment_secrets,
        now: i64::try_from(now.as_secs()).unwrap_or_default(),
    };
    let told = import::run(&request).map_err(|error| failed(&error))?;
    let told = format!("{}\n{told}", heading(&arguments, offset));
    if let Some(report) = report {
        report.write(&told).map_err(|error| {
            Exit::Failed(format!("{told}\nError: --report cannot be written: {error}"))
        })?;
    }
    Err(Exit::Told(told))
}

fn heading(arguments: &ImportArguments, offset: Offset) -> String {
    let from = arguments.from.display();
    let what = match &arguments.db {
        _ if arguments.dry_run => format!("Import of {from}, tried: nothing was kept."),
        Some(db) => format!("Import of {from} to {}.", db.display()),
        None => String::new(),
    };
    let owner = match &arguments.super_user {
        Some(name) => format!("{name} owns the site."),
        None => "Nobody owns the site yet: --super-user names who does.".to_owned(),
    };
    format!("{what}\nTimes without a zone were taken as {offset}. {owner}\n")
}

/// The file of the report. One that was not there goes away with this, unless it is written.
struct ReportFile<'a> {
    path: &'a Path,
    file: File,
    is_new: bool,
}

impl ReportFile<'_> {
    fn write(mut self, told: &str) -> io::Result<()> {
        self.is_new = false;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(told.as_bytes())
    }
}

impl Drop for ReportFile<'_> {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(self.path); // who else has done so is right
        }
    }
}

/// Opens the file of the report, and changes nothing of it yet.
fn open_report<'a>(path: &'a Path, arguments: &ImportArguments) -> Result<ReportFile<'a>, Exit> {
    let refused = |why: &str| Exit::Failed(format!("Error: --report {}: {why}", path.display()));
    let databases = [Some(&arguments.from), arguments.db.as_ref()];
    if databases.into_iter().flatten().any(|database| place(database) == place(path)) {
        return Err(refused("that is the database"));
    }
    let (file, is_new) = match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            (File::options().write(true).open(path), false)
        }
        created => (created, true),
    };
    let file = file.map_err(|error| refused(&error.to_string()))?;
    Ok(ReportFile { path, file, is_new })
}

/// Where a file is or would be, whatever way leads there.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let by_folder = || {
        let folder = folder.unwrap_or_else(|| Path::new(".")).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(by_folder).unwrap_or_else(|| path.to_owned())
}
