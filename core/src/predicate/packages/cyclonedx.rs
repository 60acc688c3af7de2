//! `CycloneDX` 1.2 to 1.7 in JSON: `metadata.component`, which is what the document describes, and `components[]`, each of
//! which may hold components of its own.
//!
//! Where a component comes from (`pedigree`) and the tools that wrote the document are not part of the image and are not
//! looked at; nor are services, formulations and the texts of licences.

use super::{Ask, Count, Licenses, Package, Place, Purls, Top, Visit, known, text};
use crate::json::{self, Items, Text, UnknownKeys, Value, Walk};
use crate::limits;
use crate::predicate::{Unmet, read_time};
use crate::time::UnixTime;

const VERSIONS: [&str; 6] = ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];

/// A document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'s> {
    version: Text<'s>,
    metadata: Option<Value<'s>>,
    components: Value<'s>,
}

impl<'s> Document<'s> {
    /// Opens one by its `bomFormat`.
    pub(super) fn open(format: Value<'s>, top: &Top<'s>) -> Result<Self, Unmet<'s>> {
        if !format.string()?.is("CycloneDX") {
            return Err(Unmet::malformed("bomFormat"));
        }
        let version = top.spec_version.ok_or(json::Error::MissingKey("specVersion"))?.string()?;
        if !VERSIONS.iter().any(|known| version.is(known)) {
            return Err(Unmet::malformed("specVersion"));
        }
        // A document about vulnerabilities has none. It is no list of packages.
        let components = top.components.ok_or(json::Error::MissingKey("components"))?;
        if components.array().is_err() {
            return Err(Unmet::malformed("components"));
        }
        Ok(Self { version, metadata: top.metadata, components })
    }

    pub(super) fn version(&self) -> Text<'s> {
        self.version
    }

    pub(super) fn made_at(&self) -> Result<Option<UnixTime>, Unmet<'s>> {
        let timestamp = self.metadata("timestamp")?;
        timestamp.map(|value| read_time(value, "metadata.timestamp")).transpose()
    }

    /// The first of the tools: in a list, or since 1.5 among the components of an object.
    pub(super) fn tool(&self) -> Result<Option<Text<'s>>, Unmet<'s>> {
        let Some(mut tools) = self.metadata("tools")? else { return Ok(None) };
        if let Ok(object) = tools.object() {
            let [components] = object.fields(["components"], UnknownKeys::Skip)?;
            let Some(components) = known(components) else { return Ok(None) };
            tools = components;
        }
        let Some(tool) = tools.array()?.next() else { return Ok(None) };
        let [name] = tool?.object()?.fields(["name"], UnknownKeys::Skip)?;
        text(name, "metadata.tools")
    }

    fn metadata(&self, name: &'static str) -> Result<Option<Value<'s>>, Unmet<'s>> {
        let Some(metadata) = self.metadata else { return Ok(None) };
        let [value] = metadata.object()?.fields([name], UnknownKeys::Skip)?;
        Ok(known(value))
    }

    /// Hands over every component, an outer one before those in it.
    pub(super) fn each(&self, ask: Ask, visit: Visit<'_, 's>) -> Result<(), Unmet<'s>> {
        let mut count = Count::default();
        if let Some(described) = self.metadata("component")? {
            let (package, inner) = read(&mut described.walk(), Place::Described, ask)?;
            visit(&package)?;
            each_in(inner, ask, &mut count, visit)?;
        }
        self.components.walk().items(|here| {
            count.one_more()?;
            let (package, inner) = read(here, Place::Listed, ask)?;
            visit(&package)?;
            each_in(inner, ask, &mut count, visit)
        })
    }
}

/// Hands over the components inside of one, and those inside of them. Nesting costs no stack.
fn each_in<'s>(
    mut inner: Option<Items<'s>>,
    ask: Ask,
    count: &mut Count,
    visit: Visit<'_, 's>,
) -> Result<(), Unmet<'s>> {
    // The lists that are not done, the innermost last.
    let mut open: heapless::Vec<Items<'s>, { limits::COMPONENT_DEPTH }> = heapless::Vec::new();
    loop {
        if let Some(inner) = inner.take() {
            open.push(inner).map_err(|_| Unmet::malformed("nesting of components"))?;
        }
        let Some(list) = open.last_mut() else { return Ok(()) };
        let Some(component) = list.next() else {
            open.pop();
            continue;
        };
        count.one_more()?;
        let package;
        (package, inner) = read(&mut component?.walk(), Place::Listed, ask)?;
        visit(&package)?;
    }
}

fn read<'s>(
    here: &mut Walk<'s>,
    place: Place,
    ask: Ask,
) -> Result<(Package<'s>, Option<Items<'s>>), Unmet<'s>> {
    let names = ["group", "name", "version", "purl", "licenses", "components"];
    let [group, name, version, purl, licenses, components] = here.fields(names, UnknownKeys::Skip)?;
    let licenses = known(licenses).filter(|_| ask == Ask::Licenses);
    let package = Package {
        place,
        name: text(name, "component name")?,
        group: text(group, "group")?,
        version: text(version, "version")?,
        purls: Purls::new(text(purl, "purl")?, None, ["", ""])?,
        licenses: match licenses {
            None => Licenses::None,
            Some(licenses) => Licenses::Choices(licenses.array()?),
        },
    };
    Ok((package, known(components).map(Value::array).transpose()?))
}

