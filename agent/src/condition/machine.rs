//! The evaluator: a walk over the tree that pays for every step.
//!
//! What it costs is counted where it is spent: a step for each part that is evaluated, and for each [`STEP_BYTES`] of the
//! statement that are walked over or of texts that are compared; bytes for what is made. The walk is as deep as the tree,
//! which was bounded when it was parsed. So neither time nor memory nor stack depend on what is in the statement beyond
//! the bounds, and the same statement costs the same everywhere.

use std::rc::Rc;

use pullward_core::{json, limits};

use super::functions;
use super::syntax::{Each, Expr, Kind, Operator};
use super::trouble::{Stop, What};
use super::value::{List, Map, Value, order};

/// Bytes that are walked over for one step.
const STEP_BYTES: usize = 64;

/// What an evaluation is.
pub(super) type Outcome<'a> = Result<Value<'a>, Stop<'a>>;

/// The variables that an expression starts with.
pub(super) struct Globals<'a> {
    pub(super) statement: json::Value<'a>,
    pub(super) image: Value<'a>,
    pub(super) now: Value<'a>,
}

/// An evaluation under way.
pub(super) struct Machine<'a> {
    globals: Globals<'a>,
    /// Steps that are left.
    steps: u64,
    /// Bytes that may still be made.
    bytes: usize,
}

