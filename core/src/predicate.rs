//! What attestations say: predicates read over the verified bytes, and the conditions that a requirement puts on them.
//!
//! A requirement of a rule names predicate types and conditions. Each kind of condition has a module that reads it from
//! the trust bundle, checks it there once, and judges one verified [`Attestation`] by it: [`vulnerability`] (with
//! [`vex`]), [`provenance`], [`packages`]. The same module summarises such a predicate for people, so that what is
//! shown and what is judged is one reading.
//!
//! Every condition is met by one attestation or it is not: nothing is pieced together from two (T-23). What cannot be
//! read does not meet anything; a member that a condition asks about and that is absent does not either.
//!
//! What this does *not* check: who signed, and about which image. That was before: an [`Attestation`] is made of
//! verified bytes only.

pub mod packages;
pub mod provenance;
pub mod vex;
pub mod vulnerability;

use core::fmt;

use crate::json::{self, Text, Value};
use crate::oci::Digest;
use crate::time::UnixTime;
use crate::verdict::Reason;

/// A predicate inside a verified statement.
#[derive(Debug, Clone, Copy)]
pub struct Attestation<'s> {
    /// The URI of the predicate's schema.
    pub predicate_type: Text<'s>,
    /// The predicate, of whatever JSON type it is.
    pub predicate: Value<'s>,
}

/// What a condition is judged by besides the predicate.
#[derive(Debug, Clone, Copy)]
pub struct Context<'q> {
    /// The time of the verdict, never before the trust bundle's issue.
    pub time: UnixTime,
    /// The digest that the statement is about.
    pub digest: Digest,
    /// `os/arch[/variant]`.
    pub platform: &'q str,
}

/// Why an attestation does not meet a requirement: a code, and the finding that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmet<'s> {
    /// The stable code.
    pub reason: Reason,
    /// The finding.
    pub finding: Finding<'s>,
}

