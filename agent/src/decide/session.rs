//! One question being judged: events in, a verdict out.
//!
//! What a session sees is a list of [`Event`]s. They come from the sources, or from a record; the same list gives the
//! same verdict, byte for byte except for `elapsed_us`.

use std::sync::Arc;

use pullward_core::buildkit;
use pullward_core::judge::{
    Admission, Decision as CoreDecision, Judge, Needs, Outcome as CoreOutcome, Question as CoreQuestion,
    Ruling, Standing, Unrelated,
};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::related::{Kinship, Relation};
use pullward_core::signature::KeyId;
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;
use pullward_core::verify::Evidence;
use serde::{Deserialize, Serialize};

use super::attested::{self, Attested};
use super::clerk::{ConditionRow, KeepStatements, NotedStatement, Notes};
use super::{Believed, explain};
use crate::condition;
use crate::evidence::{Documents, Fault, Format, Found, Gathered, Relative, SourceError, Wanted};
use crate::verdict::{COVERED_BY_SIGNATURE, Decision, EvidenceRow, Hook, Outcome, Place, Verdict};

/// What is judged, and when and where.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The normalised reference; none for a layout that was given no name.
    pub reference: Option<Reference>,
    /// How the verdict names it.
    pub name: String,
    /// The digest.
    pub digest: Digest,
    /// `os/arch[/variant]`.
    pub platform: String,
    /// Which hook asks.
    pub place: Place,
    /// The time of judgement.
    pub time: UnixTime,
    /// When this node first allowed the digest under this name, by a receipt of its own.
    pub allowed_at: Option<Admission>,
}

/// Something that a session learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A piece of evidence.
    Found(Found),
    /// Documents that may tie the image to another digest.
    Related(Relative),
    /// An attached thing that could not be handed over.
    Rejected(RejectedItem),
    /// A source that could not be read to its end.
    Failed(FailedSource),
    /// A source was read; what may explain why there is nothing.
    Note(String),
}

/// An attached thing that could not be handed over, as verdict and record have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectedItem {
    /// The source's name.
    pub source: String,
    /// Digest of its blob or manifest; empty where none could be named.
    pub digest: String,
    /// Stable code.
    pub code: String,
    /// The same in words.
    pub detail: String,
    /// Whether it was listed and could not be read: then nobody knows what it says.
    pub unread: bool,
}

/// A source that could not be read to its end, as verdict and record have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedSource {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// What happened, in words.
    pub detail: String,
}

/// Why a source could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// It could not be reached or understood.
    Unreachable,
    /// The time was over.
    Deadline,
    /// A bound was reached.
    Limit,
    /// There was no room in memory for the report that came before it to wait for a VEX statement.
    #[serde(rename = "no-room")]
    NoRoom,
}

impl Event {
    /// What a visit leaves behind besides its pieces.
    pub(super) fn after_visit(visited: Result<Gathered, SourceError>) -> Vec<Self> {
        let gathered = match visited {
            Ok(gathered) => gathered,
            Err(error) => {
                let kind = match error.fault() {
                    Fault::Limit => FailureKind::Limit,
                    Fault::Deadline => FailureKind::Deadline,
                    _ => FailureKind::Unreachable,
                };
                return vec![Self::Failed(FailedSource { kind, detail: error.to_string() })];
            }
        };
        let source = gathered.source.as_str();
        let rejected = gathered.rejected.iter().map(|item| {
            Self::Rejected(RejectedItem {
                source: source.to_owned(),
                digest: item.blob.or(item.manifest).map(|digest| digest.to_string()).unwrap_or_default(),
                code: item.reason.code().to_owned(),
                detail: item.reason.to_string(),
                unread: item.reason.is_unread(),
            })
        });
        let notes = gathered.hints.iter().map(|hint| Self::Note(format!("{source}: {hint}")));
        rejected.chain(notes).collect()
    }
}

