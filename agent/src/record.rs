//! A verdict with all its inputs: enough to decide it again, on another machine, years later.
//!
//! Schema `pullward/record/v1`. A record is written once and never edited; unknown fields are refused, because a
//! replay that ignored one would decide another question. Compatibility rule: within a schema fields are only added, and
//! each says what its absence means; so a later version reads every earlier record, and an earlier one refuses a record
//! that says more than it knows, by the name of the field. A later version reads every earlier schema, or says which it
//! cannot.
//!
//! Conditions in CEL are answered by an engine beside the core. The record holds what it answered, and a replay asks its
//! own engine anew: it says which answers differ, and which decision.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding as _};
use pullward_core::ENGINE;
use pullward_core::judge::{Admission, AdmittedBy};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::signature::PublicKey;
use pullward_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::condition;
use crate::decide::clerk::ConditionRow;
use crate::decide::session::{Event, FailedSource, RejectedItem, Session, Subject};
use crate::decide::{Believed, EventLog};
use crate::evidence::{Chain, Documents, Format, Found, Relative, Source};
use crate::trust::file::{Existing, write_whole};
use crate::trust::installed::InstalledTrust;
use crate::verdict::{Place, Verdict};

/// Schema name in every record.
pub const SCHEMA: &str = "pullward/record/v1";

/// Most bytes of a record: a trust bundle and the evidence of one verdict, both in base64, and room.
pub const RECORD_BYTES: u64 = 512 * 1024 * 1024;

/// Why a record cannot be written, read or decided again.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The file is larger than any record.
    #[error("{path}: larger than {RECORD_BYTES} bytes, which no record is")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not a record of this schema.
    #[error("{path}: not a record: {detail}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// What the record believes in does not open any more.
    #[error("the record's trust does not open: {0}")]
    Trust(String),
}

/// A verdict and everything that it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    schema: String,
    engine: String,
    question: RecordedQuestion,
    trust: RecordedTrust,
    /// A receipt of this node for the digest, where there was one.
    receipt: Option<RecordedReceipt>,
    /// Overrides that were active. This version has none.
    overrides: Vec<()>,
    limits: RecordedLimits,
    events: Vec<RecordedEvent>,
    /// What conditions in CEL were answered, in the order in which they were asked. Absent in records that were written
    /// before it was kept: then nothing is known of the answers, and only verdicts are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conditions: Option<Vec<ConditionRow>>,
    verdict: Verdict,
}

/// What a receipt adds to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedReceipt {
    /// When this node first allowed the digest under this name.
    allowed_at: String,
    /// What it allowed it by.
    by: RecordedAdmission,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordedAdmission {
    Evidence,
    Rule,
}

impl RecordedReceipt {
    fn of(admission: Admission) -> Self {
        let by = match admission.by {
            AdmittedBy::Evidence => RecordedAdmission::Evidence,
            AdmittedBy::Rule => RecordedAdmission::Rule,
        };
        Self { allowed_at: admission.at.to_string(), by }
    }

