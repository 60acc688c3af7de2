//! in-toto statements v0.1 and v1 (in-toto/attestation `spec/v1/statement.md`): which subjects, which predicate.
//!
//! What this does *not* do: read the predicate.

use crate::encoding;
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::oci::Digest;

/// Predicate type of an image signature that cosign 3 writes.
pub const SIGNATURE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];

/// Why a payload is not a statement about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// A `_type` other than v0.1 and v1.
    StatementType,
    /// No subject at all.
    SubjectEmpty,
    /// More than [`limits::STATEMENT_SUBJECTS`] subjects.
    SubjectCount,
    /// A subject's `sha256` is not 64 lower-case hex digits.
    SubjectDigest,
    /// No subject has this image's SHA-256.
    SubjectMismatch,
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// A statement, read and bound to nothing yet.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    predicate_type: Text<'a>,
    predicate: Option<Value<'a>>,
    subjects: json::Items<'a>,
}

impl<'a> Statement<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error::Json`] and [`Error::StatementType`].
    pub fn read(payload: &'a [u8]) -> Result<Self, Error> {
        let object = json::parse(payload)?.object()?;
        let [kind, subject, predicate_type, predicate] =
            object.fields(["_type", "subject", "predicateType", "predicate"], UnknownKeys::Skip)?;
        let kind = kind.ok_or(json::Error::MissingKey("_type"))?.string()?;
        if !STATEMENT_TYPES.into_iter().any(|known| kind.is(known)) {
            return Err(Error::StatementType);
        }
        Ok(Self {
            predicate_type: predicate_type.ok_or(json::Error::MissingKey("predicateType"))?.string()?,
            predicate,
            subjects: subject.ok_or(json::Error::MissingKey("subject"))?.array()?,
        })
    }

    /// The URI of the predicate's schema.
    #[must_use]
    pub fn predicate_type(&self) -> Text<'a> {
        self.predicate_type
    }

    /// The predicate; in-toto allows a statement without one.
    #[must_use]
    pub fn predicate(&self) -> Option<Value<'a>> {
        self.predicate
    }

    /// Checks that one of the subjects is this digest, by SHA-256 alone: names, other algorithms and
    /// annotations do not count (T-09). Subjects without a name are normal.
    ///
    /// # Errors
    /// [`Error::SubjectEmpty`], [`Error::SubjectCount`], [`Error::SubjectDigest`], [`Error::SubjectMismatch`].
    pub fn check_subject(&self, digest: &Digest) -> Result<(), Error> {
        let mut count = 0_usize;
        let mut found = false;
        for subject in self.subjects.clone() {
            count = count.saturating_add(1);
            if count > limits::STATEMENT_SUBJECTS {
                return Err(Error::SubjectCount);
            }
            found |= read_sha256(subject?)?.is_some_and(|sha256| sha256 == *digest.as_bytes());
        }
        match (count, found) {
            (0, _) => Err(Error::SubjectEmpty),
            (_, false) => Err(Error::SubjectMismatch),
            (_, true) => Ok(()),
        }
    }
}

fn read_sha256(subject: Value<'_>) -> Result<Option<[u8; 32]>, Error> {
    let [digest] = subject.object()?.fields(["digest"], UnknownKeys::Skip)?;
    let digest = digest.ok_or(json::Error::MissingKey("digest"))?.object()?;
    let [sha256] = digest.fields(["sha256"], UnknownKeys::Skip)?;
    let Some(sha256) = sha256 else { return Ok(None) };
    let text = sha256.string()?.as_plain()?;
    encoding::hex32(text).map(Some).map_err(|_| Error::SubjectDigest)
}

#[cfg(test)]
mod tests {
    use super::{Error, Statement};
    use crate::json;
    use crate::oci::Digest;

    extern crate std;
    use std::format;
    use std::string::String;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn check(subjects: &str) -> Result<(), Error> {
        let digest = Digest::from_hex(HEX).unwrap();
        let text = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":{subjects},"predicateType":"p","predicate":{{}}}}"#
        );
        Statement::read(text.as_bytes())?.check_subject(&digest)
    }

    fn subject(algorithm: &str, hex: &str) -> String {
        format!(r#"{{"digest":{{"{algorithm}":"{hex}"}}}}"#)
    }

    #[test]
    fn a_subject_matches_by_sha256_alone() {
        let other = HEX.replace('0', "1");
        let right = subject("sha256", HEX);
        assert_eq!(check(&format!("[{right}]")), Ok(()));
        assert_eq!(check(&format!("[{},{right}]", subject("sha256", &other))), Ok(()));
        assert_eq!(check(&format!("[{}]", subject("sha256", &other))), Err(Error::SubjectMismatch));
        assert_eq!(check(&format!("[{}]", subject("sha512", HEX))), Err(Error::SubjectMismatch));
        assert_eq!(check(&format!("[{}]", subject("gitCommit", HEX))), Err(Error::SubjectMismatch));
        assert_eq!(
            check(&format!(r#"[{{"name":"sha256:{HEX}","digest":{{}}}}]"#)),
            Err(Error::SubjectMismatch)
        );
    }

    #[test]
    fn no_subject_is_not_every_subject() {
        assert_eq!(check("[]"), Err(Error::SubjectEmpty));
        assert_eq!(check("null"), Err(Error::Json(json::Error::WrongType)));
        assert_eq!(check("[null]"), Err(Error::Json(json::Error::WrongType)));
        assert_eq!(check("[{}]"), Err(Error::Json(json::Error::MissingKey("digest"))));
        assert_eq!(check(r#"[{"digest":null}]"#), Err(Error::Json(json::Error::WrongType)));
        assert_eq!(check(r#"[{"digest":{"sha256":""}}]"#), Err(Error::SubjectDigest));
    }

    #[test]
    fn digests_in_another_spelling_are_refused_even_beside_a_right_one() {
        let right = subject("sha256", HEX);
        for wrong in [HEX.to_uppercase(), HEX[..62].into(), format!("{HEX}00"), format!("sha256:{HEX}")] {
            assert_eq!(
                check(&format!("[{right},{}]", subject("sha256", &wrong))),
                Err(Error::SubjectDigest),
                "{wrong}"
            );
        }
        assert_eq!(
            check(&format!(r#"[{{"digest":{{"sha256":"{HEX}","SHA256":"{HEX}"}}}}]"#)),
            Err(Error::Json(json::Error::TwinKey("sha256")))
        );
    }

    #[test]
    fn too_many_subjects_are_refused_wherever_the_right_one_stands() {
        let right = subject("sha256", HEX);
        let many = format!("[{right}{}]", format!(",{right}").repeat(1024));
        assert_eq!(check(&many), Err(Error::SubjectCount));
    }

    #[test]
    fn unknown_statement_versions_are_refused() {
        for kind in ["https://in-toto.io/Statement/v2", "https://in-toto.io/Statement/v0.2", ""] {
            let text = format!(r#"{{"_type":"{kind}","subject":[],"predicateType":"p"}}"#);
            assert_eq!(Statement::read(text.as_bytes()).err(), Some(Error::StatementType), "{kind}");
        }
        assert_eq!(Statement::read(b"{}").err(), Some(Error::Json(json::Error::MissingKey("_type"))));
        assert_eq!(Statement::read(b"not json").err(), Some(Error::Json(json::Error::Syntax { at: 0 })));
    }
}
