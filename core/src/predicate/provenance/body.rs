//! The body of provenance: the members that matter, wherever each builder puts them.
//!
//! | | v0.2 | v1 |
//! |---|---|---|
//! | builder | `builder.id` | `runDetails.builder.id` |
//! | build type | `buildType` | `buildDefinition.buildType` |
//! | parameters | `invocation.parameters` | `buildDefinition.externalParameters` |
//! | build arguments | `invocation.parameters.args` | `….externalParameters.request.args` |
//! | source, commit | `invocation.configSource`, then `BuildKit`'s `vcs` | `….externalParameters`, then `vcs` |
//! | materials | `materials` | `buildDefinition.resolvedDependencies` |
//! | time | `metadata.buildFinishedOn`, `buildStartedOn` | `runDetails.metadata.finishedOn`, `startedOn` |
//!
//! Where v1 has the source is up to the builder: `configSource` (`BuildKit`), `workflow` (GitHub), `source`
//! (slsa-github-generator's container-based builder; GitLab, as a string), `buildConfigSource` and `sourceToBuild`
//! (Google Cloud Build). Where the source is named without its commit, the commit is that of the same repository among
//! the resolved dependencies. slsa-github-generator's delegated builders name none, and put it first among these; for
//! no other builder does a dependency make a source, because whatever a Dockerfile adds is one too.
//!
//! All of these that are present must agree: repositories by their normal form, commits and entry points as they are.
//! An empty string is as good as none: that is what `BuildKit` writes for a builder without a name.
//!
//! Specs: slsa.dev/spec/v0.2/provenance, slsa.dev/spec/v1.1/provenance, and `BuildKit`'s
//! `docs/attestations/slsa-definitions.md`.

use super::repository::Repository;
use super::wrapping::{self, Wrapping};
use super::{TYPES, UnixTime};
use crate::json::{Items, Text, UnknownKeys, Value};
use crate::limits;
use crate::predicate::{Attestation, Context, Finding, Unmet, read_time};
use crate::verdict::Reason;

/// A version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `https://slsa.dev/provenance/v0.2`.
    V02,
    /// `https://slsa.dev/provenance/v1`.
    V1,
}

impl Version {
    /// As the specification spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V02 => "v0.2",
            Self::V1 => "v1",
        }
    }
}

/// Whether the builder says that it lists every parameter of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    /// It says so.
    Claimed,
    /// It says that it does not: `BuildKit` with `mode=min`.
    Denied,
    /// It says nothing.
    Unsaid,
}

/// What one place of the body says about the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'s> {
    /// The repository.
    pub(super) source: Option<Text<'s>>,
    /// The commit.
    pub(super) commit: Option<Text<'s>>,
}

/// A material, or a resolved dependency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Material<'s> {
    /// What it is.
    pub(super) uri: Option<Text<'s>>,
    digest: Option<Value<'s>>,
}

impl<'s> Material<'s> {
    /// Reads one of the list.
    pub(super) fn read(value: Value<'s>) -> Result<Self, Unmet<'s>> {
        let [uri, digest] = members(Some(value), "materials", ["uri", "digest"])?;
        Ok(Self { uri: text(uri, "material's uri")?, digest })
    }

    /// The hex digits of its SHA-256, where it has one.
    pub(super) fn sha256(&self) -> Result<Option<Text<'s>>, Unmet<'s>> {
        let [sha256] = members(self.digest, "material's digest", ["sha256"])?;
        text(sha256, "material's digest")
    }
}

/// What a body says.
#[derive(Debug)]
pub(super) struct Provenance<'s> {
    /// The format that it is in.
    pub(super) version: Version,
    /// The builder's identifier.
    pub(super) builder: Option<Text<'s>>,
    /// The build type.
    pub(super) build_type: Option<Text<'s>>,
    /// The external parameters, of whatever type they are.
    pub(super) parameters: Option<Value<'s>>,
    /// `BuildKit`'s frontend arguments, of whatever type they are.
    pub(super) arguments: Option<Value<'s>>,
    /// Whether these are all.
    pub(super) completeness: Completeness,
    claims: heapless::Vec<Claim<'s>, CLAIMS>,
    entry_points: heapless::Vec<Text<'s>, CLAIMS>,
    materials: Option<Value<'s>>,
    finished: Option<Value<'s>>,
    started: Option<Value<'s>>,
}

/// Places in which a body may name its source: the seven of v1.
const CLAIMS: usize = 8;

/// What `BuildKit` calls its own metadata in v0.2, and did in v1 before that was released.
const BUILDKIT_METADATA: &str = "https://mobyproject.org/buildkit@v1#metadata";

