//! Transparency logs: whether a signature was logged, by which log, and when; offline, from what the evidence carries.
//!
//! [`verify_entry`] takes an [`entry::Entry`], the signature that was verified ([`leaf::SignedMaterial`]) and the logs
//! that are trusted ([`Logs`]), and makes a [`VerifiedEntry`], which nothing else can make:
//!
//! 1. The entry's body is *rebuilt* from the signature and compared byte for byte ([`leaf`]). An entry about another
//!    signature ends here, before any arithmetic.
//! 2. A promise (SET) that is there must verify; it alone makes the entry's time a time. The log's key must have been
//!    valid at that time.
//! 3. A proof that is there must lead from the rebuilt leaf to a root ([`merkle`]) that the log, and not merely some
//!    trusted log, has signed in a checkpoint ([`checkpoint`]).
//! 4. At least one of them must be there; which ones suffice depends on the form of the evidence
//!    ([`entry::Inclusion`]).
//!
//! There is no way to have less checked: nothing here takes a flag (T-17).
//!
//! What this does *not* do: verify the signature itself, read trusted roots, know the present time, or decide how many
//! entries are enough. Rekor v2 knows no time at all: its entries need a timestamp from elsewhere, and the caller asks
//! [`VerifiedEntry::log_key_covers`] with it.

mod body;
pub mod checkpoint;
pub mod entry;
pub mod leaf;
pub mod merkle;
mod set;
#[cfg(test)]
mod test_log;
#[cfg(test)]
mod tests;

use checkpoint::Checkpoint;
use entry::{Entry, Inclusion, Note, Proof};
use leaf::{Kind, SignedMaterial};
use merkle::Hash;

use crate::json::Value;
use crate::limits;
use crate::operations::Operations;
use crate::signature::PublicKey;
use crate::threshold::count_distinct;
use crate::time::{UnixTime, Window};

/// A log, as a trusted root describes it.
#[derive(Debug, Clone)]
pub struct LogKey<'r> {
    /// The log's id (`logId.keyId`).
    pub id: [u8; 32],
    /// How the log's own signatures on checkpoints begin: the first four bytes of `checkpointKeyId`, or of the id where
    /// a root has none.
    pub checkpoint_hint: [u8; 4],
    /// The key that signs checkpoints and promises.
    pub key: PublicKey,
    /// When the key was in use.
    pub window: Window,
    /// Who runs the log; empty where the root does not say. Logs of unknown operators count as one operator's.
    pub operator: &'r str,
}

/// The logs of one trusted root. Roots are never pooled (T-21): each is put to an entry for itself.
pub trait Logs {
    /// The log of this id. A root that has two of one id is an error when it is read.
    fn log(&self, id: &[u8; 32]) -> Option<LogKey<'_>>;
}

/// Why an entry does not show that the signature was logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The entry cannot be read.
    Entry(entry::Error),
    /// No trusted log has this id.
    UnknownLog,
    /// The body does not speak about this signature.
    Body(leaf::Error),
    /// The entry says that it is of one kind, and its body is of another.
    KindMismatch,
    /// Neither a promise nor a proof, or a promise where the form of the evidence asks for a proof.
    NoInclusion,
    /// The promise is not by the log, or not about this entry, index and time; or the log makes none.
    Promise,
    /// The proof does not lead to the root that it names.
    Proof(merkle::Error),
    /// A proof whose root nobody has signed (T-39).
    NoCheckpoint,
    /// The checkpoint is not one of the log.
    Checkpoint(checkpoint::Error),
    /// The proof is about another tree than the checkpoint.
    CheckpointMismatch,
    /// The entry's index is not the proven one.
    Index,
    /// The log's key was not in use at the entry's time.
    LogKeyWindow,
    /// No signature operations are left.
    Budget,
}

/// What shows that an entry is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBy {
    /// A promise of the log.
    Promise,
    /// A proof, against a root that the log has signed.
    Proof,
    /// Both.
    PromiseAndProof,
}

/// An entry about a signature, in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedEntry<'r> {
    log_id: [u8; 32],
    operator: &'r str,
    window: Window,
    kind: Kind,
    time: Option<UnixTime>,
    shown_by: ShownBy,
}

impl<'r> VerifiedEntry<'r> {
    /// The log's id.
    #[must_use]
    pub fn log_id(&self) -> &[u8; 32] {
        &self.log_id
    }

    /// Who runs the log; empty where the root does not say.
    #[must_use]
    pub fn operator(&self) -> &'r str {
        self.operator
    }

    /// What kind of entry it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When the log took the entry in; `None` without a promise, and always for Rekor v2. Whether it lies in the future
    /// is not checked here.
    #[must_use]
    pub fn integrated_time(&self) -> Option<UnixTime> {
        self.time
    }

    /// What shows that the entry is in the log.
    #[must_use]
    pub fn shown_by(&self) -> ShownBy {
        self.shown_by
    }

    /// Whether the log's key was in use at `time`. An entry with a time of its own was asked already; one without must
    /// be asked with each timestamp that stands for it.
    #[must_use]
    pub fn log_key_covers(&self, time: UnixTime) -> bool {
        self.window.contains(time)
    }
}