/// What was found in an attestation that does not meet a requirement; `Display` says it in words that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<'s> {
    /// Nothing beyond what the code says.
    None,
    /// The named member is not what its format says, or the predicate is not JSON of that shape.
    Malformed(&'static str),
    /// The named member is absent, and a condition asks about it.
    Missing(&'static str),
    /// The named member has this value, which no entry of the condition matches.
    Other {
        /// What it is: `source`, `builder`, …
        what: &'static str,
        /// What stands there.
        found: Text<'s>,
    },
    /// Two members that must say the same do not.
    Contradiction {
        /// What they say.
        what: &'static str,
        /// The one.
        one: Text<'s>,
        /// The other.
        other: Text<'s>,
    },
    /// The named thing is larger, or there are more of it, than what is read.
    TooLarge(&'static str),
    /// The build had a parameter that it may not have, or one whose value may not be this.
    Parameter {
        /// What it is: `parameter`, `build argument`.
        what: &'static str,
        /// Its name.
        name: Text<'s>,
        /// Its value, where it is the value that may not be.
        value: Option<Value<'s>>,
    },
    /// The build lacked a parameter that it must have.
    Lacks {
        /// What it is: `parameter`, `build argument`.
        what: &'static str,
        /// Its name.
        name: ShortName,
    },
    /// Not every one of the named things is listed, so nothing shows that one is absent.
    Incomplete(&'static str),
    /// More vulnerabilities of a severity than are allowed.
    Vulnerabilities {
        /// The severity, in lower case.
        severity: &'static str,
        /// How many count.
        found: u32,
        /// How many may.
        allowed: u64,
        /// The first one that counts.
        id: Option<Text<'s>>,
        /// The package it is in.
        package: Option<Text<'s>>,
        /// That package's version.
        version: Option<Text<'s>>,
    },
    /// A package that is denied, or has a denied licence.
    Package {
        /// Its name, or its purl.
        name: Text<'s>,
        /// Its version, where one is given.
        version: Option<Text<'s>>,
        /// The licence that is denied; `None` where the package itself is.
        license: Option<Text<'s>>,
    },
    /// It was made at this time.
    MadeAt(UnixTime),
}

impl<'s> Unmet<'s> {
    /// A predicate that is not what its format says.
    #[must_use]
    pub const fn malformed(what: &'static str) -> Self {
        Self { reason: Reason::PredicateMalformed, finding: Finding::Malformed(what) }
    }

    /// A member is absent that a condition asks about.
    #[must_use]
    pub const fn missing(reason: Reason, what: &'static str) -> Self {
        Self { reason, finding: Finding::Missing(what) }
    }

    /// A code that says everything.
    #[must_use]
    pub const fn because(reason: Reason) -> Self {
        Self { reason, finding: Finding::None }
    }
}

impl From<json::Error> for Unmet<'_> {
    fn from(error: json::Error) -> Self {
        match error {
            json::Error::DuplicateKey(key) | json::Error::TwinKey(key) => {
                Self { reason: Reason::PayloadAmbiguous, finding: Finding::Malformed(key) }
            }
            json::Error::MissingKey(key) => Self::malformed(key),
            _ => Self::malformed("predicate"),
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Malformed(what) => write!(f, "its {what} cannot be read"),
            Self::Missing(what) => write!(f, "it says nothing about {what}"),
            Self::Other { what, found } => write!(f, "its {what} is {}", Words(*found)),
            Self::Contradiction { what, one, other } => {
                write!(f, "its {what} is {} in one place and {} in another", Words(*one), Words(*other))
            }
            Self::TooLarge(what) => write!(f, "its {what} is larger than what is read"),
            Self::Parameter { what, name, value: None } => write!(f, "it has the {what} {}", Words(*name)),
            Self::Parameter { what, name, value: Some(value) } => match value.string() {
                Ok(text) => write!(f, "its {what} {} is {}", Words(*name), Words(text)),
                Err(_) => {
                    write!(f, "its {what} {} is ", Words(*name))?;
                    write_words(f, value.text().chars())
                }
            },
            Self::Lacks { what, name } => write!(f, "it lacks the {what} {name}"),
            Self::Incomplete(what) => write!(f, "it does not say that it lists every {what}"),
            Self::Vulnerabilities { severity, found, allowed, id, package, version } => {
                let count = if *found == 1 { "vulnerability counts" } else { "vulnerabilities count" };
                write!(f, "{found} {severity} {count} where ")?;
                match allowed {
                    0 => f.write_str("none is allowed")?,
                    1 => f.write_str("1 is allowed")?,
                    _ => write!(f, "{allowed} are allowed")?,
                }
                if let Some(id) = id {
                    write!(f, ": {}", Words(*id))?;
                }
                if let Some(package) = package {
                    write!(f, " in {}", Words(*package))?;
                }
                if let Some(version) = version {
                    write!(f, " {}", Words(*version))?;
                }
                if *found > 1 && id.is_some() {
                    write!(f, " first")?;
                }
                Ok(())
            }
            Self::Package { name, version, license } => {
                write!(f, "it contains {}", Words(*name))?;
                if let Some(version) = version {
                    write!(f, " {}", Words(*version))?;
                }
                if let Some(license) = license {
                    write!(f, " under {}", Words(*license))?;
                }
                Ok(())
            }
            Self::MadeAt(time) => write!(f, "it was made at {time}"),
        }
    }
}

/// A string of the attestation for people: cut at 128 characters, control characters as `?` (T-98), and a URL without
/// the user and password that it may have.
#[derive(Debug, Clone, Copy)]
pub struct Words<'s>(pub Text<'s>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_words(f, self.0.chars())
    }
}

/// Most characters of a string that people are shown.
const SHOWN: usize = 128;

fn write_words(f: &mut fmt::Formatter<'_>, mut chars: impl Iterator<Item = char> + Clone) -> fmt::Result {
    use fmt::Write as _;
    let mut before = ['\0'; 2];
    for _ in 0..SHOWN {
        let Some(c) = chars.next() else { return Ok(()) };
        f.write_char(if c.is_control() { '?' } else { c })?;
        if (before, c) == ([':', '/'], '/') {
            // An authority ends at the first of these, and its user at the last @ before that.
            let authority = chars.clone().take_while(|c| !['/', '?', '#'].contains(c));
            let user = authority.enumerate().filter(|(_, c)| *c == '@').last();
            if let Some((place, _)) = user {
                chars.nth(place);
            }
        }
        let [_, last] = before;
        before = [last, c];
    }
    if chars.next().is_some() { f.write_str("...") } else { Ok(()) }
}

