//! What leaves the store: what is over, and the oldest where room is needed.
//!
//! In this order: evidence that was fetched and that no verdict has used; then what was used longest ago. What an operator
//! put there goes only when the operator says so. Content leaves with the last entry that leads to it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::time::UNIX_EPOCH;

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::index::{self, Index};
use super::{KEPT, Store, StoreError, USED, fits};

/// Whether something is done, or only said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It is done.
    Really,
    /// It is only said.
    DryRun,
}

/// What becomes of what an operator put into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operators {
    /// It stays.
    Keep,
    /// It goes as ours does, by the age of its file.
    Collect,
}

/// An entry that was, or would be, removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The manifest's digest.
    pub digest: String,
    /// The name behind which it stood.
    pub name: Option<String>,
    /// `unused`, `retain-over`, or `no-room`.
    pub why: &'static str,
}

impl Store {
    /// Removes what is over.
    ///
    /// # Errors
    /// [`StoreError`]; the store is as it was then.
    pub fn collect(
        &self,
        now: UnixTime,
        operators: Operators,
        doing: Doing,
    ) -> Result<Vec<Removed>, StoreError> {
        if !self.directory().exists() {
            return Ok(Vec::new());
        }
        // A dry run writes nothing, not even a lock: it may be wrong by what happens meanwhile.
        let _lock = match doing {
            Doing::Really => Some(self.lock()?),
            Doing::DryRun => None,
        };
        let mut index = Index::read(self.directory())?;
        let over = |entry: &Value| self.is_over(entry, now, operators);
        let (gone, stay): (Vec<_>, Vec<_>) = index.entries.drain(..).partition(|entry| over(entry).is_some());
        index.entries = stay;
        let removed = gone.iter().map(|entry| removed(entry, over(entry).unwrap_or_default())).collect();
        if doing == Doing::Really && !gone.is_empty() {
            self.write(&index)?;
            self.remove_content(&index, &gone);
        }
        Ok(removed)
    }

    /// Why an entry is over.
    fn is_over(&self, entry: &Value, now: UnixTime, operators: Operators) -> Option<&'static str> {
        let past = |since: u64, seconds: u64| since.saturating_add(seconds) < now.0;
        let retain = self.retain.as_secs();
        if !index::is_ours(entry) {
            let changed = self.changed(entry)?;
            return (operators == Operators::Collect && past(changed, retain)).then_some("retain-over");
        }
        match (index::time(entry, USED), index::time(entry, KEPT)) {
            (Some(used), _) => past(used.0, retain).then_some("retain-over"),
            (None, Some(kept)) => past(kept.0, limits::UNUSED_SECONDS.min(retain)).then_some("unused"),
            // What we would not have written is not taken for old.
            (None, None) => None,
        }
    }

    /// When the file of an entry was written last, in seconds since 1970.
    fn changed(&self, entry: &Value) -> Option<u64> {
        let changed = fs::symlink_metadata(self.blob_path(&index::digest(entry)?)).ok()?.modified().ok()?;
        changed.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// Takes entries of ours out of the index until `needed` more bytes fit, `spared` ones never. Gives what was taken out.
    pub(super) fn make_room(
        &self,
        index: &mut Index,
        needed: u64,
        spared: &[Digest],
    ) -> Result<Vec<Value>, StoreError> {
        let length = |index: &Index| u64::try_from(index.to_bytes().len()).unwrap_or(u64::MAX);
        let mut bytes = self.bytes().saturating_add(needed);
        let mut text = length(index);
        let mut gone: Vec<Value> = Vec::new();
        if bytes <= self.max_bytes && fits(index.entries.len(), text) {
            return Ok(gone);
        }
        let mut oldest: Vec<(bool, u64, Digest)> = index
            .entries
            .iter()
            .filter(|entry| index::is_ours(entry))
            .filter_map(|entry| {
                let used = index::time(entry, USED);
                let last = used.or_else(|| index::time(entry, KEPT))?;
                Some((used.is_some(), last.0, index::digest(entry)?))
            })
            .filter(|(_, _, digest)| !spared.contains(digest))
            .collect();
        oldest.sort_unstable();
        for (_, _, digest) in oldest {
            if bytes <= self.max_bytes && fits(index.entries.len(), text) {
                break;
            }
            let ours = |entry: &Value| index::is_ours(entry) && index::digest(entry) == Some(digest);
            let (out, stay): (Vec<_>, Vec<_>) = index.entries.drain(..).partition(ours);
            index.entries = stay;
            // Content that others lead to as well is counted as if it went: then one more entry goes later.
            let freed = out.first().map_or(0, |entry| {
                self.reached(entry).iter().fold(0u64, |sum, digest| sum.saturating_add(self.size(digest)))
            });
            bytes = bytes.saturating_sub(freed);
            text = length(index);
            gone.extend(out);
        }
        if bytes > self.max_bytes || !fits(index.entries.len(), text) {
            return Err(StoreError::Full { path: self.directory().to_owned(), needed });
        }
        if !gone.is_empty() {
            tracing::info!("evidence store: {} entries give way to newer evidence", gone.len());
        }
        Ok(gone)
    }

    /// Removes the content that only entries that are gone lead to.
    pub(super) fn remove_content(&self, index: &Index, gone: &[Value]) {
        if gone.is_empty() {
            return;
        }
        let all = |entries: &[Value]| -> BTreeSet<Digest> {
            entries.iter().flat_map(|entry| self.reached(entry)).collect()
        };
        let stays = all(&index.entries);
        for digest in all(gone).difference(&stays) {
            drop(fs::remove_file(self.blob_path(digest)));
        }
    }

    fn size(&self, digest: &Digest) -> u64 {
        fs::symlink_metadata(self.blob_path(digest)).map_or(0, |metadata| metadata.len())
    }

    /// An entry's manifest and everything that it leads to.
    fn reached(&self, entry: &Value) -> BTreeSet<Digest> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<Digest> = index::digest(entry).into_iter().collect();
        while let Some(digest) = open.pop() {
            if reached.len() >= limits::LAYOUT_MANIFESTS || !reached.insert(digest) {
                continue;
            }
            let links = self.links(&digest);
            reached.extend(links.leaves);
            open.extend(links.manifests);
        }
        reached
    }

    fn links(&self, digest: &Digest) -> Links {
        #[derive(Deserialize)]
        struct Entry {
            digest: String,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Document {
            config: Option<Entry>,
            layers: Vec<Entry>,
            manifests: Vec<Entry>,
        }
        let mut bytes = Vec::new();
        let read = fs::File::open(self.blob_path(digest))
            .and_then(|file| file.take(limits::MANIFEST_BYTES.saturating_add(1)).read_to_end(&mut bytes));
        let document: Document =
            read.ok().and_then(|_| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let parse = |entry: Entry| Digest::parse(&entry.digest).ok();
        Links {
            leaves: document.config.into_iter().chain(document.layers).filter_map(parse).collect(),
            manifests: document.manifests.into_iter().filter_map(parse).collect(),
        }
    }
}

struct Links {
    leaves: Vec<Digest>,
    manifests: Vec<Digest>,
}

fn removed(entry: &Value, why: &'static str) -> Removed {
    Removed { digest: entry["digest"].as_str().unwrap_or_default().to_owned(), name: index::name(entry), why }
}
