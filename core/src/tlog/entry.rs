//! Log entries as evidence carries them: `TransparencyLogEntry` of a Sigstore bundle (sigstore/protobuf-specs
//! `sigstore_rekor.proto`), and cosign's legacy annotation `dev.sigstore.cosign/bundle`.
//!
//! Reading verifies nothing. What it makes sure of is that there is one reading: numbers are plain and not negative,
//! hashes are 32 bytes, no member that is read stands twice, and a member that is there holds something (T-10).

use super::checkpoint;
use super::merkle::Hash;
use crate::encoding::{self, Alphabet};
use crate::json::{self, Items, Text, UnknownKeys, Value};
use crate::limits;

/// Why an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not JSON, or not this shape.
    Json(json::Error),
    /// Not base64 or hex where the format says so.
    Encoding(encoding::Error),
    /// A log's id or a hash that is not 32 bytes.
    HashLength,
    /// A number that is not an unsigned 64-bit one in plain decimal digits; a negative one, for instance.
    Number,
    /// More entries than are looked at.
    TooManyEntries,
    /// A body that is longer than any entry.
    TooLarge,
    /// More hashes in a proof than any tree needs.
    TooManyHashes,
    /// A checkpoint that is longer than any.
    CheckpointTooLarge,
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// What an entry has to bring so that it counts as logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// A proof: bundles from v0.2 on.
    Proof,
    /// A proof or a promise (SET): bundle v0.1 and cosign's annotation.
    ProofOrPromise,
}

/// A log entry, read and not verified.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub(super) inclusion: Inclusion,
    pub(super) log_id: Hash,
    pub(super) log_index: u64,
    /// Kind and version; cosign's annotation does not say them.
    pub(super) kind: Option<(Text<'a>, Text<'a>)>,
    /// In base64.
    pub(super) body: &'a str,
    /// Zero says nothing, as an absent one.
    pub(super) integrated_time: u64,
    /// The signed entry timestamp, in base64.
    pub(super) promise: Option<&'a str>,
    pub(super) proof: Option<Proof<'a>>,
}

/// An inclusion proof.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof<'a> {
    pub(super) index: u64,
    pub(super) size: u64,
    pub(super) root: Hash,
    hashes: Value<'a>,
    checkpoint: Option<Text<'a>>,
}

/// The hashes of a proof, decoded.
pub(super) type Hashes = heapless::Vec<Hash, { limits::PROOF_HASHES }>;

/// A checkpoint's note, decoded.
pub(super) type Note = heapless::String<{ limits::NOTE_BYTES }>;

impl<'a> Entry<'a> {
    /// Reads an item of a bundle's `tlogEntries`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(value: Value<'a>, inclusion: Inclusion) -> Result<Self, Error> {
        let names = [
            "logIndex",
            "logId",
            "kindVersion",
            "integratedTime",
            "inclusionPromise",
            "inclusionProof",
            "canonicalizedBody",
        ];
        let [index, id, kind, time, promise, proof, body] =
            value.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let [id] = required(id, "logId")?.object()?.fields(["keyId"], UnknownKeys::Skip)?;
        let [kind, version] =
            required(kind, "kindVersion")?.object()?.fields(["kind", "version"], UnknownKeys::Skip)?;
        let kind = (required(kind, "kind")?.string()?, required(version, "version")?.string()?);
        let promise = match promise {
            Some(promise) => {
                let names = ["signedEntryTimestamp"];
                let [set] = promise.object()?.fields(names, UnknownKeys::Skip)?.map(present);
                Some(required(set, "signedEntryTimestamp")?.string()?.as_plain()?)
            }
            None => None,
        };
        Ok(Self {
            inclusion,
            log_id: hash(required(present(id), "keyId")?)?,
            // protobuf's JSON leaves a zero out.
            log_index: index.map_or(Ok(0), number)?,
            kind: Some(kind),
            body: read_body(required(body, "canonicalizedBody")?)?,
            integrated_time: time.map_or(Ok(0), number)?,
            promise,
            proof: proof.map(Proof::read).transpose()?,
        })
    }

    /// Reads the value of cosign's annotation `dev.sigstore.cosign/bundle`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read_annotation(text: &'a [u8]) -> Result<Self, Error> {
        let names = ["SignedEntryTimestamp", "Payload"];
        let [set, payload] = json::parse(text)?.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let names = ["body", "integratedTime", "logIndex", "logID"];
        let payload = required(payload, "Payload")?.object()?.fields(names, UnknownKeys::Skip)?;
        let [body, time, index, id] = payload.map(present);
        let id = required(id, "logID")?.string()?.as_plain()?;
        Ok(Self {
            inclusion: Inclusion::ProofOrPromise,
            log_id: encoding::hex32(id).map_err(Error::Encoding)?,
            log_index: number(required(index, "logIndex")?)?,
            kind: None,
            body: read_body(required(body, "body")?)?,
            integrated_time: number(required(time, "integratedTime")?)?,
            promise: Some(required(set, "SignedEntryTimestamp")?.string()?.as_plain()?),
            proof: None,
        })
    }
}

