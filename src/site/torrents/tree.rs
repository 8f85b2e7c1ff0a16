//! The files of a torrent as folders within folders, in the order in which a page draws them.

use std::collections::BTreeMap;

use crate::protocol::metainfo::File;
use crate::site::numbers;

/// Most files that a page draws; a torrent may have a hundred thousand.
pub const FILES_SHOWN_MAX: usize = 2_000;
/// Deepest folder that is drawn as one; what is deeper is named with its path.
const DEPTH_MAX: usize = 32;

/// A step in drawing a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A folder begins.
    Open {
        /// Its name.
        name: String,
        /// Files in it, and in the folders in it.
        files: usize,
        /// Bytes of these.
        size: String,
    },
    /// A file in the folder that began last and has not ended.
    File {
        /// Its name.
        name: String,
        /// Its bytes.
        size: String,
    },
    /// The folder that began last ends.
    Close,
}

#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: Vec<(&'a str, u64)>,
    count: usize,
    bytes: u64,
}

/// The steps for the first [`FILES_SHOWN_MAX`] files, folders first and each by its name; and how
/// many files there are beyond.
pub fn steps(files: &[File]) -> (Vec<Step>, usize) {
    let shown = &files[..files.len().min(FILES_SHOWN_MAX)];
    let mut root = Folder::default();
    for file in shown {
        root.add(file);
    }
    let mut steps = Vec::with_capacity(2 * shown.len());
    root.draw(&mut steps);
    (steps, files.len() - shown.len())
}

impl<'a> Folder<'a> {
    fn add(&mut self, file: &'a File) {
        let mut folder = self;
        let mut rest = &*file.path;
        for _ in 0..DEPTH_MAX {
            let Some((name, behind)) = rest.split_once('/') else { break };
            folder = folder.folders.entry(name).or_default();
            folder.count += 1;
            folder.bytes += file.length; // all of a torrent stay below 2^63
            rest = behind;
        }
        folder.files.push((rest, file.length));
    }

    /// Goes as deep as `DEPTH_MAX`.
    fn draw(&mut self, steps: &mut Vec<Step>) {
        for (name, folder) in &mut self.folders {
            let size = numbers::bytes(folder.bytes);
            steps.push(Step::Open { name: (*name).to_owned(), files: folder.count, size });
            folder.draw(steps);
            steps.push(Step::Close);
        }
        self.files.sort_unstable();
        steps.extend(self.files.iter().map(|(name, length)| Step::File {
            name: (*name).to_owned(),
            size: numbers::bytes(*length),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(paths: &[&str]) -> String {
        let file = |path: &&str| File { path: (*path).to_owned(), length: 1 };
        let files: Vec<_> = paths.iter().map(file).collect();
        let step = |step: &Step| match step {
            Step::Open { name, files, size } => format!("{name}({files}, {size})["),
            Step::File { name, .. } => format!("{name} "),
            Step::Close => "]".to_owned(),
        };
        steps(&files).0.iter().map(step).collect()
    }

    #[test]
    fn folders_come_first_with_what_is_in_them() {
        assert_eq!(
            drawn(&["z", "b/y", "b/a/x", "b/a/w", "c/v", "a"]),
            "b(3, 3 B)[a(2, 2 B)[w x ]y ]c(1, 1 B)[v ]a z "
        );
        assert_eq!(drawn(&[]), "");
    }

    #[test]
    fn neither_depth_nor_number_grows_a_page_beyond_its_bounds() {
        let deep = vec!["d"; 5_000].join("/");
        let shown = drawn(&[&deep]);
        assert_eq!(shown.matches('[').count(), DEPTH_MAX);
        let file = File { path: "x".to_owned(), length: 1 };
        let (steps, beyond) = steps(&vec![file; FILES_SHOWN_MAX + 3]);
        assert_eq!((steps.len(), beyond), (FILES_SHOWN_MAX, 3));
    }
}