/// Verifies one entry about `signed`.
///
/// # Errors
/// [`Error`], by what is wrong first. Everything that is there must verify: a good proof does not make up for a bad
/// promise, nor the other way round (T-06).
pub fn verify_entry<'r>(
    entry: &Entry<'_>,
    signed: &SignedMaterial<'_>,
    logs: &'r impl Logs,
    operations: &mut Operations,
) -> Result<VerifiedEntry<'r>, Error> {
    let log = logs.log(&entry.log_id).filter(|log| log.id == entry.log_id).ok_or(Error::UnknownLog)?;
    let (kind, leaf) = leaf::rebuild(entry.body, signed).map_err(Error::Body)?;
    if let Some((name, version)) = entry.kind {
        let named = name.plain().zip(version.plain());
        if named.and_then(|(name, version)| Kind::from_names(name, version)) != Some(kind) {
            return Err(Error::KindMismatch);
        }
    }
    let time = match entry.promise {
        // A log that makes no promises and knows no time must not be made to have either.
        Some(_) if kind.is_rekor_v2() => return Err(Error::Promise),
        Some(set) => {
            set::verify(entry, set, &log, operations)?;
            Some(UnixTime(entry.integrated_time)).filter(|time| time.0 != 0)
        }
        None => None,
    };
    if time.is_some_and(|time| !log.window.contains(time)) {
        return Err(Error::LogKeyWindow);
    }
    if let Some(proof) = &entry.proof {
        // Rekor v1 numbers entries over all its trees and proves them in one; Rekor v2 is one tree.
        if kind.is_rekor_v2() && proof.index != entry.log_index {
            return Err(Error::Index);
        }
        verify_proof(proof, &leaf, &log, operations)?;
    }
    let shown_by = match (entry.promise, &entry.proof, entry.inclusion) {
        (Some(_), Some(_), _) => ShownBy::PromiseAndProof,
        (None, Some(_), _) => ShownBy::Proof,
        (Some(_), None, Inclusion::ProofOrPromise) => ShownBy::Promise,
        (Some(_), None, Inclusion::Proof) | (None, None, _) => return Err(Error::NoInclusion),
    };
    Ok(VerifiedEntry { log_id: log.id, operator: log.operator, window: log.window, kind, time, shown_by })
}

fn verify_proof(
    proof: &Proof<'_>,
    leaf: &Hash,
    log: &LogKey<'_>,
    operations: &mut Operations,
) -> Result<(), Error> {
    verify_path(proof, leaf)?;
    let mut room = Note::new();
    let note = proof.note(&mut room)?.ok_or(Error::NoCheckpoint)?;
    let checkpoint = Checkpoint::read(note)?;
    if checkpoint.size() != proof.size || *checkpoint.root() != proof.root {
        return Err(Error::CheckpointMismatch);
    }
    checkpoint.verify(log, operations)?;
    Ok(())
}

/// That the proof's hashes lead to its root. Apart, so that they are gone from the stack before the checkpoint is on it.
#[inline(never)]
fn verify_path(proof: &Proof<'_>, leaf: &Hash) -> Result<(), Error> {
    merkle::verify_inclusion(leaf, proof.index, proof.size, &proof.hashes()?, &proof.root)
        .map_err(Error::Proof)
}

/// The verified entries of one signature.
pub type VerifiedEntries<'r> = heapless::Vec<VerifiedEntry<'r>, { limits::LOG_ENTRIES }>;

/// Verifies all entries of a bundle's `tlogEntries`. Each must verify: an unrelated entry is not passed over in search
/// of one that fits (T-03).
///
/// # Errors
/// The first [`Error`].
pub fn verify_entries<'r>(
    entries: Value<'_>,
    inclusion: Inclusion,
    signed: &SignedMaterial<'_>,
    logs: &'r impl Logs,
    operations: &mut Operations,
) -> Result<VerifiedEntries<'r>, Error> {
    let mut verified = VerifiedEntries::new();
    for entry in entry::entries(entries, inclusion)? {
        let entry = verify_entry(&entry?, signed, logs, operations)?;
        verified.push(entry).map_err(|_| entry::Error::TooManyEntries)?;
    }
    Ok(verified)
}

/// How many logs have these entries: a log that has several counts once (T-19).
#[must_use]
pub fn count_logs(entries: &[VerifiedEntry<'_>]) -> usize {
    count_distinct(entries.iter().map(VerifiedEntry::log_id))
}

/// How many operators' logs have these entries: an operator of several logs counts once, and so do all unknown ones
/// together.
#[must_use]
pub fn count_operators(entries: &[VerifiedEntry<'_>]) -> usize {
    count_distinct(entries.iter().map(VerifiedEntry::operator))
}
