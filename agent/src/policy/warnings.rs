//! What a policy says well but probably does not mean. A warning never refuses a policy.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use pullward_core::oci::Digest;
use pullward_core::pattern::Pattern;
use pullward_core::reference::Reference;
use toml::Spanned;

use super::file::{PolicyFile, Rule};
use super::source::{Position, Source};
use crate::trust::payload::{Mode, Rule as Checked};
use crate::trust::time::Time;

/// The repository of the pause image that containerd pulls for every pod by default.
const PAUSE: &str = "registry.k8s.io/pause";

mod attestations;

/// One warning, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The policy file.
    pub path: PathBuf,
    /// Where in it; none where the file as a whole is meant.
    pub position: Option<Position>,
    /// What is doubtful.
    pub doubt: Doubt,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(position) = self.position {
            write!(f, "{position}:")?;
        }
        write!(f, " warning: {} [{}]", self.doubt, self.doubt.code())
    }
}

/// What is doubtful about a policy that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// A rule that lets through whatever a tag points to.
    #[error(
        "rule `{rule}` allows without naming digests: whoever can push there decides what runs; add `digests = […]`"
    )]
    AllowUnpinned {
        /// The rule.
        rule: String,
    },
    /// A pattern that an earlier rule has taken.
    #[error(
        "pattern `{pattern}` is never reached: rule `{earlier}` before it matches the same; move it up or remove it"
    )]
    Unreachable {
        /// The pattern.
        pattern: String,
        /// The rule that matches first.
        earlier: String,
    },
    /// A rule for a tag, and a laxer one for the same repository behind it.
    #[error(
        "pattern `{pattern}` has a tag, and rule `{laxer}` behind it asks for less in the same repository: a pull \
         by digest carries no tag and gets the laxer rule; write the pattern without the tag"
    )]
    TagBypass {
        /// The pattern.
        pattern: String,
        /// The laxer rule.
        laxer: String,
    },
    /// Pods do not start.
    #[error(
        "no rule lets {PAUSE} through, which containerd pulls for every pod: pods would not start; add a rule with \
         mode \"allow\" and its digests, or set another sandbox image"
    )]
    NoPause,
    /// One key under two names.
    #[error(
        "authority `{authority}` has a key of authority `{other}` too: together they count once for `at_least`"
    )]
    SharedKey {
        /// The later authority.
        authority: String,
        /// The earlier one.
        other: String,
    },
    /// An authority that nothing uses.
    #[error("authority `{authority}` is named by no rule; remove it or name it in `signed_by`")]
    UnusedAuthority {
        /// The authority.
        authority: String,
    },
    /// A key that today's evidence cannot use.
    #[error(
        "the key has a validity, and evidence signed with a key alone proves no time: this version denies what only \
         it signed with `key-window-no-time`"
    )]
    WindowWithoutTime,
    /// A report that is good forever.
    #[error(
        "no `max_age`: any one report that meets the conditions is enough, so a clean one stays good after newer ones \
         found something; write `max_age = \"7d\"`"
    )]
    NoMaxAge,
    /// A report that is good for long.
    #[error(
        "a report of {days} days ago is accepted, whatever was found since; write what scans are repeated in, as in \
         `max_age = \"7d\"`"
    )]
    LongMaxAge {
        /// The age.
        days: u64,
    },
    /// An age that no attestation of the type can have.
    #[error(
        "`{found}` does not say when it was made, as far as this version reads it: `max_age` denies all of them; ask with \
         `cel` instead"
    )]
    AgeUnknown {
        /// The type.
        found: String,
    },
    /// A bound on a severity, and none on a worse one.
    #[error("`{bounded}` is bounded, and `{free}`, which is worse, is not; write `{free} = 0`")]
    WorseUnbounded {
        /// The severity with a bound.
        bounded: &'static str,
        /// The worse one.
        free: &'static str,
    },
    /// An ignored vulnerability that counts again.
    #[error("`{id}` is ignored until {until}, which has passed: it counts again; remove it or decide anew")]
    IgnoreExpired {
        /// The vulnerability.
        id: String,
        /// The time.
        until: String,
    },
    /// A condition that does not look at anything.
    #[error("the condition looks at no variable, so it is the same for every image; remove it")]
    ConstantCondition,
    /// The image's own signature is asked about something that it never covers.
    #[error(
        "`image` covers what BuildKit puts into an index, which is provenance and SPDX: no attestation of type `{found}` \
         is there; name an authority"
    )]
    NeverCovered {
        /// The type.
        found: String,
    },
}

