//! What an import has to say about a document besides the policy.

use std::fmt;

use serde::Serialize;

use crate::policy::source::Position;

/// One thing that is said, about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing, stable, for programs.
    pub code: Code,
    /// Where the field stands.
    #[serde(skip)]
    pub at: Option<Position>,
    /// Line and column, as in `3:7`; empty where there is no place.
    pub place: String,
    /// The field, as in `spec.attestors[0].cosign.key.kms`.
    pub path: String,
    /// What there is to say, and what to do.
    pub text: String,
}

/// The kinds of [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Refused: the file is not YAML that is read here, or a field has a value of another type.
    ImportSyntax,
    /// Refused: no document in the file is of a kind that can be imported.
    ImportKind,
    /// Refused: the format does not have such a field, or has it and needs it here.
    ImportField,
    /// Refused: the field has a value that the format does not know, or that contradicts another.
    ImportValue,
    /// Refused: what the field asks for is not enforced by this version, and without it the policy would ask for less.
    ImportNotEnforced,
    /// Refused: the expression is in none of the forms that can be carried over.
    ImportExpression,
    /// Refused: the glob cannot be said in patterns.
    ImportPattern,
    /// Refused: the key cannot be used.
    ImportKey,
    /// Refused: the documents of the file can only be followed together, and rules are followed one at a time.
    ImportConflict,
    /// Refused: what came out is no policy that this version takes.
    ImportPolicy,
    /// Remark: the policy asks for more than the document, or of more images.
    Stricter,
    /// Remark: the same question is answered in another way.
    Differs,
    /// Remark: what the field sets is set elsewhere.
    Elsewhere,
    /// Remark: the field has no effect in the document either.
    Unused,
    /// Remark: a document of another kind.
    Skipped,
    /// Neither: a field that nothing on a node depends on.
    NotNeeded,
}

impl Code {
    /// Its spelling in output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImportSyntax => "import-syntax",
            Self::ImportKind => "import-kind",
            Self::ImportField => "import-field",
            Self::ImportValue => "import-value",
            Self::ImportNotEnforced => "import-not-enforced",
            Self::ImportExpression => "import-expression",
            Self::ImportPattern => "import-pattern",
            Self::ImportKey => "import-key",
            Self::ImportConflict => "import-conflict",
            Self::ImportPolicy => "import-policy",
            Self::Stricter => "stricter",
            Self::Differs => "differs",
            Self::Elsewhere => "elsewhere",
            Self::Unused => "unused",
            Self::Skipped => "skipped",
            Self::NotNeeded => "not-needed",
        }
    }

    /// What follows from it.
    #[must_use]
    pub fn weight(self) -> Weight {
        match self {
            Self::ImportSyntax
            | Self::ImportKind
            | Self::ImportField
            | Self::ImportValue
            | Self::ImportNotEnforced
            | Self::ImportExpression
            | Self::ImportPattern
            | Self::ImportKey
            | Self::ImportConflict
            | Self::ImportPolicy => Weight::Refusal,
            Self::Stricter | Self::Differs | Self::Elsewhere | Self::Unused | Self::Skipped => Weight::Remark,
            Self::NotNeeded => Weight::Silent,
        }
    }
}

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// There is no policy.
    Refusal,
    /// There is a policy, and somebody should know this about it.
    Remark,
    /// The field is named in the policy's first lines.
    Silent,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        let word = match self.code.weight() {
            Weight::Refusal => "refused: ",
            Weight::Remark => "remark: ",
            Weight::Silent => "",
        };
        f.write_str(word)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.text, self.code.as_str())
    }
}

/// The findings of one import, as they come.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn say(&mut self, code: Code, at: Option<Position>, path: &str, text: impl Into<String>) {
        let place = at.map(|at| at.to_string()).unwrap_or_default();
        self.0.push(Finding { code, at, place, path: path.to_owned(), text: text.into() });
    }

    pub(super) fn refused(&self) -> bool {
        self.0.iter().any(|finding| finding.code.weight() == Weight::Refusal)
    }
}