/// How the build types of slsa-github-generator start.
const SLSA_GITHUB_GENERATOR: &str = "https://github.com/slsa-framework/slsa-github-generator/";

impl<'s> Provenance<'s> {
    /// Reads an attestation, and checks that it does not contradict itself.
    ///
    /// # Errors
    /// [`Unmet`].
    pub(super) fn read(attestation: &Attestation<'s>, context: &Context<'_>) -> Result<Self, Unmet<'s>> {
        let said = match TYPES.map(|known| attestation.predicate_type.is(known)) {
            [true, _] => Version::V02,
            [_, true] => Version::V1,
            _ => return Err(Unmet::because(Reason::PredicateUnsupported)),
        };
        let (body, wrapping) = wrapping::unwrap(attestation.predicate, context.platform)?;
        let found = version_of(body)?;
        // buildx prints the predicate of whichever version it finds in the image, and not which one that is.
        if found != said && wrapping == Wrapping::Bare {
            return Err(Unmet::malformed("predicate (it has the members of another SLSA version)"));
        }
        let provenance = match found {
            Version::V02 => Self::read_v02(body)?,
            Version::V1 => Self::read_v1(body)?,
        };
        provenance.check_agreement()?;
        Ok(provenance)
    }

    fn read_v02(body: Value<'s>) -> Result<Self, Unmet<'s>> {
        let names = ["builder", "buildType", "invocation", "materials", "metadata"];
        let [builder, build_type, invocation, materials, metadata] = members(Some(body), "predicate", names)?;
        let [id] = members(builder, "builder", ["id"])?;
        let [config, parameters] = members(invocation, "invocation", ["configSource", "parameters"])?;
        let [uri, digest, entry_point] = members(config, "configSource", ["uri", "digest", "entryPoint"])?;
        let names = ["buildFinishedOn", "buildStartedOn", "completeness", BUILDKIT_METADATA];
        let [finished, started, completeness, buildkit] = members(metadata, "metadata", names)?;
        let [complete] = members(completeness, "completeness", ["parameters"])?;

        let mut read = Self {
            version: Version::V02,
            builder: text(id, "builder")?,
            build_type: text(build_type, "build type")?,
            parameters,
            arguments: arguments_of(parameters)?,
            completeness: completeness_of(complete),
            claims: heapless::Vec::new(),
            entry_points: heapless::Vec::new(),
            materials,
            finished,
            started,
        };
        read.claim(text(uri, "source")?, commit_in(digest)?);
        read.claim_vcs(buildkit)?;
        read.start_from(text(entry_point, "entry point")?);
        Ok(read)
    }

    fn read_v1(body: Value<'s>) -> Result<Self, Unmet<'s>> {
        let [definition, run] = members(Some(body), "predicate", ["buildDefinition", "runDetails"])?;
        let names = ["buildType", "externalParameters", "resolvedDependencies"];
        let [build_type, parameters, materials] = members(definition, "buildDefinition", names)?;
        let [builder, metadata] = members(run, "runDetails", ["builder", "metadata"])?;
        let [id] = members(builder, "builder", ["id"])?;
        let names =
            ["finishedOn", "startedOn", "buildkit_completeness", "buildkit_metadata", BUILDKIT_METADATA];
        let [finished, started, completeness, buildkit, buildkit_before] =
            members(metadata, "metadata", names)?;
        let [complete] = members(completeness, "completeness", ["request"])?;
        let names = [
            "configSource",
            "request",
            "workflow",
            "source",
            "buildConfigSource",
            "sourceToBuild",
            "configPath",
            "entryPoint",
        ];
        let [config, request, workflow, source, build_config, to_build, config_path, entry_point] =
            members(parameters, "externalParameters", names)?;

        let mut read = Self {
            version: Version::V1,
            builder: text(id, "builder")?,
            build_type: text(build_type, "build type")?,
            parameters,
            arguments: arguments_of(request)?,
            completeness: completeness_of(complete),
            claims: heapless::Vec::new(),
            entry_points: heapless::Vec::new(),
            materials,
            finished,
            started,
        };
        // Each builder has its own parameters under its own names: what is of another type is not the one meant here.
        let [uri, digest, path] = members(object(config), "configSource", ["uri", "digest", "path"])?;
        read.claim(text(uri, "source")?, commit_in(digest)?);
        read.start_from(text(path, "entry point")?);
        for place in [workflow, build_config] {
            let [repository, path] = members(object(place), "workflow", ["repository", "path"])?;
            read.claim_dependency(text(repository, "source")?)?;
            read.start_from(text(path, "entry point")?);
        }
        let [repository] = members(object(to_build), "sourceToBuild", ["repository"])?;
        read.claim_dependency(text(repository, "source")?)?;
        match source.map(Value::string) {
            Some(Ok(source)) => read.claim_dependency(Some(source))?,
            _ => {
                let [uri, digest] = members(object(source), "source", ["uri", "digest"])?;
                read.claim(text(uri, "source")?, commit_in(digest)?);
            }
        }
        for path in [config_path, entry_point] {
            read.start_from(path.and_then(|path| path.string().ok()));
        }
        if read.claims.is_empty() {
            read.claim_first_dependency()?;
        }
        read.claim_vcs(buildkit)?;
        read.claim_vcs(buildkit_before)?;
        Ok(read)
    }

    fn claim(&mut self, source: Option<Text<'s>>, commit: Option<Text<'s>>) {
        if source.is_some() || commit.is_some() {
            // There is room for every place that is read.
            let _fits = self.claims.push(Claim { source, commit });
        }
    }

    /// What the client of `BuildKit` said about the folder that it sent.
    fn claim_vcs(&mut self, metadata: Option<Value<'s>>) -> Result<(), Unmet<'s>> {
        let [vcs] = members(metadata, "metadata", ["vcs"])?;
        let [source, revision] = members(vcs, "vcs", ["source", "revision"])?;
        self.claim(text(source, "source")?, text(revision, "commit")?);
        Ok(())
    }

    /// A source that is named without its commit: a dependency has that.
    fn claim_dependency(&mut self, source: Option<Text<'s>>) -> Result<(), Unmet<'s>> {
        let Some(source) = source else { return Ok(()) };
        let Some(repository) = Repository::read(source) else {
            self.claim(Some(source), None);
            return Ok(());
        };
        let mut commit: Option<Text<'s>> = None;
        for material in self.materials() {
            let material = material?;
            if material.uri.and_then(Repository::read).is_none_or(|found| found != repository) {
                continue;
            }
            let found = commit_in(material.digest)?;
            agree("commit", commit, found)?;
            commit = commit.or(found);
        }
        self.claim(Some(source), commit);
        Ok(())
    }

    /// A delegated builder of slsa-github-generator: the source is the first dependency.
    fn claim_first_dependency(&mut self) -> Result<(), Unmet<'s>> {
        let delegated =
            self.build_type.is_some_and(|kind| kind.strip_prefix(SLSA_GITHUB_GENERATOR).is_some());
        let first = self.materials().next().filter(|_| delegated).transpose()?;
        if let Some(first) = first {
            self.claim(first.uri, commit_in(first.digest)?);
        }
        Ok(())
    }

    fn start_from(&mut self, entry_point: Option<Text<'s>>) {
        if let Some(entry_point) = entry_point.filter(|text| text.raw_len() > 0) {
            let _fits = self.entry_points.push(entry_point);
        }
    }

    /// All that is said about one thing is one.
    fn check_agreement(&self) -> Result<(), Unmet<'s>> {
        let mut known: Option<(Text<'s>, Repository)> = None;
        let mut commit = None;
        for claim in &self.claims {
            agree("commit", commit, claim.commit)?;
            commit = commit.or(claim.commit);
            let Some((text, repository)) =
                claim.source.and_then(|text| Some((text, Repository::read(text)?)))
            else {
                continue;
            };
            match &known {
                Some((one, first)) if *first != repository => {
                    return Err(contradiction("source", *one, text));
                }
                Some(_) => {}
                None => known = Some((text, repository)),
            }
        }
        let first = self.entry_point();
        self.entry_points.iter().try_for_each(|other| agree("entry point", first, Some(*other)))
    }

    /// What the places say about the source, the most authoritative first.
    pub(super) fn claims(&self) -> &[Claim<'s>] {
        &self.claims
    }

    /// The source repository, as it is spelled.
    pub(super) fn source(&self) -> Option<Text<'s>> {
        self.claims.iter().find_map(|claim| claim.source)
    }

    /// The source's commit.
    pub(super) fn commit(&self) -> Option<Text<'s>> {
        self.claims.iter().find_map(|claim| claim.commit)
    }

    /// The workflow or file that the build started from.
    pub(super) fn entry_point(&self) -> Option<Text<'s>> {
        self.entry_points.first().copied()
    }

    /// When the build ended, or began where only that is said.
    pub(super) fn made_at(&self) -> Result<Option<UnixTime>, Unmet<'s>> {
        let finished = self.finished.map(|value| read_time(value, "time of the build's end")).transpose()?;
        let started = self.started.map(|value| read_time(value, "time of the build's start")).transpose()?;
        Ok(finished.or(started))
    }

    /// Materials or resolved dependencies, in order, and an error in the place of the first that is one too many.
    pub(super) fn materials(&self) -> Materials<'s> {
        let items = self.materials.map(|value| value.array().map_err(|_| Unmet::malformed("materials")));
        Materials { items: items.transpose(), count: 0 }
    }
}

