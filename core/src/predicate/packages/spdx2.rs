//! SPDX 2.2 and 2.3 in JSON: `packages[]`, each with its name, version, external references and two licences.
//!
//! Licences of single files and what was found in them (`licenseInfoFromFiles`) are not looked at: they say what a
//! scanner has seen, and the package's own two fields say what holds.

use super::{Ask, Count, Licenses, Package, Place, Purls, Top, Visit, known, text};
use crate::json::{self, Text, UnknownKeys, Value, Walk};
use crate::predicate::{Unmet, read_time};
use crate::time::UnixTime;

/// The names that an external reference has for its kind and its value.
const REFERENCE: [&str; 2] = ["referenceType", "referenceLocator"];

/// A document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'s> {
    version: Text<'s>,
    creation: Option<Value<'s>>,
    packages: Value<'s>,
    licenses: Option<Value<'s>>,
}

impl<'s> Document<'s> {
    /// Opens one by its `spdxVersion`.
    pub(super) fn open(version: Value<'s>, top: &Top<'s>) -> Result<Self, Unmet<'s>> {
        let version = version.string()?;
        if !["SPDX-2.2", "SPDX-2.3"].iter().any(|known| version.is(known)) {
            return Err(Unmet::malformed("spdxVersion"));
        }
        let packages = top.packages.ok_or(json::Error::MissingKey("packages"))?;
        if packages.array().is_err() {
            return Err(Unmet::malformed("packages"));
        }
        Ok(Self { version, creation: top.creation, packages, licenses: top.licenses })
    }

    /// `2.3`.
    pub(super) fn version(&self) -> Text<'s> {
        self.version.strip_prefix("SPDX-").unwrap_or(self.version)
    }

    pub(super) fn made_at(&self) -> Result<Option<UnixTime>, Unmet<'s>> {
        let Some(creation) = self.creation else { return Ok(None) };
        let [created] = creation.object()?.fields(["created"], UnknownKeys::Skip)?;
        created.map(|value| read_time(value, "creationInfo.created")).transpose()
    }

    /// The first of the creators that is a tool.
    pub(super) fn tool(&self) -> Result<Option<Text<'s>>, Unmet<'s>> {
        let Some(creation) = self.creation else { return Ok(None) };
        let [creators] = creation.object()?.fields(["creators"], UnknownKeys::Skip)?;
        let Some(creators) = known(creators) else { return Ok(None) };
        for creator in creators.array()? {
            // Some write objects here.
            let tool = creator?.string().ok().and_then(|creator| creator.strip_prefix("Tool: "));
            if tool.is_some() {
                return Ok(tool);
            }
        }
        Ok(None)
    }

    /// Hands over every package.
    pub(super) fn each(&self, ask: Ask, visit: Visit<'_, 's>) -> Result<(), Unmet<'s>> {
        let mut count = Count::default();
        self.packages.walk().items(|here| {
            count.one_more()?;
            visit(&read(here, ask)?)
        })
    }

    /// Hands over every licence that the document itself names, by id and by what it calls it.
    pub(super) fn each_named_license(
        &self,
        visit: &mut dyn FnMut(Text<'s>, Text<'s>) -> Result<(), Unmet<'s>>,
    ) -> Result<(), Unmet<'s>> {
        let Some(licenses) = self.licenses else { return Ok(()) };
        for license in licenses.array()? {
            let names = ["licenseId", "name", "extractedText"];
            let [id, name, extracted] = license?.object()?.fields(names, UnknownKeys::Skip)?;
            let id = text(id, "licenseId")?.ok_or(json::Error::MissingKey("licenseId"))?;
            if let Some(name) = text(name, "license name")? {
                visit(id, name)?;
            }
            // Tools that have nothing but a name put it where the licence's text belongs; a real text mentions others.
            let extracted = text(extracted, "extractedText")?;
            if let Some(name) = extracted.filter(|text| text.raw_len() <= NAME_LIKE_BYTES) {
                visit(id, name)?;
            }
        }
        Ok(())
    }
}

/// Longest extracted text that is taken for a name, in bytes: the longest name in SPDX's list of licences has 101.
const NAME_LIKE_BYTES: usize = 128;