impl Doubt {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AllowUnpinned { .. } => "allow-unpinned",
            Self::Unreachable { .. } => "rule-unreachable",
            Self::TagBypass { .. } => "tag-bypass",
            Self::NoPause => "no-pause-rule",
            Self::SharedKey { .. } => "shared-key",
            Self::UnusedAuthority { .. } => "authority-unused",
            Self::WindowWithoutTime => "key-window",
            Self::NoMaxAge => "attestation-no-max-age",
            Self::LongMaxAge { .. } => "attestation-max-age-long",
            Self::AgeUnknown { .. } => "attestation-no-time",
            Self::WorseUnbounded { .. } => "severity-unbounded",
            Self::IgnoreExpired { .. } => "ignore-expired",
            Self::ConstantCondition => "condition-constant",
            Self::NeverCovered { .. } => "attestation-never-covered",
        }
    }
}

/// Every warning about a file that is accepted and became these rules, in the order of the file.
pub(super) fn of(
    source: &Source,
    file: &PolicyFile,
    keys: &BTreeMap<String, BTreeSet<Digest>>,
    checked: &[Checked],
    now: Time,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |span: Option<Range<usize>>, doubt| {
        let position = span.map(|span| source.position(span.start));
        warnings.push(Warning { path: source.path().to_owned(), position, doubt });
    };
    authorities(file, keys, &mut warn);
    for (rule, checked) in file.rule.iter().zip(checked) {
        attestations::warnings(rule, checked, now, &mut warn);
    }
    let tagless: Vec<Vec<(&str, Pattern<'_>)>> = file.rule.iter().map(tagless_patterns).collect();
    // Patterns that an unconditional rule has taken, and which.
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, rule) in file.rule.iter().enumerate() {
        let name = rule.name.get_ref();
        if mode(rule) == Mode::Allow && rule.digests.is_none() {
            warn(Some(rule.name.span()), Doubt::AllowUnpinned { rule: name.clone() });
        }
        let later = file.rule.iter().zip(&tagless).skip(index + 1);
        for pattern in rule.r#match.get_ref() {
            let text = pattern.get_ref().as_str();
            // Certainly the same or more: the pattern itself, without its tag, or everything.
            let taker = ["**", text, split_tag(text).0].into_iter().find_map(|taker| taken.get(taker));
            if let Some(earlier) = taker {
                let earlier = (*earlier).to_owned();
                warn(Some(pattern.span()), Doubt::Unreachable { pattern: text.to_owned(), earlier });
            }
            if let Some(laxer) = laxer_without_tag(rule, text, later.clone()) {
                let laxer = laxer.name.get_ref().clone();
                warn(Some(pattern.span()), Doubt::TagBypass { pattern: text.to_owned(), laxer });
            }
        }
        if rule.digests.is_none() && rule.namespaces.is_none() {
            for pattern in patterns(rule) {
                taken.entry(pattern).or_insert(name);
            }
        }
    }
    if !file.rule.iter().any(lets_pause_through) {
        warn(None, Doubt::NoPause);
    }
    warnings.sort_by_key(|warning| warning.position);
    warnings
}

