//! From `[[rule.attestation]]` to a requirement of the trust bundle: every rule about its content.

use std::collections::BTreeSet;
use std::ops::Range;

use pullward_core::limits;
use pullward_core::pattern::{self, Pattern};
use toml::Spanned;

use super::check::Check;
use super::file::{self, Texts};
use super::predicate_types::{self, Kind};
use super::problem::{Fault, nearest};
use super::text::Text;
use crate::condition::{self, CompileError, ENGINE};
use crate::trust::payload::Mode;
use crate::trust::requirement::{
    Condition, DeniedPackage, Ignored, Packages, Parameter, Parameters, Provenance, Requirement,
    Vulnerabilities,
};
use crate::trust::time::Lifetime;

/// The entry of `signed_by` that stands for the image's own signature.
pub(super) const IMAGE: &str = "image";

impl Check<'_> {
    /// What a rule asks of attestations, which must mean something under its mode.
    pub(super) fn attestations(&mut self, rule: &file::Rule, mode: Mode) -> Vec<Requirement> {
        let without_effect = match mode {
            Mode::Allow => Some("allow"),
            Mode::Deny => Some("deny"),
            Mode::Enforce | Mode::Audit => None,
        };
        if let Some(mode) = without_effect {
            for asked in &rule.attestation {
                self.report(asked.span(), Fault::RequirementWithoutEffect { field: "attestation", mode });
            }
            return Vec::new();
        }
        if let Some(extra) = rule.attestation.get(limits::RULE_ATTESTATIONS) {
            let next = "say more in each of them";
            let (found, bound) = (rule.attestation.len(), limits::RULE_ATTESTATIONS);
            self.bound(extra.span(), "attestations of one rule", found, bound, next);
        }
        rule.attestation.iter().map(|asked| self.attestation(asked)).collect()
    }

    fn attestation(&mut self, entry: &Spanned<file::Attestation>) -> Requirement {
        let asked = entry.get_ref();
        let types = self.types(&asked.r#type);
        self.right_types(asked, &types);
        let (signed_by, covered) = self.attestors(entry.span(), asked.signed_by.as_ref());
        let max_age = asked.max_age.as_ref().and_then(|age| self.max_age(age));
        if let (None, Some(at)) = (&asked.max_age, &asked.max_age_at) {
            self.report(at.span(), Fault::FieldAlone { field: "max_age_at", needed: "max_age = \"30d\"" });
        }
        Requirement {
            types,
            signed_by,
            covered,
            max_age,
            max_age_at: asked.max_age_at.as_ref().map(|at| *at.get_ref()).unwrap_or_default(),
            vulnerabilities: asked.vulnerabilities.as_ref().map(|bounds| self.vulnerabilities(bounds)),
            provenance: self.provenance(asked),
            packages: asked.packages.as_ref().map(|packages| self.packages(packages)),
            condition: asked.cel.as_ref().and_then(|cel| self.condition(cel)),
        }
    }

    /// The URIs of predicate types, each once.
    fn types(&mut self, types: &file::Types) -> Vec<String> {
        if types.names.is_empty() {
            self.report(
                types.span.clone(),
                Fault::EmptyList {
                    list: "`type`",
                    meaning: "ask for nothing",
                    next: "name a predicate type",
                },
            );
        }
        self.unique_entries("`type`", &types.names);
        let mut uris: Vec<String> = Vec::new();
        for name in &types.names {
            let Some(known) = predicate_types::uris(name.get_ref()) else {
                let fault = Fault::PredicateType {
                    name: name.get_ref().clone(),
                    nearest: nearest(name.get_ref(), predicate_types::aliases()).map(str::to_owned),
                    known: predicate_types::aliases().collect::<Vec<_>>().join(", "),
                };
                self.report(name.span(), fault);
                continue;
            };
            self.text(name.span(), Text::PredicateType, name.get_ref());
            for uri in known {
                // `spdx` and `spdxjson` are one type under two names.
                if !uris.iter().any(|known| known == uri) {
                    uris.push(uri.to_owned());
                }
            }
        }
        let next = "write another [[rule.attestation]]";
        self.bound(types.span.clone(), "predicate types", uris.len(), limits::ATTESTATION_TYPES, next);
        uris
    }

    /// Reports fields that are about another kind of predicate than one of the types.
    fn right_types(&mut self, asked: &file::Attestation, types: &[String]) {
        let provenance = Kind::Provenance;
        let fields = [
            ("vulnerabilities", asked.vulnerabilities.as_ref().map(Spanned::span), Kind::Vulnerabilities),
            ("builder", asked.builder.as_ref().map(Spanned::span), provenance),
            ("build_type", asked.build_type.as_ref().map(Spanned::span), provenance),
            ("source", asked.source.as_ref().map(Spanned::span), provenance),
            ("commit", asked.commit.as_ref().map(Spanned::span), provenance),
            ("entry_point", asked.entry_point.as_ref().map(Spanned::span), provenance),
            ("parameters", asked.parameters.as_ref().map(Spanned::span), provenance),
            ("build_args", asked.build_args.as_ref().map(Spanned::span), provenance),
            ("materials", asked.materials.as_ref().map(Spanned::span), provenance),
            ("base", asked.base.as_ref().map(Spanned::span), provenance),
            ("packages", asked.packages.as_ref().map(Spanned::span), Kind::Packages),
        ];
        for (field, span, kind) in fields {
            let wrong = types.iter().find(|uri| predicate_types::kind(uri) != kind);
            if let (Some(span), Some(wrong)) = (span, wrong) {
                let found = predicate_types::short(wrong).to_owned();
                let known = match kind {
                    Kind::Vulnerabilities => "vuln",
                    Kind::Provenance => "slsaprovenance, slsaprovenance02, slsaprovenance1",
                    _ => "spdx, spdxjson, cyclonedx",
                };
                self.report(span, Fault::WrongPredicateType { field, found, known });
            }
        }
    }

    /// Names of authorities, and whether the image's own signature counts too.
    fn attestors(&mut self, entry: Range<usize>, signed_by: Option<&Texts>) -> (Vec<String>, bool) {
        let Some(signed_by) = signed_by.filter(|names| !names.get_ref().is_empty()) else {
            let span = signed_by.map_or(entry, Spanned::span);
            self.report(span, Fault::NoAttestors);
            return (Vec::new(), false);
        };
        let names = signed_by.get_ref();
        self.unique_entries("`signed_by`", names);
        let image = names.iter().find(|name| name.get_ref() == IMAGE);
        if let Some(image) = image
            && self.is_authority(IMAGE)
        {
            self.report(image.span(), Fault::ImageIsAnAuthority);
        }
        let named: Vec<&Spanned<String>> = names.iter().filter(|name| name.get_ref() != IMAGE).collect();
        for name in &named {
            self.known_authority(name);
        }
        let count = named.len();
        self.bound(
            signed_by.span(),
            "authorities of one attestation",
            count,
            limits::SIGNED_BY,
            "name fewer",
        );
        (named.into_iter().map(|name| name.get_ref().clone()).collect(), image.is_some())
    }

    fn max_age(&mut self, age: &Spanned<String>) -> Option<u64> {
        match Lifetime::parse(age.get_ref()) {
            Ok(lifetime) => Some(lifetime.seconds()),
            Err(error) => {
                self.report(age.span(), Fault::Lifetime(error.to_string()));
                None
            }
        }
    }

    fn vulnerabilities(&mut self, entry: &Spanned<file::Vulnerabilities>) -> Vulnerabilities {
        let bounds = entry.get_ref();
        let [critical, high, medium, low, unknown] =
            [&bounds.critical, &bounds.high, &bounds.medium, &bounds.low, &bounds.unknown]
                .map(|bound| bound.as_ref().map(|bound| *bound.get_ref()));
        if [critical, high, medium, low, unknown].iter().all(Option::is_none) {
            let next = "write the most that may be found of a severity, as in `critical = 0`";
            self.report(entry.span(), Fault::AsksForNothing { field: "vulnerabilities", next });
        }
        let (found, bound) = (bounds.ignore.len(), limits::IGNORED_VULNERABILITIES);
        self.bound(entry.span(), "ignored vulnerabilities", found, bound, "remove those that were fixed");
        let mut seen = BTreeSet::new();
        let mut ignore = Vec::new();
        for ignored in &bounds.ignore {
            let id = ignored.id.get_ref();
            self.text(ignored.id.span(), Text::Vulnerability, id);
            if !seen.insert(id) {
                let fault = Fault::DuplicateEntry { entry: id.clone(), list: "`ignore`" };
                self.report(ignored.id.span(), fault);
            }
            if let Some(reason) = &ignored.reason {
                self.text(reason.span(), Text::Words, reason.get_ref());
            }
            let until = ignored.until.as_ref().and_then(|until| self.time(until));
            ignore.push(Ignored { id: id.clone(), until });
        }
        let vex = bounds.vex.as_ref().map(|names| {
            let count = names.get_ref().len();
            self.bound(names.span(), "authorities of `vex`", count, limits::SIGNED_BY, "name fewer");
            self.authority_names("`vex`", names.get_ref())
        });
        Vulnerabilities {
            critical,
            high,
            medium,
            low,
            unknown,
            fixable_only: bounds.fixable_only.unwrap_or_default(),
            ignore,
            vex: vex.unwrap_or_default(),
        }
    }

    /// What is asked of provenance; `None` where no field asks for any.
    fn provenance(&mut self, asked: &file::Attestation) -> Option<Provenance> {
        let asks = asked.parameters.is_some() || asked.build_args.is_some() || asked.materials.is_some();
        let lists = [
            &asked.builder,
            &asked.build_type,
            &asked.source,
            &asked.commit,
            &asked.entry_point,
            &asked.base,
        ];
        if !asks && lists.iter().all(|list| list.is_none()) {
            return None;
        }
        Some(Provenance {
            builder: self.globs("`builder`", asked.builder.as_ref()),
            build_type: self.globs("`build_type`", asked.build_type.as_ref()),
            source: self.sources(asked.source.as_ref()),
            commit: self.globs("`commit`", asked.commit.as_ref()),
            entry_point: self.globs("`entry_point`", asked.entry_point.as_ref()),
            parameters: self.parameters("parameters", asked.parameters.as_ref()),
            arguments: self.parameters("build_args", asked.build_args.as_ref()),
            materials: asked.materials.as_ref().map(|materials| *materials.get_ref()).unwrap_or_default(),
            base: self.bases(asked.base.as_ref()),
        })
    }

    /// A list that must say something: absent is "any", empty would be read both ways.
    fn entries(&mut self, list: &'static str, entries: Option<&Texts>, most: usize) -> Vec<Spanned<String>> {
        let Some(entries) = entries else { return Vec::new() };
        if entries.get_ref().is_empty() {
            let meaning = "read as \"none\" by one and as \"any\" by another";
            let next = "name one, or leave the field out for any";
            self.report(entries.span(), Fault::EmptyList { list, meaning, next });
        }
        self.bound(entries.span(), "entries of one list", entries.get_ref().len(), most, "use wildcards");
        self.unique_entries(list, entries.get_ref());
        entries.get_ref().clone()
    }

    fn globs(&mut self, list: &'static str, globs: Option<&Texts>) -> Vec<String> {
        self.globs_up_to(list, globs, limits::PROVENANCE_GLOBS)
    }

    /// Globs over repositories: the node compares these in a normal form, which a glob must be able to match.
    fn sources(&mut self, sources: Option<&Texts>) -> Vec<String> {
        let sources = self.entries("`source`", sources, limits::PROVENANCE_GLOBS);
        for source in &sources {
            self.text(source.span(), Text::Source, source.get_ref());
        }
        sources.into_iter().map(Spanned::into_inner).collect()
    }

    fn globs_up_to(&mut self, list: &'static str, globs: Option<&Texts>, most: usize) -> Vec<String> {
        let globs = self.entries(list, globs, most);
        for glob in &globs {
            self.text(glob.span(), Text::Glob, glob.get_ref());
        }
        globs.into_iter().map(Spanned::into_inner).collect()
    }

    fn parameters(
        &mut self,
        field: &'static str,
        parameters: Option<&Spanned<file::Parameters>>,
    ) -> Parameters {
        let Some(entry) = parameters else { return Parameters::default() };
        let asked = entry.get_ref();
        if asked.require.is_none() && asked.forbid.is_none() {
            let next = "write `require = [\"name=glob\"]` or `forbid = [\"glob\"]` in it";
            self.report(entry.span(), Fault::AsksForNothing { field, next });
        }
        let mut seen = BTreeSet::new();
        let mut require = Vec::new();
        for entry in self.entries("`require`", asked.require.as_ref(), limits::PROVENANCE_GLOBS) {
            let (name, value) = match entry.get_ref().split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (entry.get_ref().as_str(), None),
            };
            self.text(entry.span(), Text::Glob, name);
            if let Some(value) = value {
                self.text(entry.span(), Text::Glob, value);
            }
            if !seen.insert(name.to_owned()) {
                let fault = Fault::DuplicateEntry { entry: name.to_owned(), list: "`require`" };
                self.report(entry.span(), fault);
            }
            require.push(Parameter { name: name.to_owned(), value: value.map(str::to_owned) });
        }
        Parameters { require, forbid: self.globs("`forbid`", asked.forbid.as_ref()) }
    }

    fn bases(&mut self, bases: Option<&Texts>) -> Vec<String> {
        let bases = self.entries("`base`", bases, limits::PROVENANCE_GLOBS);
        for base in &bases {
            let text = base.get_ref();
            // Any digest, but a digest: what the build was made from is then known exactly.
            let pattern = text.strip_suffix("@*").unwrap_or(text);
            if let Err(error) = Pattern::parse(pattern) {
                let fault = Fault::Pattern {
                    pattern: text.clone(),
                    reason: error.to_string(),
                    suggestion: pattern::suggestion(pattern).map(|suggestion| {
                        let digest = if pattern == text { "" } else { "@*" };
                        format!("{}{digest}", suggestion.as_str())
                    }),
                };
                self.report(base.span(), fault);
            }
        }
        bases.into_iter().map(Spanned::into_inner).collect()
    }

    fn packages(&mut self, entry: &Spanned<file::Packages>) -> Packages {
        let asked = entry.get_ref();
        if asked.deny.is_none() && asked.licenses.is_none() {
            let next = "write `deny = [\"name@version\"]` or `licenses = [\"glob\"]` in it";
            self.report(entry.span(), Fault::AsksForNothing { field: "packages", next });
        }
        let mut deny = Vec::new();
        for entry in self.entries("`deny`", asked.deny.as_ref(), limits::DENIED_PACKAGES) {
            let package = denied(entry.get_ref());
            let texts = match &package {
                DeniedPackage::Purl { purl } => [Some(purl), None],
                DeniedPackage::Name { name, version } => [Some(name), version.as_ref()],
            };
            for text in texts.into_iter().flatten() {
                self.text(entry.span(), Text::Glob, text);
            }
            deny.push(package);
        }
        let licenses = asked.licenses.as_ref();
        Packages { deny, licenses: self.globs_up_to("`licenses`", licenses, limits::DENIED_PACKAGES) }
    }

    /// Compiles a condition, so that one that is wrong never reaches a node.
    fn condition(&mut self, cel: &Spanned<String>) -> Option<Condition> {
        self.count_condition(cel.span());
        let expression = cel.get_ref();
        match condition::compile(expression) {
            Ok(_) => Some(Condition { engine: ENGINE.to_owned(), expression: expression.clone() }),
            Err(CompileError { message, offset }) => {
                // Where the policy spells the expression with escapes, its parts are elsewhere in the file.
                let written = self.written(cel.span());
                let (start, at) = match written.find(expression.as_str()) {
                    Some(quotes) => (cel.span().start + quotes + offset, None),
                    None => (cel.span().start, Some(offset)),
                };
                self.report(start..cel.span().end, Fault::Condition { message, at });
                None
            }
        }
    }
}