fn read<'s>(here: &mut Walk<'s>, ask: Ask) -> Result<Package<'s>, Unmet<'s>> {
    let names = ["name", "versionInfo", "externalRefs", "licenseConcluded", "licenseDeclared"];
    let [name, version, references, concluded, declared] = here.fields(names, UnknownKeys::Skip)?;
    let licenses = match ask {
        Ask::Packages => Licenses::None,
        Ask::Licenses => Licenses::Texts([
            text(concluded, "licenseConcluded")?,
            text(declared, "licenseDeclared")?,
            None,
            None,
        ]),
    };
    Ok(Package {
        place: Place::Listed,
        name: text(name, "package name")?,
        group: None,
        version: text(version, "versionInfo")?,
        purls: Purls::new(None, references, REFERENCE)?,
        licenses,
    })
}

#[cfg(test)]
mod tests {
    use crate::predicate::Unmet;
    use crate::predicate::packages::testing::{listed, summary};

    extern crate std;
    use std::format;
    use std::string::String;

    fn document(members: &str) -> String {
        format!(r#"{{"spdxVersion":"SPDX-2.3",{members}}}"#)
    }

    #[test]
    fn a_package_is_read_with_its_references_and_both_licences() {
        let text = document(
            r#""packages":[
                {"name":"musl","versionInfo":"1.2.3","licenseConcluded":"MIT","licenseDeclared":"NOASSERTION",
                 "externalRefs":[
                   {"referenceCategory":"SECURITY","referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:m:m"},
                   {"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:apk/musl@1"},
                   {"referenceCategory":"PACKAGE-MANAGER","referenceType":"http://spdx.org/rdf/references/purl",
                    "referenceLocator":"pkg:apk/alpine/musl@1"}]},
                {"SPDXID":"SPDXRef-x","name":"","versionInfo":"","licenseDeclared":"","externalRefs":null}]"#,
        );
        let expected = ["musl 1.2.3 [pkg:apk/musl@1 pkg:apk/alpine/musl@1] [MIT, NOASSERTION]", "- - [] []"];
        assert_eq!(listed(&text).unwrap(), expected);
    }

    #[test]
    fn the_summary_names_the_first_tool() {
        let text = document(
            r#""packages":[],"creationInfo":{"created":"2023-11-29T01:44:41Z",
                "creators":["Organization: Anchore, Inc",{"Person":"x"},"Tool: syft-0.76.0","Tool: other"]}"#,
        );
        assert_eq!(summary(&text).unwrap(), "0 SPDX 2.3 2023-11-29T01:44:41Z syft-0.76.0");
        let text = document(r#""packages":[],"creationInfo":{"creators":null}"#);
        assert_eq!(summary(&text).unwrap(), "0 SPDX 2.3 - -");
    }

    #[test]
    fn members_of_another_type_are_malformed() {
        for (members, what) in [
            (r#""packages":[1]"#, "predicate"),
            (r#""packages":[null]"#, "predicate"),
            (r#""packages":[{"name":1}]"#, "package name"),
            (r#""packages":[{"name":["a"]}]"#, "package name"),
            (r#""packages":[{"name":"a","versionInfo":1.0}]"#, "versionInfo"),
            (r#""packages":[{"name":"a","licenseDeclared":["MIT"]}]"#, "licenseDeclared"),
            (r#""packages":[{"name":"a","licenseConcluded":{}}]"#, "licenseConcluded"),
            (r#""packages":[{"name":"a","externalRefs":{}}]"#, "predicate"),
            (r#""packages":[{"name":"a","externalRefs":["pkg:npm/a"]}]"#, "predicate"),
            (
                r#""packages":[{"name":"a","externalRefs":[{"referenceLocator":"pkg:npm/a"}]}]"#,
                "reference type",
            ),
            (
                r#""packages":[{"name":"a","externalRefs":[{"referenceType":"purl","referenceLocator":1}]}]"#,
                "reference",
            ),
        ] {
            assert_eq!(listed(&document(members)), Err(Unmet::malformed(what)), "{members}");
        }
    }
}