/// Reads a bundle's `tlogEntries`. An array of none is no error here: whoever asks for entries counts them.
///
/// # Errors
/// [`Error::TooManyEntries`] before any is read, and those of [`Entry::read`] with each.
pub fn entries<'a>(
    value: Value<'a>,
    inclusion: Inclusion,
) -> Result<impl Iterator<Item = Result<Entry<'a>, Error>> + use<'a>, Error> {
    let items: Items<'a> = value.array()?;
    if items.clone().count() > limits::LOG_ENTRIES {
        return Err(Error::TooManyEntries);
    }
    Ok(items.map(move |item| Entry::read(item?, inclusion)))
}

impl<'a> Proof<'a> {
    fn read(value: Value<'a>) -> Result<Self, Error> {
        let names = ["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"];
        let [index, root, size, hashes, checkpoint] =
            value.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let checkpoint = match checkpoint {
            Some(checkpoint) => {
                let [envelope] = checkpoint.object()?.fields(["envelope"], UnknownKeys::Skip)?.map(present);
                Some(required(envelope, "envelope")?.string()?)
            }
            None => None,
        };
        Ok(Self {
            index: index.map_or(Ok(0), number)?,
            size: number(required(size, "treeSize")?)?,
            root: hash(required(root, "rootHash")?)?,
            hashes: hashes.unwrap_or(json::parse(b"[]")?),
            checkpoint,
        })
    }

    /// Decodes the hashes.
    pub(super) fn hashes(&self) -> Result<Hashes, Error> {
        let mut hashes = Hashes::new();
        for item in self.hashes.array()? {
            hashes.push(hash(item?)?).map_err(|_| Error::TooManyHashes)?;
        }
        Ok(hashes)
    }

    /// Decodes the checkpoint's note into `room`, which is on the stack once and not moved; `None` where the proof has none.
    pub(super) fn note<'n>(&self, room: &'n mut Note) -> Result<Option<&'n str>, Error> {
        let Some(text) = self.checkpoint else { return Ok(None) };
        text.copy_into(room).map_err(|_| Error::CheckpointTooLarge)?;
        Ok(Some(room))
    }
}

impl From<Error> for super::Error {
    fn from(error: Error) -> Self {
        Self::Entry(error)
    }
}

impl From<checkpoint::Error> for super::Error {
    fn from(error: checkpoint::Error) -> Self {
        match error {
            checkpoint::Error::Budget => Self::Budget,
            error => Self::Checkpoint(error),
        }
    }
}

/// A member that protobuf's JSON says is absent: not there, or null.
fn present(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_null())
}

fn required<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Value<'a>, Error> {
    value.ok_or(Error::Json(json::Error::MissingKey(name)))
}

fn read_body(value: Value<'_>) -> Result<&str, Error> {
    let body = value.string()?.as_plain()?;
    if body.len() > limits::LOG_ENTRY_TEXT_BYTES { Err(Error::TooLarge) } else { Ok(body) }
}

/// A number as protobuf's JSON writes 64-bit ones: a string of digits, or a number.
fn number(value: Value<'_>) -> Result<u64, Error> {
    let digits = match value.string() {
        Ok(text) => text.as_plain().map_err(|_| Error::Number)?,
        Err(_) => value.text(),
    };
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain).ok_or(Error::Number)
}

