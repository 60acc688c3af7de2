//! The core with a bundle loaded, asked one question, everything it says kept.

use pullward_core::judge::{
    Admission, AdmittedBy, Decision, Judge, Needs, NoClerk, Outcome, Question, Ruling, Standing,
    Trust as Believed, Unrelated,
};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::related::{Related, Relation};
use pullward_core::signature::{KeyId, PublicKey};
use pullward_core::time::UnixTime;
use pullward_core::trust::{Mode, TrustBundle, TrustError, TrustIndex};
use pullward_core::verdict::Reason;
use pullward_core::verify;

use super::{Minted, MintedChain, Signer, Trust, digest, instant};

/// A node: one trust bundle, opened.
#[derive(Debug)]
pub struct Node {
    payload: Vec<u8>,
    index: Box<TrustIndex>,
}

impl Node {
    /// Opens a bundle that is in order.
    #[must_use]
    pub fn new(trust: &Trust) -> Self {
        Self::load(&trust.payload()).unwrap()
    }

    /// Opens any payload.
    ///
    /// # Errors
    /// What the core says.
    pub fn load(payload: &str) -> Result<Self, TrustError> {
        let mut index = Box::new(TrustIndex::new());
        index.read(payload.as_bytes())?;
        Ok(Self { payload: payload.into(), index })
    }

    /// The opened bundle.
    #[must_use]
    pub fn bundle(&self) -> TrustBundle<'_> {
        TrustBundle::new(&self.payload, &self.index)
    }

    /// Asks.
    #[must_use]
    pub fn ask(&self, ask: &Ask) -> Answer {
        ask.judge(Believed::Bundle(self.bundle()))
    }
}

/// Asks with one key instead of a bundle.
#[must_use]
pub fn ask_key(key: &PublicKey, ask: &Ask) -> Answer {
    ask.judge(Believed::Key(key))
}

/// What may tie an image to another digest, owned.
#[derive(Debug, Clone)]
enum Relative {
    /// An index.
    Parent(String),
    /// The image's own manifest, and another.
    Rewritten(String, String),
}

impl Relative {
    fn relation(&self) -> Relation<'_> {
        match self {
            Self::Parent(index) => Relation::Parent { index: index.as_bytes() },
            Self::Rewritten(image, other) => {
                Relation::Rewritten { image: image.as_bytes(), other: other.as_bytes() }
            }
        }
    }
}

/// A question, and what a node would find for it.
#[derive(Debug, Clone)]
pub struct Ask {
    reference: Option<String>,
    digest: Digest,
    time: UnixTime,
    pod_namespace: Option<String>,
    platform: String,
    allowed_at: Option<Admission>,
    evidence: Vec<Minted>,
    covered: Vec<MintedChain>,
    relations: Vec<Relative>,
    failed: usize,
    deadlines: usize,
    limit: Option<Reason>,
}

impl Ask {
    /// About the image called `name`, in December 2026, with no evidence.
    #[must_use]
    pub fn about(name: &str) -> Self {
        Self {
            reference: Some(format!("registry.example/team/{name}:v1")),
            digest: digest(name),
            time: instant("2026-12-01T00:00:00Z"),
            pod_namespace: None,
            platform: "linux/amd64".into(),
            allowed_at: None,
            evidence: Vec::new(),
            covered: Vec::new(),
            relations: Vec::new(),
            failed: 0,
            deadlines: 0,
            limit: None,
        }
    }

    /// With this evidence too.
    #[must_use]
    pub fn with(mut self, evidence: Minted) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// About another digest, under the same name.
    #[must_use]
    pub fn of(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// By another name.
    #[must_use]
    pub fn named(mut self, reference: &str) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// By no name.
    #[must_use]
    pub fn nameless(mut self) -> Self {
        self.reference = None;
        self
    }

    /// At another time.
    #[must_use]
    pub fn at(mut self, time: UnixTime) -> Self {
        self.time = time;
        self
    }

    /// For a pod in this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.pod_namespace = Some(namespace.into());
        self
    }

    /// For another platform than linux/amd64.
    #[must_use]
    pub fn on(mut self, platform: &str) -> Self {
        self.platform = platform.into();
        self
    }

    /// On a node that has a receipt from this time.
    #[must_use]
    pub fn allowed_at(mut self, time: UnixTime) -> Self {
        self.allowed_at = Some(Admission { at: time, by: AdmittedBy::Evidence });
        self
    }

    /// On a node that has a receipt from this time, for an image that a rule let in without evidence.
    #[must_use]
    pub fn let_in_at(mut self, time: UnixTime) -> Self {
        self.allowed_at = Some(Admission { at: time, by: AdmittedBy::Rule });
        self
    }

    /// With a statement out of the image's own index, offered before all other evidence.
    #[must_use]
    pub fn with_covered(mut self, chain: MintedChain) -> Self {
        self.covered.push(chain);
        self
    }

    /// With an index that may list the image, offered before all evidence.
    #[must_use]
    pub fn with_parent(mut self, index: &str) -> Self {
        self.relations.push(Relative::Parent(index.into()));
        self
    }

