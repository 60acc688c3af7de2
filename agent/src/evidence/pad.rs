//! What a verdict has read, noted down while it is read, for the evidence store.
//!
//! A walk notes every attached manifest with its pieces. Nothing of it is believed or kept yet: the verdict says what
//! counted ([`Pad::used`]), and a fetch that went on without a verdict brings all of it ([`Pad::all`]). Small content stays
//! in memory up to [`limits::PAD_BYTES`]; larger content goes to the store's staging folder, whose files end with the pad.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;

use super::Source;
use super::staging::{Staged, Staging};

/// One attached manifest and what belongs to it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where it was.
    pub source: Source,
    /// The manifest that the store lists.
    pub manifest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// The tag behind which it stands, as a full name; a referrer needs none.
    pub name: Option<String>,
    /// The pieces of evidence in it that were handed over.
    pub pieces: Vec<Digest>,
    /// Everything to be written: the manifest, and what it leads to. Empty where the store has it already.
    pub content: Vec<(Digest, Blob)>,
}

impl Attachment {
    /// Makes the tag a full name: two repositories may have the same image, and different evidence for it.
    pub fn name_in(&mut self, reference: &Reference) {
        if let Some(tag) = self.name.take() {
            self.name = Some(format!("{}:{tag}", reference.name()));
        }
    }
}

/// Content that was read and matched with its digest.
#[derive(Debug, Clone)]
pub enum Blob {
    /// In memory.
    Memory(Arc<[u8]>),
    /// In the staging folder.
    Staged(Arc<Staged>),
}

impl Blob {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Staged(staged) => staged.len(),
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What one verdict has read.
#[derive(Debug)]
pub struct Pad {
    staging: Arc<Staging>,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Bytes in memory.
    held: u64,
    blobs: HashMap<Digest, Blob>,
    attachments: Vec<Attachment>,
}

impl Pad {
    /// An empty pad.
    #[must_use]
    pub fn new(staging: Arc<Staging>) -> Self {
        Self { staging, noted: Mutex::default() }
    }

    /// The folder for what is too large for memory.
    #[cfg(feature = "network")]
    pub(crate) fn staging(&self) -> &Arc<Staging> {
        &self.staging
    }

    /// Notes content that was read. What finds no room is not noted, and then not kept.
    pub fn blob(&self, digest: &Digest, content: &[u8]) {
        let mut noted = self.noted();
        if noted.blobs.contains_key(digest) {
            return;
        }
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let held = noted.held.saturating_add(size);
        let blob = if size <= limits::STAGE_FROM_BYTES && held <= limits::PAD_BYTES {
            noted.held = held;
            Blob::Memory(content.into())
        } else {
            // Not under the lock: a disk may be slow.
            drop(noted);
            let Ok(staged) = self.staging.put(content) else { return };
            noted = self.noted();
            Blob::Staged(Arc::new(staged))
        };
        noted.blobs.insert(*digest, blob);
    }

    /// Notes content that was staged while it was read.
    pub fn staged(&self, digest: &Digest, staged: Staged) {
        self.noted().blobs.insert(*digest, Blob::Staged(Arc::new(staged)));
    }

    /// Notes an attached manifest. Its content is what was noted before of `parts`; a part that was not leaves it out of
    /// what is kept, because half of it says nothing.
    pub fn attach(&self, mut attachment: Attachment, parts: &[Digest]) {
        let mut noted = self.noted();
        for part in parts {
            let Some(blob) = noted.blobs.get(part) else { return };
            attachment.content.push((*part, blob.clone()));
        }
        noted.attachments.push(attachment);
    }

    /// What counted for a verdict: attachments of which a piece is among the accepted ones.
    #[must_use]
    pub fn used(&self, accepted: &BTreeSet<Digest>) -> Vec<Attachment> {
        let counts = |it: &&Attachment| it.pieces.iter().any(|piece| accepted.contains(piece));
        self.noted().attachments.iter().filter(counts).cloned().collect()
    }

    /// Everything that was noted.
    #[must_use]
    pub fn all(&self) -> Vec<Attachment> {
        self.noted().attachments.clone()
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