    fn admission(&self) -> Option<Admission> {
        let by = match self.by {
            RecordedAdmission::Evidence => AdmittedBy::Evidence,
            RecordedAdmission::Rule => AdmittedBy::Rule,
        };
        Some(Admission { at: UnixTime::parse(&self.allowed_at)?, by })
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedQuestion {
    /// Null for a layout that was given no name.
    reference: Option<String>,
    name: String,
    digest: String,
    platform: String,
    place: Place,
    time: String,
}

/// The bounds that shape a verdict. Another version may have others, and then decides another question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedLimits {
    signature_operations: u16,
    signature_bytes: u64,
    attestation_bytes: u64,
    payload_bytes: u64,
    statement_subjects: usize,
}

impl RecordedLimits {
    const OURS: Self = Self {
        signature_operations: limits::SIGNATURE_OPERATIONS,
        signature_bytes: limits::SIGNATURE_BYTES,
        attestation_bytes: limits::ATTESTATION_BYTES,
        payload_bytes: limits::PAYLOAD_BYTES,
        statement_subjects: limits::STATEMENT_SUBJECTS,
    };
}

/// What was believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum RecordedTrust {
    /// One key, as PEM.
    Key(String),
    /// A trust bundle, as its signed file, with the pinned roots.
    Bundle {
        /// The file in base64.
        file: String,
        /// The pinned roots, as PEM.
        roots: Vec<String>,
        /// How many of them have to have signed.
        threshold: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RecordedEvent {
    Found(RecordedFound),
    /// Since records have it: documents that may tie the image to another digest.
    Related(RecordedRelative),
    Rejected(RejectedItem),
    Failed(FailedSource),
    Note(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedFound {
    format: String,
    source: String,
    digest: String,
    manifest: String,
    signature: Option<String>,
    /// The bytes in base64.
    content: String,
    /// What cosign's annotations say about a certificate, a log and timestamps, where they say something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// For a statement of the image's own index: what chains it to the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<RecordedChain>,
}

/// The documents between an image's digest and a statement in its index, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedChain {
    index: String,
    manifest: String,
}

/// Documents that may tie the image to another digest, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum RecordedRelative {
    Parent { source: String, index: String },
    Rewritten { source: String, image: String, other: String },
}

impl RecordedRelative {
    fn of(relative: &Relative) -> Self {
        let source = relative.source.as_str().to_owned();
        match &relative.documents {
            Documents::Parent { index } => Self::Parent { source, index: Base64::encode_string(index) },
            Documents::Rewritten { image, other } => Self::Rewritten {
                source,
                image: Base64::encode_string(image),
                other: Base64::encode_string(other),
            },
        }
    }

    fn decode(&self) -> Result<Relative, String> {
        let decode = |text: &str| Base64::decode_vec(text).map_err(|error| format!("related: {error}"));
        let (source, documents) = match self {
            Self::Parent { source, index } => (source, Documents::Parent { index: decode(index)?.into() }),
            Self::Rewritten { source, image, other } => {
                (source, Documents::Rewritten { image: decode(image)?.into(), other: decode(other)?.into() })
            }
        };
        Ok(Relative { source: Source::from_name(source).ok_or("source: unknown")?, documents })
    }
}

/// Collects events while a session runs.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Vec<RecordedEvent>,
    conditions: Vec<ConditionRow>,
}

impl EventLog for Recorder {
    fn note(&mut self, event: &Event) {
        self.events.push(match event {
            Event::Found(found) => RecordedEvent::Found(RecordedFound {
                format: found.format.as_str().to_owned(),
                source: found.source.as_str().to_owned(),
                digest: found.digest.to_string(),
                manifest: found.manifest.to_string(),
                signature: found.signature.clone(),
                content: Base64::encode_string(&found.content),
                annotations: found.keyless_annotations(),
                chain: found.chain.as_ref().map(|chain| RecordedChain {
                    index: Base64::encode_string(&chain.index),
                    manifest: Base64::encode_string(&chain.manifest),
                }),
            }),
            Event::Related(relative) => RecordedEvent::Related(RecordedRelative::of(relative)),
            Event::Rejected(item) => RecordedEvent::Rejected(item.clone()),
            Event::Failed(failure) => RecordedEvent::Failed(failure.clone()),
            Event::Note(note) => RecordedEvent::Note(note.clone()),
        });
    }

    fn answered(&mut self, answers: &[ConditionRow]) {
        self.conditions = answers.to_vec();
    }
}

/// A recorded verdict, decided again.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The verdict that is reached now.
    pub verdict: Verdict,
    /// How it compares with the recorded one.
    pub comparison: Comparison,
    /// The conditions that are answered differently now.
    pub conditions: Vec<ConditionChange>,
}

/// A condition that two engines answer differently, or only one of them was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionChange {
    /// What was recorded; `None` where it was not asked then.
    pub recorded: Option<ConditionRow>,
    /// What is answered now; `None` where it is not asked.
    pub now: Option<ConditionRow>,
}

impl std::fmt::Display for ConditionChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(row) = self.recorded.as_ref().or(self.now.as_ref()) else { return Ok(()) };
        write!(
            f,
            "rule {:?}, requirement {}, condition {}, evidence {}: ",
            row.rule,
            row.requirement.saturating_add(1),
            row.expression,
            row.evidence
        )?;
        match &self.recorded {
            Some(row) => write!(f, "recorded {} by {}, ", row.answer.as_str(), row.engine)?,
            None => f.write_str("not asked when it was recorded, ")?,
        }
        match &self.now {
            Some(row) => write!(f, "now {} by {}", row.answer.as_str(), row.engine),
            None => f.write_str("not asked now"),
        }
    }
}