    /// With the image's own manifest, and another that may be of the same image.
    #[must_use]
    pub fn with_rewritten(mut self, image: &str, other: &str) -> Self {
        self.relations.push(Relative::Rewritten(image.into(), other.into()));
        self
    }

    /// With a source that could not be read.
    #[must_use]
    pub fn with_failed_source(mut self) -> Self {
        self.failed += 1;
        self
    }

    /// With a source for which the time was over.
    #[must_use]
    pub fn with_passed_deadline(mut self) -> Self {
        self.deadlines += 1;
        self
    }

    /// With a source that holds more than is read.
    #[must_use]
    pub fn with_limit(mut self, reason: Reason) -> Self {
        self.limit = Some(reason);
        self
    }

    fn judge(&self, trust: Believed<'_>) -> Answer {
        let reference = self.reference.as_deref().map(|text| Reference::parse(text).unwrap());
        let question = Question {
            reference: reference.as_ref(),
            digest: self.digest,
            time: self.time,
            pod_namespace: self.pod_namespace.as_deref(),
            platform: &self.platform,
            allowed_at: self.allowed_at,
        };
        let mut judge = Judge::open(trust, &question);
        let mut rows = Vec::new();
        let related = self.relations.iter().map(|relative| judge.relate(&relative.relation())).collect();
        for minted in &self.covered {
            let outcome = judge.offer_covered(&minted.chain(), &minted.source(), &mut NoClerk);
            rows.push(Row::of(outcome));
        }
        for minted in &self.evidence {
            let evidence = minted.evidence();
            let mut scratch = vec![0; judge.scratch_bytes(&evidence)];
            let outcome = judge.offer(&evidence, &minted.source(), &mut scratch);
            rows.push(Row::of(outcome));
        }
        for _ in 0..self.failed {
            judge.source_failed();
        }
        for _ in 0..self.deadlines {
            judge.deadline_passed();
        }
        if let Some(reason) = self.limit {
            judge.limit_reached(reason);
        }
        Answer::of(&judge.decide(), judge.needs(), rows, related)
    }
}

/// What became of one piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whether it counts.
    pub standing: Standing,
    /// Who signed.
    pub authority: Option<String>,
    /// With which key.
    pub key: Option<KeyId>,
    /// For whom, by a certificate: issuer and subject.
    pub identity: Option<String>,
    /// The latest time that a trusted root vouches for.
    pub time: Option<UnixTime>,
    /// The type of a statement that is no signature.
    pub predicate_type: Option<String>,
}

impl Row {
    fn of(outcome: Outcome<'_>) -> Self {
        Self {
            standing: outcome.standing,
            authority: outcome.authority.map(Into::into),
            key: outcome.key,
            identity: outcome.identity.map(|name| name.as_str().into()),
            time: outcome.time,
            predicate_type: outcome.predicate_type.map(|text| text.as_str().into()),
        }
    }
}

/// Everything that the core answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Allow or deny.
    pub ruling: Ruling,
    /// Why.
    pub reason: Reason,
    /// The deciding rule's mode.
    pub mode: Mode,
    /// The deciding rule.
    pub rule: Option<String>,
    /// How many signed, of how many.
    pub signed: (u32, u64),
    /// One bit per requirement that is met.
    pub met: u16,
    /// The requirement that the reason is about.
    pub unmet: Option<usize>,
    /// Whether audit mode let it through.
    pub would_deny: bool,
    /// Whether it still wanted evidence at the end.
    pub needs: Needs,
    /// One row per piece of evidence.
    pub rows: Vec<Row>,
    /// What became of each document that may tie the image to another digest.
    pub related: Vec<Result<Related, Unrelated>>,
}

impl Answer {
    fn of(
        decision: &Decision<'_>,
        needs: Needs,
        rows: Vec<Row>,
        related: Vec<Result<Related, Unrelated>>,
    ) -> Self {
        Self {
            ruling: decision.ruling,
            reason: decision.reason,
            mode: decision.mode,
            rule: decision.rule.map(|rule| rule.name().into()),
            signed: decision.signed,
            met: decision.met,
            unmet: decision.unmet,
            would_deny: decision.would_deny(),
            needs,
            rows,
            related,
        }
    }

    /// Allow or deny, and why: what most tests compare.
    #[must_use]
    pub fn verdict(&self) -> (Ruling, Reason) {
        (self.ruling, self.reason)
    }

    /// The error of the only piece of evidence.
    #[must_use]
    pub fn error(&self) -> Option<verify::Error> {
        match self.rows.as_slice() {
            [Row { standing: Standing::Rejected(error), .. }] => Some(*error),
            _ => None,
        }
    }

    /// What became of each piece of evidence.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        self.rows.iter().map(|row| row.standing).collect()
    }
}

/// A bundle of one authority and one rule, and the node that has it.
impl From<&Signer> for Node {
    fn from(signer: &Signer) -> Self {
        Self::new(&Trust::of(signer))
    }
}
