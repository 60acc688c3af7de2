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

    /// Decodes the checkpoint's note; `None` where the proof has none.
    pub(super) fn note(&self) -> Result<Option<Note>, Error> {
        let Some(text) = self.checkpoint else { return Ok(None) };
        let mut note = Note::new();
        text.copy_into(&mut note).map_err(|_| Error::CheckpointTooLarge)?;
        Ok(Some(note))
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