/// The start of a name out of a requirement: what a finding carries without borrowing the trust bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortName {
    text: [u8; Self::BYTES],
    length: u8,
    cut: Cut,
}

/// Whether a name is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Whole,
    Shortened,
}

impl ShortName {
    const BYTES: usize = 46;

    /// Takes as much of a name as there is room for.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let ends = name.char_indices().map(|(start, c)| start.saturating_add(c.len_utf8()));
        let length = ends.take_while(|end| *end <= Self::BYTES).last().unwrap_or(0);
        let mut text = [0; Self::BYTES];
        for (to, from) in text.iter_mut().zip(name.bytes().take(length)) {
            *to = from;
        }
        let cut = if length == name.len() { Cut::Whole } else { Cut::Shortened };
        Self { text, length: u8::try_from(length).unwrap_or(0), cut }
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.text.get(..usize::from(self.length)).unwrap_or_default();
        write_words(f, core::str::from_utf8(bytes).unwrap_or_default().chars())?;
        if self.cut == Cut::Shortened { f.write_str("...") } else { Ok(()) }
    }
}

/// What a predicate of a known type says, for people and for the verdict.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Summary<'s> {
    /// A vulnerability report.
    Vulnerabilities(vulnerability::Summary<'s>),
    /// Provenance.
    Provenance(provenance::Summary<'s>),
    /// A list of packages.
    Packages(packages::Summary<'s>),
    /// Statements about vulnerabilities.
    Vex(vex::Summary<'s>),
}

/// Summarises a predicate; `None` for a type that is not known here.
///
/// # Errors
/// [`Unmet`] with what cannot be read.
pub fn summarise<'s>(
    attestation: &Attestation<'s>,
    context: &Context<'_>,
) -> Option<Result<Summary<'s>, Unmet<'s>>> {
    let kind = attestation.predicate_type;
    if vulnerability::TYPES.iter().any(|known| kind.is(known)) {
        Some(vulnerability::summarise(attestation, context).map(Summary::Vulnerabilities))
    } else if provenance::TYPES.iter().any(|known| kind.is(known)) {
        Some(provenance::summarise(attestation, context).map(Summary::Provenance))
    } else if packages::TYPES.iter().any(|known| kind.is(known)) {
        Some(packages::summarise(attestation, context).map(Summary::Packages))
    } else if vex::TYPES.iter().any(|known| kind.is(known)) {
        Some(vex::summarise(attestation, context).map(Summary::Vex))
    } else {
        None
    }
}

/// When a predicate was made, by its own word: the end of the scan or build, the creation of the document.
///
/// # Errors
/// [`Reason::AttestationNoTime`] where it does not say, also for types that are not known here;
/// [`Reason::PredicateMalformed`] for a time that is none or has no zone.
pub fn made_at<'s>(attestation: &Attestation<'s>, context: &Context<'_>) -> Result<UnixTime, Unmet<'s>> {
    // The findings of a large report need not be read for it.
    if vulnerability::TYPES.iter().any(|known| attestation.predicate_type.is(known)) {
        let made_at = vulnerability::made_at(attestation)?;
        return made_at.ok_or_else(|| Unmet::missing(Reason::AttestationNoTime, "when it was made"));
    }
    let made_at = match summarise(attestation, context) {
        Some(Ok(Summary::Vulnerabilities(summary))) => summary.made_at,
        Some(Ok(Summary::Provenance(summary))) => summary.made_at,
        Some(Ok(Summary::Packages(summary))) => summary.made_at,
        Some(Ok(Summary::Vex(summary))) => summary.made_at,
        Some(Err(unmet)) => return Err(unmet),
        None => custom_time(attestation)?,
    };
    made_at.ok_or_else(|| Unmet::missing(Reason::AttestationNoTime, "when it was made"))
}

/// Predicate type of `cosign attest` without a type: `{"Data": …, "Timestamp": …}`.
pub const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";

fn custom_time<'s>(attestation: &Attestation<'s>) -> Result<Option<UnixTime>, Unmet<'s>> {
    if !attestation.predicate_type.is(CUSTOM) {
        return Ok(None);
    }
    let [timestamp] = attestation.predicate.object()?.fields(["Timestamp"], json::UnknownKeys::Skip)?;
    timestamp.map(|value| read_time(value, "Timestamp")).transpose()
}

