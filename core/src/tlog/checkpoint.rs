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
use crate::operations::Operations;
use crate::signature::{Message, SignedFormat};

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
    pub fn verify(&self, log: &LogKey<'_>, operations: &mut Operations) -> Result<(), Error> {
        let own = |line: &Line<'_>| self.may_name(line.name) && line.hint() == log.hint_under(line.name);
        // There is one: a second one of this name and hint would be a duplicate.
        let mut lines = self.signatures.lines().filter_map(Line::read);
        let line = lines.find(own).ok_or(Error::NotSigned)?;
        let message = Message::new(self.text.as_bytes());
        operations.spend(log.key.operations(&message)).map_err(|_| Error::Budget)?;
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

#[cfg(test)]
mod tests {
    use super::{Checkpoint, Error};
    use crate::limits;
    use crate::operations::Operations;
    use crate::tlog::test_log::{TestLog, base64, sha256};

    extern crate std;
    use std::string::{String, ToString as _};
    use std::vec::Vec;
    use std::{format, vec};

    fn log() -> TestLog {
        TestLog::new(200, "log.example", "")
    }

    fn text(origin: &str) -> String {
        format!("{origin}\n7\n{}\n", base64(sha256("root")))
    }

    fn verify(note: &str, log: &TestLog) -> Result<(), Error> {
        Checkpoint::read(note)?.verify(&log.key(), &mut Operations::new())
    }

    #[test]
    fn the_logs_own_signature_is_found_among_others() {
        let (log, other) = (log(), TestLog::new(201, "witness.example", ""));
        for origin in ["log.example", "log.example - 2605736670972794746"] {
            let text = text(origin);
            let own = log.line("log.example", &text);
            let witness = other.line("witness.example", &text);
            // By a key of the log that the root does not have.
            let second = other.line("log.example", &text);
            for signatures in
                [vec![&own], vec![&own, &witness], vec![&witness, &own], vec![&second, &witness, &own]]
            {
                let signatures: String = signatures.into_iter().cloned().collect();
                assert_eq!(verify(&format!("{text}\n{signatures}"), &log), Ok(()), "{origin} {signatures}");
            }
            assert_eq!(verify(&format!("{text}\n{witness}{second}"), &log), Err(Error::NotSigned));
        }
    }

    #[test]
    fn other_lines_are_signed_too() {
        let log = log();
        let text = format!("{}Timestamp: 1689177396617352539\nmore\n", text("log.example"));
        let note = format!("{text}\n{}", log.line("log.example", &text));
        assert_eq!(verify(&note, &log), Ok(()));
        for changed in [
            note.replace("more", "less"),
            note.replace("Timestamp: 16", "Timestamp: 17"),
            note.replace("more\n", ""),
            note.replace("more", "more\nmore"),
        ] {
            assert_eq!(verify(&changed, &log), Err(Error::Signature), "{changed}");
        }
    }

    #[test]
    fn the_name_that_signs_is_the_origin() {
        let log = log();
        for (origin, name) in [
            ("other.example", "log.example"),
            ("log.example", "other.example"),
            ("log.example.evil", "log.example"),
            ("log.example - ", "log.example"),
            ("log.example - 12x", "log.example"),
            ("log.example -12", "log.example"),
            ("log.example/tree", "log.example"),
            ("x log.example", "log.example"),
        ] {
            let text = text(origin);
            let note = format!("{text}\n{}", log.line(name, &text));
            assert_eq!(verify(&note, &log), Err(Error::NotSigned), "{origin} {name}");
        }
    }

    #[test]
    fn a_hint_of_another_key_is_not_the_logs() {
        let (log, other) = (log(), TestLog::new(201, "log.example", ""));
        let text = text("log.example");
        let forge = |hint: &TestLog, key: &TestLog| {
            let value = [&hint.id()[..4], &key.sign(&text)].concat();
            verify(&format!("{text}\n\u{2014} log.example {}\n", base64(value)), &log)
        };
        assert_eq!(forge(&log, &log), Ok(()));
        assert_eq!(forge(&other, &log), Err(Error::NotSigned));
        assert_eq!(forge(&other, &other), Err(Error::NotSigned));
        assert_eq!(forge(&log, &other), Err(Error::Signature));
    }

    #[test]
    fn a_note_has_one_form() {
        let log = log();
        let text = text("log.example");
        let own = log.line("log.example", &text);
        let good = format!("{text}\n{own}");
        assert_eq!(verify(&good, &log), Ok(()));
        let root = base64(sha256("root"));
        for (note, error) in [
            (String::new(), Error::Note),
            (text.clone(), Error::Note),
            (good.replace('\n', "\r\n"), Error::Note),
            (good.replace("log.example\n7", "log.example\u{0}\n7"), Error::Note),
            (good.replace("log.example\n7", "log.example\u{85}\n7"), Error::Note),
            (good.replacen("log.example", "", 1), Error::Origin),
            (format!("\n{good}"), Error::Origin),
            (good.replacen("log.example\n", "", 1), Error::Size),
            (good.replace("\n7\n", "\n"), Error::Size),
            (good.replace("\n7\n", "\n07\n"), Error::Size),
            (good.replace("\n7\n", "\n+7\n"), Error::Size),
            (good.replace("\n7\n", "\n-7\n"), Error::Size),
            (good.replace("\n7\n", "\n 7\n"), Error::Size),
            (good.replace("\n7\n", "\n7.0\n"), Error::Size),
            (good.replace("\n7\n", "\n18446744073709551616\n"), Error::Size),
            (good.replace("\n7\n", "\n18446744073709551615\n"), Error::Signature),
            (good.replacen(&format!("{root}\n"), "", 1), Error::Root),
            (good.replacen(&root, "AAAA", 1), Error::Root),
            (good.replacen(&root, &format!("AAAA{root}"), 1), Error::Root),
            (good.replacen(&root, root.trim_end_matches('='), 1), Error::Root),
            (good.replacen(&root, &format!("{root} "), 1), Error::Root),
            (format!("{text}\n"), Error::NotSigned),
            (good.trim_end().to_string(), Error::NotSigned),
            (format!("{good}\n"), Error::Note),
            (format!("{good}more"), Error::NotSigned),
            (format!("{good}more\n"), Error::Note),
            (good.replace('\u{2014}', "-"), Error::Note),
            (good.replace("\u{2014} log.example", "\u{2014} "), Error::Note),
            (good.replace("\u{2014} log.example", "\u{2014}log.example"), Error::Note),
            (good.replace("\u{2014} log.example", "\u{2014} log example"), Error::Note),
            (good.replace("\u{2014} log.example", "\u{2014} log+example"), Error::Note),
            (format!("{good}\u{2014} witness.example AAAAAA==\n"), Error::Note),
            (format!("{good}\u{2014} witness.example AAAAAA\n"), Error::Note),
            (format!("{good}\u{2014} witness.example \n"), Error::Note),
            (format!("{good}{own}"), Error::DuplicateSignature),
            (good.replacen("\n7\n", "\n8\n", 1), Error::Signature),
        ] {
            assert_eq!(verify(&note, &log), Err(error), "{note:?}");
        }
    }

    #[test]
    fn signatures_are_bounded_and_not_cut() {
        let log = log();
        let text = text("log.example");
        let many = |count: usize| {
            let witnesses: Vec<String> =
                (1..count).map(|i| format!("\u{2014} w{i} {}\n", base64([0; 12]))).collect();
            format!("{text}\n{}{}", witnesses.concat(), log.line("log.example", &text))
        };
        assert_eq!(verify(&many(limits::NOTE_SIGNATURES), &log), Ok(()));
        assert_eq!(verify(&many(limits::NOTE_SIGNATURES + 1), &log), Err(Error::TooManySignatures));
    }

    #[cfg(feature = "ed25519")]
    #[test]
    fn the_hint_of_an_ed25519_key_is_bound_to_the_name() {
        use crate::signature::PublicKey;
        use crate::tlog::LogKey;
        use ed25519_dalek::{Signer as _, SigningKey};

        let secret = SigningKey::from_bytes(&[9; 32]);
        let bytes = secret.verifying_key().to_bytes();
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let key = PublicKey::from_spki(&[&prefix[..], &bytes].concat()).unwrap();
        let named = |name: &str| sha256([name.as_bytes(), b"\n\x01", &bytes].concat());
        let plain = key.id().0;
        let ask = |id: [u8; 32], hint: [u8; 32], name: &str| {
            let text = text(name);
            let value = [&hint[..4], &secret.sign(text.as_bytes()).to_bytes()].concat();
            let note = format!("{text}\n\u{2014} {name} {}\n", base64(value));
            let log = LogKey {
                id,
                checkpoint_hint: *id.first_chunk().unwrap(),
                key: key.clone(),
                ..TestLog::new(1, "", "").key()
            };
            Checkpoint::read(&note)?.verify(&log, &mut Operations::new())
        };
        let id = named("log.example");
        assert_eq!(ask(id, id, "log.example"), Ok(()));
        // Rekor v1 hints at the key alone.
        assert_eq!(ask(plain, plain, "log.example"), Ok(()));
        assert_eq!(ask(id, id, "other.example"), Err(Error::NotSigned));
        assert_eq!(ask(id, named("other.example"), "other.example"), Err(Error::NotSigned));
        assert_eq!(ask(id, plain, "log.example"), Err(Error::NotSigned));
        assert_eq!(ask(sha256("else"), sha256("else"), "log.example"), Err(Error::NotSigned));
    }
}
