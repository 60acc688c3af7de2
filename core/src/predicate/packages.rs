//! SPDX 2 and 3 and `CycloneDX`: which packages an image contains, and under which licences.
//!
//! [`each`] hands over every package of a document, one after another, whatever its format: `spdx2`, `spdx3` and
//! `cyclonedx` read them. [`Denied`] judges by the very same reading (`conditions`), comparing package URLs (`purl`) and
//! licence expressions (`licenses`) with what a requirement denies.
//!
//! A document in which packages cannot be found is not one without denied packages: a format or version that is not
//! known here, a missing list, and a package that has neither a name nor a package URL are all malformed. So is a
//! document inside of a string, which is how `cosign attest --type spdx` wraps the tag-value format.
//!
//! What this does *not* check: that the list is complete. It is what the tool that made it saw, signed by an authority.

mod conditions;
mod cyclonedx;
mod licenses;
mod purl;
mod spdx2;
mod spdx3;

pub use conditions::Denied;

use super::{Attestation, Context, Unmet};
use crate::json::{self, Items, Text, UnknownKeys, Value};
use crate::limits;
use crate::time::UnixTime;

/// The predicate types that are read: those that cosign and `BuildKit` write, and those that name the format's version, as
/// GitHub's `attest-sbom` and others write them. The document's own version is what counts.
pub const TYPES: [&str; 11] = [
    SPDX,
    CYCLONEDX,
    "https://spdx.dev/Document/v2.2",
    "https://spdx.dev/Document/v2.3",
    "https://spdx.dev/Document/v3.0",
    "https://spdx.dev/Document/v3.0.1",
    "https://cyclonedx.org/bom/v1.3",
    "https://cyclonedx.org/bom/v1.4",
    "https://cyclonedx.org/bom/v1.5",
    "https://cyclonedx.org/bom/v1.6",
    "https://cyclonedx.org/bom/v1.7",
];

const SPDX: &str = "https://spdx.dev/Document";
const CYCLONEDX: &str = "https://cyclonedx.org/bom";

/// Where in its document a package stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is what the document describes (`metadata.component` of `CycloneDX`): the image itself.
    Described,
    /// It is in the list. SPDX lists the image too.
    Listed,
}

/// A package as its document names it. Empty strings count as absent.
#[derive(Debug, Clone)]
pub struct Package<'s> {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: Option<Text<'s>>,
    /// What `CycloneDX` puts before the name: a Maven group, an npm scope.
    pub group: Option<Text<'s>>,
    /// Its version.
    pub version: Option<Text<'s>>,
    purls: Purls<'s>,
    licenses: Licenses<'s>,
}

impl<'s> Package<'s> {
    /// Its package URLs, as they are written.
    ///
    /// # Errors
    /// Of an item: [`Unmet`] for what is no reference.
    pub fn purls(&self) -> impl Iterator<Item = Result<Text<'s>, Unmet<'s>>> + use<'s> {
        self.purls.clone()
    }

    /// Its licences, as they are written: expressions, ids and names. SPDX has one that was concluded and one that was
    /// declared.
    ///
    /// # Errors
    /// Of an item: [`Unmet`] for what is no licence.
    pub fn licenses(&self) -> impl Iterator<Item = Result<Text<'s>, Unmet<'s>>> + use<'s> {
        let (texts, choices) = match &self.licenses {
            Licenses::None => (None, None),
            Licenses::Texts(texts) => (Some(*texts), None),
            Licenses::Choices(choices) => (None, Some(choices.clone())),
        };
        let texts = texts.into_iter().flatten().flatten().map(Ok);
        let choices = choices.into_iter().flatten().flat_map(|choice| {
            match choice.map_err(Unmet::from).and_then(cyclonedx::read_choice) {
                Ok(found) => found.map(|text| text.map(Ok)),
                Err(unmet) => [Some(Err(unmet)), None, None],
            }
            .into_iter()
            .flatten()
        });
        texts.chain(choices)
    }
}