/// A time as others write it: RFC 3339 with any zone and any fraction.
fn read_time<'s>(value: Value<'_>, what: &'static str) -> Result<UnixTime, Unmet<'s>> {
    let text = value.string().ok().and_then(Text::plain);
    text.and_then(UnixTime::parse_rfc3339).ok_or_else(|| Unmet::malformed(what))
}

#[cfg(test)]
mod tests {
    use super::{Finding, ShortName, Words};
    use crate::json::parse;

    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    fn words(text: &str) -> String {
        let json = format!("\"{text}\"");
        Words(parse(json.as_bytes()).unwrap().string().unwrap()).to_string()
    }

    #[test]
    fn what_people_see_has_no_control_characters_and_an_end() {
        assert_eq!(words("a\\u001b[31mb\\nc"), "a?[31mb?c");
        assert_eq!(words(&"a".repeat(128)), "a".repeat(128));
        assert_eq!(words(&"a".repeat(129)), format!("{}...", "a".repeat(128)));
    }

    #[test]
    fn users_and_passwords_of_urls_are_not_shown() {
        for (text, shown) in [
            ("https://user:secret@github.com/acme/app", "https://github.com/acme/app"),
            (
                "git+https://a@b:secret@github.com/acme/app@refs/heads/x",
                "git+https://github.com/acme/app@refs/heads/x",
            ),
            ("https:\\/\\/user:secret\\u0040github.com/acme/app", "https://github.com/acme/app"),
            (
                "see https://token@one.example and ssh://git@two.example",
                "see https://one.example and ssh://two.example",
            ),
            ("https://secret@github.com", "https://github.com"),
        ] {
            assert_eq!(words(text), shown, "{text}");
        }
        for text in
            ["https://github.com/acme/app@v1", "git@github.com:acme/app", "https://a?x@y", "a//b@c", "://"]
        {
            assert_eq!(words(text), text);
        }
    }

    #[test]
    fn a_name_out_of_a_requirement_is_cut_between_characters() {
        assert_eq!(ShortName::of("VERSION").to_string(), "VERSION");
        assert_eq!(ShortName::of("").to_string(), "");
        assert_eq!(ShortName::of(&"a".repeat(46)).to_string(), "a".repeat(46));
        assert_eq!(ShortName::of(&"a".repeat(47)).to_string(), format!("{}...", "a".repeat(46)));
        let name = format!("{}\u{20ac}", "a".repeat(44));
        assert_eq!(ShortName::of(&name).to_string(), format!("{}...", "a".repeat(44)));
    }

    #[test]
    fn findings_about_parameters_name_them() {
        let name = parse(b"\"VERSION\"").unwrap().string().unwrap();
        let say = |finding: Finding<'_>| finding.to_string();
        let what = "build argument";
        assert_eq!(say(Finding::Parameter { what, name, value: None }), "it has the build argument VERSION");
        for (value, words) in [("\"2\"", "2"), ("2", "2"), ("null", "null"), ("{\n}", "{?}")] {
            let value = Some(parse(value.as_bytes()).unwrap());
            let finding = Finding::Parameter { what, name, value };
            assert_eq!(say(finding), format!("its build argument VERSION is {words}"));
        }
        let lacks = Finding::Lacks { what, name: ShortName::of("X") };
        assert_eq!(say(lacks), "it lacks the build argument X");
        assert_eq!(say(Finding::Incomplete(what)), "it does not say that it lists every build argument");
        assert_eq!(say(Finding::TooLarge("builder")), "its builder is larger than what is read");
    }
}