/// Places the answers of two runs beside each other, and keeps those that differ.
fn compare(recorded: &[ConditionRow], now: &[ConditionRow]) -> Vec<ConditionChange> {
    let same_condition = |one: &ConditionRow, other: &ConditionRow| {
        (&one.rule, one.requirement, &one.evidence, &one.expression)
            == (&other.rule, other.requirement, &other.evidence, &other.expression)
    };
    let mut left: Vec<&ConditionRow> = now.iter().collect();
    let mut changes = Vec::new();
    for row in recorded {
        let found = left.iter().position(|other| same_condition(row, other)).map(|at| left.remove(at));
        if found != Some(row) {
            changes.push(ConditionChange { recorded: Some(row.clone()), now: found.cloned() });
        }
    }
    changes.extend(left.into_iter().map(|row| ConditionChange { recorded: None, now: Some(row.clone()) }));
    changes
}

/// How a replay compares with what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The same bytes.
    Same,
    /// Another engine decided, and this is what differs.
    OtherEngine {
        /// The engine that wrote the record.
        recorded: String,
        /// Whether allow and deny stayed what they were.
        decision_kept: bool,
    },
    /// The same engine reached something else: the record was changed, or there is a fault.
    Differs,
}

impl Record {
    /// Puts a record together. `None` where the question led to no digest: there was nothing to judge.
    #[must_use]
    pub fn new(subject: &Subject, trust: RecordedTrust, recorder: Recorder, verdict: Verdict) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            engine: ENGINE.to_owned(),
            question: RecordedQuestion {
                reference: subject.reference.as_ref().map(|reference| reference.as_str().to_owned()),
                name: subject.name.clone(),
                digest: subject.digest.to_string(),
                platform: subject.platform.clone(),
                place: subject.place.clone(),
                time: subject.time.to_string(),
            },
            trust,
            receipt: subject.allowed_at.map(RecordedReceipt::of),
            overrides: Vec::new(),
            limits: RecordedLimits::OURS,
            events: recorder.events,
            conditions: Some(recorder.conditions),
            verdict,
        }
    }

    /// Writes the record: whole or not at all.
    ///
    /// # Errors
    /// [`RecordError::File`].
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let failed = |error| RecordError::File { path: path.to_owned(), error };
        let text = serde_json::to_vec(self).map_err(|error| failed(io::Error::other(error)))?;
        write_whole(path, &text, 0o644, Existing::Replace).map_err(failed)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError::File`], [`RecordError::TooLarge`], [`RecordError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let failed = |error| RecordError::File { path: path.to_owned(), error };
        if fs::metadata(path).map_err(failed)?.len() > RECORD_BYTES {
            return Err(RecordError::TooLarge { path: path.to_owned() });
        }
        let text = fs::read(path).map_err(failed)?;
        let malformed = |detail: String| RecordError::Malformed { path: path.to_owned(), detail };
        let record: Self = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if record.schema != SCHEMA {
            return Err(malformed(format!("schema {:?}; this version reads {SCHEMA:?}", record.schema)));
        }
        record.check().map_err(malformed)?;
        Ok(record)
    }

    /// The verdict as it was recorded.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Checks what serde cannot: that every field can be used.
    fn check(&self) -> Result<(), String> {
        self.subject()?;
        if self.limits != RecordedLimits::OURS {
            return Err(
                "limits: recorded with other bounds than this version has; replay it with that version"
                    .to_owned(),
            );
        }
        self.events.iter().try_for_each(|event| event.to_event().map(|_| ()))
    }

    fn subject(&self) -> Result<Subject, String> {
        let question = &self.question;
        let reference = match &question.reference {
            Some(text) => {
                Some(Reference::parse(text).map_err(|error| format!("question.reference: {error}"))?)
            }
            None => None,
        };
        Ok(Subject {
            reference,
            name: question.name.clone(),
            digest: Digest::parse(&question.digest).map_err(|error| format!("question.digest: {error}"))?,
            platform: question.platform.clone(),
            place: question.place.clone(),
            time: UnixTime::parse(&question.time).ok_or("question.time: not YYYY-MM-DDTHH:MM:SSZ")?,
            allowed_at: match &self.receipt {
                Some(receipt) => {
                    Some(receipt.admission().ok_or("receipt.allowed_at: not YYYY-MM-DDTHH:MM:SSZ")?)
                }
                None => None,
            },
        })
    }

    /// Decides again. Nothing but the record is read.
    ///
    /// # Errors
    /// [`RecordError::Trust`] where the bundle no longer opens with the roots that stand beside it.
    pub fn replay(&self) -> Result<Replayed, RecordError> {
        let opened = self.trust.open()?;
        let subject = self.subject().map_err(RecordError::Trust)?;
        let mut session = Session::open(opened.believed(), &subject);
        for event in &self.events {
            session.take(event.to_event().map_err(RecordError::Trust)?);
        }
        let conditions = match &self.conditions {
            Some(recorded) => compare(recorded, session.conditions()),
            None => Vec::new(),
        };
        let mut verdict = session.close();
        verdict.elapsed_us = self.verdict.elapsed_us;
        // What an earlier version did not tell is no difference.
        for (row, told) in verdict.requirements.iter_mut().zip(&self.verdict.requirements) {
            if told.rule.is_empty() {
                row.rule.clear();
            }
        }
        // Every answer stands with the engine that gave it.
        let condition_engines = self.conditions.iter().flatten().map(|row| row.engine.as_str());
        let other = condition_engines.filter(|engine| *engine != condition::ENGINE).min();
        let comparison = if verdict == self.verdict && conditions.is_empty() {
            Comparison::Same
        } else if self.engine == ENGINE && other.is_none() {
            Comparison::Differs
        } else {
            let decision_kept = verdict.decision == self.verdict.decision;
            let recorded = [Some(self.engine.as_str()).filter(|engine| *engine != ENGINE), other];
            let recorded = recorded.into_iter().flatten().collect::<Vec<_>>().join(" with ");
            Comparison::OtherEngine { recorded, decision_kept }
        };
        Ok(Replayed { verdict, comparison, conditions })
    }
}

