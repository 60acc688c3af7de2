//! Why an evaluation has no value.

use std::fmt;
use std::ops::Range;

use super::syntax::Expr;

/// Why an evaluation stops.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop<'a> {
    /// It costs more than it may. Nothing makes up for that.
    Limit,
    /// A part has no value. `true || …` and `false && …` make up for it.
    Trouble(Trouble<'a>),
}

/// A part of the expression that has no value, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble<'a> {
    /// The part.
    pub(super) at: &'a Expr,
    /// Why.
    pub(super) what: What,
}

/// Why a part has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    /// A map without this key.
    #[error("there is no such member")]
    NoMember,
    /// A list without this place.
    #[error("there is no such place in the list")]
    NoPlace,
    /// A value of another type.
    #[error("it is {found}, and has to be {wanted}")]
    NotA {
        /// What it has to be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Two types that an operator does not take.
    #[error("{left} and {right} cannot be combined in this way")]
    Unlike {
        /// Before the operator.
        left: &'static str,
        /// Behind it.
        right: &'static str,
    },
    /// A result that does not fit.
    #[error("the result does not fit into 64 bits, or is no time from 1970 to 9999")]
    Overflow,
    /// A division by zero.
    #[error("it divides by zero")]
    DivisionByZero,
    /// A text that cannot be converted.
    #[error("the text is not {0}")]
    NotReadAs(&'static str),
    /// A number of the statement.
    #[error("the number in the attestation does not fit into 64 bits")]
    Number,
    /// A key that the statement has twice in one object.
    #[error("the attestation has this member twice")]
    Twice,
    /// A key that stands twice in a map of the expression.
    #[error("a key stands twice in the map")]
    KeyTwice,
    /// Not JSON.
    #[error("the attestation is no JSON object")]
    Unreadable,
}

impl<'a> What {
    /// The trouble of this part.
    pub(super) fn at(self, at: &'a Expr) -> Stop<'a> {
        Stop::Trouble(Trouble { at, what: self })
    }
}

impl Trouble<'_> {
    /// In words that name the part. Nothing out of the attestation is in them.
    pub(super) fn in_words(&self, expression: &str) -> String {
        format!("`{}`: {}", Excerpt(expression, self.at.at.clone()), self.what)
    }
}

/// A part of an expression on one line, cut at 120 characters.
pub(super) struct Excerpt<'e>(pub(super) &'e str, pub(super) Range<usize>);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.0.get(self.1.clone()).unwrap_or(self.0);
        let mut left = 120;
        for (place, word) in part.split_whitespace().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            let cut: String = word.chars().take(left).collect();
            f.write_str(&cut)?;
            let shown = cut.chars().count();
            if cut.len() < word.len() || shown >= left {
                return f.write_str("...");
            }
            left -= shown;
        }
        Ok(())
    }
}
