//! Expressions in CEL, as far as a policy has to be understood: read into a tree, and written again.
//!
//! Nothing is evaluated here. What a condition means is for the engine that judges it; this finds the forms that have a
//! meaning of their own in Kyverno, and carries the rest over unchanged.

use std::fmt::{self, Write as _};

use pullward_core::limits;

use crate::condition::token::{Token, Word, tokens};

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Name(String),
    /// A number as it is written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// `of.name`.
    Field {
        of: Box<Self>,
        name: String,
    },
    /// `of.?name`.
    OptionalField {
        of: Box<Self>,
        name: String,
    },
    /// `of[index]`.
    Index {
        of: Box<Self>,
        index: Box<Self>,
    },
    /// `name(arguments)`, or `of.name(arguments)`.
    Call {
        of: Option<Box<Self>>,
        name: String,
        arguments: Vec<Self>,
    },
    /// `!x` or `-x`.
    Unary {
        operator: &'static str,
        operand: Box<Self>,
    },
    Binary {
        operator: &'static str,
        left: Box<Self>,
        right: Box<Self>,
    },
    /// `test ? yes : no`.
    Choice {
        test: Box<Self>,
        yes: Box<Self>,
        no: Box<Self>,
    },
}

/// Operators by how tightly they bind, loosest first.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["<", "<=", ">", ">=", "==", "!=", "in"], &["+", "-"], &["*", "/", "%"]];

