//! From a policy file that reads well to one that means something: every rule about content.
//!
//! All problems of a file are found in one go. What comes out is the payload of a trust bundle but
//! for its version and times.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use base64ct::{Base64, Encoding as _};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::pattern::{self, Pattern};
use toml::Spanned;

use super::file::{self, PolicyFile, TimeText};
use super::keys::PublicKeyFile;
use super::problem::{Fault, Problem, nearest};
use super::source::Source;
use super::text::{self, Text};
use super::threshold::distinct_signers;
use super::warnings::{self, Warning};
use super::{Policy, keyless, revoke};
use crate::trust::payload::{
    Authority, AuthorityKind, DigestList, Index, Key, Mode, Override, Part, Rule, TrustedRoot,
};
use crate::trust::time::{Lifetime, Time};

/// Validity of an override where the policy does not say.
const OVERRIDE_DEFAULT: u64 = 8 * 3600;

/// Checks a policy file and reads the key files that it names.
///
/// # Errors
/// Every problem that was found, in the order of the file.
pub(super) fn check(source: &Source, file: &PolicyFile) -> Result<Policy, Vec<Problem>> {
    let mut check = Check {
        source,
        problems: Vec::new(),
        parts: vec![Part { name: source.name(), digest: Digest::of(source.text().as_bytes()).to_string() }],
        files: BTreeMap::new(),
        digest_lists: Vec::new(),
        trusted_roots: Vec::new(),
        root_files: BTreeMap::new(),
        conditions: 0,
        keys_of: BTreeMap::new(),
    };
    let policy = check.policy(file);
    if check.problems.is_empty() {
        return Ok(policy);
    }
    check.problems.sort_by_key(|problem| problem.position);
    Err(check.problems)
}

/// What is known while a file is checked.
pub(super) struct Check<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
    parts: Vec<Part>,
    /// Key files that were read, by name; none where that failed and was reported.
    files: BTreeMap<String, Option<PublicKeyFile>>,
    /// The digests that rules are limited to.
    digest_lists: Vec<DigestList>,
    /// Conditions in CEL so far.
    conditions: usize,
    /// The trusted roots that authorities name, each once.
    pub(super) trusted_roots: Vec<TrustedRoot>,
    /// Trusted root files that were read, by name, and their places; none where that failed and was reported.
    pub(super) root_files: BTreeMap<String, Option<u64>>,
    /// Ids of the keys of every authority, and what stands for its identities.
    keys_of: BTreeMap<String, BTreeSet<Digest>>,
}

