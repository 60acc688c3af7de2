//! From text to tree, and what can be said about an expression without a statement: how large it is, whether its names
//! exist.
//!
//! The grammar is CEL's without what this engine leaves out: bytes, messages, optional values, regular expressions. Who
//! uses those hears so here, when the trust bundle is built.

use std::ops::Range;

use pullward_core::limits;

use super::CompileError;
use super::syntax::{Each, Expr, FUNCTIONS, Function, Kind, Operator, Style, TRUTH, certain_type};
use super::token::{Token, Word, tokens};
use crate::policy::nearest;

/// The variables that an expression starts with.
pub(super) const VARIABLES: [&str; 4] = ["statement", "predicate", "image", "now"];

/// Members of `image`.
pub(super) const IMAGE_MEMBERS: [&str; 6] =
    ["reference", "digest", "registry", "repository", "tag", "platform"];

/// Words that CEL keeps for itself.
const RESERVED: [&str; 16] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "while",
];

/// A tree and whether it looks at anything.
pub(super) struct Parsed {
    pub(super) root: Expr,
    /// Whether none of [`VARIABLES`] is in it: it then has one value for all images.
    pub(super) constant: bool,
}

/// Parses and checks an expression.
pub(super) fn parse(text: &str) -> Result<Parsed, CompileError> {
    if text.len() > limits::CONDITION_BYTES {
        let words =
            format!("the expression has {} bytes, the bound is {}", text.len(), limits::CONDITION_BYTES);
        return Err(CompileError::new(0, words));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, next: 0, nodes: 0, open: 0, loops: Vec::new(), constant: true };
    let root = parser.expression()?;
    let rest = parser.peek();
    if rest.word != Word::End {
        return Err(CompileError::new(rest.at.start, format!("{} is not expected here", parser.words())));
    }
    match certain_type(&root) {
        Some(found) if found != TRUTH => {
            let words = format!("the condition is {found}, and has to be {TRUTH}; compare it with something");
            Err(CompileError::new(root.at.start, words))
        }
        _ => Ok(Parsed { root, constant: parser.constant }),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Nodes so far.
    nodes: usize,
    /// Expressions within expressions that are open.
    open: usize,
    /// Variables of the loops that are open.
    loops: Vec<String>,
    constant: bool,
}

impl Parser {
    fn peek(&self) -> &Token {
        const END: &Token = &Token { word: Word::End, at: 0..0 };
        self.tokens.get(self.next).or_else(|| self.tokens.last()).unwrap_or(END)
    }

    fn start(&self) -> usize {
        self.peek().at.start
    }

    /// Where the word before the next one ends.
    fn end(&self) -> usize {
        self.next.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.at.end)
    }

    /// The next word, for people.
    fn words(&self) -> String {
        match &self.peek().word {
            Word::Name(name) => format!("`{name}`"),
            Word::Sign(sign) => format!("`{sign}`"),
            Word::Integer { .. } | Word::Double(_) => "a number".to_owned(),
            Word::Text(_) => "a text".to_owned(),
            Word::End => "the end of the expression".to_owned(),
        }
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().word, Word::Sign(found) if found == sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), CompileError> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(CompileError::new(self.start(), format!("`{sign}` is expected, not {}", self.words())))
    }

    fn name(&mut self, what: &str) -> Result<String, CompileError> {
        match &self.peek().word {
            Word::Name(name) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(CompileError::new(self.start(), format!("{what} is expected, not {}", self.words()))),
        }
    }

    fn node(&mut self, kind: Kind, at: Range<usize>) -> Result<Expr, CompileError> {
        self.nodes += 1;
        if self.nodes > limits::CONDITION_NODES {
            let words = format!(
                "the expression has more than {} parts; split the condition",
                limits::CONDITION_NODES
            );
            return Err(CompileError::new(at.start, words));
        }
        let height = 1 + kind.parts().iter().map(|part| part.height).max().unwrap_or(0);
        if height > limits::CONDITION_DEPTH {
            return Err(too_deep(at.start));
        }
        Ok(Expr { kind, at, height })
    }

    fn expression(&mut self) -> Result<Expr, CompileError> {
        self.nested(Self::choice)
    }

    /// Bounds the stack of this parser.
    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Expr, CompileError>,
    ) -> Result<Expr, CompileError> {
        self.open += 1;
        if self.open > limits::CONDITION_DEPTH {
            return Err(too_deep(self.start()));
        }
        let expr = read(self);
        self.open -= 1;
        expr
    }

    fn choice(&mut self) -> Result<Expr, CompileError> {
        let start = self.start();
        let condition = self.any_of()?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let yes = self.nested(Self::any_of)?;
        self.expect(":")?;
        let no = self.expression()?;
        let kind = Kind::Choose { condition: Box::new(condition), yes: Box::new(yes), no: Box::new(no) };
        self.node(kind, start..self.end())
    }

    fn any_of(&mut self) -> Result<Expr, CompileError> {
        self.joined("||", Self::all_of, Kind::Or)
    }

    fn all_of(&mut self) -> Result<Expr, CompileError> {
        self.joined("&&", Self::relation, Kind::And)
    }

    fn joined(
        &mut self,
        sign: &str,
        operand: fn(&mut Self) -> Result<Expr, CompileError>,
        join: fn(Vec<Expr>) -> Kind,
    ) -> Result<Expr, CompileError> {
        let start = self.start();
        let first = operand(self)?;
        let mut operands = vec![first];
        while self.takes(sign) {
            operands.push(operand(self)?);
        }
        match operands.pop() {
            Some(only) if operands.is_empty() => Ok(only),
            last => {
                operands.extend(last);
                self.node(join(operands), start..self.end())
            }
        }
    }

    fn relation(&mut self) -> Result<Expr, CompileError> {
        const SIGNS: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let start = self.start();
        let mut left = self.sum()?;
        loop {
            let operator = if self.peek().word == Word::Name("in".to_owned()) {
                self.next += 1;
                Operator::In
            } else if let Some((_, operator)) = SIGNS.into_iter().find(|(sign, _)| self.takes(sign)) {
                operator
            } else {
                return Ok(left);
            };
            let right = self.sum()?;
            left = self.binary(operator, left, right, start)?;
        }
    }

    fn sum(&mut self) -> Result<Expr, CompileError> {
        self.chain(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<Expr, CompileError> {
        let signs = [("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)];
        self.chain(&signs, Self::unary)
    }

    fn chain(
        &mut self,
        signs: &[(&str, Operator)],
        operand: fn(&mut Self) -> Result<Expr, CompileError>,
    ) -> Result<Expr, CompileError> {
        let start = self.start();
        let mut left = operand(self)?;
        while let Some((_, operator)) = signs.iter().find(|(sign, _)| self.takes(sign)) {
            let right = operand(self)?;
            left = self.binary(*operator, left, right, start)?;
        }
        Ok(left)
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: Expr,
        right: Expr,
        start: usize,
    ) -> Result<Expr, CompileError> {
        let kind = Kind::Binary { operator, left: Box::new(left), right: Box::new(right) };
        self.node(kind, start..self.end())
    }

    fn unary(&mut self) -> Result<Expr, CompileError> {
        let start = self.start();
        if self.takes("!") {
            let operand = self.nested(Self::unary)?;
            return self.node(Kind::Not(Box::new(operand)), start..self.end());
        }
        if self.takes("-") {
            // The least integer has no positive counterpart to negate.
            if let Word::Integer { digits, base, unsigned: false } = &self.peek().word {
                let value = i64::from_str_radix(&format!("-{digits}"), *base);
                let value =
                    value.map_err(|_| CompileError::new(start, "the number does not fit into 64 bits"))?;
                self.next += 1;
                let literal = self.node(Kind::Int(value), start..self.end())?;
                return self.members_of(literal, start);
            }
            let operand = self.nested(Self::unary)?;
            return self.node(Kind::Negate(Box::new(operand)), start..self.end());
        }
        let primary = self.primary()?;
        self.members_of(primary, start)
    }

    fn members_of(&mut self, mut expr: Expr, start: usize) -> Result<Expr, CompileError> {
        loop {
            if self.takes("[") {
                let index = self.expression()?;
                self.expect("]")?;
                let kind = Kind::Index { of: Box::new(expr), index: Box::new(index) };
                expr = self.node(kind, start..self.end())?;
            } else if self.takes(".") {
                let name_at = self.start();
                if self.takes("?") {
                    return Err(CompileError::new(name_at, "optional values are not supported; use has()"));
                }
                let name = self.name("a member's name")?;
                expr = if self.takes("(") {
                    self.method(expr, &name, name_at, start)?
                } else {
                    check_image_member(&expr, &name, name_at, &self.loops)?;
                    self.node(Kind::Member { of: Box::new(expr), name }, start..self.end())?
                };
            } else {
                return Ok(expr);
            }
        }
    }

    fn method(&mut self, of: Expr, name: &str, name_at: usize, start: usize) -> Result<Expr, CompileError> {
        if let Some(each) = Each::named(name) {
            return self.each(each, of, name_at, start);
        }
        let mut arguments = vec![of];
        arguments.extend(self.list_until(")")?);
        self.call(name, Style::Method, arguments, name_at, start)
    }

    fn call(
        &mut self,
        name: &str,
        style: Style,
        arguments: Vec<Expr>,
        name_at: usize,
        start: usize,
    ) -> Result<Expr, CompileError> {
        if name == "matches" {
            let words = "regular expressions are not supported; use startsWith, endsWith, contains or split";
            return Err(CompileError::new(name_at, words));
        }
        let Some((function, count)) = Function::named(name, style) else {
            let known = nearest(name, FUNCTIONS.into_iter());
            let next = known.map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            let what = if style == Style::Method { "method" } else { "function" };
            return Err(CompileError::new(name_at, format!("there is no {what} `{name}`{next}")));
        };
        if arguments.len() != count {
            let own = usize::from(style == Style::Method);
            let (found, wanted) = (arguments.len() - own, count - own);
            let words = format!("`{name}` takes {wanted} arguments, not {found}");
            return Err(CompileError::new(name_at, words));
        }
        self.node(Kind::Call { function, arguments }, start..self.end())
    }

    fn each(&mut self, each: Each, over: Expr, name_at: usize, start: usize) -> Result<Expr, CompileError> {
        let variable_at = self.start();
        let variable = self.name("the name of a variable")?;
        check_new_name(&variable, variable_at)?;
        self.expect(",")?;
        // What is gone through was read before: only what is asked about each item is a loop in a loop.
        self.loops.push(variable.clone());
        if self.loops.len() > limits::CONDITION_LOOPS {
            let words = format!("more than {} loops are within each other", limits::CONDITION_LOOPS);
            return Err(CompileError::new(name_at, words));
        }
        let first = self.expression()?;
        let second = if each == Each::Map && self.takes(",") { Some(self.expression()?) } else { None };
        self.loops.pop();
        self.expect(")")?;
        let (filter, body) = match second {
            Some(second) => (Some(Box::new(first)), second),
            None => (None, first),
        };
        let kind = Kind::Each { each, over: Box::new(over), variable, filter, body: Box::new(body) };
        self.node(kind, start..self.end())
    }

    /// Expressions with commas between them, and the closing sign.
    fn list_until(&mut self, close: &'static str) -> Result<Vec<Expr>, CompileError> {
        let mut items = Vec::new();
        if self.takes(close) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if self.takes(close) {
                return Ok(items);
            }
            self.expect(",")?;
            // A comma before the end is allowed in lists, as CEL has it.
            if close == "]" && self.takes(close) {
                return Ok(items);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, CompileError> {
        let start = self.start();
        if self.takes("(") {
            let expr = self.expression()?;
            self.expect(")")?;
            return Ok(expr);
        }
        if self.takes("[") {
            let items = self.list_until("]")?;
            return self.node(Kind::List(items), start..self.end());
        }
        if self.takes("{") {
            let entries = self.entries()?;
            return self.node(Kind::Map(entries), start..self.end());
        }
        let Token { word, .. } = self.peek().clone();
        let kind = match word {
            Word::Integer { digits, base, unsigned } => {
                let value = if unsigned {
                    u64::from_str_radix(&digits, base).map(Kind::Uint)
                } else {
                    i64::from_str_radix(&digits, base).map(Kind::Int)
                };
                value.map_err(|_| CompileError::new(start, "the number does not fit into 64 bits"))?
            }
            Word::Double(value) => Kind::Double(value),
            Word::Text(text) => Kind::Text(text),
            Word::Name(name) => {
                self.next += 1;
                return self.named(name, start);
            }
            Word::Sign(_) | Word::End => {
                return Err(CompileError::new(start, format!("a value is expected, not {}", self.words())));
            }
        };
        self.next += 1;
        self.node(kind, start..self.end())
    }

    fn entries(&mut self) -> Result<Vec<(Expr, Expr)>, CompileError> {
        let mut entries = Vec::new();
        while !self.takes("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.takes("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
        }
        Ok(entries)
    }

    /// What begins with a name: a word of the language, a function or a variable.
    fn named(&mut self, name: String, start: usize) -> Result<Expr, CompileError> {
        let kind = match name.as_str() {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            "has" if self.takes("(") => {
                let at = self.start();
                let member = self.expression()?;
                self.expect(")")?;
                let Kind::Member { of, name } = member.kind else {
                    return Err(CompileError::new(at, "has() takes a member, as in has(predicate.x)"));
                };
                // The member was counted, and is not there any more.
                self.nodes -= 1;
                Kind::Has { of, name }
            }
            _ if self.takes("(") => {
                let arguments = self.list_until(")")?;
                return self.call(&name, Style::Global, arguments, start, start);
            }
            _ if self.loops.contains(&name) => Kind::Variable(name),
            known if VARIABLES.contains(&known) => {
                self.constant = false;
                Kind::Variable(name)
            }
            _ => return Err(self.unknown_variable(&name, start)),
        };
        self.node(kind, start..self.end())
    }

    fn unknown_variable(&self, name: &str, at: usize) -> CompileError {
        if RESERVED.contains(&name) || name == "in" {
            return CompileError::new(at, format!("`{name}` is a reserved word of CEL"));
        }
        let known: Vec<&str> = VARIABLES.into_iter().chain(self.loops.iter().map(String::as_str)).collect();
        let next = nearest(name, known.iter().copied()).map_or_else(
            || format!("known here: {}", known.join(", ")),
            |known| format!("did you mean `{known}`?"),
        );
        CompileError::new(at, format!("there is no variable `{name}`; {next}"))
    }
}

fn too_deep(at: usize) -> CompileError {
    CompileError::new(at, format!("the expression is nested more than {} deep", limits::CONDITION_DEPTH))
}

/// A loop's variable: one that hides another would be read as that other.
fn check_new_name(name: &str, at: usize) -> Result<(), CompileError> {
    if VARIABLES.contains(&name) {
        return Err(CompileError::new(at, format!("`{name}` has a meaning already; use another name")));
    }
    if RESERVED.contains(&name) || matches!(name, "in" | "true" | "false" | "null") {
        return Err(CompileError::new(at, format!("`{name}` is a reserved word of CEL")));
    }
    Ok(())
}

fn check_image_member(of: &Expr, name: &str, at: usize, loops: &[String]) -> Result<(), CompileError> {
    let image =
        matches!(&of.kind, Kind::Variable(variable) if variable == "image" && !loops.contains(variable));
    if !image || IMAGE_MEMBERS.contains(&name) {
        return Ok(());
    }
    let known = IMAGE_MEMBERS.join(", ");
    Err(CompileError::new(at, format!("`image` has no member `{name}`; it has {known}")))
}