/// The materials of a body.
pub(super) struct Materials<'s> {
    items: Result<Option<Items<'s>>, Unmet<'s>>,
    count: usize,
}

impl<'s> Iterator for Materials<'s> {
    type Item = Result<Material<'s>, Unmet<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        let items = match &mut self.items {
            Ok(items) => items.as_mut()?,
            Err(unmet) => {
                let unmet = *unmet;
                self.items = Ok(None);
                return Some(Err(unmet));
            }
        };
        let item = items.next()?;
        self.count = self.count.saturating_add(1);
        if self.count > limits::PROVENANCE_MATERIALS {
            self.items = Ok(None);
            return Some(Err(Unmet {
                reason: Reason::PredicateMalformed,
                finding: Finding::TooLarge("list of materials"),
            }));
        }
        Some(item.map_err(Unmet::from).and_then(Material::read))
    }
}

/// The version whose members a body has.
fn version_of(body: Value<'_>) -> Result<Version, Unmet<'_>> {
    let names = [
        "builder",
        "buildType",
        "invocation",
        "buildConfig",
        "metadata",
        "materials",
        "buildDefinition",
        "runDetails",
    ];
    let [v02 @ .., definition, run] = body.object()?.fields(names, UnknownKeys::Skip)?;
    match (v02.iter().any(Option::is_some), definition.or(run).is_some()) {
        (true, false) => Ok(Version::V02),
        (false, true) => Ok(Version::V1),
        (true, true) => Err(Unmet {
            reason: Reason::ProvenanceContradiction,
            finding: Finding::Malformed("SLSA version (it has the members of two)"),
        }),
        (false, false) => Err(Unmet::malformed("SLSA version (it has the members of none)")),
    }
}

/// Named members of an object; all absent where the object is. `null` is what Go writes for nothing.
fn members<'s, const N: usize>(
    value: Option<Value<'s>>,
    what: &'static str,
    names: [&'static str; N],
) -> Result<[Option<Value<'s>>; N], Unmet<'s>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok([None; N]) };
    let object = value.object().map_err(|_| Unmet::malformed(what))?;
    Ok(object.fields(names, UnknownKeys::Skip)?.map(|value| value.filter(|value| !value.is_null())))
}

