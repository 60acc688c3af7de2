//! Functions and operators over values that were evaluated.

use super::machine::{Machine, Outcome};
use super::syntax::{Expr, Function, Operator};
use super::time::{Duration, Timestamp};
use super::trouble::What;
use super::value::{Text, Value, order};

/// Calls a function; parsing made sure of the number of arguments.
pub(super) fn call<'a>(
    machine: &mut Machine<'a>,
    at: &'a Expr,
    function: Function,
    arguments: &[Value<'a>],
) -> Outcome<'a> {
    match (function, arguments) {
        (Function::Size, [of]) => size(machine, at, of),
        (Function::Int, [of]) => to_int(machine, at, of),
        (Function::Uint, [of]) => to_uint(machine, at, of),
        (Function::Double, [of]) => to_double(machine, at, of),
        (Function::String, [of]) => to_text(machine, at, of),
        (Function::Bool, [Value::Bool(value)]) => Ok(Value::Bool(*value)),
        (Function::Bool, [Value::Text(text)]) => match text.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(What::NotReadAs("true or false").at(at)),
        },
        (Function::Timestamp, [Value::Timestamp(time)]) => Ok(Value::Timestamp(*time)),
        (Function::Timestamp, [Value::Text(text)]) => {
            machine.pay(text.as_str().len())?;
            let time = Timestamp::parse(text.as_str());
            time.map(Value::Timestamp).ok_or_else(|| What::NotReadAs("a time as 2026-11-24T13:00:00Z").at(at))
        }
        (Function::Duration, [Value::Duration(duration)]) => Ok(Value::Duration(*duration)),
        (Function::Duration, [Value::Text(text)]) => {
            machine.pay(text.as_str().len())?;
            let duration = Duration::parse(text.as_str());
            duration.map(Value::Duration).ok_or_else(|| What::NotReadAs("a length of time as 1h30m").at(at))
        }
        (function, [Value::Text(text), Value::Text(other)]) => {
            two_texts(machine, at, function, text.as_str(), other.as_str())
        }
        (Function::LowerAscii, [Value::Text(text)]) => {
            machine.pay_memory(text.as_str().len())?;
            Ok(Value::made(&text.as_str().to_ascii_lowercase()))
        }
        (Function::UpperAscii, [Value::Text(text)]) => {
            machine.pay_memory(text.as_str().len())?;
            Ok(Value::made(&text.as_str().to_ascii_uppercase()))
        }
        (Function::Trim, [Value::Text(text)]) => {
            machine.pay_memory(text.as_str().len())?;
            Ok(Value::made(text.as_str().trim()))
        }
        (function, arguments) => {
            let texts = matches!(
                function,
                Function::StartsWith | Function::EndsWith | Function::Contains | Function::Split
            );
            let wrong = arguments.iter().find(|argument| !texts || !matches!(argument, Value::Text(_)));
            let found = wrong.map_or("nothing", Value::type_name);
            Err(What::NotA { wanted: "a text", found }.at(at))
        }
    }
}

fn two_texts<'a>(
    machine: &mut Machine<'a>,
    at: &'a Expr,
    function: Function,
    text: &str,
    other: &str,
) -> Outcome<'a> {
    match function {
        Function::StartsWith => {
            machine.pay(other.len())?;
            Ok(Value::Bool(text.starts_with(other)))
        }
        Function::EndsWith => {
            machine.pay(other.len())?;
            Ok(Value::Bool(text.ends_with(other)))
        }
        Function::Contains => {
            machine.pay(text.len().saturating_add(other.len()))?;
            Ok(Value::Bool(text.contains(other)))
        }
        Function::Split if other.is_empty() => Err(What::NotReadAs("something to split at").at(at)),
        Function::Split => {
            machine.pay_memory(text.len())?;
            let mut pieces = Vec::new();
            for piece in text.split(other) {
                machine.pay_memory(size_of::<Value<'_>>())?;
                pieces.push(Value::made(piece));
            }
            machine.list(pieces)
        }
        _ => Err(What::NotA { wanted: "one text", found: "two" }.at(at)),
    }
}

