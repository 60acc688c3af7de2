//! Values of an expression: those of the statement where they stand in its bytes, and those that are made.

use std::cmp::Ordering;
use std::rc::Rc;

use pullward_core::json;

use super::time::{Duration, Timestamp};

/// A value. Cloning one copies no more than a few words.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer without a sign.
    Uint(u64),
    /// A number with a fraction.
    Double(f64),
    /// A text.
    Text(Text<'a>),
    /// A point in time.
    Timestamp(Timestamp),
    /// A length of time.
    Duration(Duration),
    /// A list.
    List(List<'a>),
    /// A map.
    Map(Map<'a>),
}

/// A text.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    /// Out of the statement or the expression.
    There(&'a str),
    /// Made, or out of the statement where it has escapes.
    Made(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::There(text) => text,
            Self::Made(text) => text,
        }
    }
}

/// A list.
#[derive(Debug, Clone)]
pub(super) enum List<'a> {
    /// An array of the statement.
    There(json::Value<'a>),
    /// Made by the expression.
    Made(Rc<[Value<'a>]>),
}

/// A map.
#[derive(Debug, Clone)]
pub(super) enum Map<'a> {
    /// An object of the statement.
    There(json::Value<'a>),
    /// Made by the expression.
    Made(Rc<[(Value<'a>, Value<'a>)]>),
}

impl<'a> Value<'a> {
    /// A text out of something that outlives the evaluation.
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Text::There(text))
    }

    /// A text that is made.
    pub(super) fn made(text: &str) -> Self {
        Self::Text(Text::Made(Rc::from(text)))
    }

    /// What it is, for people.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Uint(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a text",
            Self::Timestamp(_) => "a time",
            Self::Duration(_) => "a length of time",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Whether two values can be asked whether they are equal: of one type, or one of them null. Numbers are one type.
    pub(super) fn is_comparable(&self, other: &Self) -> bool {
        matches!(self, Self::Null) || matches!(other, Self::Null) || self.type_name() == other.type_name()
    }

    /// Whether it can be a key of a map.
    pub(super) fn is_key(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Int(_) | Self::Uint(_) | Self::Bool(_))
    }
}

/// The order of two values that have one: numbers, texts, truth values, times, lengths of time. `None` for others and
/// for what is no number.
pub(super) fn order(one: &Value<'_>, other: &Value<'_>) -> Option<Ordering> {
    Some(match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_str().cmp(other.as_str()),
        (Value::Timestamp(one), Value::Timestamp(other)) => one.cmp(other),
        (Value::Duration(one), Value::Duration(other)) => one.cmp(other),
        (Value::Double(one), Value::Double(other)) => return one.partial_cmp(other),
        (Value::Double(one), other) => return order_of_mixed(*one, whole(other)?),
        (one, Value::Double(other)) => return order_of_mixed(*other, whole(one)?).map(Ordering::reverse),
        (one, other) => whole(one)?.cmp(&whole(other)?),
    })
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// Exactly, where a conversion of the integer would round it.
fn order_of_mixed(double: f64, integer: i128) -> Option<Ordering> {
    if !double.is_finite() {
        return double.partial_cmp(&0.0);
    }
    // A cast of a double saturates, and the integers here have 64 bits.
    let truncated = double.trunc() as i128;
    let fraction = double.fract().partial_cmp(&0.0)?;
    Some(truncated.cmp(&integer).then(fraction))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Value, order};

    #[test]
    fn numbers_of_any_kind_have_one_order() {
        let int = Value::Int(9_007_199_254_740_993);
        for (one, other, expected) in [
            (Value::Int(1), Value::Uint(1), Some(Ordering::Equal)),
            (Value::Int(-1), Value::Uint(u64::MAX), Some(Ordering::Less)),
            (Value::Int(1), Value::Double(1.5), Some(Ordering::Less)),
            (Value::Double(-1.5), Value::Int(-1), Some(Ordering::Less)),
            (Value::Double(1.0), Value::Uint(1), Some(Ordering::Equal)),
            // 2^53 + 1 is no double.
            (int, Value::Double(9_007_199_254_740_992.0), Some(Ordering::Greater)),
            (Value::Double(f64::INFINITY), Value::Uint(u64::MAX), Some(Ordering::Greater)),
            (Value::Double(f64::NEG_INFINITY), Value::Int(i64::MIN), Some(Ordering::Less)),
            (Value::Double(f64::NAN), Value::Int(1), None),
            (Value::text("a"), Value::Int(1), None),
        ] {
            assert_eq!(order(&one, &other), expected, "{one:?} {other:?}");
        }
    }
}
