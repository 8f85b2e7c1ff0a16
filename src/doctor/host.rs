//! The files in which a host tells of itself, below any root, so that a check can be shown a host
//! that is made up.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::finding::Unseen;
use crate::limits::doctor as limits;

/// A host, seen through its files.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The host whose `/proc` and `/sys` lie below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Host {
        Host { root: root.into() }
    }

    /// Whether it is the one we run on.
    pub fn is_this_one(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where `path`, which begins with a slash, lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether there is such a file or folder.
    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// An open file.
    ///
    /// # Errors
    /// Why it cannot be opened, with its name.
    pub fn open(&self, path: &str) -> Result<File, Unseen> {
        File::open(self.path(path)).map_err(|error| Unseen(format!("{path}: {error}")))
    }

    /// What is in a file.
    ///
    /// # Errors
    /// Why it cannot be read, with its name.
    pub fn text(&self, path: &str) -> Result<String, Unseen> {
        let mut bytes = Vec::new();
        let read = self.open(path)?.take(limits::FILE_LEN_MAX).read_to_end(&mut bytes);
        read.map_err(|error| Unseen(format!("{path}: {error}")))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The one number, or other word, that a file holds.
    ///
    /// # Errors
    /// As [`Host::text`], or that it holds something else.
    pub fn value<T: FromStr>(&self, path: &str) -> Result<T, Unseen> {
        let text = self.text(path)?;
        text.trim().parse().map_err(|_| nonsense(path, text.trim()))
    }

    /// A kernel parameter by its name: `net.core.rmem_max`.
    ///
    /// # Errors
    /// As [`Host::value`].
    pub fn sysctl<T: FromStr>(&self, name: &str) -> Result<T, Unseen> {
        self.value(&format!("/proc/sys/{}", name.replace('.', "/")))
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// Why it cannot be read, with its name.
    pub fn names(&self, path: &str) -> Result<Vec<String>, Unseen> {
        let entries = std::fs::read_dir(self.path(path));
        let entries = entries.map_err(|error| Unseen(format!("{path}: {error}")))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(limits::NAMES_MAX).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// How many cores are on.
    ///
    /// # Errors
    /// As [`Host::text`], or that it is no list of cores.
    pub fn cores(&self) -> Result<usize, Unseen> {
        let path = "/sys/devices/system/cpu/online";
        let text = self.text(path)?;
        let mut counts = text.trim().split(',').map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            last.checked_sub(first)?.checked_add(1)
        });
        let count = counts.try_fold(0_usize, |sum, count| sum.checked_add(count?));
        count.filter(|count| *count > 0).ok_or_else(|| nonsense(path, text.trim()))
    }
}

/// That a file holds something that is not understood.
pub fn nonsense(path: &str, text: &str) -> Unseen {
    let start: String = text.chars().take(60).collect();
    Unseen(format!("{path}: {start:?} is not understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_below_the_root_and_faults_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/sys/net/core")).unwrap();
        let host = Host::at(folder.path());
        let read = || host.sysctl::<u64>("net.core.rmem_max");
        assert!(read().unwrap_err().0.starts_with("/proc/sys/net/core/rmem_max: No such file"));
        std::fs::write(host.path("/proc/sys/net/core/rmem_max"), "212992\n").unwrap();
        assert_eq!(read(), Ok(212_992));
        std::fs::write(host.path("/proc/sys/net/core/rmem_max"), "many\n").unwrap();
        assert!(read().unwrap_err().0.contains("\"many\" is not understood"));
        assert!(!host.is_this_one() && Host::at("/").is_this_one());
    }

    #[test]
    fn cores_are_counted_by_their_ranges() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("sys/devices/system/cpu")).unwrap();
        let host = Host::at(folder.path());
        for (text, count) in
            [("0-1", Some(2)), ("0", Some(1)), ("0-3,8-11\n", Some(8)), ("3-0", None), ("", None)]
        {
            std::fs::write(host.path("/sys/devices/system/cpu/online"), text).unwrap();
            assert_eq!(host.cores().ok(), count, "{text}");
        }
    }
}
