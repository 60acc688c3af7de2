//! The conditions of a requirement on provenance, and how they are held against it.
//!
//! A list of globs is met by one of them; an empty list asks for nothing. What a condition asks about and the
//! provenance does not say is not met. The conditions are tried in the order of who, how, from what: the first that is
//! not met is the finding.

use super::body::{Completeness, Provenance, Version};
use super::image::{self, BasePattern};
use super::repository::Repository;
use crate::glob;
use crate::json::{self, Items, Text, UnknownKeys, Value};
use crate::limits;
use crate::predicate::{Attestation, Context, Finding, ShortName, Unmet};
use crate::reference::Reference;
use crate::trust::TrustError;
use crate::verdict::Reason;

/// Whether materials must be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Materials {
    Optional,
    Required,
}

/// What a requirement says about provenance.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    builder: Value<'a>,
    build_type: Value<'a>,
    source: Value<'a>,
    commit: Value<'a>,
    entry_point: Value<'a>,
    parameters: Names<'a>,
    arguments: Names<'a>,
    materials: Materials,
    base: Value<'a>,
}

impl<'a> Expected<'a> {
    /// Reads and checks it: every member is there and no other is, every list is within its bounds and without
    /// repetition, every glob over sources and every pattern for base images can match something.
    ///
    /// # Errors
    /// [`TrustError`] names the member.
    pub fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let names = [
            "builder",
            "build_type",
            "source",
            "commit",
            "entry_point",
            "parameters",
            "arguments",
            "materials",
            "base",
        ];
        let [builder, build_type, source, commit, entry_point, parameters, arguments, materials, base] =
            value.object()?.fields(names, UnknownKeys::Refuse)?;
        let read = Self {
            builder: need(builder, "builder")?,
            build_type: need(build_type, "build_type")?,
            source: need(source, "source")?,
            commit: need(commit, "commit")?,
            entry_point: need(entry_point, "entry_point")?,
            parameters: Names::read(need(parameters, "parameters")?, "parameters")?,
            arguments: Names::read(need(arguments, "arguments")?, "arguments")?,
            materials: match need(materials, "materials")?.string()?.as_plain()? {
                "optional" => Materials::Optional,
                "required" => Materials::Required,
                _ => return Err(TrustError::Word("materials")),
            },
            base: need(base, "base")?,
        };
        check_globs(read.builder, "builder", |_| Ok(()))?;
        check_globs(read.build_type, "build_type", |_| Ok(()))?;
        check_globs(read.source, "source", |glob| {
            Repository::glob(glob).map(drop).ok_or(TrustError::Pattern)
        })?;
        check_globs(read.commit, "commit", |_| Ok(()))?;
        check_globs(read.entry_point, "entry_point", |_| Ok(()))?;
        check_globs(read.base, "base", |pattern| {
            BasePattern::parse(pattern).map(drop).map_err(|_| TrustError::Pattern)
        })?;
        Ok(read)
    }

    /// Judges one attestation.
    ///
    /// # Errors
    /// [`Unmet`] with the first condition that is not met, or with what cannot be read.
    pub fn judge<'s>(&self, attestation: &Attestation<'s>, context: &Context<'_>) -> Result<(), Unmet<'s>> {
        let provenance = Provenance::read(attestation, context)?;
        judge_text(self.builder, Reason::BuilderMismatch, "builder", provenance.builder)?;
        judge_text(self.build_type, Reason::BuildTypeMismatch, "build type", provenance.build_type)?;
        self.judge_source(&provenance)?;
        judge_text(self.commit, Reason::CommitMismatch, "commit", provenance.commit())?;
        judge_text(self.entry_point, Reason::EntryPointMismatch, "entry point", provenance.entry_point())?;
        self.judge_parameters(&provenance)?;
        if self.materials == Materials::Required && provenance.materials().next().transpose()?.is_none() {
            return Err(Unmet::because(Reason::MaterialsMissing));
        }
        self.judge_base(&provenance)
    }

    /// Every place that names the source names one that has a normal form, and a glob matches it. That they agree was
    /// checked when they were read.
    fn judge_source<'s>(&self, provenance: &Provenance<'s>) -> Result<(), Unmet<'s>> {
        if is_empty(self.source)? {
            return Ok(());
        }
        let what = "source";
        let mut found = None;
        for source in provenance.claims().iter().filter_map(|claim| claim.source) {
            let other =
                Unmet { reason: Reason::SourceMismatch, finding: Finding::Other { what, found: source } };
            let repository = Repository::read(source).ok_or(other)?;
            found = found.or(Some((repository, other)));
        }
        let (repository, other) = found.ok_or_else(|| Unmet::missing(Reason::SourceMismatch, what))?;
        for glob in globs(self.source)? {
            let glob = Repository::glob(glob?).ok_or(OTHER_PAYLOAD)?;
            if glob::matches_str(glob.as_str(), repository.as_str()) {
                return Ok(());
            }
        }
        Err(other)
    }

    fn judge_parameters<'s>(&self, provenance: &Provenance<'s>) -> Result<(), Unmet<'s>> {
        // v1 says that external parameters are complete; v0.2 has a member for it, and BuildKit one of its own.
        let all = match (provenance.version, provenance.completeness) {
            (_, Completeness::Claimed) | (Version::V1, Completeness::Unsaid) => Completeness::Claimed,
            (_, completeness) => completeness,
        };
        self.parameters.judge(provenance.parameters, "parameter", "", all)?;
        // BuildKit with mode=min leaves the build arguments out, and says that there is something missing.
        self.arguments.judge(provenance.arguments, "build argument", "build-arg:", provenance.completeness)
    }

    fn judge_base<'s>(&self, provenance: &Provenance<'s>) -> Result<(), Unmet<'s>> {
        if is_empty(self.base)? {
            return Ok(());
        }
        let mut count = 0_usize;
        for material in provenance.materials() {
            let material = material?;
            let Some(image) = image::image_of(&material)? else { continue };
            count = count.saturating_add(1);
            if !self.allows_base(&image)? {
                let finding =
                    material.uri.map_or(Finding::None, |found| Finding::Other { what: "base image", found });
                return Err(Unmet { reason: Reason::BaseMismatch, finding });
            }
        }
        if count == 0 { Err(Unmet::missing(Reason::BaseMismatch, "base images")) } else { Ok(()) }
    }

    fn allows_base<'s>(&self, image: &Reference) -> Result<bool, Unmet<'s>> {
        for pattern in globs(self.base)? {
            if BasePattern::parse(pattern?).map_err(|_| OTHER_PAYLOAD)?.matches(image) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Names that must be there, and names that must not.
#[derive(Debug, Clone, Copy)]
struct Names<'a> {
    require: Value<'a>,
    forbid: Value<'a>,
}

/// A name that must be there.
#[derive(Debug, Clone, Copy)]
struct Required<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Required<'a> {
    fn read(value: Value<'a>) -> Result<Self, json::Error> {
        let [name, value] = value.object()?.fields(["name", "value"], UnknownKeys::Refuse)?;
        let value = value.ok_or(json::Error::MissingKey("value"))?;
        Ok(Self {
            name: name.ok_or(json::Error::MissingKey("name"))?.string()?.as_plain()?,
            value: if value.is_null() { None } else { Some(value.string()?.as_plain()?) },
        })
    }
}

