//! `index.json`, changed entry by entry: what others wrote into it stays as it is.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_INDEX};
use pullward_core::time::UnixTime;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{KEPT, StoreError, USED, Use};
use crate::evidence::pad::Attachment;

/// Its name.
pub(super) const FILE: &str = "index.json";

const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The entries.
#[derive(Debug, Clone)]
pub(super) struct Index {
    document: Map<String, Value>,
    pub(super) entries: Vec<Value>,
}

/// One entry of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The manifest's digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// The name behind which it stands, where it has one.
    pub name: Option<String>,
    /// Who put it there: `pullward` or `operator`.
    pub by: &'static str,
    /// When we put it there; null where an operator did.
    pub kept: Option<String>,
    /// When a verdict that allows used it last; null where none has, or where an operator put it there.
    pub used: Option<String>,
}

impl Index {
    /// Reads it; an absent one is empty.
    pub(super) fn read(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let mut bytes = Vec::new();
        match File::open(&path)
            .and_then(|file| file.take(limits::MANIFEST_BYTES.saturating_add(1)).read_to_end(&mut bytes))
        {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::empty()),
            Err(error) => return Err(StoreError::Io { path, error }),
        }
        let wrong = |detail: String| StoreError::Index { path: path.clone(), detail };
        let mut document = match serde_json::from_slice(&bytes) {
            Ok(Value::Object(document)) => document,
            Ok(_) => return Err(wrong("it is no object".to_owned())),
            Err(error) => return Err(wrong(error.to_string())),
        };
        match document.remove("manifests") {
            Some(Value::Array(entries)) => Ok(Self { document, entries }),
            _ => Err(wrong("it has no list of manifests".to_owned())),
        }
    }

    fn empty() -> Self {
        let mut document = Map::new();
        document.insert("schemaVersion".to_owned(), json!(2));
        document.insert("mediaType".to_owned(), json!(MEDIA_TYPE_INDEX));
        Self { document, entries: Vec::new() }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut document = self.document.clone();
        document.insert("manifests".to_owned(), Value::Array(self.entries.clone()));
        Value::Object(document).to_string().into_bytes()
    }

    pub(super) fn items(&self) -> Vec<Item> {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let note = |entry: &Value, key: &str| entry["annotations"][key].as_str().map(str::to_owned);
        let items = self.entries.iter().map(|entry| Item {
            digest: text(entry, "digest"),
            media_type: text(entry, "mediaType"),
            name: note(entry, REF_NAME),
            by: if is_ours(entry) { "pullward" } else { "operator" },
            kept: note(entry, KEPT),
            used: note(entry, USED),
        });
        items.collect()
    }

    /// Lists an attachment, or notes its use where it is listed already. Says whether anything changed.
    pub(super) fn add(&mut self, attachment: &Attachment, used: Use, now: UnixTime, step: u64) -> bool {
        let digest = attachment.manifest.to_string();
        let same = |entry: &&Value| {
            entry["digest"] == digest.as_str()
                && (attachment.name.is_none()
                    || entry["annotations"][REF_NAME].as_str() == attachment.name.as_deref())
        };
        if self.entries.iter().any(|entry| same(&entry)) {
            return used == Use::Verdict && self.touch(&attachment.manifest, now, step);
        }
        let mut annotations = Map::new();
        annotations.insert(KEPT.to_owned(), json!(now.to_string()));
        if used == Use::Verdict {
            annotations.insert(USED.to_owned(), json!(now.to_string()));
        }
        if let Some(name) = &attachment.name {
            annotations.insert(REF_NAME.to_owned(), json!(name));
        }
        self.entries.push(json!({
            "mediaType": attachment.media_type,
            "digest": digest,
            "size": attachment.size,
            "annotations": annotations,
        }));
        true
    }

    /// Notes a use of entries of ours, unless one was noted within `step` seconds.
    pub(super) fn touch(&mut self, manifest: &Digest, now: UnixTime, step: u64) -> bool {
        let digest = manifest.to_string();
        let mut changed = false;
        for entry in self.entries.iter_mut().filter(|entry| entry["digest"] == digest.as_str()) {
            let last = time(entry, USED);
            if !is_ours(entry) || last.is_some_and(|last| last.0.saturating_add(step) > now.0) {
                continue;
            }
            if let Some(Value::Object(annotations)) = entry.get_mut("annotations") {
                annotations.insert(USED.to_owned(), json!(now.to_string()));
                changed = true;
            }
        }
        changed
    }
}

/// Whether we put an entry into the store.
pub(super) fn is_ours(entry: &Value) -> bool {
    entry["annotations"][KEPT].is_string()
}

/// The digest of an entry.
pub(super) fn digest(entry: &Value) -> Option<Digest> {
    Digest::parse(entry["digest"].as_str()?).ok()
}

/// The name of an entry.
pub(super) fn name(entry: &Value) -> Option<String> {
    entry["annotations"][REF_NAME].as_str().map(str::to_owned)
}

/// A time in an entry's annotations.
pub(super) fn time(entry: &Value, key: &str) -> Option<UnixTime> {
    UnixTime::parse(entry["annotations"][key].as_str()?)
}