/// Variables of loops, the innermost first.
pub(super) struct Scope<'s, 'a> {
    name: &'a str,
    value: Value<'a>,
    outer: Option<&'s Self>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(globals: Globals<'a>, steps: u64) -> Self {
        Self { globals, steps, bytes: limits::CONDITION_MEMORY }
    }

    /// Steps that are left.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Evaluates a whole expression.
    pub(super) fn run(&mut self, root: &'a Expr) -> Outcome<'a> {
        self.eval(root, None)
    }

    /// Pays for one step and for walking over so many bytes.
    pub(super) fn pay(&mut self, bytes: usize) -> Result<(), Stop<'a>> {
        let steps = u64::try_from(bytes / STEP_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::Limit)?;
        Ok(())
    }

    /// Pays for so many bytes that are made.
    pub(super) fn pay_memory(&mut self, bytes: usize) -> Result<(), Stop<'a>> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Stop::Limit)?;
        self.pay(bytes)
    }

    fn eval(&mut self, expr: &'a Expr, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        self.pay(0)?;
        match &expr.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Uint(value) => Ok(Value::Uint(*value)),
            Kind::Double(value) => Ok(Value::Double(*value)),
            Kind::Text(text) => Ok(Value::text(text)),
            Kind::Variable(name) => self.variable(expr, name, scope),
            Kind::Member { of, name } => {
                let map = self.map(of, scope)?;
                self.look_up(expr, &map, &Value::text(name))?.ok_or_else(|| What::NoMember.at(expr))
            }
            Kind::Has { of, name } => {
                let map = self.map(of, scope)?;
                Ok(Value::Bool(self.look_up(expr, &map, &Value::text(name))?.is_some()))
            }
            Kind::Index { of, index } => self.index(expr, of, index, scope),
            Kind::List(items) => {
                let items = items.iter().map(|item| self.eval(item, scope)).collect::<Result<Vec<_>, _>>()?;
                self.list(items)
            }
            Kind::Map(entries) => self.map_of(expr, entries, scope),
            Kind::Not(operand) => match self.eval(operand, scope)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                other => Err(not_truth(&other).at(operand)),
            },
            Kind::Negate(operand) => {
                let value = self.eval(operand, scope)?;
                functions::negate(expr, &value)
            }
            Kind::And(operands) => self.decide(operands, false, scope),
            Kind::Or(operands) => self.decide(operands, true, scope),
            Kind::Binary { operator, left, right } => self.binary(expr, *operator, left, right, scope),
            Kind::Choose { condition, yes, no } => match self.eval(condition, scope)? {
                Value::Bool(true) => self.eval(yes, scope),
                Value::Bool(false) => self.eval(no, scope),
                other => Err(not_truth(&other).at(condition)),
            },
            Kind::Call { function, arguments } => {
                let arguments = arguments
                    .iter()
                    .map(|argument| self.eval(argument, scope))
                    .collect::<Result<Vec<_>, _>>()?;
                functions::call(self, expr, *function, &arguments)
            }
            Kind::Each { each, over, variable, filter, body } => {
                let over_value = self.eval(over, scope)?;
                let items = self.items(over, &over_value)?;
                let round = Round { each: *each, variable, filter: filter.as_deref(), body };
                self.each(expr, &round, items, scope)
            }
        }
    }

    fn variable(&mut self, expr: &'a Expr, name: &str, mut scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        while let Some(here) = scope {
            if here.name == name {
                return Ok(here.value.clone());
            }
            scope = here.outer;
        }
        match name {
            "image" => Ok(self.globals.image.clone()),
            "now" => Ok(self.globals.now.clone()),
            "statement" => self.read(expr, self.globals.statement),
            // Parsing let no other name through than `predicate`.
            _ => {
                let statement = self.read(expr, self.globals.statement)?;
                let Value::Map(map) = statement else { return Err(What::Unreadable.at(expr)) };
                self.look_up(expr, &map, &Value::text("predicate"))?.ok_or_else(|| What::NoMember.at(expr))
            }
        }
    }

    /// A value of the statement.
    fn read(&mut self, at: &'a Expr, value: json::Value<'a>) -> Outcome<'a> {
        let text = value.text();
        match text.bytes().next() {
            Some(b'{') => Ok(Value::Map(Map::There(value))),
            Some(b'[') => Ok(Value::List(List::There(value))),
            Some(b'"') => {
                let text = value.string().map_err(|_| What::Unreadable.at(at))?;
                self.text(text)
            }
            Some(b't') => Ok(Value::Bool(true)),
            Some(b'f') => Ok(Value::Bool(false)),
            Some(b'n') => Ok(Value::Null),
            _ => number(text).ok_or_else(|| What::Number.at(at)),
        }
    }

    fn text(&mut self, text: json::Text<'a>) -> Outcome<'a> {
        self.pay(text.raw_len())?;
        if let Some(plain) = text.plain() {
            return Ok(Value::text(plain));
        }
        self.pay_memory(text.raw_len())?;
        Ok(Value::made(&text.chars().collect::<String>()))
    }

    fn map(&mut self, of: &'a Expr, scope: Option<&Scope<'_, 'a>>) -> Result<Map<'a>, Stop<'a>> {
        match self.eval(of, scope)? {
            Value::Map(map) => Ok(map),
            other => Err(What::NotA { wanted: "a map", found: other.type_name() }.at(of)),
        }
    }

    /// The value of a key; `None` where the map has no such key.
    pub(super) fn look_up(
        &mut self,
        at: &'a Expr,
        map: &Map<'a>,
        key: &Value<'a>,
    ) -> Result<Option<Value<'a>>, Stop<'a>> {
        match map {
            Map::There(object) => {
                // Keys of JSON are texts.
                let Value::Text(key) = key else { return Ok(None) };
                let object = object.object().map_err(|_| What::Unreadable.at(at))?;
                let mut found = None;
                for member in object.members() {
                    let (name, value) = member.map_err(|_| What::Unreadable.at(at))?;
                    self.pay(name.raw_len().saturating_add(value.text().len()))?;
                    // One of two would be taken by one reader, the other by another (T-59).
                    if name.is(key.as_str()) && found.replace(value).is_some() {
                        return Err(What::Twice.at(at));
                    }
                }
                found.map(|value| self.read(at, value)).transpose()
            }
            Map::Made(entries) => {
                for (name, value) in entries.iter() {
                    if self.equal(at, name, key)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
        }
    }

    fn index(
        &mut self,
        expr: &'a Expr,
        of: &'a Expr,
        index: &'a Expr,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let target = self.eval(of, scope)?;
        let key = self.eval(index, scope)?;
        match &target {
            Value::Map(map) if key.is_key() => {
                self.look_up(expr, map, &key)?.ok_or_else(|| What::NoMember.at(expr))
            }
            Value::Map(_) => Err(What::NotA { wanted: "a key", found: key.type_name() }.at(index)),
            Value::List(_) => {
                let place = match key {
                    Value::Int(place) => usize::try_from(place).ok(),
                    Value::Uint(place) => usize::try_from(place).ok(),
                    _ => {
                        return Err(What::NotA { wanted: "a whole number", found: key.type_name() }.at(index));
                    }
                };
                let place = place.ok_or_else(|| What::NoPlace.at(expr))?;
                let mut items = self.items(of, &target)?;
                for _ in 0..place {
                    items.skip(self, of)?.ok_or_else(|| What::NoPlace.at(expr))?;
                }
                items.next(self, of)?.ok_or_else(|| What::NoPlace.at(expr))
            }
            other => Err(What::NotA { wanted: "a list or a map", found: other.type_name() }.at(of)),
        }
    }

    /// A list that is made.
    pub(super) fn list(&mut self, items: Vec<Value<'a>>) -> Outcome<'a> {
        self.pay_memory(items.len().saturating_mul(size_of::<Value<'_>>()))?;
        Ok(Value::List(List::Made(Rc::from(items))))
    }

    fn map_of(
        &mut self,
        expr: &'a Expr,
        entries: &'a [(Expr, Expr)],
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let mut made: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        for (key, value) in entries {
            let name = self.eval(key, scope)?;
            if !name.is_key() {
                return Err(What::NotA { wanted: "a key", found: name.type_name() }.at(key));
            }
            for (known, _) in &made {
                if self.equal(expr, known, &name)? {
                    return Err(What::KeyTwice.at(key));
                }
            }
            made.push((name, self.eval(value, scope)?));
        }
        self.pay_memory(made.len().saturating_mul(2 * size_of::<Value<'_>>()))?;
        Ok(Value::Map(Map::Made(Rc::from(made))))
    }

    /// `&&` and `||`: one operand that is `decisive` decides, whatever became of the others.
    fn decide(&mut self, operands: &'a [Expr], decisive: bool, scope: Option<&Scope<'_, 'a>>) -> Outcome<'a> {
        let mut verdict = Verdict::new(decisive);
        for operand in operands {
            let outcome = self.eval(operand, scope);
            if verdict.takes(operand, outcome)? == Flow::Decided {
                return Ok(Value::Bool(decisive));
            }
        }
        verdict.end()
    }

    fn binary(
        &mut self,
        expr: &'a Expr,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let left = self.eval(left, scope)?;
        let right_value = self.eval(right, scope)?;
        match operator {
            Operator::Equal | Operator::Unequal => {
                if !left.is_comparable(&right_value) {
                    return Err(functions::unlike(&left, &right_value).at(expr));
                }
                let equal = self.equal(expr, &left, &right_value)?;
                Ok(Value::Bool(equal == (operator == Operator::Equal)))
            }
            Operator::In => match &right_value {
                Value::Map(map) if left.is_key() => {
                    Ok(Value::Bool(self.look_up(right, map, &left)?.is_some()))
                }
                Value::List(_) => {
                    let mut items = self.items(right, &right_value)?;
                    while let Some(item) = items.next(self, right)? {
                        if self.equal(expr, &item, &left)? {
                            return Ok(Value::Bool(true));
                        }
                    }
                    Ok(Value::Bool(false))
                }
                _ => Err(functions::unlike(&left, &right_value).at(expr)),
            },
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                functions::compare(self, expr, operator, &left, &right_value)
            }
            _ => functions::arithmetic(self, expr, operator, &left, &right_value),
        }
    }

    /// Whether two values are equal; of different types they are not.
    pub(super) fn equal(
        &mut self,
        at: &'a Expr,
        one: &Value<'a>,
        other: &Value<'a>,
    ) -> Result<bool, Stop<'a>> {
        self.pay(0)?;
        match (one, other) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::Text(one), Value::Text(other)) => {
                self.pay(one.as_str().len().min(other.as_str().len()))?;
                Ok(one.as_str() == other.as_str())
            }
            (Value::List(_), Value::List(_)) => {
                let (mut ones, mut others) = (self.items(at, one)?, self.items(at, other)?);
                loop {
                    match (ones.next(self, at)?, others.next(self, at)?) {
                        (Some(one), Some(other)) if self.equal(at, &one, &other)? => {}
                        (None, None) => return Ok(true),
                        _ => return Ok(false),
                    }
                }
            }
            (Value::Map(ones), Value::Map(others)) => {
                let keys = self.keys(at, ones)?;
                if keys.len() != self.keys(at, others)?.len() {
                    return Ok(false);
                }
                for key in &keys {
                    let (one, other) = (self.look_up(at, ones, key)?, self.look_up(at, others, key)?);
                    match (one, other) {
                        (Some(one), Some(other)) if self.equal(at, &one, &other)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            _ => Ok(order(one, other).is_some_and(std::cmp::Ordering::is_eq)),
        }
    }

    /// The keys of a map, each once.
    pub(super) fn keys(&mut self, at: &'a Expr, map: &Map<'a>) -> Result<Vec<Value<'a>>, Stop<'a>> {
        let object = match map {
            Map::Made(entries) => {
                self.pay_memory(entries.len().saturating_mul(size_of::<Value<'_>>()))?;
                return Ok(entries.iter().map(|(key, _)| key.clone()).collect());
            }
            Map::There(object) => object.object().map_err(|_| What::Unreadable.at(at))?,
        };
        let mut keys = Vec::new();
        for member in object.members() {
            let (name, value) = member.map_err(|_| What::Unreadable.at(at))?;
            self.pay(value.text().len())?;
            self.pay_memory(size_of::<Value<'_>>())?;
            keys.push(self.text(name)?);
        }
        let mut names: Vec<&str> = keys
            .iter()
            .filter_map(|key| if let Value::Text(key) = key { Some(key.as_str()) } else { None })
            .collect();
        // Each key is looked at some 20 times in sorting a million.
        self.pay(names.len().saturating_mul(20))?;
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [one, next] if one == next)) {
            return Err(What::Twice.at(at));
        }
        Ok(keys)
    }

    /// What is gone through: the items of a list, the keys of a map.
    pub(super) fn items(&mut self, at: &'a Expr, value: &Value<'a>) -> Result<Items<'a>, Stop<'a>> {
        match value {
            Value::List(List::There(array)) => {
                array.array().map(Items::There).map_err(|_| What::Unreadable.at(at))
            }
            Value::List(List::Made(items)) => Ok(Items::Made { items: items.clone(), next: 0 }),
            Value::Map(map) => Ok(Items::Keys(self.keys(at, map)?.into_iter())),
            other => Err(What::NotA { wanted: "a list or a map", found: other.type_name() }.at(at)),
        }
    }

    fn each(
        &mut self,
        expr: &'a Expr,
        round: &Round<'a>,
        mut items: Items<'a>,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Outcome<'a> {
        let decisive = round.each == Each::Exists;
        let mut verdict = Verdict::new(decisive);
        let mut kept = Vec::new();
        let mut found = 0_u64;
        while let Some(item) = items.next(self, expr)? {
            self.pay(0)?;
            let inner = Scope { name: round.variable, value: item, outer: scope };
            match round.each {
                Each::All | Each::Exists => {
                    let outcome = self.eval(round.body, Some(&inner));
                    if verdict.takes(round.body, outcome)? == Flow::Decided {
                        return Ok(Value::Bool(decisive));
                    }
                }
                Each::ExistsOne => found += u64::from(self.holds(round.body, &inner)?),
                Each::Filter => {
                    if self.holds(round.body, &inner)? {
                        self.pay_memory(size_of::<Value<'_>>())?;
                        kept.push(inner.value);
                    }
                }
                Each::Map => {
                    let wanted = match round.filter {
                        Some(filter) => self.holds(filter, &inner)?,
                        None => true,
                    };
                    if wanted {
                        self.pay_memory(size_of::<Value<'_>>())?;
                        kept.push(self.eval(round.body, Some(&inner))?);
                    }
                }
            }
        }
        match round.each {
            Each::All | Each::Exists => verdict.end(),
            Each::ExistsOne => Ok(Value::Bool(found == 1)),
            Each::Map | Each::Filter => self.list(kept),
        }
    }

    fn holds(&mut self, body: &'a Expr, scope: &Scope<'_, 'a>) -> Result<bool, Stop<'a>> {
        match self.eval(body, Some(scope))? {
            Value::Bool(value) => Ok(value),
            other => Err(not_truth(&other).at(body)),
        }
    }
}

/// What a loop does in each of its rounds.
struct Round<'a> {
    each: Each,
    variable: &'a str,
    filter: Option<&'a Expr>,
    body: &'a Expr,
}

/// What comes of several truth values where one of them may decide.
///
/// CEL's `&&`, `||`, `all` and `exists` do not depend on the order of their operands: a decisive one counts even where
/// another has no value. Where none decides, the first that has no value is what is reported.
struct Verdict<'a> {
    decisive: bool,
    trouble: Option<Stop<'a>>,
}

/// Whether to go on.
#[derive(PartialEq)]
enum Flow {
    Decided,
    Open,
}

impl<'a> Verdict<'a> {
    fn new(decisive: bool) -> Self {
        Self { decisive, trouble: None }
    }

    fn takes(&mut self, at: &'a Expr, outcome: Outcome<'a>) -> Result<Flow, Stop<'a>> {
        let trouble = match outcome {
            Ok(Value::Bool(value)) if value == self.decisive => return Ok(Flow::Decided),
            Ok(Value::Bool(_)) => return Ok(Flow::Open),
            Ok(other) => not_truth(&other).at(at),
            Err(Stop::Limit) => return Err(Stop::Limit),
            Err(trouble) => trouble,
        };
        self.trouble.get_or_insert(trouble);
        Ok(Flow::Open)
    }

    fn end(self) -> Outcome<'a> {
        self.trouble.map_or(Ok(Value::Bool(!self.decisive)), Err)
    }
}

/// Items of a list or keys of a map, one after the other.
pub(super) enum Items<'a> {
    There(json::Items<'a>),
    Made { items: Rc<[Value<'a>]>, next: usize },
    Keys(std::vec::IntoIter<Value<'a>>),
}

impl<'a> Items<'a> {
    pub(super) fn next(
        &mut self,
        machine: &mut Machine<'a>,
        at: &'a Expr,
    ) -> Result<Option<Value<'a>>, Stop<'a>> {
        match self {
            Self::There(items) => {
                let Some(item) = items.next() else { return Ok(None) };
                let item = item.map_err(|_| What::Unreadable.at(at))?;
                machine.pay(item.text().len())?;
                machine.read(at, item).map(Some)
            }
            Self::Made { items, next } => {
                let item = items.get(*next).cloned();
                *next += 1;
                machine.pay(0)?;
                Ok(item)
            }
            Self::Keys(keys) => Ok(keys.next()),
        }
    }

    /// Goes past one item, whatever it is.
    pub(super) fn skip(&mut self, machine: &mut Machine<'a>, at: &'a Expr) -> Result<Option<()>, Stop<'a>> {
        if let Self::There(items) = self {
            let Some(item) = items.next() else { return Ok(None) };
            let item = item.map_err(|_| What::Unreadable.at(at))?;
            machine.pay(item.text().len())?;
            return Ok(Some(()));
        }
        Ok(self.next(machine, at)?.map(|_| ()))
    }
}

/// A number of JSON: an integer where it has no fraction and no exponent.
fn number<'a>(text: &str) -> Option<Value<'a>> {
    if text.contains(['.', 'e', 'E']) {
        return text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Double);
    }
    text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Uint)).ok()
}

fn not_truth(found: &Value<'_>) -> What {
    What::NotA { wanted: super::syntax::TRUTH, found: found.type_name() }
}