/// What a record believes in, opened again.
enum Opened {
    Key(Box<PublicKey>),
    Bundle(Box<InstalledTrust>),
}

impl Opened {
    fn believed(&self) -> Believed<'_> {
        match self {
            Self::Key(key) => Believed::Key(key),
            Self::Bundle(trust) => Believed::Bundle(trust),
        }
    }
}

impl RecordedTrust {
    fn open(&self) -> Result<Opened, RecordError> {
        let key =
            |pem: &String| PublicKey::from_pem(pem).map_err(|error| RecordError::Trust(format!("{error:?}")));
        match self {
            Self::Key(pem) => Ok(Opened::Key(Box::new(key(pem)?))),
            Self::Bundle { file, roots, threshold } => {
                let file = Base64::decode_vec(file).map_err(|error| RecordError::Trust(error.to_string()))?;
                let roots = roots.iter().map(key).collect::<Result<Vec<_>, _>>()?;
                let opened = InstalledTrust::open_for_any(&file, &roots, *threshold);
                let installed = opened.map_err(|error| RecordError::Trust(error.to_string()))?;
                Ok(Opened::Bundle(Box::new(installed)))
            }
        }
    }
}

impl RecordedChain {
    fn decode(&self) -> Result<Chain, String> {
        let decode = |text: &str| Base64::decode_vec(text).map_err(|error| format!("chain: {error}"));
        Ok(Chain { index: decode(&self.index)?.into(), manifest: decode(&self.manifest)?.into() })
    }
}

impl RecordedEvent {
    fn to_event(&self) -> Result<Event, String> {
        Ok(match self {
            Self::Found(found) => {
                let content =
                    Base64::decode_vec(&found.content).map_err(|error| format!("content: {error}"))?;
                let digest = Digest::parse(&found.digest).map_err(|error| format!("digest: {error}"))?;
                if Digest::of(&content) != digest {
                    return Err(format!("content does not hash to {digest}"));
                }
                Event::Found(Found {
                    format: Format::from_name(&found.format).ok_or("format: unknown")?,
                    source: Source::from_name(&found.source).ok_or("source: unknown")?,
                    digest,
                    manifest: Digest::parse(&found.manifest).map_err(|error| format!("manifest: {error}"))?,
                    artifact_type: String::new(),
                    annotations: found.annotations.clone(),
                    content,
                    signature: found.signature.clone(),
                    chain: found.chain.as_ref().map(RecordedChain::decode).transpose()?,
                })
            }
            Self::Related(relative) => Event::Related(relative.decode()?),
            Self::Rejected(item) => Event::Rejected(item.clone()),
            Self::Failed(failure) => Event::Failed(failure.clone()),
            Self::Note(note) => Event::Note(note.clone()),
        })
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
