//! Conditions in CEL, over verified statements.
//!
//! A rule can ask more of an attestation than the policy has fields for. The condition is an expression in the Common
//! Expression Language, checked when the trust bundle is built ([`compile`]) and evaluated on the node ([`evaluate`])
//! once everything else about the attestation holds: who signed it, what it is about, of which type it is.
//!
//! The engine is our own, because a node has to know beforehand what an evaluation can cost at most, and the libraries
//! that there are count nothing while they run. `token` and `parse` make a `syntax` tree of bounded size and depth,
//! `machine` walks it with a budget of steps and of bytes, `value` are its values: those of the statement stay where
//! they are in its bytes. `functions` and `time` are what can be done with them, `trouble` why there is no value.
//!
//! It is strict where CEL leaves room or is generous: a condition has to be true or false, `==` between values of
//! different types has no value (CEL: false, which makes `!=` true), a member that an object has twice has none either,
//! and numbers of JSON are integers where they are written as such.
//!
//! What this does *not* do: decide. The core asks, and makes the verdict of the answer.

mod functions;
mod machine;
mod parse;
mod syntax;
mod time;
pub(crate) mod token;
mod trouble;
mod value;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod verdict_tests;

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use pullward_core::judge::{Condition, ConditionAnswer};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::time::UnixTime;
use pullward_core::{json, limits};

use machine::{Globals, Machine};
use syntax::TRUTH;
use trouble::{Excerpt, Stop};
use value::{Map, Value};

use crate::decide::session::Subject;

/// Name and version of the engine. A bundle names the one that its conditions were compiled for, and a node evaluates no
/// other: what an expression means must not depend on which version of pullward reads it.
pub const ENGINE: &str = "pullward-cel/1";

/// An expression that this engine takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    root: syntax::Expr,
    dependence: Dependence,
}

/// Whether the value of a condition depends on the image or its attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// It is the same for all.
    Constant,
    /// It looks at a variable.
    Varies,
}

impl Compiled {
    /// Whether it looks at anything.
    #[must_use]
    pub fn dependence(&self) -> Dependence {
        self.dependence
    }
}

/// Why an expression is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong, and what to write.
    pub message: String,
    /// Where, in bytes from the start of the expression.
    pub offset: usize,
}

impl CompileError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset }
    }
}

/// Compiles an expression: at most [`limits::CONDITION_NODES`] parts, [`limits::CONDITION_LOOPS`] loops within each other,
/// no name that does not exist.
///
/// # Errors
/// [`CompileError`], the first thing that is wrong.
pub fn compile(expression: &str) -> Result<Compiled, CompileError> {
    let parsed = parse::parse(expression)?;
    let dependence = if parsed.constant { Dependence::Constant } else { Dependence::Varies };
    Ok(Compiled { root: parsed.root, dependence })
}

/// What a condition is evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'i> {
    /// The bytes that were signed: an in-toto statement, verified, at most [`limits::PAYLOAD_BYTES`].
    pub statement: &'i [u8],
    /// The image as it was asked for, normalised; none for a layout that was given no name.
    pub reference: Option<&'i Reference>,
    /// The digest that is judged.
    pub digest: Digest,
    /// `os/arch[/variant]`.
    pub platform: &'i str,
    /// The time of the verdict.
    pub now: UnixTime,
    /// What all conditions of the verdict together may cost.
    pub budget: &'i Budget,
}

/// What the conditions of one verdict may cost together, in steps of the engine.
///
/// It is the same on every machine: whether a condition costs too much does not depend on how fast a node is.
#[derive(Debug)]
pub struct Budget(AtomicU64);

impl Budget {
    /// [`limits::CONDITION_STEPS`], for one verdict.
    #[must_use]
    pub fn for_one_verdict() -> Self {
        Self(AtomicU64::new(limits::CONDITION_STEPS))
    }

    /// Steps that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn leave(&self, steps: u64) {
        self.0.store(steps, Ordering::Relaxed);
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::for_one_verdict()
    }
}

/// What came of a condition. Only the first is no denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It has no value on this statement, or one that is neither true nor false; in words that name the part of the
    /// expression, and say nothing out of the statement.
    Error(String),
    /// It costs more than conditions may.
    Limit,
}

/// Evaluates an expression.
///
/// The statement is read as JSON of our strict kind; what is wrong with it beyond what the core looked at is an error.
#[must_use]
pub fn evaluate(expression: &str, inputs: &Inputs<'_>) -> Answer {
    let compiled = match compile(expression) {
        Ok(compiled) => compiled,
        Err(error) => return Answer::Error(format!("byte {} of the condition: {error}", error.offset)),
    };
    let size = u64::try_from(inputs.statement.len()).unwrap_or(u64::MAX);
    if size > limits::PAYLOAD_BYTES {
        return Answer::Limit;
    }
    let Ok(statement) = json::parse(inputs.statement) else {
        return Answer::Error("the attestation is not JSON".to_owned());
    };
    let digest = inputs.digest.to_string();
    let globals = Globals {
        statement,
        image: image(inputs, &digest),
        now: Value::Timestamp(time::Timestamp::of(inputs.now)),
    };
    let mut machine = Machine::new(globals, inputs.budget.left());
    let outcome = machine.run(&compiled.root);
    inputs.budget.leave(machine.steps());
    match outcome {
        Ok(Value::Bool(true)) => Answer::True,
        Ok(Value::Bool(false)) => Answer::False,
        Ok(other) => {
            let whole = Excerpt(expression, 0..expression.len());
            Answer::Error(format!("`{whole}`: it is {}, and has to be {TRUTH}", other.type_name()))
        }
        Err(Stop::Limit) => Answer::Limit,
        Err(Stop::Trouble(trouble)) => Answer::Error(trouble.in_words(expression)),
    }
}

/// Answers the core's question, and says in words why a condition is not met.
pub fn answer(
    condition: &Condition<'_>,
    subject: &Subject,
    budget: &Budget,
) -> (ConditionAnswer, Option<String>) {
    let text = condition.text;
    if text.engine != ENGINE {
        let why = format!("it was compiled for {}, and this is {ENGINE}", text.engine);
        return (ConditionAnswer::EngineVersion, Some(why));
    }
    let expression: String = text.expression.chars().collect();
    let inputs = Inputs {
        statement: condition.statement,
        reference: subject.reference.as_ref(),
        digest: subject.digest,
        platform: &subject.platform,
        now: condition.time,
        budget,
    };
    let whole = || format!("`{}`", Excerpt(&expression, 0..expression.len()));
    match evaluate(&expression, &inputs) {
        Answer::True => (ConditionAnswer::True, None),
        Answer::False => (ConditionAnswer::False, Some(whole())),
        Answer::Error(why) => (ConditionAnswer::Error, Some(why)),
        Answer::Limit => (ConditionAnswer::Limit, Some(whole())),
    }
}

/// The variable `image`. What nobody said is no member of it: a pull by digest has no `tag`.
fn image<'a>(inputs: &'a Inputs<'_>, digest: &'a str) -> Value<'a> {
    let entry = |name: &'a str, value: &'a str| (Value::text(name), Value::text(value));
    let mut entries = vec![entry("digest", digest), entry("platform", inputs.platform)];
    if let Some(reference) = inputs.reference {
        entries.extend([
            entry("reference", reference.as_str()),
            entry("registry", reference.host()),
            entry("repository", reference.path()),
        ]);
        entries.extend(reference.tag().map(|tag| entry("tag", tag)));
    }
    Value::Map(Map::Made(Rc::from(entries)))
}