/// A question that is being judged.
#[derive(Debug)]
pub struct Session<'a> {
    believed: Believed<'a>,
    subject: &'a Subject,
    judge: Judge<'a>,
    rows: Vec<EvidenceRow>,
    notes: Vec<String>,
    failures: Vec<String>,
    attested: Attested,
    keep: KeepStatements,
    statements: Vec<(usize, NotedStatement)>,
    /// Reports that fell short and may be excused by a VEX statement that comes later, each with its row.
    held: Vec<(usize, Found)>,
    /// What conditions in CEL may still cost.
    conditions: Arc<condition::Budget>,
    /// The conditions that were asked, in order.
    answers: Vec<ConditionRow>,
}

/// What became of the bytes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// They were judged and are gone.
    Done,
    /// So many of them are held, until the session is closed.
    Held(u64),
    /// They tie the image to this digest: evidence about it may be of use.
    Related(Digest),
}

/// Most bytes of reports that are held for a VEX statement to come. One that does not fit is not excused.
const HELD_BYTES: usize = 32 * 1024 * 1024;

impl<'a> Session<'a> {
    /// Opens a session.
    #[must_use]
    pub fn open(believed: Believed<'a>, subject: &'a Subject) -> Self {
        Self::open_keeping(believed, subject, KeepStatements::No)
    }

    /// The same, and verified statements are kept whole where somebody wants to read them.
    #[must_use]
    pub fn open_keeping(believed: Believed<'a>, subject: &'a Subject, keep: KeepStatements) -> Self {
        let question = CoreQuestion {
            reference: subject.reference.as_ref(),
            digest: subject.digest,
            time: subject.time,
            pod_namespace: subject.place.pod_namespace.as_deref(),
            platform: &subject.platform,
            allowed_at: subject.allowed_at,
        };
        Self {
            believed,
            subject,
            judge: Judge::open(believed.as_core(), &question),
            rows: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
            attested: Attested::default(),
            keep,
            statements: Vec::new(),
            held: Vec::new(),
            conditions: Arc::new(condition::Budget::for_one_verdict()),
            answers: Vec::new(),
        }
    }

