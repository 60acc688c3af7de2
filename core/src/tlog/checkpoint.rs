//! Checkpoints: what a log signs about its tree (C2SP tlog-checkpoint), as a signed note (C2SP signed-note).
//!
//! ```text
//! rekor.sigstore.dev - 1193050959916656506      origin
//! 649584076                                     size of the tree
//! rnpacIXSjoToEDh0qD4CLAKdkPnW1Y4R1DhFMS+AGlI=  its root
//!                                               (other lines may stand here)
//! — rekor.sigstore.dev wNI9ajBFAiB+dI3i…        a signature: name, key hint, value
//! ```
//!
//! One signature has to be the log's own: by its key, under its name, with its key's hint (T-20). Signatures of others
//! (witnesses, keys of the log that are not in the root) are read strictly and decide nothing.
//!
//! The hint of an Ed25519 key depends on the name that signs (C2SP signed-note, "Signature types"), that of an ECDSA
//! key does not; Rekor v1 never uses the name. So the name is checked against the note's own first line: it *is* the
//! origin (Rekor v2), or the origin is the name, ` - ` and the number of a tree (Rekor v1).
//!
//! What this does *not* check: that anything is in the tree.

use sha2::{Digest as _, Sha256};

use super::LogKey;
use super::merkle::Hash;
use crate::encoding::{self, Alphabet};
use crate::limits;
use crate::signature::{Message, SignedFormat};
use crate::verify::Budget;

/// Why a checkpoint is not one of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not a signed note: no empty line, a control character, a line that is no signature.
    Note,
    /// More signatures than are looked at.
    TooManySignatures,
    /// Two signatures of one name and one hint.
    DuplicateSignature,
    /// No origin in the first line.
    Origin,
    /// The second line is no size: plain decimal digits, no leading zero, below 2^64.
    Size,
    /// The third line is no root: 32 bytes in base64.
    Root,
    /// None of the signatures is named and hinted as the log's.
    NotSigned,
    /// The log's signature does not verify.
    Signature,
    /// No signature operations are left.
    Budget,
}

/// A checkpoint, read and not verified.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoint<'n> {
    text: &'n str,
    signatures: &'n str,
    origin: &'n str,
    size: u64,
    root: Hash,
}

impl<'n> Checkpoint<'n> {
    /// Reads a note, its escapes already decoded.
    ///
    /// # Errors
    /// [`Error`], all but the last three.
    pub fn read(note: &'n str) -> Result<Self, Error> {
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Error::Note);
        }
        // The text keeps its last line break: it is signed too.
        let (text, signatures) = note.split_once("\n\n").ok_or(Error::Note)?;
        let text = note.get(..text.len().saturating_add(1)).ok_or(Error::Note)?;
        read_signatures(signatures)?;
        let mut lines = text.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or(Error::Origin)?;
        let size = lines.next().and_then(read_size).ok_or(Error::Size)?;
        let mut root = [0; 32];
        let line = lines.next().ok_or(Error::Root)?;
        match encoding::base64(line.bytes(), Alphabet::Standard, &mut root) {
            Ok(32) => {}
            _ => return Err(Error::Root),
        }
        Ok(Self { text, signatures, origin, size, root })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// Checks that the log has signed it.
    ///
    /// # Errors
    /// [`Error::NotSigned`], [`Error::Signature`] and [`Error::Budget`].
    pub fn verify(&self, log: &LogKey<'_>, budget: &mut Budget) -> Result<(), Error> {
        let own = |line: &Line<'_>| self.may_name(line.name) && line.hint() == log.hint_under(line.name);
        // There is one: a second one of this name and hint would be a duplicate.
        let mut lines = self.signatures.lines().filter_map(Line::read);
        let line = lines.find(own).ok_or(Error::NotSigned)?;
        let message = Message::new(self.text.as_bytes());
        budget.spend(log.key.operations(&message)).map_err(|_| Error::Budget)?;
        log.key.verify(SignedFormat::Log, &message, line.value()).map_err(|_| Error::Signature)
    }

    /// Whether a log of this name may sign a note of this origin.
    fn may_name(&self, name: &str) -> bool {
        match self.origin.strip_prefix(name) {
            Some("") => true,
            Some(rest) => rest
                .strip_prefix(" - ")
                .is_some_and(|tree| !tree.is_empty() && tree.bytes().all(|byte| byte.is_ascii_digit())),
            None => false,
        }
    }
}

impl LogKey<'_> {
    /// The hint that the log's own signatures have under this name; `None` where the log cannot have that name.
    fn hint_under(&self, name: &str) -> Option<[u8; 4]> {
        let Some(key) = self.key.ed25519_bytes() else { return Some(self.checkpoint_hint) };
        // 1 is the type of plain Ed25519 signatures. Rekor v1 hints at the key alone, whatever its kind.
        let named: Hash =
            Sha256::new_with_prefix(name).chain_update(b"\n\x01").chain_update(key).finalize().into();
        let matches = [named, self.key.id().0].iter().any(|id| id.starts_with(&self.checkpoint_hint));
        matches.then_some(self.checkpoint_hint)
    }
}

/// One signature.
struct Line<'n> {
    name: &'n str,
    /// The hint, and the value.
    bytes: [u8; 4 + limits::SIGNATURE_VALUE_BYTES],
    length: usize,
}

impl<'n> Line<'n> {
    /// `— NAME BASE64`: a name has no white space and no plus sign, and something is signed.
    fn read(line: &'n str) -> Option<Self> {
        let (name, value) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return None;
        }
        let mut bytes = [0; 4 + limits::SIGNATURE_VALUE_BYTES];
        let length = encoding::base64(value.bytes(), Alphabet::Standard, &mut bytes).ok()?;
        (length > 4).then_some(Self { name, bytes, length })
    }

    fn hint(&self) -> Option<[u8; 4]> {
        self.bytes.first_chunk().copied()
    }

    fn value(&self) -> &[u8] {
        self.bytes.get(4..self.length).unwrap_or_default()
    }
}

/// Checks the form of all signatures, the foreign ones too: a note of another form is not read at all.
fn read_signatures(signatures: &str) -> Result<(), Error> {
    let lines = signatures.strip_suffix('\n').ok_or(Error::NotSigned)?.split('\n');
    if lines.clone().count() > limits::NOTE_SIGNATURES {
        return Err(Error::TooManySignatures);
    }
    for (place, line) in lines.clone().enumerate() {
        let line = Line::read(line).ok_or(Error::Note)?;
        let earlier = lines.clone().take(place).filter_map(Line::read);
        if earlier.into_iter().any(|other| other.name == line.name && other.hint() == line.hint()) {
            return Err(Error::DuplicateSignature);
        }
    }
    Ok(())
}

fn read_size(line: &str) -> Option<u64> {
    let plain = line.bytes().all(|byte| byte.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
    line.parse().ok().filter(|_| plain)
}