impl Check<'_> {
    fn policy(&mut self, file: &PolicyFile) -> Policy {
        if *file.schema.get_ref() != 1 {
            self.report(file.schema.span(), Fault::Schema(*file.schema.get_ref()));
        }
        let source_name = self.source.name();
        self.text(0..0, Text::FileName, &source_name);
        let audience = match &file.audience {
            Some(audience) => {
                self.text(audience.span(), Text::Audience, audience.get_ref());
                audience.get_ref().clone()
            }
            None => "default".to_owned(),
        };
        if let Some(extra) = file.authority.get(limits::AUTHORITIES) {
            let count = file.authority.len();
            self.bound(extra.name.span(), "authorities", count, limits::AUTHORITIES, "remove unused ones");
        }
        if let Some(extra) = file.rule.get(limits::RULES) {
            let next = "join rules by listing several patterns in `match`";
            self.bound(extra.name.span(), "rules", file.rule.len(), limits::RULES, next);
        }
        let authorities: Vec<Authority> =
            file.authority.iter().map(|authority| self.authority(authority)).collect();
        self.unique_names("authority", file.authority.iter().map(|authority| &authority.name));
        let mut keys = 0;
        for (authority, named) in authorities.iter().zip(&file.authority) {
            keys += authority.keys.iter().flatten().count();
            self.bound(
                named.name.span(),
                "keys up to this authority",
                keys,
                limits::KEYS,
                "remove retired ones",
            );
        }
        if file.rule.is_empty() {
            self.problems.push(self.source.problem_of_file(Fault::NoRules));
        }
        let rules: Vec<Rule> = file.rule.iter().map(|rule| self.rule(rule)).collect();
        self.unique_names("rule", file.rule.iter().map(|rule| &rule.name));
        let r#override = file.r#override.as_ref().map(|r#override| self.r#override(r#override));
        let revoked = revoke::revoked(self, &file.revoke);
        // Warnings about a file with problems would follow from the problems.
        let warnings: Vec<Warning> = if self.problems.is_empty() {
            warnings::of(self.source, file, &self.keys_of, &rules, Time::now())
        } else {
            Vec::new()
        };
        Policy {
            audience,
            after_expiry: file.after_expiry.unwrap_or_default(),
            r#override,
            authorities,
            trusted_roots: std::mem::take(&mut self.trusted_roots),
            rules,
            digest_lists: std::mem::take(&mut self.digest_lists),
            revoked,
            parts: std::mem::take(&mut self.parts),
            warnings,
        }
    }

    fn authority(&mut self, authority: &file::Authority) -> Authority {
        let name = authority.name.get_ref();
        self.text(authority.name.span(), Text::Name, name);
        self.keys_of.entry(name.clone()).or_default();
        let kinds = [authority.key.is_some(), authority.keys.is_some(), authority.keyless.is_some()];
        match kinds.iter().filter(|present| **present).count() {
            0 => self.report(
                authority.name.span(),
                Fault::AuthorityKind { name: name.clone(), found: "none of them" },
            ),
            1 => {}
            _ => self.report(
                authority.name.span(),
                Fault::AuthorityKind { name: name.clone(), found: "more than one of them" },
            ),
        }
        if let Some(keyless) = &authority.keyless {
            let fields = [
                ("valid_from", authority.valid_from.as_ref().map(Spanned::span)),
                ("valid_until", authority.valid_until.as_ref().map(Spanned::span)),
                ("retired", authority.retired.as_ref().map(Spanned::span)),
                ("trusted_root", authority.trusted_root.as_ref().map(Spanned::span)),
            ];
            for (field, span) in fields {
                if let Some(span) = span {
                    self.report(span, Fault::FieldBesideKeyless { field });
                }
            }
            let (trusted_root, identities, stand_in) = keyless::identities(self, keyless);
            self.keys_of.entry(name.clone()).or_default().extend(stand_in);
            return Authority {
                name: name.clone(),
                kind: AuthorityKind::Keyless,
                keys: None,
                trusted_root,
                identities: Some(identities),
            };
        }
        let trusted_root = authority
            .trusted_root
            .as_ref()
            .and_then(|file| keyless::trusted_root(self, file, keyless::RootFor::Keys));
        let alone = authority.key.as_ref().map(|key| file::Key {
            key: key.clone(),
            valid_from: authority.valid_from.clone(),
            valid_until: authority.valid_until.clone(),
            retired: authority.retired.clone(),
        });
        if authority.keys.is_some() {
            let fields = [
                ("valid_from", authority.valid_from.as_ref().map(Spanned::span)),
                ("valid_until", authority.valid_until.as_ref().map(Spanned::span)),
                ("retired", authority.retired.as_ref().map(Spanned::span)),
            ];
            for (field, span) in fields {
                if let Some(span) = span {
                    self.report(span, Fault::WindowBesideKeys { field });
                }
            }
        }
        if let Some(keys) = authority.keys.as_ref().filter(|keys| keys.get_ref().is_empty()) {
            self.report(
                keys.span(),
                Fault::EmptyList {
                    list: "`keys`",
                    meaning: "be an authority that nobody can be",
                    next: "name at least one key file",
                },
            );
        }
        let count = authority.keys.iter().flat_map(Spanned::get_ref).count();
        self.bound(
            authority.name.span(),
            "keys of one authority",
            count,
            limits::AUTHORITY_KEYS,
            "remove retired ones",
        );
        let listed = authority.keys.iter().flat_map(Spanned::get_ref);
        let keys: Vec<Key> = listed.chain(&alone).filter_map(|key| self.key(name, key)).collect();
        Authority {
            name: name.clone(),
            kind: AuthorityKind::Key,
            keys: Some(keys),
            trusted_root,
            identities: None,
        }
    }

    fn key(&mut self, authority: &str, key: &file::Key) -> Option<Key> {
        let valid_from = key.valid_from.as_ref().and_then(|time| self.time(time));
        let valid_until = key.valid_until.as_ref().and_then(|time| self.time(time));
        if let (Some(from), Some(until)) = (valid_from, valid_until)
            && until <= from
        {
            let span = key.valid_until.as_ref().map_or_else(|| key.key.span(), Spanned::span);
            self.report(span, Fault::WindowEmpty { from: from.to_string(), until: until.to_string() });
        }
        let retired = key.retired.as_ref().is_some_and(|retired| *retired.get_ref());
        if retired {
            for (field, time) in [("valid_from", &key.valid_from), ("valid_until", &key.valid_until)] {
                if let Some(time) = time {
                    self.report(time.span(), Fault::WindowOnRetired { field });
                }
            }
        }
        let read = self.key_file(&key.key)?;
        let (id, key_type, spki) = (read.id(), read.key_type(), Base64::encode_string(&read.spki));
        if !self.keys_of.entry(authority.to_owned()).or_default().insert(id) {
            let entry = key.key.get_ref().clone();
            self.report(key.key.span(), Fault::DuplicateEntry { entry, list: "the authority's keys" });
        }
        Some(Key { r#type: key_type.name().to_owned(), spki, valid_from, valid_until, retired })
    }

    /// Reads a key file once, however often it is named, and makes it a part of the bundle.
    pub(super) fn key_file(&mut self, name: &Spanned<String>) -> Option<PublicKeyFile> {
        let (span, name) = (name.span(), name.get_ref());
        if let Some(known) = self.files.get(name) {
            return known.clone();
        }
        self.text(span.clone(), Text::FileName, name);
        let read = match self.source.read_beside(name, limits::KEY_FILE_BYTES) {
            Err(reason) => Err(Fault::KeyFile { file: name.clone(), reason }),
            Ok(bytes) => {
                self.part(name, &bytes);
                PublicKeyFile::parse(&bytes).map_err(|reason| Fault::Key { file: name.clone(), reason })
            }
        };
        let read = read.map_err(|fault| self.report(span, fault)).ok();
        self.files.insert(name.clone(), read.clone());
        read
    }

    /// Reads a file that the policy names, and makes it a part of the bundle.
    pub(super) fn file(&mut self, name: &Spanned<String>, cap: u64) -> Result<Vec<u8>, String> {
        self.text(name.span(), Text::FileName, name.get_ref());
        let bytes = self.source.read_beside(name.get_ref(), cap)?;
        self.part(name.get_ref(), &bytes);
        Ok(bytes)
    }

    /// The same file may be named as a key's and as a root's; it is one part.
    fn part(&mut self, name: &str, bytes: &[u8]) {
        let part = Part { name: name.to_owned(), digest: Digest::of(bytes).to_string() };
        if !self.parts.contains(&part) {
            self.parts.push(part);
        }
    }

    fn rule(&mut self, rule: &file::Rule) -> Rule {
        let name = rule.name.get_ref();
        self.text(rule.name.span(), Text::Name, name);
        let mode = rule.mode.as_ref().map(|mode| *mode.get_ref()).unwrap_or_default();
        self.patterns(&rule.r#match);
        let digests = rule.digests.as_ref().map(|digests| self.digests(digests));
        let namespaces = rule.namespaces.as_ref().map(|names| self.namespaces(names)).unwrap_or_default();
        let signed_by = self.requirements(rule, mode);
        let attestations = self.attestations(rule, mode);
        let contact = rule.contact.as_ref().map(|contact| {
            self.text(contact.span(), Text::Words, contact.get_ref());
            contact.get_ref().clone()
        });
        Rule {
            name: name.clone(),
            r#match: rule.r#match.get_ref().iter().map(|pattern| pattern.get_ref().clone()).collect(),
            digests,
            namespaces,
            mode,
            index: rule.index.as_ref().map(|index| *index.get_ref()).unwrap_or_default(),
            signed_by,
            at_least: rule.at_least.as_ref().map_or(1, |count| *count.get_ref()),
            attestations,
            contact: contact.unwrap_or_default(),
        }
    }

    fn patterns(&mut self, patterns: &Spanned<Vec<Spanned<String>>>) {
        if patterns.get_ref().is_empty() {
            self.report(
                patterns.span(),
                Fault::EmptyList {
                    list: "`match`",
                    meaning: "match nothing",
                    next: "name a pattern, or \"**\" for every image",
                },
            );
        }
        let count = patterns.get_ref().len();
        self.bound(patterns.span(), "patterns of one rule", count, limits::RULE_PATTERNS, "split the rule");
        self.unique_entries("`match`", patterns.get_ref());
        for pattern in patterns.get_ref() {
            if let Err(error) = Pattern::parse(pattern.get_ref()) {
                self.report(
                    pattern.span(),
                    Fault::Pattern {
                        pattern: pattern.get_ref().clone(),
                        reason: error.to_string(),
                        suggestion: pattern::suggestion(pattern.get_ref())
                            .map(|text| text.as_str().to_owned()),
                    },
                );
            }
        }
    }

    fn digests(&mut self, digests: &Spanned<Vec<Spanned<String>>>) -> usize {
        if digests.get_ref().is_empty() {
            self.report(
                digests.span(),
                Fault::EmptyList {
                    list: "`digests`",
                    meaning: "read as \"no digest\" by one and as \"any digest\" by another",
                    next: "name a digest, or leave the field out for any",
                },
            );
        }
        let count = digests.get_ref().len();
        self.bound(digests.span(), "digests of one rule", count, limits::LISTED_DIGESTS, "split the rule");
        self.unique_entries("`digests`", digests.get_ref());
        let list: Vec<Digest> = digests.get_ref().iter().filter_map(|digest| self.digest(digest)).collect();
        self.digest_lists.push(DigestList::of(list));
        self.digest_lists.len() - 1
    }

    fn namespaces(&mut self, namespaces: &Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        if namespaces.get_ref().is_empty() {
            self.report(
                namespaces.span(),
                Fault::EmptyList {
                    list: "`namespaces`",
                    meaning: "read as \"no namespace\" by one and as \"any namespace\" by another",
                    next: "name a namespace, or leave the field out for any",
                },
            );
        }
        let count = namespaces.get_ref().len();
        self.bound(
            namespaces.span(),
            "namespaces of one rule",
            count,
            limits::RULE_NAMESPACES,
            "split the rule",
        );
        self.unique_entries("`namespaces`", namespaces.get_ref());
        for namespace in namespaces.get_ref() {
            self.text(namespace.span(), Text::Namespace, namespace.get_ref());
        }
        namespaces.get_ref().iter().map(|name| name.get_ref().clone()).collect()
    }

    /// `signed_by` and `at_least`, which must mean something under the rule's mode.
    fn requirements(&mut self, rule: &file::Rule, mode: Mode) -> Vec<String> {
        let words = match mode {
            Mode::Allow => Some("allow"),
            Mode::Deny => Some("deny"),
            Mode::Enforce | Mode::Audit => None,
        };
        if let Some(mode) = words {
            let fields = [
                ("signed_by", rule.signed_by.as_ref().map(Spanned::span)),
                ("at_least", rule.at_least.as_ref().map(Spanned::span)),
                (
                    "index",
                    rule.index.as_ref().filter(|index| *index.get_ref() == Index::Parent).map(Spanned::span),
                ),
            ];
            for (field, span) in fields {
                if let Some(span) = span {
                    self.report(span, Fault::RequirementWithoutEffect { field, mode });
                }
            }
            return Vec::new();
        }
        let Some(signed_by) = &rule.signed_by else {
            self.report(rule.name.span(), Fault::NoSigners { rule: rule.name.get_ref().clone() });
            return Vec::new();
        };
        if signed_by.get_ref().is_empty() {
            self.report(signed_by.span(), Fault::NoSigners { rule: rule.name.get_ref().clone() });
            return Vec::new();
        }
        let count = signed_by.get_ref().len();
        self.bound(signed_by.span(), "authorities of one rule", count, limits::SIGNED_BY, "name fewer");
        let names = self.authority_names("`signed_by`", signed_by.get_ref());
        if let Some(at_least) = &rule.at_least {
            self.threshold("at_least", at_least, &names);
        }
        names
    }

    fn r#override(&mut self, r#override: &file::Override) -> Override {
        let list = &r#override.authorities;
        if list.get_ref().is_empty() {
            self.report(
                list.span(),
                Fault::EmptyList {
                    list: "`authorities`",
                    meaning: "let nobody override",
                    next: "name an authority, or leave [override] out",
                },
            );
        }
        let names = self.authority_names("`authorities`", list.get_ref());
        let count = names.len();
        self.bound(list.span(), "override authorities", count, limits::THRESHOLD_SIGNATURES, "name fewer");
        if !list.get_ref().is_empty() {
            self.threshold("threshold", &r#override.threshold, &names);
        }
        let max =
            r#override.max.as_ref().map_or(OVERRIDE_DEFAULT, |max| match Lifetime::parse(max.get_ref()) {
                Ok(lifetime) if lifetime.seconds() <= limits::OVERRIDE_SECONDS => lifetime.seconds(),
                Ok(_) => {
                    let words =
                        format!("`{}` is longer than an override may last; write 7d or less", max.get_ref());
                    self.report(max.span(), Fault::Lifetime(words));
                    0
                }
                Err(error) => {
                    self.report(max.span(), Fault::Lifetime(error.to_string()));
                    0
                }
            });
        if let Some(root) =
            r#override.local_root.as_ref().filter(|root| *root.get_ref() == file::LocalRoot::On)
        {
            self.report(root.span(), Fault::NotEnforced { field: "`local_root = \"on\"`" });
        }
        Override {
            authorities: names,
            threshold: *r#override.threshold.get_ref(),
            max,
            local_root: "off".to_owned(),
        }
    }

    /// Names of authorities that exist, each once.
    pub(super) fn authority_names(&mut self, list: &'static str, names: &[Spanned<String>]) -> Vec<String> {
        self.unique_entries(list, names);
        for name in names {
            self.known_authority(name);
        }
        names.iter().map(|name| name.get_ref().clone()).collect()
    }

    /// Reports a name that no authority has.
    pub(super) fn known_authority(&mut self, name: &Spanned<String>) {
        let word = name.get_ref();
        // An authority whose keys were all refused has its own problem; its name is known all the same.
        if !self.is_authority(word) {
            let fault = Fault::UnknownAuthority {
                name: word.clone(),
                nearest: nearest(word, self.source_authorities()).map(str::to_owned),
                known: self.source_authorities().collect::<Vec<_>>().join(", "),
            };
            self.report(name.span(), fault);
        }
    }

    pub(super) fn is_authority(&self, name: &str) -> bool {
        self.keys_of.contains_key(name)
    }

    fn source_authorities(&self) -> impl Iterator<Item = &str> {
        self.keys_of.keys().map(String::as_str)
    }

    fn threshold(&mut self, field: &'static str, asked: &Spanned<u64>, names: &[String]) {
        if *asked.get_ref() == 0 {
            self.report(asked.span(), Fault::ThresholdZero { field });
            return;
        }
        let keys: Vec<&BTreeSet<Digest>> = names.iter().filter_map(|name| self.keys_of.get(name)).collect();
        let possible = distinct_signers(&keys);
        if usize::try_from(*asked.get_ref()).is_ok_and(|asked| asked <= possible) {
            return;
        }
        // Where a key could not be read, that is the problem to solve first.
        if keys.len() == names.len() && keys.iter().all(|keys| !keys.is_empty()) {
            self.report(
                asked.span(),
                Fault::ThresholdUnreachable { field, asked: *asked.get_ref(), possible },
            );
        }
    }

    pub(super) fn digest(&mut self, text: &Spanned<String>) -> Option<Digest> {
        let digest = Digest::parse(text.get_ref());
        if digest.is_err() {
            self.report(text.span(), Fault::Digest { text: text.get_ref().clone() });
        }
        digest.ok()
    }

    pub(super) fn time(&mut self, text: &Spanned<TimeText>) -> Option<Time> {
        let time = Time::parse(&text.get_ref().0);
        if let Err(error) = &time {
            self.report(text.span(), Fault::Time(error.to_string()));
        }
        time.ok()
    }

    pub(super) fn text(&mut self, span: Range<usize>, kind: Text, text: &str) {
        if let Err(fault) = text::check(kind, text) {
            self.report(span, fault);
        }
    }

    pub(super) fn bound(
        &mut self,
        span: Range<usize>,
        what: &'static str,
        found: usize,
        bound: usize,
        next: &'static str,
    ) {
        if found > bound {
            self.report(span, Fault::TooMany { what, found, bound, next });
        }
    }

    fn unique_names<'n>(&mut self, what: &'static str, names: impl Iterator<Item = &'n Spanned<String>>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.get_ref()) {
                self.report(name.span(), Fault::DuplicateName { what, name: name.get_ref().clone() });
            }
        }
    }

    pub(super) fn unique_entries(&mut self, list: &'static str, entries: &[Spanned<String>]) {
        let mut seen = BTreeSet::new();
        for entry in entries {
            if !seen.insert(entry.get_ref()) {
                let entry_text = entry.get_ref().clone();
                self.report(entry.span(), Fault::DuplicateEntry { entry: entry_text, list });
            }
        }
    }

    /// Reports the first condition past what a bundle may have.
    pub(super) fn count_condition(&mut self, span: Range<usize>) {
        self.conditions += 1;
        if self.conditions == limits::CONDITIONS + 1 {
            let next = "use the fields of [[rule.attestation]] where they say it";
            self.bound(span, "conditions", self.conditions, limits::CONDITIONS, next);
        }
    }

    /// A part of the file as it is written.
    pub(super) fn written(&self, span: Range<usize>) -> &str {
        self.source.text().get(span).unwrap_or_default()
    }

    pub(super) fn report(&mut self, span: Range<usize>, fault: Fault) {
        // Finding a place takes a look at all that is before it: not for a million bad lines.
        if self.problems.len() >= limits::POLICY_PROBLEMS {
            return;
        }
        self.problems.push(self.source.problem(span, fault));
    }
}