    /// What is believed.
    #[must_use]
    pub fn believed(&self) -> Believed<'a> {
        self.believed
    }

    /// What sources have to be asked for.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        if self.judge.asks_for_coverage() || self.keep == KeepStatements::Yes {
            Wanted::EverythingAndIndex
        } else if self.judge.asks_for_attestations() {
            Wanted::Everything
        } else {
            Wanted::Signatures
        }
    }

    /// Whether more evidence can change anything.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.judge.needs()
    }

    /// The conditions that were asked so far, each with its answer.
    #[must_use]
    pub fn conditions(&self) -> &[ConditionRow] {
        &self.answers
    }

    /// Takes one event, and says whether its bytes stay in memory. Whoever has no room for them says so with an event of
    /// [`FailureKind::NoRoom`], which comes right after it.
    pub fn take(&mut self, event: Event) -> Taken {
        match event {
            Event::Found(found) => return self.take_found(found),
            Event::Related(relative) => return self.take_related(&relative),
            Event::Rejected(item) => {
                if item.unread {
                    self.judge.source_failed();
                    self.failures.push(format!("{}: {}", item.source, item.detail));
                }
                self.rows.push(EvidenceRow {
                    format: "unknown".to_owned(),
                    source: item.source,
                    digest: item.digest,
                    predicate_type: None,
                    authority: None,
                    identity: None,
                    time: None,
                    outcome: Outcome::Rejected,
                    code: Some(item.code),
                    detail: Some(item.detail),
                    covered_by: None,
                });
            }
            Event::Failed(failure) => {
                match failure.kind {
                    FailureKind::Limit => self.judge.limit_reached(Reason::EvidenceLimit),
                    FailureKind::Deadline => self.judge.deadline_passed(),
                    FailureKind::Unreachable => self.judge.source_failed(),
                    FailureKind::NoRoom => {
                        self.held.pop();
                        self.judge.source_failed();
                    }
                }
                self.failures.push(failure.detail);
            }
            Event::Note(note) => self.notes.push(note),
        }
        Taken::Done
    }

    fn take_related(&mut self, relative: &Relative) -> Taken {
        let (relation, what) = match &relative.documents {
            Documents::Parent { index } => (Relation::Parent { index }, "index"),
            Documents::Rewritten { image, other } => (Relation::Rewritten { image, other }, "manifest"),
        };
        let (source, other) = (relative.source, relative.digest());
        match self.judge.relate(&relation) {
            Ok(related) => {
                let tie = match related.kinship() {
                    Kinship::Parent => format!("lists this manifest for {}", self.subject.platform),
                    Kinship::Rewritten => "is of the same image, with the same configuration".to_owned(),
                };
                self.notes.push(format!("{source}: the {what} {other} {tie}"));
                Taken::Related(*related.digest())
            }
            Err(unrelated) => {
                let why = match unrelated {
                    Unrelated::Revoked => "is revoked".to_owned(),
                    Unrelated::Chain(error) => format!("does not prove to be this image's ({error:?})"),
                    Unrelated::TooMany => "is one more than is looked at".to_owned(),
                };
                self.notes.push(format!("{source}: the {what} {other} {why}"));
                Taken::Done
            }
        }
    }

    /// Whether a rule lets the signature of an index count for the manifests that it lists.
    #[must_use]
    pub fn asks_for_parents(&self) -> bool {
        self.judge.asks_for_parents()
    }

    /// Whether no signature of the image counts so far, for a rule that asks for one.
    #[must_use]
    pub fn lacks_signature(&self) -> bool {
        self.judge.lacks_signature()
    }

    /// The reason of the decision as it stands.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.judge.decide().reason
    }

    fn take_found(&mut self, found: Found) -> Taken {
        let place = self.rows.len();
        let known = self.judge.vex_claims();
        let outcome = self.offer(&found, place);
        self.rows.push(row(&found, &outcome));
        // A copy of a statement says nothing new.
        if self.judge.vex_claims() > known {
            self.offer_held();
        }
        if self.attested.has_exceeded(place) && self.judge.hopes_for_vex() {
            let held: usize = self.held.iter().map(|(_, found)| found.content.len()).sum();
            let length = found.content.len();
            if held.saturating_add(length) <= HELD_BYTES {
                self.held.push((place, found));
                return Taken::Held(u64::try_from(length).unwrap_or(u64::MAX));
            }
        }
        Taken::Done
    }

    /// Offers again what a VEX statement may have excused.
    fn offer_held(&mut self) {
        for (place, found) in std::mem::take(&mut self.held) {
            self.attested.forget(place);
            self.statements.retain(|(of, _)| *of != place);
            let outcome = self.offer(&found, place);
            if let Some(known) = self.rows.get_mut(place) {
                *known = row(&found, &outcome);
            }
            if self.attested.has_exceeded(place) {
                self.held.push((place, found));
            }
        }
    }

    /// Offers one piece to the judge and keeps what the clerk wrote down about it.
    fn offer(&mut self, found: &Found, place: usize) -> CoreOutcome<'a> {
        let mut notes = Notes::new(self.subject, self.keep, Arc::clone(&self.conditions));
        let evidence = match found.format {
            Format::Bundle => Evidence::Bundle(&found.content),
            Format::LegacyAttestation => {
                Evidence::Envelope { document: &found.content, annotations: found.keyless() }
            }
            Format::LegacySignature => Evidence::SimpleSigning {
                payload: &found.content,
                signature: found.signature.as_deref().unwrap_or_default(),
                annotations: found.keyless(),
            },
            Format::IndexStatement => {
                let (index, manifest) = match &found.chain {
                    Some(chain) => (&*chain.index, &*chain.manifest),
                    None => (&[][..], &[][..]),
                };
                let chain = buildkit::Chain { index, manifest, statement: &found.content };
                let outcome = self.judge.offer_covered(&chain, &found.digest, &mut notes);
                self.note(found, place, notes);
                return outcome;
            }
        };
        // Given back with the piece: a verdict holds one of each at a time.
        let mut scratch = vec![0; self.judge.scratch_bytes(&evidence)];
        let outcome = self.judge.offer_with(&evidence, &found.digest, &mut scratch, &mut notes);
        self.note(found, place, notes);
        outcome
    }

    fn note(&mut self, found: &Found, place: usize, notes: Notes<'_>) {
        self.attested.take(place, found, &notes);
        self.answers.extend(notes.answers);
        if let Some(statement) = notes.statement {
            self.statements.push((place, statement));
        }
    }

    /// The verified statements so far, each with its row in the verdict's evidence; whole where they are kept. What the
    /// image's own index holds is verified where the index is signed as asked.
    #[must_use]
    pub fn statements(&self) -> Vec<(usize, NotedStatement)> {
        let signed = self.judge.decide().is_signed();
        self.statements.iter().filter(|(_, statement)| signed || !statement.covered).cloned().collect()
    }

    /// Closes the session.
    pub fn close(self) -> Verdict {
        let decision = when_started(self.subject, self.judge.decide());
        let mut notes = self.notes;
        if let Some(admission) = self.subject.allowed_at {
            // Age, retired keys and expired bundles look at it: who reads the verdict must see that it is there.
            notes.push(format!("this node first let the image in at {}, by its own receipt", admission.at));
        }
        // A failure after everything was met is worth knowing and changes nothing.
        notes.extend(self.failures.iter().cloned());
        let mut rows = self.rows;
        let mut statements = self.statements;
        let requirements = self.attested.rows(&decision, &rows);
        notes.extend(self.attested.warnings(&requirements));
        if !decision.is_signed() {
            attested::discount_covered(&mut rows);
            // Nobody vouches for them: what they say is not shown as if somebody did.
            statements.retain(|(_, statement)| !statement.covered);
        }
        let message = explain::message(self.subject, &decision, &rows, &requirements, &self.failures);
        let decided = match decision.ruling {
            Ruling::Allow => Decision::Allow,
            Ruling::Deny => Decision::Deny,
        };
        explain::verdict(
            self.believed,
            self.subject,
            explain::Parts {
                decision: decided,
                mode: decision.mode,
                would_deny: decision.would_deny(),
                reason: decision.reason,
                message,
                rule: decision.rule.map(|rule| rule.name().to_owned()),
                attestations: attested::summaries(&statements, &rows),
                evidence: rows,
                requirements,
                notes,
            },
        )
    }
}