fn size<'a>(machine: &mut Machine<'a>, at: &'a Expr, of: &Value<'a>) -> Outcome<'a> {
    let size = match of {
        Value::Text(text) => {
            machine.pay(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Value::Map(map) => machine.keys(at, map)?.len(),
        Value::List(_) => {
            let mut items = machine.items(at, of)?;
            let mut count = 0;
            while items.skip(machine, at)?.is_some() {
                count += 1;
            }
            count
        }
        other => {
            return Err(What::NotA { wanted: "a text, a list or a map", found: other.type_name() }.at(at));
        }
    };
    i64::try_from(size).map(Value::Int).map_err(|_| What::Overflow.at(at))
}

/// A text that is a number is short.
fn short<'t, 'a>(machine: &mut Machine<'a>, text: &'t Text<'a>) -> Result<&'t str, super::trouble::Stop<'a>> {
    machine.pay(text.as_str().len())?;
    Ok(text.as_str())
}

fn to_int<'a>(machine: &mut Machine<'a>, at: &'a Expr, of: &Value<'a>) -> Outcome<'a> {
    let value = match of {
        Value::Int(value) => Some(*value),
        Value::Uint(value) => i64::try_from(*value).ok(),
        Value::Double(value) => (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
            .contains(value)
            .then_some(value.trunc() as i64),
        Value::Text(text) => {
            let value = short(machine, text)?.parse().ok();
            return value.map(Value::Int).ok_or_else(|| What::NotReadAs("a whole number").at(at));
        }
        Value::Timestamp(time) => time.seconds(),
        Value::Duration(duration) => Some(duration.seconds()),
        other => return Err(What::NotA { wanted: "a number or a text", found: other.type_name() }.at(at)),
    };
    value.map(Value::Int).ok_or_else(|| What::Overflow.at(at))
}

fn to_uint<'a>(machine: &mut Machine<'a>, at: &'a Expr, of: &Value<'a>) -> Outcome<'a> {
    let value = match of {
        Value::Uint(value) => Some(*value),
        Value::Int(value) => u64::try_from(*value).ok(),
        Value::Double(value) => {
            (*value > -1.0 && *value < 18_446_744_073_709_551_616.0).then_some(value.trunc() as u64)
        }
        Value::Text(text) => {
            let value = short(machine, text)?.parse().ok();
            return value.map(Value::Uint).ok_or_else(|| What::NotReadAs("a whole number above zero").at(at));
        }
        other => return Err(What::NotA { wanted: "a number or a text", found: other.type_name() }.at(at)),
    };
    value.map(Value::Uint).ok_or_else(|| What::Overflow.at(at))
}

fn to_double<'a>(machine: &mut Machine<'a>, at: &'a Expr, of: &Value<'a>) -> Outcome<'a> {
    match of {
        Value::Double(value) => Ok(Value::Double(*value)),
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::Text(text) => {
            let value: Option<f64> = short(machine, text)?.parse().ok();
            let value = value.filter(|value| value.is_finite());
            value.map(Value::Double).ok_or_else(|| What::NotReadAs("a number").at(at))
        }
        other => Err(What::NotA { wanted: "a number or a text", found: other.type_name() }.at(at)),
    }
}

fn to_text<'a>(machine: &mut Machine<'a>, at: &'a Expr, of: &Value<'a>) -> Outcome<'a> {
    let text = match of {
        Value::Text(_) => return Ok(of.clone()),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        other => {
            let wanted = "a text, a whole number, or true or false";
            return Err(What::NotA { wanted, found: other.type_name() }.at(at));
        }
    };
    machine.pay_memory(text.len())?;
    Ok(Value::made(&text))
}

/// What two types that do not go together are.
pub(super) fn unlike(left: &Value<'_>, right: &Value<'_>) -> What {
    What::Unlike { left: left.type_name(), right: right.type_name() }
}