/// `pkg:…`, `name` or `name@version`. A name may begin with `@`, as npm's scopes do.
fn denied(text: &str) -> DeniedPackage {
    if text.starts_with("pkg:") {
        return DeniedPackage::Purl { purl: text.to_owned() };
    }
    match text.rsplit_once('@').filter(|(name, _)| !name.is_empty()) {
        Some((name, version)) => {
            DeniedPackage::Name { name: name.to_owned(), version: Some(version.to_owned()) }
        }
        None => DeniedPackage::Name { name: text.to_owned(), version: None },
    }
}

#[cfg(test)]
mod tests {
    use super::{DeniedPackage, denied};

    #[test]
    fn a_denied_package_is_a_purl_a_name_or_a_name_and_a_version() {
        let name = |name: &str, version: Option<&str>| DeniedPackage::Name {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        };
        for (text, package) in [
            (
                "pkg:npm/event-stream@3.3.6",
                DeniedPackage::Purl { purl: "pkg:npm/event-stream@3.3.6".to_owned() },
            ),
            ("log4j-core@2.14.*", name("log4j-core", Some("2.14.*"))),
            ("left-pad", name("left-pad", None)),
            ("@angular/core", name("@angular/core", None)),
            ("@angular/core@1.*", name("@angular/core", Some("1.*"))),
            ("x@", name("x", Some(""))),
        ] {
            assert_eq!(denied(text), package, "{text}");
        }
    }
}