impl<'a> Names<'a> {
    fn read(value: Value<'a>, field: &'static str) -> Result<Self, TrustError> {
        let [require, forbid] = value.object()?.fields(["require", "forbid"], UnknownKeys::Refuse)?;
        let read = Self { require: need(require, "require")?, forbid: need(forbid, "forbid")? };
        let mut names: heapless::Vec<&str, { limits::PROVENANCE_GLOBS }> = heapless::Vec::new();
        for item in read.require.array()? {
            let Required { name, value } = Required::read(item?)?;
            check_glob(name, field)?;
            value.map_or(Ok(()), |value| check_glob(value, field))?;
            if names.contains(&name) {
                return Err(TrustError::Duplicate(field));
            }
            names.push(name).map_err(|_| TrustError::TooMany(field))?;
        }
        check_globs(read.forbid, field, |_| Ok(()))?;
        Ok(read)
    }

    /// Holds the members of an object against the names. With a prefix, only members that start with it count, and
    /// the name is what follows it. Names are data: `HTTP_PROXY` and `http_proxy` are two.
    fn judge<'s>(
        &self,
        object: Option<Value<'s>>,
        what: &'static str,
        prefix: &str,
        all: Completeness,
    ) -> Result<(), Unmet<'s>> {
        let forbids = !is_empty(self.forbid)?;
        if is_empty(self.require)? && !forbids {
            return Ok(());
        }
        let too_large =
            Unmet { reason: Reason::ParameterMismatch, finding: Finding::TooLarge("list of parameters") };
        let mut found = [None; limits::PROVENANCE_GLOBS];
        let members = match object {
            Some(object) => {
                Some(object.object().map_err(|_| Unmet::malformed("list of parameters"))?.members())
            }
            None => None,
        };
        for (place, member) in members.into_iter().flatten().enumerate() {
            let (key, value) = member?;
            if place >= limits::PROVENANCE_PARAMETERS {
                return Err(too_large);
            }
            let Some(name) = key.strip_prefix(prefix) else { continue };
            if name.raw_len() > limits::PROVENANCE_NAME_BYTES {
                return Err(too_large);
            }
            let present = Unmet {
                reason: Reason::ParameterMismatch,
                finding: Finding::Parameter { what, name, value: None },
            };
            for glob in globs(self.forbid)? {
                if glob::matches(glob?, name) {
                    return Err(present);
                }
            }
            for (required, slot) in self.require.array().map_err(|_| OTHER_PAYLOAD)?.zip(found.iter_mut()) {
                let required =
                    Required::read(required.map_err(|_| OTHER_PAYLOAD)?).map_err(|_| OTHER_PAYLOAD)?;
                if name.is(required.name) && slot.replace((name, value)).is_some() {
                    return Err(Unmet { reason: Reason::PayloadAmbiguous, ..present });
                }
            }
        }
        for (required, found) in self.require.array().map_err(|_| OTHER_PAYLOAD)?.zip(found) {
            let required = Required::read(required.map_err(|_| OTHER_PAYLOAD)?).map_err(|_| OTHER_PAYLOAD)?;
            required.judge(found, what)?;
        }
        // What is not listed may be there, unless the list is whole.
        if forbids && all != Completeness::Claimed {
            return Err(Unmet { reason: Reason::ParameterMismatch, finding: Finding::Incomplete(what) });
        }
        Ok(())
    }
}

