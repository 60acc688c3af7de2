//! The text of a policy file, and places in it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pullward_core::limits;

use super::problem::{Fault, Problem};

/// A place in a file, as editors count: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Character in the line.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A policy file that has been read.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Files that it names and that are not on disk yet.
    files: BTreeMap<String, Vec<u8>>,
}

impl Source {
    /// Reads a policy file.
    ///
    /// # Errors
    /// One [`Problem`] where it cannot be read, is larger than [`limits::POLICY_FILE_BYTES`], or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let problem = |fault| vec![Problem { path: path.to_owned(), position: None, fault }];
        let bytes = read_capped(path, limits::POLICY_FILE_BYTES)
            .map_err(|reason| problem(Fault::Unreadable { reason }))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            problem(Fault::NotUtf8 { at })
        })?;
        Ok(Self::new(path.to_owned(), text))
    }

    /// A policy that is not read from a file; `path` says where its key files are looked for.
    #[must_use]
    pub fn new(path: PathBuf, text: String) -> Self {
        Self { path, text, files: BTreeMap::new() }
    }

    /// The same with files that are at hand and not on disk, by the names that the policy gives them.
    #[must_use]
    pub fn with_files(self, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { files, ..self }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name without folders: what a trust bundle calls it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// The path of a file that it names.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
    }

    /// The bytes of a file that it names, at most `cap`.
    ///
    /// # Errors
    /// The reason, without the file's name.
    pub fn read_beside(&self, name: &str, cap: u64) -> Result<Vec<u8>, String> {
        match self.files.get(name) {
            Some(bytes) => Ok(bytes.clone()),
            None => read_capped(&self.beside(name), cap),
        }
    }

    /// Line and column of a byte.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        Position { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }

    /// A problem at a place.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, fault: Fault) -> Problem {
        Problem { path: self.path.clone(), position: Some(self.position(span.start)), fault }
    }

    /// A problem of the file as a whole.
    #[must_use]
    pub fn problem_of_file(&self, fault: Fault) -> Problem {
        Problem { path: self.path.clone(), position: None, fault }
    }
}

/// Reads a file of at most `cap` bytes; the cap is checked on what is read, not on what the file system says.
///
/// # Errors
/// The reason, without the file's name.
pub fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > cap {
        return Err(format!("it is larger than {cap} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Position, Source};

    #[test]
    fn columns_count_characters_from_one() {
        let source = Source::new("p.toml".into(), "a = 1\nbé = 2\n".into());
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(4), Position { line: 1, column: 5 });
        assert_eq!(source.position(10), Position { line: 2, column: 4 });
        assert_eq!(source.position(1000), Position { line: 3, column: 1 });
    }

    #[test]
    fn key_files_are_beside_the_policy() {
        assert_eq!(
            Source::new("/etc/p/policy.toml".into(), String::new()).beside("a.pub"),
            std::path::Path::new("/etc/p/a.pub")
        );
        assert_eq!(
            Source::new("policy.toml".into(), String::new()).beside("a.pub"),
            std::path::Path::new("a.pub")
        );
    }
}