/// How tightly what is no operator between two binds.
const UNARY: usize = LEVELS.len();

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Why it cannot be read, to follow "the expression cannot be read:".
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > limits::IMPORT_EXPRESSION_BYTES {
            return Err(format!("it is longer than {} bytes", limits::IMPORT_EXPRESSION_BYTES));
        }
        let tokens = tokens(text).map_err(|error| error.message)?;
        let mut reader = Reader { tokens: &tokens, depth: 0, links: 0 };
        let expression = reader.choice()?;
        match reader.word() {
            Word::End => Ok(expression),
            word => Err(format!("{} is not expected there", shown(word))),
        }
    }

    pub(super) fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }

    /// The parts that `operator` joins: `a && b && c` has three, `a` one.
    pub(super) fn parts(&self, operator: &str) -> Vec<&Self> {
        match self {
            Self::Binary { operator: found, left, right } if *found == operator => {
                let mut parts = left.parts(operator);
                parts.extend(right.parts(operator));
                parts
            }
            other => vec![other],
        }
    }

    /// The name behind `of`: `of.name` or `of["name"]`.
    pub(super) fn member(&self, of: &str) -> Option<&str> {
        match self {
            Self::Field { of: found, name } if **found == Self::name(of) => Some(name),
            Self::Index { of: found, index } if **found == Self::name(of) => match &**index {
                Self::Text(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The expressions directly in it.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Name(_) | Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::List(items) => items.iter().collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Field { of, .. } | Self::OptionalField { of, .. } => vec![of],
            Self::Index { of, index } => vec![of, index],
            Self::Call { of, arguments, .. } => of.as_deref().into_iter().chain(arguments).collect(),
            Self::Unary { operand, .. } => vec![operand],
            Self::Binary { left, right, .. } => vec![left, right],
            Self::Choice { test, yes, no } => vec![test, yes, no],
        }
    }

    /// The same with every part that `change` has an answer for replaced by it, from the outside in.
    pub(super) fn replace(&self, change: &mut dyn FnMut(&Self) -> Option<Self>) -> Self {
        if let Some(changed) = change(self) {
            return changed;
        }
        let mut all = |items: &[Self]| items.iter().map(|item| item.replace(change)).collect::<Vec<_>>();
        match self {
            Self::Name(_) | Self::Number(_) | Self::Text(_) => self.clone(),
            Self::List(items) => Self::List(all(items)),
            Self::Map(entries) => Self::Map(
                entries.iter().map(|(key, value)| (key.replace(change), value.replace(change))).collect(),
            ),
            Self::Field { of, name } => Self::Field { of: Box::new(of.replace(change)), name: name.clone() },
            Self::OptionalField { of, name } => {
                Self::OptionalField { of: Box::new(of.replace(change)), name: name.clone() }
            }
            Self::Index { of, index } => {
                Self::Index { of: Box::new(of.replace(change)), index: Box::new(index.replace(change)) }
            }
            Self::Call { of, name, arguments } => {
                let arguments = all(arguments);
                let of = of.as_ref().map(|of| Box::new(of.replace(change)));
                Self::Call { of, name: name.clone(), arguments }
            }
            Self::Unary { operator, operand } => {
                Self::Unary { operator, operand: Box::new(operand.replace(change)) }
            }
            Self::Binary { operator, left, right } => Self::Binary {
                operator,
                left: Box::new(left.replace(change)),
                right: Box::new(right.replace(change)),
            },
            Self::Choice { test, yes, no } => Self::Choice {
                test: Box::new(test.replace(change)),
                yes: Box::new(yes.replace(change)),
                no: Box::new(no.replace(change)),
            },
        }
    }

    fn level(&self) -> usize {
        match self {
            Self::Choice { .. } => 0,
            Self::Binary { operator, .. } => {
                LEVELS.iter().position(|level| level.contains(operator)).map_or(0, |level| level + 1)
            }
            Self::Unary { .. } => UNARY + 1,
            _ => UNARY + 2,
        }
    }

    /// Writes it, in brackets where it binds less tightly than `least`.
    fn write(&self, least: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level();
        if level < least {
            f.write_char('(')?;
            self.write(0, f)?;
            return f.write_char(')');
        }
        match self {
            Self::Name(text) | Self::Number(text) => f.write_str(text),
            Self::Text(text) => quoted(text, f),
            Self::List(items) => {
                f.write_char('[')?;
                listed(items, f)?;
                f.write_char(']')
            }
            Self::Map(entries) => {
                f.write_char('{')?;
                for (place, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if place > 0 { ", " } else { "" })?;
                    key.write(0, f)?;
                    f.write_str(": ")?;
                    value.write(0, f)?;
                }
                f.write_char('}')
            }
            Self::Field { of, name } => {
                of.write(UNARY + 2, f)?;
                write!(f, ".{name}")
            }
            Self::OptionalField { of, name } => {
                of.write(UNARY + 2, f)?;
                write!(f, ".?{name}")
            }
            Self::Index { of, index } => {
                of.write(UNARY + 2, f)?;
                f.write_char('[')?;
                index.write(0, f)?;
                f.write_char(']')
            }
            Self::Call { of, name, arguments } => {
                if let Some(of) = of {
                    of.write(UNARY + 2, f)?;
                    f.write_char('.')?;
                }
                write!(f, "{name}(")?;
                listed(arguments, f)?;
                f.write_char(')')
            }
            Self::Unary { operator, operand } => {
                f.write_str(operator)?;
                // `--x` would be another word.
                operand.write(UNARY + 2, f)
            }
            Self::Binary { operator, left, right } => {
                left.write(level, f)?;
                write!(f, " {operator} ")?;
                right.write(level + 1, f)
            }
            Self::Choice { test, yes, no } => {
                test.write(1, f)?;
                f.write_str(" ? ")?;
                yes.write(1, f)?;
                f.write_str(" : ")?;
                no.write(0, f)
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(0, f)
    }
}

fn listed(items: &[Expression], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        f.write_str(if place > 0 { ", " } else { "" })?;
        item.write(0, f)?;
    }
    Ok(())
}

/// A string as CEL and JSON both read it.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn shown(word: &Word) -> String {
    match word {
        Word::Name(name) => format!("`{name}`"),
        Word::Sign(sign) => format!("`{sign}`"),
        Word::Integer { .. } | Word::Double(_) => "a number".to_owned(),
        Word::Text(text) => format!("{text:?}"),
        Word::End => "its end".to_owned(),
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    depth: usize,
    /// Operators and members so far: a chain of them leans to the left, and each link nests the tree by one.
    links: usize,
}

type Read = Result<Expression, String>;

impl Reader<'_> {
    fn choice(&mut self) -> Read {
        self.deeper()?;
        let mut read = self.binary(0)?;
        if self.eat("?") {
            let yes = self.binary(0)?;
            self.need(":")?;
            let no = self.choice()?;
            read = Expression::Choice { test: Box::new(read), yes: Box::new(yes), no: Box::new(no) };
        }
        self.depth -= 1;
        Ok(read)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > limits::IMPORT_EXPRESSION_DEPTH {
            return Err(format!("it is nested deeper than {}", limits::IMPORT_EXPRESSION_DEPTH));
        }
        Ok(())
    }

    fn link(&mut self) -> Result<(), String> {
        self.links += 1;
        if self.links > limits::IMPORT_EXPRESSION_LINKS {
            return Err(format!("it joins more than {} parts", limits::IMPORT_EXPRESSION_LINKS));
        }
        Ok(())
    }

    fn binary(&mut self, level: usize) -> Read {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.at_operator(operator)) {
            self.link()?;
            self.skip();
            let right = self.binary(level + 1)?;
            left = Expression::Binary { operator, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Read {
        for operator in ["!", "-"] {
            if self.eat(operator) {
                self.deeper()?;
                let operand = Box::new(self.unary()?);
                self.depth -= 1;
                return Ok(Expression::Unary { operator, operand });
            }
        }
        let mut read = self.primary()?;
        loop {
            self.link()?;
            if self.eat(".") {
                let optional = self.eat("?");
                let name = self.a_name()?;
                let of = Box::new(read);
                read = match (optional, self.at_mark("(")) {
                    (true, _) => Expression::OptionalField { of, name },
                    (false, true) => Expression::Call { of: Some(of), name, arguments: self.arguments()? },
                    (false, false) => Expression::Field { of, name },
                };
            } else if self.eat("[") {
                if self.at_mark("?") {
                    return Err("`[?` is not read here".to_owned());
                }
                let index = Box::new(self.choice()?);
                self.need("]")?;
                read = Expression::Index { of: Box::new(read), index };
            } else if self.at_mark("{") {
                return Err("a message is made in it, which is not read here".to_owned());
            } else {
                return Ok(read);
            }
        }
    }

    fn primary(&mut self) -> Read {
        let word = self.word().clone();
        self.skip();
        match word {
            Word::Integer { digits, base, unsigned } => {
                let (start, end) = (if base == 16 { "0x" } else { "" }, if unsigned { "u" } else { "" });
                Ok(Expression::Number(format!("{start}{digits}{end}")))
            }
            // With a fraction or an exponent, so that it stays one.
            Word::Double(number) => Ok(Expression::Number(format!("{number:?}"))),
            Word::Text(text) => Ok(Expression::Text(text)),
            Word::Name(name) if name != "in" => {
                if self.at_mark("(") {
                    return Ok(Expression::Call { of: None, name, arguments: self.arguments()? });
                }
                Ok(Expression::Name(name))
            }
            Word::Sign("(") => {
                let inner = self.choice()?;
                self.need(")")?;
                Ok(inner)
            }
            Word::Sign("[") => self.items("]").map(Expression::List),
            Word::Sign("{") => self.entries(),
            Word::End => Err("it ends too early".to_owned()),
            word => Err(format!("{} is not expected there", shown(&word))),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, String> {
        self.need("(")?;
        self.items(")")
    }

    /// Expressions up to `end`; a comma may stand before it.
    fn items(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        while !self.eat(end) {
            if self.at_mark("?") {
                return Err("optional items are not read here".to_owned());
            }
            items.push(self.choice()?);
            if !self.eat(",") && !self.at_mark(end) {
                return Err(format!("`,` or `{end}` is missing in it"));
            }
        }
        Ok(items)
    }

    fn entries(&mut self) -> Read {
        let mut entries = Vec::new();
        while !self.eat("}") {
            if self.at_mark("?") {
                return Err("optional items are not read here".to_owned());
            }
            let key = self.choice()?;
            self.need(":")?;
            entries.push((key, self.choice()?));
            if !self.eat(",") && !self.at_mark("}") {
                return Err("`,` or `}` is missing in it".to_owned());
            }
        }
        Ok(Expression::Map(entries))
    }

    fn a_name(&mut self) -> Result<String, String> {
        let Word::Name(name) = self.word().clone() else {
            return Err("a name is missing after `.` in it".to_owned());
        };
        self.skip();
        Ok(name)
    }

    /// The next word; the end where there is none.
    fn word(&self) -> &Word {
        self.tokens.first().map_or(&Word::End, |token| &token.word)
    }

    fn at_operator(&self, operator: &str) -> bool {
        match self.word() {
            Word::Sign(sign) => *sign == operator,
            Word::Name(name) => name == "in" && operator == "in",
            _ => false,
        }
    }

    fn at_mark(&self, wanted: &str) -> bool {
        matches!(self.word(), Word::Sign(sign) if *sign == wanted)
    }

    fn eat(&mut self, mark: &str) -> bool {
        let there = self.at_mark(mark);
        if there {
            self.skip();
        }
        there
    }

    fn need(&mut self, mark: &str) -> Result<(), String> {
        if self.eat(mark) { Ok(()) } else { Err(format!("`{mark}` is missing in it")) }
    }

    fn skip(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::Expression;

    fn written(text: &str) -> String {
        Expression::parse(text).unwrap().to_string()
    }

    #[test]
    fn what_is_read_is_written_with_the_same_meaning() {
        for (text, expected) in [
            ("a.b['c'](1)", None),
            ("a.b[\"c\"][1].d(x, y)", Some("a.b[\"c\"][1].d(x, y)")),
            ("1+2*3", Some("1 + 2 * 3")),
            ("(1+2)*3", Some("(1 + 2) * 3")),
            ("a-(b-c)", Some("a - (b - c)")),
            ("a-b-c", Some("a - b - c")),
            ("!(a&&b)||c", Some("!(a && b) || c")),
            ("a||b&&c", Some("a || b && c")),
            ("(a||b)&&c", Some("(a || b) && c")),
            ("x in ['a','b',]", Some("x in [\"a\", \"b\"]")),
            ("a ? b : c ? d : e", Some("a ? b : c ? d : e")),
            ("(a ? b : c) ? d : e", Some("(a ? b : c) ? d : e")),
            ("{'a': 1, b: [2]}", Some("{\"a\": 1, b: [2]}")),
            ("-x == - 1", Some("-x == -1")),
            ("!!a", Some("!(!a)")),
            ("a.?b.orValue([])", Some("a.?b.orValue([])")),
            ("'a\"\\\\\\n\\x01'", Some("\"a\\\"\\\\\\n\\u0001\"")),
            ("has(a.b) && size(a.b) > 0", Some("has(a.b) && size(a.b) > 0")),
        ] {
            match expected {
                Some(expected) => {
                    assert_eq!(written(text), expected);
                    assert_eq!(written(expected), expected);
                }
                None => assert!(Expression::parse(text).is_err(), "{text}"),
            }
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "", "a b", "a &&", "(a", "a)", "[a", "a.", "a.1", "f(a", "f(a b)", "a ? b", "a ? b :", "{a}",
            "{a: }", "a[?b]", "[?a]", "{?a: b}", "in", "x{a: 1}", "'a", "&& a", "a,", "a.?", "a === b",
        ] {
            assert!(Expression::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded_in_every_direction() {
        for text in [
            "(".repeat(5000) + &")".repeat(5000),
            "[".repeat(5000),
            "!".repeat(5000) + "a",
            "a".to_owned() + &".b".repeat(3000),
            "a".to_owned() + &"+a".repeat(5000),
            "a ? b : ".repeat(1000) + "c",
            "f(".repeat(3000),
        ] {
            assert!(Expression::parse(&text).is_err(), "{}", text.get(..20).unwrap_or_default());
        }
    }

    #[test]
    fn members_are_found_in_both_spellings() {
        let member = |text: &str| Expression::parse(text).unwrap().member("attestors").map(str::to_owned);
        assert_eq!(member("attestors.cosign").as_deref(), Some("cosign"));
        assert_eq!(member("attestors['my-key']").as_deref(), Some("my-key"));
        assert_eq!(member("attestors[x]"), None);
        assert_eq!(member("others.cosign"), None);
        assert_eq!(member("attestors.cosign.key"), None);
    }
}