#[derive(Debug, Clone)]
enum Licenses<'s> {
    /// None, or nobody asked.
    None,
    Texts([Option<Text<'s>>; limits::SPDX3_PACKAGE_LICENSES]),
    /// The items of `CycloneDX`'s `licenses`.
    Choices(Items<'s>),
}

/// The package URLs of a package: one of its own, and those among its references.
#[derive(Debug, Clone)]
struct Purls<'s> {
    own: Option<Text<'s>>,
    references: Option<Items<'s>>,
    names: [&'static str; 2],
}

impl<'s> Purls<'s> {
    fn new(
        own: Option<Text<'s>>,
        references: Option<Value<'s>>,
        names: [&'static str; 2],
    ) -> Result<Self, json::Error> {
        let references = known(references).map(Value::array).transpose()?;
        Ok(Self { own, references, names })
    }

    fn read(&self, reference: Value<'s>) -> Result<Option<Text<'s>>, Unmet<'s>> {
        let [kind, value] = reference.object()?.fields(self.names, UnknownKeys::Skip)?;
        let kind = text(kind, "reference type")?.ok_or(Unmet::malformed("reference type"))?;
        // SPDX 2 allows the address of the type, SPDX 3 has another name for it.
        let is_purl = ["purl", "packageUrl", "http://spdx.org/rdf/references/purl"];
        if is_purl.iter().any(|name| kind.is(name)) { text(value, "reference") } else { Ok(None) }
    }
}

impl<'s> Iterator for Purls<'s> {
    type Item = Result<Text<'s>, Unmet<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(own) = self.own.take() {
            return Some(Ok(own));
        }
        loop {
            let reference = self.references.as_mut()?.next()?;
            match reference.map_err(Unmet::from).and_then(|value| self.read(value)) {
                Ok(None) => {}
                Ok(Some(purl)) => return Some(Ok(purl)),
                Err(unmet) => return Some(Err(unmet)),
            }
        }
    }
}

/// What to read of a package besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Version and package URLs.
    Packages,
    /// Its licences too.
    Licenses,
}

/// Takes a package; an error ends the reading.
type Visit<'v, 's> = &'v mut dyn FnMut(&Package<'s>) -> Result<(), Unmet<'s>>;

/// Counts packages up to [`limits::PACKAGES`].
#[derive(Debug, Default)]
struct Count {
    packages: usize,
}

impl Count {
    fn one_more(&mut self) -> Result<(), Unmet<'static>> {
        self.packages = self.packages.saturating_add(1);
        if self.packages > limits::PACKAGES { Err(Unmet::malformed("number of packages")) } else { Ok(()) }
    }
}

/// A document of a known format.
#[derive(Debug, Clone, Copy)]
enum Document<'s> {
    Spdx2(spdx2::Document<'s>),
    Spdx3(spdx3::Document<'s>),
    CycloneDx(cyclonedx::Document<'s>),
}

impl<'s> Document<'s> {
    fn open(attestation: &Attestation<'s>) -> Result<Self, Unmet<'s>> {
        let (kind, top) = Top::of(attestation)?;
        Self::of(kind, &top)
    }

    /// Of what an attestation says it is, and the document's members.
    fn of(kind: &str, top: &Top<'s>) -> Result<Self, Unmet<'s>> {
        let is_spdx = kind.starts_with(SPDX);
        match (top.spdx_version, top.graph, top.bom_format) {
            (Some(version), None, None) if is_spdx => spdx2::Document::open(version, top).map(Self::Spdx2),
            (None, Some(graph), None) if is_spdx => spdx3::Document::open(graph, top).map(Self::Spdx3),
            (None, None, Some(format)) if !is_spdx => {
                cyclonedx::Document::open(format, top).map(Self::CycloneDx)
            }
            // None of them, more than one, or the other format than the type says.
            _ => Err(Unmet::malformed("format")),
        }
    }

    fn each(&self, ask: Ask, visit: Visit<'_, 's>) -> Result<(), Unmet<'s>> {
        match self {
            Self::Spdx2(document) => document.each(ask, visit),
            Self::Spdx3(document) => document.each(ask, visit),
            Self::CycloneDx(document) => document.each(ask, visit),
        }
    }
}

/// How a finding names a document that is text inside of a string.
const IN_A_STRING: &str = "package list, which is text inside of a string,";

/// The members of a document of any format, read in one pass: documents are large, and nothing but these is.
struct Top<'s> {
    spdx_version: Option<Value<'s>>,
    creation: Option<Value<'s>>,
    packages: Option<Value<'s>>,
    licenses: Option<Value<'s>>,
    context: Option<Value<'s>>,
    graph: Option<Value<'s>>,
    bom_format: Option<Value<'s>>,
    spec_version: Option<Value<'s>>,
    metadata: Option<Value<'s>>,
    components: Option<Value<'s>>,
    data: Option<Value<'s>>,
}

impl<'s> Top<'s> {
    /// Of an attestation, with its predicate type.
    fn of(attestation: &Attestation<'s>) -> Result<(&'static str, Self), Unmet<'s>> {
        let kind = attestation.predicate_type;
        let kind = TYPES.iter().find(|known| kind.is(known)).ok_or(Unmet::malformed("predicateType"))?;
        let mut top = Self::read(attestation.predicate)?;
        if let Some(data) = top.data {
            // What cosign 1 wrote around it.
            if !top.is_bare() {
                return Err(Unmet::malformed("Data"));
            }
            top = Self::read(data)?;
            if top.data.is_some() {
                return Err(Unmet::malformed("Data"));
            }
        }
        Ok((kind, top))
    }

    /// The graph of a document that can be SPDX 3 and nothing else.
    fn only_graph(&self, kind: &str) -> Option<Value<'s>> {
        let others = self.spdx_version.or(self.bom_format);
        self.graph.filter(|_| others.is_none() && kind.starts_with(SPDX))
    }

    fn read(predicate: Value<'s>) -> Result<Self, Unmet<'s>> {
        if predicate.string().is_ok() {
            return Err(Unmet::malformed(IN_A_STRING));
        }
        let names = [
            "spdxVersion",
            "creationInfo",
            "packages",
            "hasExtractedLicensingInfos",
            "@context",
            "@graph",
            "bomFormat",
            "specVersion",
            "metadata",
            "components",
            "Data",
        ];
        let [
            spdx_version,
            creation,
            packages,
            licenses,
            context,
            graph,
            bom_format,
            spec_version,
            metadata,
            components,
            data,
        ] = predicate.object()?.fields(names, UnknownKeys::Skip)?;
        Ok(Self {
            spdx_version,
            creation: known(creation),
            packages,
            licenses: known(licenses),
            context,
            graph,
            bom_format,
            spec_version,
            metadata: known(metadata),
            components,
            data,
        })
    }

    fn is_bare(&self) -> bool {
        self.spdx_version.is_none() && self.graph.is_none() && self.bom_format.is_none()
    }
}

/// A member that says something: null does not.
fn known(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| !value.is_null())
}