/// `<`, `<=`, `>`, `>=`.
pub(super) fn compare<'a>(
    machine: &mut Machine<'a>,
    at: &'a Expr,
    operator: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Outcome<'a> {
    let ordered = matches!(
        left,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::Text(_)
            | Value::Timestamp(_)
            | Value::Duration(_)
    );
    if !ordered || left.type_name() != right.type_name() {
        return Err(unlike(left, right).at(at));
    }
    if let (Value::Text(left), Value::Text(right)) = (left, right) {
        machine.pay(left.as_str().len().min(right.as_str().len()))?;
    }
    // What is no number is neither less nor greater than anything.
    let Some(order) = order(left, right) else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }))
}

/// `-x`.
pub(super) fn negate<'a>(at: &'a Expr, operand: &Value<'a>) -> Outcome<'a> {
    match operand {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| What::Overflow.at(at)),
        Value::Double(value) => Ok(Value::Double(-value)),
        other => Err(What::NotA { wanted: "a number with a sign", found: other.type_name() }.at(at)),
    }
}

/// `+`, `-`, `*`, `/`, `%`. Kinds of numbers do not mix: what the result would be is for `int()`, `uint()` and `double()`
/// to say.
pub(super) fn arithmetic<'a>(
    machine: &mut Machine<'a>,
    at: &'a Expr,
    operator: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Outcome<'a> {
    use Operator::{Add, Divide, Multiply, Remainder, Subtract};
    let divides = matches!(operator, Divide | Remainder);
    let result = match (operator, left, right) {
        (_, Value::Int(_), Value::Int(0)) | (_, Value::Uint(_), Value::Uint(0)) if divides => {
            return Err(What::DivisionByZero.at(at));
        }
        (_, Value::Int(left), Value::Int(right)) => match operator {
            Add => left.checked_add(*right),
            Subtract => left.checked_sub(*right),
            Multiply => left.checked_mul(*right),
            Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        }
        .map(Value::Int),
        (_, Value::Uint(left), Value::Uint(right)) => match operator {
            Add => left.checked_add(*right),
            Subtract => left.checked_sub(*right),
            Multiply => left.checked_mul(*right),
            Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        }
        .map(Value::Uint),
        (Add, Value::Double(left), Value::Double(right)) => Some(Value::Double(left + right)),
        (Subtract, Value::Double(left), Value::Double(right)) => Some(Value::Double(left - right)),
        (Multiply, Value::Double(left), Value::Double(right)) => Some(Value::Double(left * right)),
        (Divide, Value::Double(left), Value::Double(right)) => Some(Value::Double(left / right)),
        (Add, Value::Text(left), Value::Text(right)) => {
            machine.pay_memory(left.as_str().len().saturating_add(right.as_str().len()))?;
            Some(Value::made(&format!("{}{}", left.as_str(), right.as_str())))
        }
        (Add, Value::List(_), Value::List(_)) => {
            let mut joined = Vec::new();
            for list in [left, right] {
                let mut items = machine.items(at, list)?;
                while let Some(item) = items.next(machine, at)? {
                    machine.pay_memory(size_of::<Value<'_>>())?;
                    joined.push(item);
                }
            }
            return machine.list(joined);
        }
        (Add, Value::Timestamp(time), Value::Duration(duration))
        | (Add, Value::Duration(duration), Value::Timestamp(time)) => {
            time.after(*duration).map(Value::Timestamp)
        }
        (Add, Value::Duration(left), Value::Duration(right)) => left.plus(*right).map(Value::Duration),
        (Subtract, Value::Timestamp(left), Value::Timestamp(right)) => {
            left.since(*right).map(Value::Duration)
        }
        (Subtract, Value::Timestamp(time), Value::Duration(duration)) => {
            duration.negated().and_then(|duration| time.after(duration)).map(Value::Timestamp)
        }
        (Subtract, Value::Duration(left), Value::Duration(right)) => {
            right.negated().and_then(|right| left.plus(right)).map(Value::Duration)
        }
        _ => return Err(unlike(left, right).at(at)),
    };
    result.ok_or_else(|| What::Overflow.at(at))
}
