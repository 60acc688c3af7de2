//! Others' test data, where it is at hand. It is not part of the repository: a test that finds none says so and passes,
//! and leaves to what comes from the package registry.

use std::path::{Path, PathBuf};

use pullward_core::oci::Digest;
use serde_json::Value;

/// The folder that holds the corpora.
#[derive(Debug, Clone)]
pub struct Corpora {
    root: PathBuf,
}

impl Corpora {
    /// `PULLWARD_CORPORA`, else `shared/corpora` beside the repository. `None`, with a line that says so, where there
    /// is no such folder.
    ///
    /// # Panics
    /// Where `PULLWARD_CORPORA` names a folder that is not there: who sets it wants them run.
    #[must_use]
    pub fn at_hand(test: &str) -> Option<Self> {
        let named = std::env::var_os("PULLWARD_CORPORA").map(PathBuf::from);
        let root = named.clone().unwrap_or_else(|| {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..").join("shared").join("corpora")
        });
        if root.is_dir() {
            return Some(Self { root });
        }
        assert!(named.is_none(), "PULLWARD_CORPORA={} is no folder", root.display());
        println!("{test}: no corpora at hand, nothing of them was run");
        None
    }

    /// Where a file of the corpora is.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The bytes of a file, by its path in the corpora.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let path = self.root.join(path);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A JSON document.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.bytes(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The rows of a corpus.
    ///
    /// # Panics
    /// Where its manifest cannot be read.
    #[must_use]
    pub fn manifest(&self, corpus: &str) -> Vec<Value> {
        let path = format!("{corpus}/manifest.jsonl");
        let bytes = self.bytes(&path);
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The contents of all files of a folder.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn files(&self, folder: &str) -> Vec<Vec<u8>> {
        let path = self.root.join(folder);
        let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
    }

    /// All files below some folders, by their path in the corpora, sorted.
    ///
    /// # Panics
    /// Where one cannot be read.
    #[must_use]
    pub fn tree(&self, folders: &[&str]) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let mut open: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
        while let Some(path) = open.pop() {
            let full = self.root.join(&path);
            if !full.is_dir() {
                files.push((path.clone(), self.bytes(&path)));
                continue;
            }
            let entries = std::fs::read_dir(&full).unwrap_or_else(|error| panic!("{path}: {error}"));
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            open.extend(names.map(|name| format!("{path}/{name}")));
        }
        files.sort();
        files
    }

    /// The file of a folder whose content has this SHA-256, in hex.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn layer(&self, folder: &str, hex: &str) -> Vec<u8> {
        let found = self.files(folder).into_iter().find(|content| Digest::of(content).hex() == hex);
        found.unwrap_or_else(|| panic!("{folder} has no content of digest {hex}"))
    }
}