/// A value where it is an object.
fn object(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| value.object().is_ok())
}

/// A string that says something.
fn text<'s>(value: Option<Value<'s>>, what: &'static str) -> Result<Option<Text<'s>>, Unmet<'s>> {
    let Some(value) = value else { return Ok(None) };
    let text = value.string().map_err(|_| Unmet::malformed(what))?;
    Ok(Some(text).filter(|text| text.raw_len() > 0))
}

/// `BuildKit`'s arguments in its parameters.
fn arguments_of(parameters: Option<Value<'_>>) -> Result<Option<Value<'_>>, Unmet<'_>> {
    let [arguments] = members(object(parameters), "parameters", ["args"])?;
    Ok(arguments)
}

fn completeness_of(value: Option<Value<'_>>) -> Completeness {
    match value.map(Value::boolean) {
        Some(Ok(true)) => Completeness::Claimed,
        Some(_) => Completeness::Denied,
        None => Completeness::Unsaid,
    }
}

/// The commit in a set of digests: `gitCommit`, or what v0.2 called `sha1`. A SHA-256 there is a file's.
fn commit_in(digest: Option<Value<'_>>) -> Result<Option<Text<'_>>, Unmet<'_>> {
    let [commit, sha1] = members(digest, "digest of the source", ["gitCommit", "sha1"])?;
    let (commit, sha1) = (text(commit, "commit")?, text(sha1, "commit")?);
    agree("commit", commit, sha1)?;
    Ok(commit.or(sha1))
}

fn agree<'s>(what: &'static str, one: Option<Text<'s>>, other: Option<Text<'s>>) -> Result<(), Unmet<'s>> {
    match (one, other) {
        (Some(one), Some(other)) if !one.chars().eq(other.chars()) => Err(contradiction(what, one, other)),
        _ => Ok(()),
    }
}

fn contradiction<'s>(what: &'static str, one: Text<'s>, other: Text<'s>) -> Unmet<'s> {
    Unmet { reason: Reason::ProvenanceContradiction, finding: Finding::Contradiction { what, one, other } }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