impl Required<'_> {
    fn judge<'s>(&self, found: Option<(Text<'s>, Value<'s>)>, what: &'static str) -> Result<(), Unmet<'s>> {
        let reason = Reason::ParameterMismatch;
        let Some((name, value)) = found else {
            return Err(Unmet { reason, finding: Finding::Lacks { what, name: ShortName::of(self.name) } });
        };
        let Some(glob) = self.value else { return Ok(()) };
        let matches = match value.string() {
            Ok(text) => text.raw_len() <= limits::PROVENANCE_TEXT_BYTES && glob::matches(glob, text),
            // Numbers and booleans by their text; an object, an array or null is no value.
            Err(_) => {
                let scalar = !value.text().starts_with(['{', '[']) && !value.is_null();
                scalar
                    && value.text().len() <= limits::PROVENANCE_TEXT_BYTES
                    && glob::matches_str(glob, value.text())
            }
        };
        let finding = Finding::Parameter { what, name, value: Some(value) };
        if matches { Ok(()) } else { Err(Unmet { reason, finding }) }
    }
}

/// What was checked when the bundle was read does not read any more: the view is another payload's.
const OTHER_PAYLOAD: Unmet<'static> = Unmet { reason: Reason::TrustInvalid, finding: Finding::None };

/// Judges a string by a list of globs.
fn judge_text<'s>(
    list: Value<'_>,
    reason: Reason,
    what: &'static str,
    found: Option<Text<'s>>,
) -> Result<(), Unmet<'s>> {
    if is_empty(list)? {
        return Ok(());
    }
    let found = found.ok_or_else(|| Unmet::missing(reason, what))?;
    if found.raw_len() > limits::PROVENANCE_TEXT_BYTES {
        return Err(Unmet { reason, finding: Finding::TooLarge(what) });
    }
    for glob in globs(list)? {
        if glob::matches(glob?, found) {
            return Ok(());
        }
    }
    Err(Unmet { reason, finding: Finding::Other { what, found } })
}

fn items<'a>(list: Value<'a>) -> Result<Items<'a>, Unmet<'static>> {
    list.array().map_err(|_| OTHER_PAYLOAD)
}

fn is_empty(list: Value<'_>) -> Result<bool, Unmet<'static>> {
    Ok(items(list)?.next().is_none())
}

fn globs<'a>(
    list: Value<'a>,
) -> Result<impl Iterator<Item = Result<&'a str, Unmet<'static>>>, Unmet<'static>> {
    let plain = |item: Result<Value<'a>, json::Error>| item?.string()?.as_plain();
    Ok(items(list)?.map(move |item| plain(item).map_err(|_| OTHER_PAYLOAD)))
}

/// Checks a list of globs: how many, each of them, no two alike.
fn check_globs(
    list: Value<'_>,
    field: &'static str,
    check: impl Fn(&str) -> Result<(), TrustError>,
) -> Result<(), TrustError> {
    let mut seen: heapless::Vec<&str, { limits::PROVENANCE_GLOBS }> = heapless::Vec::new();
    for item in list.array()? {
        let glob = item?.string()?.as_plain()?;
        check_glob(glob, field)?;
        check(glob)?;
        if seen.contains(&glob) {
            return Err(TrustError::Duplicate(field));
        }
        seen.push(glob).map_err(|_| TrustError::TooMany(field))?;
    }
    Ok(())
}

/// 1 to [`limits::GLOB_BYTES`] bytes without control characters.
fn check_glob(glob: &str, field: &'static str) -> Result<(), TrustError> {
    if glob.is_empty() || glob.len() > limits::GLOB_BYTES || glob.chars().any(char::is_control) {
        return Err(TrustError::Name(field));
    }
    Ok(())
}

fn need<'a>(value: Option<Value<'a>>, name: &'static str) -> Result<Value<'a>, TrustError> {
    value.ok_or(TrustError::Json(json::Error::MissingKey(name)))
}

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