fn hash(value: Value<'_>) -> Result<Hash, Error> {
    let mut bytes = [0; 32];
    let text = value.string()?.as_plain()?;
    match encoding::base64(text.bytes(), Alphabet::Standard, &mut bytes) {
        Ok(32) => Ok(bytes),
        Ok(_) | Err(encoding::Error::TooLong) => Err(Error::HashLength),
        Err(error) => Err(Error::Encoding(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Error, Inclusion, Note};
    use crate::encoding;
    use crate::json;
    use crate::limits;
    use crate::tlog::test_log::{Signed, TestLog, base64, hex};

    extern crate std;
    use std::format;
    use std::string::String;

    const KIND: &str = "dsse 0.0.1";

    fn good() -> String {
        TestLog::new(200, "rekor.example", "").whole(KIND, &Signed::new(1))
    }

    fn read(text: &str) -> Result<(u64, u64, bool, bool), Error> {
        let entry = Entry::read(json::parse(text.as_bytes())?, Inclusion::Proof)?;
        if let Some(proof) = &entry.proof {
            proof.hashes()?;
            proof.note(&mut Note::new())?;
        }
        Ok((entry.log_index, entry.integrated_time, entry.promise.is_some(), entry.proof.is_some()))
    }

    #[test]
    fn numbers_are_strings_of_plain_digits_or_numbers() {
        let good = good();
        for (old, new, expected) in [
            ("\"1005\"", "1005", Ok((1005, 1_700_000_000, true, true))),
            ("\"1005\"", "\"0\"", Ok((0, 1_700_000_000, true, true))),
            ("\"1005\"", "null", Ok((0, 1_700_000_000, true, true))),
            ("\"1005\"", "\"18446744073709551615\"", Ok((u64::MAX, 1_700_000_000, true, true))),
            ("\"1005\"", "\"18446744073709551616\"", Err(Error::Number)),
            ("\"1005\"", "\"-1\"", Err(Error::Number)),
            ("\"1005\"", "-1", Err(Error::Number)),
            ("\"1005\"", "\"+1\"", Err(Error::Number)),
            ("\"1005\"", "\"01\"", Err(Error::Number)),
            ("\"1005\"", "\"\"", Err(Error::Number)),
            ("\"1005\"", "\" 1\"", Err(Error::Number)),
            ("\"1005\"", "\"1e3\"", Err(Error::Number)),
            ("\"1005\"", "1.0", Err(Error::Number)),
            ("\"1005\"", "\"\\u0031\"", Err(Error::Number)),
            ("\"1005\"", "true", Err(Error::Number)),
            ("\"1005\"", "[1]", Err(Error::Number)),
            ("\"1700000000\"", "\"-1\"", Err(Error::Number)),
            ("\"11\"", "\"-11\"", Err(Error::Number)),
            ("\"5\"", "-5", Err(Error::Number)),
        ] {
            assert_eq!(read(&good.replacen(old, new, 1)), expected, "{old} {new}");
        }
    }

    #[test]
    fn a_member_that_is_needed_has_to_be_there_once_and_to_hold_something() {
        let good = good();
        assert_eq!(read(&good), Ok((1005, 1_700_000_000, true, true)));
        let missing = |name| Err(Error::Json(json::Error::MissingKey(name)));
        for name in
            ["logId", "keyId", "kindVersion", "kind", "version", "canonicalizedBody", "rootHash", "treeSize"]
        {
            let key = format!("\"{name}\":");
            assert_eq!(read(&good.replacen(&key, "\"other\":", 1)), missing(name), "{name}");
            let twice = good.replacen(&key, &format!("{key}null,{key}"), 1);
            assert_eq!(read(&twice), Err(Error::Json(json::Error::DuplicateKey(name))), "{name}");
            let twin = good.replacen(&key, &format!("\"{}\":0,{key}", name.to_uppercase()), 1);
            assert_eq!(read(&twin), Err(Error::Json(json::Error::TwinKey(name))), "{name}");
        }
        for name in
            ["inclusionPromise", "inclusionProof", "checkpoint", "integratedTime", "logIndex", "hashes"]
        {
            let key = format!("\"{name}\":");
            let twice = good.replacen(&key, &format!("{key}null,{key}"), 1);
            assert_eq!(read(&twice), Err(Error::Json(json::Error::DuplicateKey(name))), "{name}");
        }
        for (old, name) in
            [("\"signedEntryTimestamp\":", "signedEntryTimestamp"), ("\"envelope\":", "envelope")]
        {
            assert_eq!(read(&good.replace(old, "\"other\":")), missing(name), "{name}");
        }
    }

    #[test]
    fn a_member_of_another_type_is_an_error() {
        let good = good();
        let wrong = Err(Error::Json(json::Error::WrongType));
        for name in
            ["logId", "keyId", "kindVersion", "kind", "version", "canonicalizedBody", "rootHash", "hashes"]
        {
            for value in ["7", "true"] {
                let text = good.replacen(&format!("\"{name}\":"), &format!("\"{name}\":{value},\"x\":"), 1);
                assert_eq!(read(&text), wrong, "{name} {value}");
            }
        }
        for name in ["inclusionPromise", "inclusionProof", "checkpoint", "signedEntryTimestamp", "envelope"] {
            let text = good.replacen(&format!("\"{name}\":"), &format!("\"{name}\":[],\"x\":"), 1);
            assert_eq!(read(&text), wrong, "{name}");
        }
    }

    #[test]
    fn hashes_are_32_bytes_and_at_most_64() {
        let good = good();
        let id = base64(TestLog::new(200, "", "").id());
        for (value, error) in [
            (base64([0; 31]), Error::HashLength),
            (base64([0; 33]), Error::HashLength),
            (String::new(), Error::HashLength),
            (base64([0; 32]).replace('=', ""), Error::Encoding(encoding::Error::Length)),
            ("-".repeat(43) + "=", Error::Encoding(encoding::Error::Character)),
        ] {
            assert_eq!(read(&good.replace(&id, &value)), Err(error), "{value}");
            let hashes = format!("\"hashes\":[\"{value}\"],\"x\":");
            assert_eq!(read(&good.replace("\"hashes\":", &hashes)), Err(error), "{value}");
        }
        for (count, expected) in [
            (limits::PROOF_HASHES, Ok((1005, 1_700_000_000, true, true))),
            (limits::PROOF_HASHES + 1, Err(Error::TooManyHashes)),
        ] {
            let list = std::vec![format!("\"{}\"", base64([0; 32])); count].join(",");
            assert_eq!(read(&good.replace("\"hashes\":", &format!("\"hashes\":[{list}],\"x\":"))), expected);
        }
    }

    #[test]
    fn bodies_and_notes_are_bounded_before_they_are_read() {
        let good = good();
        let long = "A".repeat(limits::LOG_ENTRY_TEXT_BYTES + 1);
        let text = good.replace("\"canonicalizedBody\":\"", &format!("\"canonicalizedBody\":\"{long}"));
        assert_eq!(read(&text), Err(Error::TooLarge));
        let text =
            good.replace("\"envelope\":\"", &format!("\"envelope\":\"{}", &long[..limits::NOTE_BYTES]));
        assert_eq!(read(&text), Err(Error::CheckpointTooLarge));
    }

    #[test]
    fn an_annotation_is_complete_or_nothing() {
        let id = hex(&TestLog::new(200, "", "").id());
        let good = format!(
            r#"{{"SignedEntryTimestamp":"AAAA","Payload":{{"body":"e30=","integratedTime":7,"logIndex":8,"logID":"{id}"}}}}"#
        );
        let read = |text: &str| {
            let entry = Entry::read_annotation(text.as_bytes())?;
            assert_eq!(entry.inclusion, Inclusion::ProofOrPromise);
            Ok((entry.log_index, entry.integrated_time, entry.promise.is_some(), entry.proof.is_some()))
        };
        assert_eq!(read(&good), Ok((8, 7, true, false)));
        for name in ["SignedEntryTimestamp", "Payload", "body", "integratedTime", "logIndex", "logID"] {
            let missing = Err(Error::Json(json::Error::MissingKey(name)));
            let key = format!("\"{name}\":");
            assert_eq!(read(&good.replace(&key, "\"other\":")), missing, "{name}");
            let null = good.replace(&key, &format!("{key}null,\"x\":"));
            assert_eq!(read(&null), missing, "{name}");
            let twice = good.replace(&key, &format!("{key}null,{key}"));
            assert_eq!(read(&twice), Err(Error::Json(json::Error::DuplicateKey(name))), "{name}");
        }
        assert_eq!(read(&good.replace(":7", ":-7")), Err(Error::Number));
        assert_eq!(
            read(&good.replace(&id, &id.to_uppercase())),
            Err(Error::Encoding(encoding::Error::Character))
        );
        assert_eq!(read(&good.replace(&id, &id[2..])), Err(Error::Encoding(encoding::Error::Length)));
        for text in ["", "null", "[]", "{}x", "\u{feff}{}"] {
            assert!(matches!(read(text), Err(Error::Json(_))), "{text:?}");
        }
    }
}