/// What starts is not what is pulled: a name that a rule lets in without evidence can be given to any image that is on
/// the node (`ctr images tag`). It counts for digests that the rule lists, and for what was pulled under it.
fn when_started<'a>(subject: &Subject, decision: CoreDecision<'a>) -> CoreDecision<'a> {
    let unpinned = decision.rule.is_some_and(|rule| !rule.is_pinned());
    let held = matches!(subject.place.hook, Hook::CriCreate | Hook::Inventory);
    let starts = held && subject.allowed_at.is_none();
    if starts && unpinned && decision.ruling == Ruling::Allow && decision.reason == Reason::AllowedByRule {
        return CoreDecision { ruling: Ruling::Deny, reason: Reason::AllowUnpinned, ..decision };
    }
    decision
}

fn row(found: &Found, outcome: &CoreOutcome<'_>) -> EvidenceRow {
    let (result, code, detail) = match outcome.standing {
        Standing::Accepted => (Outcome::Accepted, None, None),
        Standing::Ignored(reason) => {
            (Outcome::Ignored, Some(reason.code().to_owned()), Some(reason.meaning().to_owned()))
        }
        Standing::Unmet(reason) => {
            (Outcome::Ignored, Some(reason.code().to_owned()), Some(reason.meaning().to_owned()))
        }
        Standing::Unchained(error) => {
            let reason = Reason::IndexChain;
            let detail = format!("{} ({error:?})", reason.meaning());
            (Outcome::Rejected, Some(reason.code().to_owned()), Some(detail))
        }
        Standing::Rejected(error) => {
            let reason = error.reason();
            let detail = format!("{} ({error:?})", reason.meaning());
            (Outcome::Rejected, Some(reason.code().to_owned()), Some(detail))
        }
        Standing::Revoked => {
            let reason = Reason::EvidenceRevoked;
            (Outcome::Rejected, Some(reason.code().to_owned()), Some(reason.meaning().to_owned()))
        }
    };
    EvidenceRow {
        format: found.format.as_str().to_owned(),
        source: found.source.as_str().to_owned(),
        digest: found.digest.to_string(),
        predicate_type: outcome.predicate_type.as_ref().map(ToString::to_string),
        authority: outcome.authority.map(str::to_owned),
        identity: match (&outcome.identity, outcome.key) {
            (Some(identity), _) => Some(identity.as_str().to_owned()),
            (None, key) => key.map(|KeyId(id)| format!("key {}", Digest::from_sha256(id))),
        },
        time: outcome.time.map(|time| time.to_string()),
        outcome: result,
        code,
        detail,
        covered_by: (found.format == Format::IndexStatement && result == Outcome::Accepted)
            .then(|| COVERED_BY_SIGNATURE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::Digest;
    use pullward_core::reference::Reference;
    use pullward_core::time::UnixTime;

    use base64ct::{Base64, Encoding as _};
    use serde_json::json;

    use super::{Event, FailedSource, FailureKind, Session, Subject, Taken};
    use crate::decide::Believed;
    use crate::evidence::{Format, Found, Source as EvidencePlace, SourceError};
    use crate::policy::{Policy, Source};
    use crate::trust::installed::InstalledTrust;
    use crate::trust::installed::tests::unsigned;
    use crate::trust::root_key::{RootKey, RootKeyType};
    use crate::trust::time::Time;
    use crate::verdict::{Decision, Hook, Place, Verdict};

    fn asks_for_a_signature(mode: &str) -> InstalledTrust {
        let folder = tempfile::tempdir().unwrap();
        let key = RootKey::generate(RootKeyType::P256).unwrap();
        std::fs::write(folder.path().join("k.pub"), key.public_pem().unwrap()).unwrap();
        let text = format!(
            "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"k.pub\"\n\
             [[rule]]\nname = \"r\"\nmatch = [\"**\"]\nmode = {mode:?}\nsigned_by = [\"a\"]\n"
        );
        let policy = Policy::from_source(&Source::new(folder.path().join("p.toml"), text)).unwrap();
        let time = |text| Time::parse(text).unwrap();
        let payload = policy.into_payload(1, time("2026-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z"));
        unsigned(payload.to_bytes().unwrap())
    }

    fn subject() -> Subject {
        Subject {
            reference: Some(Reference::parse("registry.example/app:1").unwrap()),
            name: "registry.example/app:1".to_owned(),
            digest: Digest::of(b"image"),
            platform: "linux/amd64".to_owned(),
            place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
            time: UnixTime::parse("2026-06-01T00:00:00Z").unwrap(),
            allowed_at: None,
        }
    }

    fn after(mode: &str, error: SourceError) -> Verdict {
        let trust = asks_for_a_signature(mode);
        let subject = subject();
        let mut session = Session::open(Believed::Bundle(&trust), &subject);
        for event in Event::after_visit(Err(error)) {
            session.take(event);
        }
        session.close()
    }

    /// Audit lets through what its rule found, and a deadline finds nothing.
    #[test]
    fn a_deadline_is_a_reason_of_its_own_and_denies_under_audit_too() {
        for mode in ["enforce", "audit"] {
            let verdict = after(mode, SourceError::Deadline { source_name: EvidencePlace::Registry });
            assert_eq!((verdict.decision, verdict.would_deny), (Decision::Deny, false), "{mode}");
            assert_eq!(verdict.reason, "deadline-exceeded", "{mode}");
            assert_eq!(verdict.exit_code(), 2);
            assert!(verdict.message.contains("registry: the deadline passed"), "{}", verdict.message);
        }
    }

    /// A statement about the image, signed with the key.
    fn signed(key: &RootKey, predicate_type: &str, predicate: &serde_json::Value) -> Event {
        const TYPE: &str = "application/vnd.in-toto+json";
        let digest = Digest::of(b"image").hex().to_string();
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": digest } }],
            "predicateType": predicate_type,
            "predicate": predicate,
        });
        let payload = statement.to_string();
        let message = format!("DSSEv1 {} {TYPE} {} {payload}", TYPE.len(), payload.len());
        let envelope = json!({
            "payloadType": TYPE,
            "payload": Base64::encode_string(payload.as_bytes()),
            "signatures": [{ "sig": Base64::encode_string(&key.sign(message.as_bytes())) }],
        });
        let content = envelope.to_string().into_bytes();
        Event::Found(Found {
            format: Format::LegacyAttestation,
            source: EvidencePlace::Store,
            digest: Digest::of(&content),
            manifest: Digest::of(b"manifest"),
            artifact_type: String::new(),
            annotations: std::collections::BTreeMap::new(),
            content,
            signature: None,
            chain: None,
        })
    }

    /// Two rules may decide, and each asks something else of the same type in the same place.
    #[test]
    fn a_requirement_says_whose_it_is_and_counts_for_that_rule_alone() {
        let key = RootKey::generate(RootKeyType::P256).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("k.pub"), key.public_pem().unwrap()).unwrap();
        let rule = |name: &str, cel: &str| {
            format!(
                "[[rule]]\nname = \"{name}\"\nmatch = [\"**\"]\nnamespaces = [\"{name}\"]\nsigned_by = [\"a\"]\n\
                 [[rule.attestation]]\ntype = \"https://acme.example/review/v1\"\nsigned_by = [\"a\"]\ncel = '{cel}'\n"
            )
        };
        let text = format!(
            "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"k.pub\"\n{}{}",
            rule("red", "predicate.by == \"alice\""),
            rule("blue", "predicate.by == \"bob\""),
        );
        let policy = Policy::from_source(&Source::new(folder.path().join("p.toml"), text)).unwrap();
        let time = |text| Time::parse(text).unwrap();
        let payload = policy.into_payload(1, time("2026-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z"));
        let trust = unsigned(payload.to_bytes().unwrap());
        let subject = subject();
        let judged = |by: &[&str]| {
            let mut session = Session::open(Believed::Bundle(&trust), &subject);
            session.take(signed(&key, "https://sigstore.dev/cosign/sign/v1", &json!({})));
            for by in by {
                session.take(signed(&key, "https://acme.example/review/v1", &json!({ "by": by })));
            }
            (session.conditions().iter().map(|row| row.rule.clone()).collect::<Vec<_>>(), session.close())
        };
        // The first rule is met and the second is not: the row that is told is the second's, with its own shortfall.
        let (asked, verdict) = judged(&["alice"]);
        assert_eq!(asked, ["red", "blue"]);
        assert_eq!((verdict.rule.as_deref(), verdict.decision), (Some("blue"), Decision::Deny));
        let [row] = verdict.requirements.as_slice() else { panic!("{:?}", verdict.requirements) };
        assert_eq!((row.rule.as_str(), row.met, row.evidence.as_ref()), ("blue", false, None));
        assert_eq!((row.code.as_deref(), row.candidates.len()), (Some("condition-false"), 1));
        assert!(row.detail.as_ref().unwrap().contains("bob"), "{row:?}");
        // And the other way round.
        let (_, verdict) = judged(&["bob"]);
        let [row] = verdict.requirements.as_slice() else { panic!("{:?}", verdict.requirements) };
        assert_eq!((row.rule.as_str(), row.met), ("red", false));
        assert!(row.detail.as_ref().unwrap().contains("alice"), "{row:?}");
    }

    /// What comes first must not decide: neither the report before the VEX statement that excuses it, nor that the report
    /// meets another requirement already, nor that another report falls short for another reason.
    #[test]
    fn a_vex_statement_excuses_a_report_in_whatever_order_they_come() {
        let key = RootKey::generate(RootKeyType::P256).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("k.pub"), key.public_pem().unwrap()).unwrap();
        let asked = "[[rule.attestation]]\ntype = \"vuln\"\nsigned_by = [\"a\"]\n";
        let text = format!(
            "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"k.pub\"\n\
             [[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"a\"]\n\
             {asked}vulnerabilities = {{ critical = 5 }}\n\
             {asked}vulnerabilities = {{ critical = 0, vex = [\"a\"] }}\n"
        );
        let policy = Policy::from_source(&Source::new(folder.path().join("p.toml"), text)).unwrap();
        let time = |text| Time::parse(text).unwrap();
        let payload = policy.into_payload(1, time("2026-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z"));
        let trust = unsigned(payload.to_bytes().unwrap());

        let report = |image: &[u8]| {
            json!({ "scanner": { "result": {
                "SchemaVersion": 2,
                "ArtifactName": "app",
                "Metadata": { "RepoDigests": [format!("registry.example/app@{}", Digest::of(image))] },
                "Results": [{ "Target": "app", "Vulnerabilities": [
                    { "VulnerabilityID": "CVE-2026-1", "PkgName": "p", "Severity": "CRITICAL" },
                ] }],
            } } })
        };
        let vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";
        let events = [
            signed(&key, "https://sigstore.dev/cosign/sign/v1", &json!({})),
            signed(&key, vuln, &report(b"another image")),
            signed(&key, vuln, &report(b"image")),
            signed(
                &key,
                "https://openvex.dev/ns/v0.2.0",
                &json!({
                    "@context": "https://openvex.dev/ns/v0.2.0",
                    "statements": [{
                        "vulnerability": { "name": "CVE-2026-1" },
                        "status": "not_affected",
                        "justification": "component_not_present",
                    }],
                }),
            ),
        ];
        let subject = subject();
        let judged = |order: &[usize]| {
            let mut session = Session::open(Believed::Bundle(&trust), &subject);
            for place in order {
                session.take(events[*place].clone());
            }
            session.close()
        };
        assert_eq!(judged(&[0, 1, 2]).reason, "report-other-image");
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 1, 0], [1, 3, 2, 0], [2, 1, 0, 3]] {
            let verdict = judged(&order);
            assert_eq!((verdict.decision, verdict.reason.as_str()), (Decision::Allow, "signed"), "{order:?}");
            let report = match &events[2] {
                Event::Found(found) => found.digest.to_string(),
                _ => String::new(),
            };
            for row in &verdict.requirements {
                assert_eq!((row.met, row.evidence.as_ref()), (true, Some(&report)), "{order:?}");
            }
        }
        // Without room to hold the report nobody knows what the VEX statement would have excused.
        let mut session = Session::open(Believed::Bundle(&trust), &subject);
        session.take(events[0].clone());
        assert!(matches!(session.take(events[2].clone()), Taken::Held(bytes) if bytes > 0));
        let detail = "there is no room in memory".to_owned();
        session.take(Event::Failed(FailedSource { kind: FailureKind::NoRoom, detail }));
        assert_eq!(session.take(events[3].clone()), Taken::Done);
        let verdict = session.close();
        assert_eq!((verdict.reason.as_str(), verdict.exit_code()), ("evidence-unreachable", 2));
        assert!(verdict.message.contains("no room in memory"), "{}", verdict.message);
    }
}
