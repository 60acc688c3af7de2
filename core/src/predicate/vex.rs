//! `OpenVEX`: which findings do not affect this image (openvex/spec, `OPENVEX-SPEC.md` v0.0.2).
//!
//! A statement `not_affected` or `fixed` about this image becomes [`Claim`]s, one for each name of the vulnerability
//! and each package that it is narrowed to. Claims are small, so that a verdict can keep those of several documents and
//! put each finding of a report to them.
//!
//! Whatever a statement leaves open removes nothing: a product that is another image, or not nameable here; a package
//! inside a product that is no image; `not_affected` without a reason; a statement from the future. A later statement
//! of the same document takes a removal back where it may be about the same thing.
//!
//! What this does *not* check: statements of one document against those of another. Evidence only ever adds up, so a
//! newer document cannot take back what an older one that is still there says: revoke the older one.

mod claims;
mod purl;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

use self::claims::Document;
use self::purl::Purl;
use super::{Attestation, Context, Unmet};
use crate::json::Text;
use crate::time::UnixTime;

/// The predicate types that are read.
pub const TYPES: [&str; 2] = ["https://openvex.dev/ns", "https://openvex.dev/ns/v0.2.0"];

/// A finding that a VEX statement may remove.
#[derive(Debug, Clone, Copy)]
pub struct Suspect<'s> {
    id: Text<'s>,
    id_hash: [u8; 16],
    package: Option<Purl>,
}

impl<'s> Suspect<'s> {
    /// A finding: the vulnerability as the scanner names it, and the package's URL, where the report has one.
    #[must_use]
    pub fn new(id: Text<'s>, purl: Option<Text<'_>>) -> Self {
        Self { id, id_hash: name_hash(id), package: purl.and_then(Purl::read) }
    }

    /// The vulnerability's identifier.
    #[must_use]
    pub fn id(&self) -> Text<'s> {
        self.id
    }
}

/// One claim of a verified VEX document that removes findings, small enough to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 of one of the vulnerability's names, cut to 16 bytes.
    id: [u8; 16],
    /// The package that it is narrowed to; `None` where it is about the whole image.
    package: Option<Purl>,
}

impl Claim {
    /// Whether it is about this finding: the same name of the vulnerability, and the same package. A claim without a
    /// version is about every version, one without a qualifier about every value of it.
    #[must_use]
    pub fn excuses(&self, suspect: &Suspect<'_>) -> bool {
        self.id == suspect.id_hash
            && match (&self.package, &suspect.package) {
                (None, _) => true,
                (Some(claimed), Some(found)) => claimed.covers(found),
                (Some(_), None) => false,
            }
    }
}

/// Hands over each claim of a document that removes findings from this image.
///
/// # Errors
/// [`Reason::PredicateMalformed`](crate::verdict::Reason::PredicateMalformed) for what is no `OpenVEX` document,
/// [`Reason::EvidenceTooLarge`](crate::verdict::Reason::EvidenceTooLarge) for one with more than
/// [`VEX_CLAIMS`](crate::limits::VEX_CLAIMS), and the errors of `sink`; nothing that was handed over counts then.
pub fn claims<'s>(
    attestation: &Attestation<'s>,
    context: &Context<'_>,
    sink: &mut dyn FnMut(Claim) -> Result<(), Unmet<'s>>,
) -> Result<(), Unmet<'s>> {
    Document::read(attestation)?.claims(context)?.try_for_each(sink)
}

/// What a document says.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'s> {
    /// Statements that remove findings (`not_affected`, `fixed`), by their own word: whether this image and this policy
    /// take them is another question.
    pub removing: u32,
    /// All others.
    pub others: u32,
    /// When it was made.
    pub made_at: Option<UnixTime>,
    /// Its author, by its own word.
    pub author: Option<Text<'s>>,
}

/// Summarises a document.
///
/// # Errors
/// [`Unmet`] for what is no `OpenVEX` document.
pub fn summarise<'s>(
    attestation: &Attestation<'s>,
    _context: &Context<'_>,
) -> Result<Summary<'s>, Unmet<'s>> {
    Document::read(attestation)?.summarise()
}

fn name_hash(name: Text<'_>) -> [u8; 16] {
    let mut hash = Sha256::new();
    match name.plain() {
        Some(plain) => hash.update(plain.as_bytes()),
        None => name.chars().for_each(|c| hash.update(c.encode_utf8(&mut [0; 4]).as_bytes())),
    }
    cut(hash)
}

/// The first bytes of a hash.
fn cut<const N: usize>(hash: Sha256) -> [u8; N] {
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or([0; N])
}