/// Hands over every package of a document in the document's order: for people, and with `visit` returning an error to
/// stop at one.
///
/// # Errors
/// [`Unmet`] with what cannot be read, and whatever `visit` returns.
pub fn each<'s>(
    attestation: &Attestation<'s>,
    visit: &mut dyn FnMut(&Package<'s>) -> Result<(), Unmet<'s>>,
) -> Result<(), Unmet<'s>> {
    Document::open(attestation)?.each(Ask::Licenses, visit)
}

/// What a list of packages says.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'s> {
    /// Number of packages that are listed, nested ones included.
    pub packages: u32,
    /// `SPDX` or `CycloneDX`.
    pub format: &'static str,
    /// The version of the format.
    pub version: Text<'s>,
    /// When it was made.
    pub made_at: Option<UnixTime>,
    /// The tool that made it.
    pub tool: Option<Text<'s>>,
}

/// Summarises a list of packages.
///
/// # Errors
/// [`Unmet`] with what cannot be read.
pub fn summarise<'s>(attestation: &Attestation<'s>, _: &Context<'_>) -> Result<Summary<'s>, Unmet<'s>> {
    let document = Document::open(attestation)?;
    let mut packages = 0_u32;
    document.each(Ask::Packages, &mut |package| {
        packages = packages.saturating_add(u32::from(package.place == Place::Listed));
        Ok(())
    })?;
    let (format, version, made_at, tool) = match document {
        Document::Spdx2(document) => ("SPDX", document.version(), document.made_at()?, document.tool()?),
        Document::Spdx3(document) => ("SPDX", document.version(), document.made_at()?, document.tool()?),
        Document::CycloneDx(document) => {
            ("CycloneDX", document.version(), document.made_at()?, document.tool()?)
        }
    };
    Ok(Summary { packages, format, version, made_at, tool })
}

/// A string that may be absent, null or empty, all of which say nothing.
fn text<'s>(value: Option<Value<'s>>, what: &'static str) -> Result<Option<Text<'s>>, Unmet<'s>> {
    let Some(value) = known(value) else { return Ok(None) };
    let text = value.string().map_err(|_| Unmet::malformed(what))?;
    Ok(Some(text).filter(|text| text.raw_len() > 0))
}

#[cfg(test)]
mod testing {
    //! What the tests of the formats share.

    use super::{Package, each, summarise};
    use crate::json::parse;
    use crate::oci::Digest;
    use crate::predicate::{Attestation, Context, Unmet};
    use crate::time::UnixTime;

