//! An expression as a tree.

use std::ops::Range;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it stands in the expression, in bytes.
    pub(super) at: Range<usize>,
    /// How deep the tree below it is: 1 for a literal.
    pub(super) height: usize,
}

/// What a part of an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
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
    Text(String),
    /// A variable.
    Variable(String),
    /// `of.name`.
    Member {
        /// The map.
        of: Box<Expr>,
        /// The key.
        name: String,
    },
    /// `has(of.name)`.
    Has {
        /// The map.
        of: Box<Expr>,
        /// The key.
        name: String,
    },
    /// `of[index]`.
    Index {
        /// The list or the map.
        of: Box<Expr>,
        /// The place or the key.
        index: Box<Expr>,
    },
    /// `[…]`.
    List(Vec<Expr>),
    /// `{…}`.
    Map(Vec<(Expr, Expr)>),
    /// `!…`.
    Not(Box<Expr>),
    /// `-…`.
    Negate(Box<Expr>),
    /// `… && …`, however many.
    And(Vec<Expr>),
    /// `… || …`, however many.
    Or(Vec<Expr>),
    /// Two operands and what is between them.
    Binary {
        /// The operator.
        operator: Operator,
        /// Before it.
        left: Box<Expr>,
        /// Behind it.
        right: Box<Expr>,
    },
    /// `condition ? yes : no`.
    Choose {
        /// The condition.
        condition: Box<Expr>,
        /// Where it holds.
        yes: Box<Expr>,
        /// Where it does not.
        no: Box<Expr>,
    },
    /// A function; of a method, what it is called on is the first argument.
    Call {
        /// Which.
        function: Function,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// `over.all(variable, body)` and its like.
    Each {
        /// What becomes of the bodies.
        each: Each,
        /// The list, or the map whose keys are gone through.
        over: Box<Expr>,
        /// The name of each.
        variable: String,
        /// Those for which this holds, only of `map` with three arguments.
        filter: Option<Box<Expr>>,
        /// What is asked about each.
        body: Box<Expr>,
    },
}

impl Kind {
    /// The parts that it is made of.
    pub(super) fn parts(&self) -> Vec<&Expr> {
        match self {
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Uint(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::Variable(_) => Vec::new(),
            Self::Member { of, .. } | Self::Has { of, .. } => vec![of],
            Self::Index { of, index } => vec![of, index],
            Self::List(items) | Self::And(items) | Self::Or(items) => items.iter().collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Not(operand) | Self::Negate(operand) => vec![operand],
            Self::Binary { left, right, .. } => vec![left, right],
            Self::Choose { condition, yes, no } => vec![condition, yes, no],
            Self::Call { arguments, .. } => arguments.iter().collect(),
            Self::Each { over, filter, body, .. } => {
                filter.iter().map(|filter| &**filter).chain([&**over, &**body]).collect()
            }
        }
    }
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}

/// What is asked about each item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Each {
    /// It holds for all of them.
    All,
    /// It holds for one of them at least.
    Exists,
    /// It holds for exactly one of them.
    ExistsOne,
    /// The list of what it is for each.
    Map,
    /// The list of those for which it holds.
    Filter,
}

impl Each {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "exists" => Self::Exists,
            "exists_one" => Self::ExistsOne,
            "map" => Self::Map,
            "filter" => Self::Filter,
            _ => return None,
        })
    }
}

/// The functions that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// Characters of a text, items of a list, entries of a map.
    Size,
    /// To an integer.
    Int,
    /// To an integer without a sign.
    Uint,
    /// To a number with a fraction.
    Double,
    /// To a text.
    String,
    /// From `"true"` and `"false"`.
    Bool,
    /// From RFC 3339.
    Timestamp,
    /// From `"1h30m"`.
    Duration,
    /// Whether a text begins with another.
    StartsWith,
    /// Whether a text ends with another.
    EndsWith,
    /// Whether a text is part of another.
    Contains,
    /// ASCII letters to lower case.
    LowerAscii,
    /// ASCII letters to upper case.
    UpperAscii,
    /// Without white space at its ends.
    Trim,
    /// A text cut at another.
    Split,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
}

impl Function {
    /// The function of a name and how many arguments it takes, what it is called on included.
    pub(super) fn named(name: &str, style: Style) -> Option<(Self, usize)> {
        Some(match (name, style) {
            ("size", _) => (Self::Size, 1),
            ("int", Style::Global) => (Self::Int, 1),
            ("uint", Style::Global) => (Self::Uint, 1),
            ("double", Style::Global) => (Self::Double, 1),
            ("string", Style::Global) => (Self::String, 1),
            ("bool", Style::Global) => (Self::Bool, 1),
            ("timestamp", Style::Global) => (Self::Timestamp, 1),
            ("duration", Style::Global) => (Self::Duration, 1),
            ("startsWith", Style::Method) => (Self::StartsWith, 2),
            ("endsWith", Style::Method) => (Self::EndsWith, 2),
            ("contains", Style::Method) => (Self::Contains, 2),
            ("lowerAscii", Style::Method) => (Self::LowerAscii, 1),
            ("upperAscii", Style::Method) => (Self::UpperAscii, 1),
            ("trim", Style::Method) => (Self::Trim, 1),
            ("split", Style::Method) => (Self::Split, 2),
            _ => return None,
        })
    }
}

/// Names of all functions, for suggestions.
pub(super) const FUNCTIONS: [&str; 21] = [
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "timestamp",
    "duration",
    "startsWith",
    "endsWith",
    "contains",
    "lowerAscii",
    "upperAscii",
    "trim",
    "split",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
];

/// What the value of an expression is, where its form alone says so.
pub(super) fn certain_type(expr: &Expr) -> Option<&'static str> {
    Some(match &expr.kind {
        Kind::Null => "null",
        Kind::Int(_) | Kind::Uint(_) | Kind::Double(_) | Kind::Negate(_) => "a number",
        Kind::Text(_) => "a text",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        Kind::Bool(_) | Kind::Has { .. } | Kind::Not(_) | Kind::And(_) | Kind::Or(_) => TRUTH,
        Kind::Binary { operator, left, .. } => match operator {
            Operator::Equal
            | Operator::Unequal
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::In => TRUTH,
            Operator::Multiply | Operator::Divide | Operator::Remainder => "a number",
            Operator::Add | Operator::Subtract => return certain_type(left).filter(|found| *found != TRUTH),
        },
        Kind::Each { each, .. } => match each {
            Each::All | Each::Exists | Each::ExistsOne => TRUTH,
            Each::Map | Each::Filter => "a list",
        },
        Kind::Call { function, .. } => match function {
            Function::Size | Function::Int | Function::Uint | Function::Double => "a number",
            Function::String | Function::LowerAscii | Function::UpperAscii | Function::Trim => "a text",
            Function::Bool | Function::StartsWith | Function::EndsWith | Function::Contains => TRUTH,
            Function::Timestamp => "a time",
            Function::Duration => "a length of time",
            Function::Split => "a list",
        },
        Kind::Variable(_) | Kind::Member { .. } | Kind::Index { .. } | Kind::Choose { .. } => return None,
    })
}

/// What a condition has to be.
pub(super) const TRUTH: &str = "true or false";
