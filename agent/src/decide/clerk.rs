//! The judge's clerk in the agent: answers conditions in CEL, and writes down what each piece of evidence says and why it
//! falls short.

use std::sync::Arc;

use pullward_core::judge::{Clerk, Condition, ConditionAnswer, Noted, RequirementOf, Vouched};
use pullward_core::oci::Digest;
use pullward_core::predicate::{Context, Unmet, made_at, summarise};
use pullward_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::session::Subject;
use super::summary;
use crate::condition::{self, Budget};

/// What one piece of evidence said, and which requirements it meets or does not.
#[derive(Debug)]
pub(super) struct Notes<'s> {
    subject: &'s Subject,
    keep: KeepStatements,
    /// What the conditions of this verdict may still cost.
    budget: Arc<Budget>,
    /// The verified statement.
    pub(super) statement: Option<NotedStatement>,
    /// Requirements that it meets.
    pub(super) met: Vec<Asked>,
    /// Requirements that it does not meet, each with the code and the finding.
    pub(super) unmet: Vec<Shortfall>,
    /// The conditions that were asked about it, each with its answer.
    pub(super) answers: Vec<ConditionRow>,
    /// Why a condition could not be evaluated, or did not hold.
    condition: Option<String>,
}

/// A requirement by its rule's name and its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The rule.
    pub(super) rule: String,
    /// The rule's requirement, from 0.
    pub(super) place: usize,
}

impl Asked {
    fn of(asked: RequirementOf<'_>) -> Self {
        Self { rule: asked.rule.to_owned(), place: asked.place }
    }
}

/// A condition that was asked, and what it was answered: what of a verdict another engine could decide otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionRow {
    /// The rule's name.
    pub rule: String,
    /// The place of the requirement in the rule, from 0.
    pub requirement: usize,
    /// Digest of the piece of evidence that it was evaluated on.
    pub evidence: String,
    /// SHA-256 of the expression.
    pub expression: String,
    /// What came of it.
    pub answer: AnswerWord,
    /// Name and version of the engine that answered.
    pub engine: String,
}

/// [`ConditionAnswer`] as a record has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerWord {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be evaluated on this statement, or is no truth value.
    Error,
    /// It costs more than it may.
    Limit,
    /// There was no engine.
    EngineAbsent,
    /// The engine is another than it was compiled for.
    EngineVersion,
}

impl AnswerWord {
    /// The word in a record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Error => "error",
            Self::Limit => "limit",
            Self::EngineAbsent => "engine-absent",
            Self::EngineVersion => "engine-version",
        }
    }
}

impl From<ConditionAnswer> for AnswerWord {
    fn from(answer: ConditionAnswer) -> Self {
        match answer {
            ConditionAnswer::True => Self::True,
            ConditionAnswer::False => Self::False,
            ConditionAnswer::Error => Self::Error,
            ConditionAnswer::Limit => Self::Limit,
            ConditionAnswer::EngineAbsent => Self::EngineAbsent,
            ConditionAnswer::EngineVersion => Self::EngineVersion,
        }
    }
}

/// Whether verified statements are kept whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepStatements {
    /// Only their summaries.
    No,
    /// The statements too: somebody wants to read them.
    Yes,
}

/// A verified statement.
#[derive(Debug, Clone)]
pub struct NotedStatement {
    /// Its predicate type.
    pub predicate_type: String,
    /// A summary of its predicate, for types that are known.
    pub summary: Option<Value>,
    /// When it was made, by its own word.
    pub made_at: Option<UnixTime>,
    /// The packages that it lists, where whole statements were asked for: name, version and licences.
    pub packages: Vec<String>,
    /// The whole statement, where it was asked for.
    pub bytes: Option<Vec<u8>>,
    /// Whether the image's own index vouches for it instead of a signature of its own.
    pub covered: bool,
}

/// Why a statement does not meet a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shortfall {
    /// The requirement.
    pub(super) asked: Asked,
    /// Stable code.
    pub(super) code: &'static str,
    /// In words, with the finding.
    pub(super) detail: String,
}

impl<'s> Notes<'s> {
    pub(super) fn new(subject: &'s Subject, keep: KeepStatements, budget: Arc<Budget>) -> Self {
        Self {
            subject,
            keep,
            budget,
            statement: None,
            met: Vec::new(),
            unmet: Vec::new(),
            answers: Vec::new(),
            condition: None,
        }
    }
}

impl Clerk for Notes<'_> {
    fn condition(&mut self, condition: &Condition<'_>) -> ConditionAnswer {
        let (answer, why) = condition::answer(condition, self.subject, &self.budget);
        self.condition = why;
        let expression: String = condition.text.expression.chars().collect();
        self.answers.push(ConditionRow {
            rule: condition.asked.rule.to_owned(),
            requirement: condition.asked.place,
            evidence: condition.evidence.to_string(),
            expression: Digest::of(expression.as_bytes()).to_string(),
            answer: answer.into(),
            engine: condition::ENGINE.to_owned(),
        });
        answer
    }

    fn statement(&mut self, noted: &Noted<'_>) {
        let context = Context {
            time: self.subject.time,
            digest: self.subject.digest,
            platform: &self.subject.platform,
        };
        let predicate_type: String = noted.attestation.predicate_type.chars().collect();
        let read = summarise(&noted.attestation, &context);
        let made_at = match &read {
            Some(summary) => summary.as_ref().ok().and_then(summary::made_at),
            None => made_at(&noted.attestation, &context).ok(),
        };
        self.statement = Some(NotedStatement {
            summary: read.map(|summary| summary::to_json(&summary)),
            made_at,
            predicate_type,
            packages: match self.keep {
                KeepStatements::Yes => summary::packages(&noted.attestation),
                KeepStatements::No => Vec::new(),
            },
            bytes: (self.keep == KeepStatements::Yes).then(|| noted.statement.to_vec()),
            covered: noted.vouched == Vouched::Index,
        });
    }

    fn unmet(&mut self, asked: RequirementOf<'_>, unmet: &Unmet<'_>) {
        let finding = unmet.finding.to_string();
        let why = [finding, self.condition.take().unwrap_or_default()];
        let why: Vec<&str> = why.iter().map(String::as_str).filter(|why| !why.is_empty()).collect();
        let mut detail = unmet.reason.meaning().to_owned();
        if !why.is_empty() {
            detail = format!("{detail}: {}", why.join("; "));
        }
        self.unmet.push(Shortfall { asked: Asked::of(asked), code: unmet.reason.code(), detail });
    }

    fn met(&mut self, asked: RequirementOf<'_>) {
        self.condition = None;
        self.met.push(Asked::of(asked));
    }
}