    extern crate std;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    pub(super) const CONTEXT: Context<'static> = Context {
        time: UnixTime(1_795_525_200),
        digest: Digest::from_sha256([7; 32]),
        platform: "linux/amd64",
    };

    /// A predicate as it stands in a statement. Documents of tests may live as long as they like.
    pub(super) fn attestation(kind: &str, predicate: &str) -> Attestation<'static> {
        let leak = |text: String| parse(text.leak().as_bytes()).unwrap();
        Attestation {
            predicate_type: leak(format!("\"{kind}\"")).string().unwrap(),
            predicate: leak(predicate.to_string()),
        }
    }

    /// The format is in the first bytes of what follows.
    pub(super) fn of(predicate: &str) -> Attestation<'static> {
        let kind = if predicate.contains("bomFormat") { super::CYCLONEDX } else { super::SPDX };
        attestation(kind, predicate)
    }

    /// Every package as `name version [purls] [licences]`.
    pub(super) fn listed(predicate: &str) -> Result<Vec<String>, Unmet<'static>> {
        let mut lines = Vec::new();
        each(&of(predicate), &mut |package: &Package<'static>| {
            let words = |text: Option<crate::json::Text<'_>>| match text {
                Some(text) => text.chars().collect::<String>(),
                None => "-".to_string(),
            };
            let purls: Result<Vec<_>, _> = package.purls().map(|purl| purl.map(|p| words(Some(p)))).collect();
            let licenses: Result<Vec<_>, _> =
                package.licenses().map(|license| license.map(|l| words(Some(l)))).collect();
            lines.push(format!(
                "{} {} [{}] [{}]",
                words(package.name),
                words(package.version),
                purls?.join(" "),
                licenses?.join(", ")
            ));
            Ok(())
        })?;
        Ok(lines)
    }

    /// Number, format, version, time and tool.
    pub(super) fn summary(predicate: &str) -> Result<String, Unmet<'static>> {
        let summary = summarise(&of(predicate), &CONTEXT)?;
        Ok(format!(
            "{} {} {} {} {}",
            summary.packages,
            summary.format,
            summary.version.raw(),
            summary.made_at.map_or_else(|| "-".to_string(), |time| time.to_string()),
            summary.tool.map_or("-", crate::json::Text::raw)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{CONTEXT, attestation, listed, of, summary};
    use super::{TYPES, summarise};
    use crate::predicate::{Finding, Unmet, made_at};
    use crate::verdict::Reason;

    extern crate std;
    use std::format;

    const SPDX: &str = r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a"}]}"#;
    const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"name":"a"}]}"#;

    #[test]
    fn a_document_is_read_under_each_type_of_its_format_and_under_no_other() {
        for kind in TYPES {
            let (right, wrong) = if kind.contains("spdx") { (SPDX, CYCLONEDX) } else { (CYCLONEDX, SPDX) };
            assert!(summarise(&attestation(kind, right), &CONTEXT).is_ok(), "{kind}");
            let refused = summarise(&attestation(kind, wrong), &CONTEXT).err();
            assert_eq!(refused, Some(Unmet::malformed("format")), "{kind}");
        }
        for kind in ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document/v9", "", "spdx"] {
            let refused = summarise(&attestation(kind, SPDX), &CONTEXT).err();
            assert_eq!(refused, Some(Unmet::malformed("predicateType")), "{kind}");
        }
    }

    #[test]
    fn a_document_without_packages_to_be_found_is_malformed() {
        for (text, what) in [
            ("{}", "format"),
            (r#"{"packages":[]}"#, "format"),
            (r#"{"components":[]}"#, "format"),
            (r#"{"spdxVersion":"SPDX-2.3"}"#, "packages"),
            (r#"{"spdxVersion":"SPDX-2.3","packages":null}"#, "packages"),
            (r#"{"spdxVersion":"SPDX-2.3","packages":{}}"#, "packages"),
            (r#"{"spdxVersion":"SPDX-2.3","components":[]}"#, "packages"),
            (r#"{"spdxVersion":"SPDX-2.1","packages":[]}"#, "spdxVersion"),
            (r#"{"spdxVersion":"SPDX-3.0","packages":[]}"#, "spdxVersion"),
            (r#"{"spdxVersion":"spdx-2.3","packages":[]}"#, "spdxVersion"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.5"}"#, "components"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":null}"#, "components"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.5","packages":[]}"#, "components"),
            (r#"{"bomFormat":"CycloneDX","components":[]}"#, "specVersion"),
            (r#"{"bomFormat":"CycloneDX","specVersion":"2.0","components":[]}"#, "specVersion"),
            (r#"{"bomFormat":"CycloneDX","specVersion":1.5,"components":[]}"#, "predicate"),
            (r#"{"bomFormat":"SPDX","specVersion":"1.5","components":[]}"#, "bomFormat"),
            (r#"{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3","packages":[],"components":[]}"#, "format"),
            (r#"{"spdxVersion":"SPDX-2.3","@graph":[],"packages":[]}"#, "format"),
            ("[]", "predicate"),
            ("null", "predicate"),
            ("1", "predicate"),
        ] {
            assert_eq!(summary(text), Err(Unmet::malformed(what)), "{text}");
        }
    }

    #[test]
    fn what_cosign_wrote_around_a_document_is_taken_off() {
        let wrapped = format!(r#"{{"Data":{SPDX},"Timestamp":""}}"#);
        assert_eq!(summary(&wrapped).unwrap(), "1 SPDX 2.3 - -");
        for (text, what) in [
            (format!(r#"{{"Data":{wrapped}}}"#), "Data"),
            (format!(r#"{{"Data":{SPDX},"spdxVersion":"SPDX-2.3","packages":[]}}"#), "Data"),
            (r#"{"Data":null}"#.into(), "predicate"),
            (r#"{"Data":{}}"#.into(), "format"),
        ] {
            assert_eq!(summary(&text), Err(Unmet::malformed(what)), "{text}");
        }
    }

    #[test]
    fn text_inside_of_a_string_is_said_to_be_the_reason() {
        for text in [r#""SPDXVersion: SPDX-2.3\n""#, r#""{}""#, r#"{"Data":"{\"packages\":[]}"}"#] {
            let refused = summary(text).unwrap_err();
            assert_eq!(refused.reason, Reason::PredicateMalformed);
            assert_eq!(
                format!("{}", refused.finding),
                "its package list, which is text inside of a string, cannot be read"
            );
        }
    }

    #[test]
    fn a_member_that_is_read_twice_or_in_another_case_is_ambiguous() {
        for text in [
            r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a"}],"packages":[]}"#,
            r#"{"spdxVersion":"SPDX-2.3","packages":[],"Packages":[]}"#,
            r#"{"spdxVersion":"SPDX-2.3","spdxversion":"SPDX-2.3","packages":[]}"#,
            r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","name":"b"}]}"#,
            r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","Name":"b"}]}"#,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[],"COMPONENTS":[]}"#,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"name":"a","purl":"x","purl":"y"}]}"#,
        ] {
            assert_eq!(summary(text).map_err(|unmet| unmet.reason), Err(Reason::PayloadAmbiguous), "{text}");
        }
    }

    #[test]
    fn the_time_is_the_documents_own_and_has_a_zone() {
        let spdx = |time: &str| {
            of(&format!(r#"{{"spdxVersion":"SPDX-2.3","packages":[],"creationInfo":{{"created":{time}}}}}"#))
        };
        let cyclonedx = |time: &str| {
            of(&format!(
                r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[],"metadata":{{"timestamp":{time}}}}}"#
            ))
        };
        let good = r#""2026-11-24T13:00:00+00:00""#;
        assert_eq!(made_at(&spdx(good), &CONTEXT), Ok(CONTEXT.time));
        assert_eq!(made_at(&cyclonedx(good), &CONTEXT), Ok(CONTEXT.time));
        for bad in [r#""2026-11-24T13:00:00""#, r#""2026-11-24""#, "1795525200", r#""""#] {
            let read = |attestation| made_at(&attestation, &CONTEXT).map_err(|unmet| unmet.finding);
            assert_eq!(read(spdx(bad)), Err(Finding::Malformed("creationInfo.created")), "{bad}");
            assert_eq!(read(cyclonedx(bad)), Err(Finding::Malformed("metadata.timestamp")), "{bad}");
        }
        for none in [SPDX, CYCLONEDX] {
            let missing = made_at(&of(none), &CONTEXT).map_err(|unmet| unmet.reason);
            assert_eq!(missing, Err(Reason::AttestationNoTime));
        }
    }

    #[test]
    fn more_packages_than_are_counted_are_refused() {
        let many = |count: usize| {
            let packages = ["{}"].repeat(count).join(",");
            listed(&format!(r#"{{"spdxVersion":"SPDX-2.3","packages":[{packages}]}}"#)).map(|all| all.len())
        };
        assert_eq!(many(200_000), Ok(200_000));
        assert_eq!(many(200_001), Err(Unmet::malformed("number of packages")));
    }
}