/// What one item of `licenses` says: an expression, or a licence by its id, its name or both.
pub(super) fn read_choice<'s>(choice: Value<'s>) -> Result<[Option<Text<'s>>; 3], Unmet<'s>> {
    let [license, expression] = choice.object()?.fields(["license", "expression"], UnknownKeys::Skip)?;
    let expression = text(expression, "license expression")?;
    let [id, name] = match known(license) {
        Some(license) => license.object()?.fields(["id", "name"], UnknownKeys::Skip)?,
        None => [None, None],
    };
    let found = [expression, text(id, "license id")?, text(name, "license name")?];
    // One that is named by its address or its text alone could be any.
    if found.iter().all(Option::is_none) { Err(Unmet::malformed("license")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use crate::predicate::Unmet;
    use crate::predicate::packages::testing::{listed, summary};

    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    fn document(members: &str) -> String {
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5",{members}}}"#)
    }

    #[test]
    fn components_are_read_wherever_they_are_nested() {
        let text = document(
            r#""metadata":{"component":{"name":"image","components":[{"name":"part"}]}},
               "components":[
                {"name":"a","version":"1","purl":"pkg:npm/a@1","components":[
                    {"name":"b","components":[{"name":"c"}]},{"name":"d","components":[]}]},
                {"name":"e","group":"g","components":null,"pedigree":{"ancestors":[{"name":"z"}]}}],
               "services":[{"name":"y"}]"#,
        );
        let names: Vec<String> =
            listed(&text).unwrap().iter().map(|line| line.split(' ').next().unwrap().to_string()).collect();
        assert_eq!(names, ["image", "part", "a", "b", "c", "d", "e"]);
        // The image is not a package in itself.
        assert!(summary(&text).unwrap().starts_with("6 "));
    }

    use std::vec::Vec;

    #[test]
    fn licences_are_ids_names_and_expressions() {
        let text = document(
            r#""components":[{"name":"a","licenses":[
                {"license":{"id":"MIT"}},{"license":{"name":"Public Domain","url":"x"}},
                {"expression":"MIT OR Zlib"},{"license":{"id":"ISC","name":"isc"}}]},
               {"name":"b","licenses":[]},{"name":"c","licenses":null}]"#,
        );
        assert_eq!(
            listed(&text).unwrap(),
            ["a - [] [MIT, Public Domain, MIT OR Zlib, ISC, isc]", "b - [] []", "c - [] []"]
        );
    }

    #[test]
    fn the_summary_names_the_first_tool_in_either_form() {
        for (tools, name) in [
            (r#"[{"vendor":"v","name":"trivy","version":"1"},{"name":"x"}]"#, "trivy"),
            (r#"{"components":[{"name":"trivy"}]}"#, "trivy"),
            (r#"{"services":[]}"#, "-"),
            ("[]", "-"),
            ("null", "-"),
        ] {
            let text = document(&format!(r#""components":[],"metadata":{{"tools":{tools}}}"#));
            assert_eq!(summary(&text).unwrap(), format!("0 CycloneDX 1.5 - {name}"), "{tools}");
        }
    }

    #[test]
    fn members_of_another_type_are_malformed() {
        for (members, what) in [
            (r#""components":[1]"#, "predicate"),
            (r#""components":[[]]"#, "predicate"),
            (r#""components":[{"name":{}}]"#, "component name"),
            (r#""components":[{"name":"a","components":{}}]"#, "predicate"),
            (r#""components":[{"name":"a","components":[{"name":1}]}]"#, "component name"),
            (r#""components":[{"name":"a","purl":["pkg:npm/a"]}]"#, "purl"),
            (r#""components":[{"name":"a","version":2}]"#, "version"),
            (r#""components":[{"name":"a","group":2}]"#, "group"),
            (r#""components":[{"name":"a","licenses":{}}]"#, "predicate"),
            (r#""components":[{"name":"a","licenses":["MIT"]}]"#, "predicate"),
            (r#""components":[{"name":"a","licenses":[{}]}]"#, "license"),
            (r#""components":[{"name":"a","licenses":[{"license":{"url":"x"}}]}]"#, "license"),
            (r#""components":[{"name":"a","licenses":[{"license":"MIT"}]}]"#, "predicate"),
            (r#""components":[{"name":"a","licenses":[{"license":{"id":1}}]}]"#, "license id"),
            (r#""components":[],"metadata":[]"#, "predicate"),
            (r#""components":[],"metadata":{"component":[]}"#, "predicate"),
        ] {
            assert_eq!(listed(&document(members)), Err(Unmet::malformed(what)), "{members}");
        }
    }

    #[test]
    fn nesting_as_deep_as_the_reader_allows_is_followed() {
        let nested = |depth: usize| {
            let inner =
                format!(r#"{}{{"name":"in"}}{}"#, r#"{"components":["#.repeat(depth), "]}".repeat(depth));
            listed(&document(&format!(r#""components":[{inner}]"#))).map(|lines| lines.len())
        };
        assert_eq!(nested(30), Ok(31));
    }
}