fn authorities(
    file: &PolicyFile,
    keys: &BTreeMap<String, BTreeSet<Digest>>,
    warn: &mut impl FnMut(Option<Range<usize>>, Doubt),
) {
    let used: BTreeSet<&str> = file
        .rule
        .iter()
        .flat_map(|rule| rule.signed_by.iter().flat_map(Spanned::get_ref))
        .chain(file.r#override.iter().flat_map(|r#override| r#override.authorities.get_ref()))
        .chain(attestations::authorities(file))
        .map(|name| name.get_ref().as_str())
        .collect();
    let none = BTreeSet::new();
    for (index, authority) in file.authority.iter().enumerate() {
        let name = authority.name.get_ref();
        let own = keys.get(name).unwrap_or(&none);
        let other = file
            .authority
            .iter()
            .take(index)
            .map(|earlier| earlier.name.get_ref())
            .find(|earlier| keys.get(*earlier).is_some_and(|keys| !keys.is_disjoint(own)));
        if let Some(other) = other {
            warn(
                Some(authority.name.span()),
                Doubt::SharedKey { authority: name.clone(), other: other.clone() },
            );
        }
        if !used.contains(name.as_str()) {
            warn(Some(authority.name.span()), Doubt::UnusedAuthority { authority: name.clone() });
        }
        let listed = authority.keys.iter().flat_map(Spanned::get_ref);
        let windows = listed
            .map(|key| [&key.valid_from, &key.valid_until])
            .chain([[&authority.valid_from, &authority.valid_until]]);
        let times = windows.filter_map(|[from, until]| from.as_ref().or(until.as_ref()));
        // With a root, its log and timestamp authorities say when.
        for time in times.filter(|_| authority.trusted_root.is_none()) {
            warn(Some(time.span()), Doubt::WindowWithoutTime);
        }
    }
}

fn mode(rule: &Rule) -> Mode {
    rule.mode.as_ref().map(|mode| *mode.get_ref()).unwrap_or_default()
}

fn patterns(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.r#match.get_ref().iter().map(|pattern| pattern.get_ref().as_str())
}

/// The patterns that a pull by digest can match: those without a tag.
fn tagless_patterns(rule: &Rule) -> Vec<(&str, Pattern<'_>)> {
    let parsed = patterns(rule).filter_map(|text| Some((text, Pattern::parse(text).ok()?)));
    parsed.filter(|(_, pattern)| pattern.tag().is_none()).collect()
}

/// A pattern without its tag and digest, and whether it had a tag.
fn split_tag(pattern: &str) -> (&str, Option<&str>) {
    let name = pattern.split('@').next().unwrap_or(pattern);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(last..).and_then(|last| last.split_once(':')) {
        Some((_, tag)) => (name.get(..name.len() - tag.len() - 1).unwrap_or(name), Some(tag)),
        None => (name, None),
    }
}

/// A later rule that asks for less and takes what a tag pattern misses because a pull by digest has no tag.
fn laxer_without_tag<'r>(
    rule: &Rule,
    pattern: &str,
    mut later: impl Iterator<Item = (&'r Rule, &'r Vec<(&'r str, Pattern<'r>)>)>,
) -> Option<&'r Rule> {
    let (repository, tag) = split_tag(pattern);
    tag?;
    // One name that the repository pattern matches: wildcards replaced by a letter.
    let example = repository.replace("**", "x").replace(['*', '?'], "x");
    let reference = Reference::parse(&format!("{example}@{}", Digest::of(b""))).ok();
    let takes = |(text, own): &(&str, Pattern<'_>)| {
        *text == repository || reference.as_ref().is_some_and(|reference| own.matches(reference))
    };
    let (next, _) = later.find(|(_, own)| own.iter().any(takes))?;
    let fewer = next.attestation.len() < rule.attestation.len();
    let laxer = match strictness(next).cmp(&strictness(rule)) {
        Ordering::Less => true,
        Ordering::Equal => fewer,
        // A third signature is no vulnerability report.
        Ordering::Greater => fewer && mode(next) == mode(rule),
    };
    laxer.then_some(next)
}

/// Order of rules by how much they let through: modes first, then how many must sign.
fn strictness(rule: &Rule) -> (u8, u64) {
    let signers = rule.at_least.as_ref().map_or(1, |count| *count.get_ref());
    match mode(rule) {
        Mode::Deny => (3, 0),
        Mode::Enforce => (2, signers),
        Mode::Audit => (1, signers),
        Mode::Allow => (0, 0),
    }
}

fn lets_pause_through(rule: &Rule) -> bool {
    let matches = |pattern: &str| {
        let tag =
            split_tag(pattern).1.map(|tag| tag.replace(['*', '?'], "3")).unwrap_or_else(|| "3.10".to_owned());
        let digest = pattern.split_once('@').map(|(_, digest)| format!("@{digest}")).unwrap_or_default();
        let Ok(reference) = Reference::parse(&format!("{PAUSE}:{tag}{digest}")) else { return false };
        Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(&reference))
    };
    mode(rule) != Mode::Deny && patterns(rule).any(matches)
}
