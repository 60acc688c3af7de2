//! One pass over a graph that tells whether it is in order and nothing in it is denied: what most documents are.
//!
//! To join packages to their licences takes many passes, because there is no memory for an index. But where no licence
//! that any relation leads to is denied, it does not matter whose licence it is. So packages are judged as they come,
//! licences too, and the ids that relations lead to are kept, each once. In the end each of them must be known.
//!
//! The answer is yes or "look closer": whatever is denied, cannot be read or does not fit in here is left to the passes of
//! the [module](super), which say what it is and in which package. In one thing this is wider than they: a package may
//! have any number of licences, since none has to be kept.

use super::{
    CREATION, DOCUMENT, EXPRESSION, Element, LICENSE_RELATIONS, LISTED, LISTED_LICENSE, NAMED, NO_LICENSE,
    PACKAGES, RELATIONS, check_creation, check_reference, hash, package_of,
};
use crate::json::{self, Text, Value};
use crate::limits;
use crate::predicate::Unmet;
use crate::predicate::packages::{Count, Licenses, Visit, text};

/// Whether a document with this graph has nothing in it that `visit` refuses as a package or `denies` says yes to as a
/// licence, and nothing that cannot be read. Its context is checked elsewhere.
#[inline(never)] // Its tables are gone from the stack before the other passes put theirs there.
pub(in crate::predicate::packages) fn is_clean<'s>(
    graph: Value<'s>,
    visit: Visit<'_, 's>,
    denies: &dyn Fn(Text<'_>) -> Result<bool, Unmet<'static>>,
) -> bool {
    let mut glance = Glance {
        denies,
        count: Count::default(),
        document: None,
        creations: heapless::Vec::new(),
        ids: [None; limits::SPDX3_LICENSES],
        known: [Known::No; limits::SPDX3_LICENSES],
    };
    glance.pass(graph, visit).is_ok()
}

/// Whether an id that was seen is a licence's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Only a relation has led to it.
    No,
    /// A licence of the graph has it, and is not denied.
    Yes,
}

struct Glance<'d, 's> {
    denies: &'d dyn Fn(Text<'_>) -> Result<bool, Unmet<'static>>,
    count: Count,
    /// What the document says of its creation.
    document: Option<Value<'s>>,
    /// Creations by id and place.
    creations: heapless::Vec<(Option<Text<'s>>, usize), { limits::SPDX3_CREATIONS }>,
    /// Ids of licences, at or behind the places that their hashes name.
    ids: [Option<Text<'s>>; limits::SPDX3_LICENSES],
    /// Beside each of them.
    known: [Known; limits::SPDX3_LICENSES],
}

/// Places that a hash can name: behind each of them are as many as are looked at.
const STARTS: usize = limits::SPDX3_LICENSES.saturating_sub(limits::SPDX3_LICENSE_PROBES);

/// The answer that the other passes have to give.
const LOOK_CLOSER: Unmet<'static> = Unmet::malformed("@graph");

impl<'s> Glance<'_, 's> {
    fn pass(&mut self, graph: Value<'s>, visit: Visit<'_, 's>) -> Result<(), Unmet<'s>> {
        let names = [
            "type",
            "@type",
            "spdxId",
            "@id",
            "creationInfo",
            "from",
            "to",
            "relationshipType",
            "element",
            "rootElement",
            "name",
            "simplelicensing_licenseExpression",
            "software_packageVersion",
            "software_packageUrl",
            "externalIdentifier",
        ];
        graph.walk().items(|here| {
            let at = here.position();
            let fields = here.fields_of_many(names)?;
            let [kind, at_kind, spdx_id, at_id, creation, from, to, relation, rest @ ..] = fields;
            let [element, root, name, expression, version, purl, identifiers] = rest;
            let found = Element::of([kind, at_kind, spdx_id, at_id])?;
            [from, to, element, root].into_iter().flatten().try_for_each(check_reference)?;
            if found.is_one_of(&RELATIONS) {
                self.relation(relation, from, to)
            } else if found.is_one_of(&PACKAGES) {
                self.count.one_more()?;
                need_id(&found)?;
                visit(&package_of([name, version, purl, identifiers], Licenses::None)?)
            } else if found.is_one_of(&[DOCUMENT]) {
                let creation = creation.ok_or(json::Error::MissingKey("creationInfo"))?;
                if self.document.replace(creation).is_some() { Err(LOOK_CLOSER) } else { Ok(()) }
            } else if found.is_one_of(&[CREATION]) {
                self.creations.push((found.id, at)).map_err(|_| LOOK_CLOSER)
            } else {
                self.license(&found, name, expression)
            }
        })?;
        self.check_ids()?;
        self.check_creation(graph)
    }

    /// A relation: keeps where it leads, if it leads to a licence.
    fn relation(
        &mut self,
        relation: Option<Value<'s>>,
        from: Option<Value<'s>>,
        to: Option<Value<'s>>,
    ) -> Result<(), Unmet<'s>> {
        let relation = relation.ok_or(json::Error::MissingKey("relationshipType"))?.string()?;
        if !LICENSE_RELATIONS.iter().any(|known| relation.is(known)) {
            return Ok(());
        }
        from.ok_or(json::Error::MissingKey("from"))?.string()?;
        let to = to.ok_or(json::Error::MissingKey("to"))?;
        match to.string() {
            Ok(one) => self.keep(one).map(drop),
            Err(_) => to.walk().items(|here| self.keep(here.string()?).map(drop)),
        }
    }

    /// An element that may be a licence: one that is must have something to say that is not denied.
    fn license(
        &mut self,
        found: &Element<'s>,
        name: Option<Value<'s>>,
        expression: Option<Value<'s>>,
    ) -> Result<(), Unmet<'s>> {
        let is_expression = found.is_one_of(&[EXPRESSION]);
        let is_listed = found.is_one_of(&[LISTED_LICENSE]);
        if !is_expression && !is_listed && !found.is_one_of(&NAMED) {
            return Ok(());
        }
        let id = need_id(found)?;
        let says = match id.strip_prefix(LISTED).filter(|_| is_listed) {
            Some(listed) => Some(listed),
            None => text(if is_expression { expression } else { name }, "licence")?,
        };
        self.check(says.ok_or(LOOK_CLOSER)?)?;
        *self.keep(id)? = Known::Yes;
        Ok(())
    }

    fn check(&self, license: Text<'s>) -> Result<(), Unmet<'s>> {
        if (self.denies)(license)? { Err(LOOK_CLOSER) } else { Ok(()) }
    }

    /// Keeps an id, once, and says where it is noted whether it is known.
    fn keep(&mut self, id: Text<'s>) -> Result<&mut Known, Unmet<'s>> {
        let start = usize::try_from(hash(id)).ok().and_then(|hash| hash.checked_rem(STARTS)).unwrap_or(0);
        let slots = self.ids.iter_mut().zip(self.known.iter_mut());
        for (slot, known) in slots.skip(start).take(limits::SPDX3_LICENSE_PROBES) {
            if slot.get_or_insert(id).same(id) {
                return Ok(known);
            }
        }
        Err(LOOK_CLOSER)
    }

    /// That every id which relations lead to is a licence's, or stands for one of SPDX's list, or for none.
    fn check_ids(&self) -> Result<(), Unmet<'s>> {
        for (id, known) in self.ids.iter().zip(self.known) {
            let Some(id) = id.filter(|_| known == Known::No) else { continue };
            if let Some(listed) = id.strip_prefix(LISTED) {
                self.check(listed)?;
            } else if !id.raw().rsplit(['/', '_', '#']).next().is_some_and(|last| NO_LICENSE.contains(&last))
            {
                return Err(LOOK_CLOSER);
            }
        }
        Ok(())
    }

    /// That the one document has one creation, of a version that is known.
    fn check_creation(&self, graph: Value<'s>) -> Result<(), Unmet<'s>> {
        let creation = self.document.ok_or(LOOK_CLOSER)?;
        let Ok(id) = creation.string() else { return check_creation(creation).map(drop) };
        let mut places =
            self.creations.iter().filter(|(own, _)| own.is_some_and(|own| own.same(id))).map(|(_, at)| *at);
        match (places.next(), places.next()) {
            (Some(at), None) => check_creation(graph.item_at(at)?).map(drop),
            _ => Err(LOOK_CLOSER),
        }
    }
}

fn need_id<'s>(element: &Element<'s>) -> Result<Text<'s>, json::Error> {
    element.id.ok_or(json::Error::MissingKey("spdxId"))
}

#[cfg(test)]
mod tests {
    use super::{STARTS, hash, is_clean};
    use crate::json::parse;
    use crate::limits;
    use crate::predicate::Unmet;

    extern crate std;
    use std::format;
    use std::string::String;

    const GRAPH: &str = r#"[
        {"type":"SpdxDocument","spdxId":"x/doc","creationInfo":"_:c","rootElement":["x/p"],"element":["x/p"]},
        {"type":"Relationship","relationshipType":"hasDeclaredLicense","from":"x/p","to":["x/own","x/e"]},
        {"type":"Relationship","relationshipType":"hasConcludedLicense","from":"x/p","to":"https://spdx.org/licenses/Zlib"},
        {"type":"Relationship","relationshipType":"hasConcludedLicense","from":"x/p","to":["x/NoneLicense"]},
        {"type":"Relationship","relationshipType":"contains","from":"x/p","to":["x/nowhere"]},
        {"type":"software_Package","spdxId":"x/p","name":"good"},
        {"type":"simplelicensing_LicenseExpression","spdxId":"x/e","simplelicensing_licenseExpression":"MIT"},
        {"type":"expandedlicensing_CustomLicense","spdxId":"x/own","name":"Own"},
        {"type":"expandedlicensing_ListedLicense","spdxId":"https://spdx.org/licenses/ISC","name":"GNU"},
        {"type":"CreationInfo","@id":"_:c","specVersion":"3.0.1","created":"2026-01-02T03:04:05Z"},
        {"type":"software_File","spdxId":"x/f","name":"GNU"}]"#;

    fn clean(graph: &str) -> bool {
        let graph = parse(graph.as_bytes()).unwrap();
        is_clean(
            graph,
            &mut |package| match package.name {
                Some(name) if name.is("good") => Ok(()),
                _ => Err(Unmet::malformed("package name")),
            },
            &|license| Ok(license.raw().contains("GNU") || license.raw().contains("GPL")),
        )
    }

    #[test]
    fn a_graph_with_nothing_denied_is_clean_in_any_order() {
        assert!(clean(GRAPH));
        let graph = parse(GRAPH.as_bytes()).unwrap();
        let mut turned = String::new();
        for item in graph.array().unwrap() {
            turned = format!("{},{turned}", item.unwrap().text());
        }
        assert!(clean(&format!("[{}]", turned.trim_end_matches(','))));
        let inline = GRAPH.replacen("\"_:c\"", r#"{"specVersion":"3.0"}"#, 1);
        assert!(clean(&inline));
    }

    #[test]
    fn whatever_is_denied_or_out_of_order_is_looked_at_closer() {
        for (from, to) in [
            ("\"good\"", "\"bad\""),
            ("\"name\":\"good\"", "\"summary\":\"good\""),
            ("\"MIT\"", "\"MIT AND GPL-2.0\""),
            ("\"MIT\"", "\"\""),
            ("\"Own\"", "\"GNU\""),
            ("licenses/ISC", "licenses/GPL-3.0"),
            ("licenses/Zlib", "licenses/GPL-3.0"),
            ("x/NoneLicense", "x/SomeLicense"),
            ("\"x/own\",\"x/e\"", "\"x/own\",\"x/nowhere\""),
            ("\"x/own\",\"x/e\"", "\"x/own\",\"x/p\""),
            ("\"x/own\",\"x/e\"", "{}"),
            ("\"x/own\",\"x/e\"", "7"),
            ("\"from\":\"x/p\",", ""),
            (",\"to\":[\"x/own\",\"x/e\"]", ""),
            ("\"relationshipType\":\"contains\",", ""),
            ("\"contains\"", "\"hasDeclaredLicense\""),
            ("\"spdxId\":\"x/p\"", "\"comment\":\"x/p\""),
            ("\"spdxId\":\"x/p\"", "\"spdxId\":\"x/p\",\"@id\":\"x/p\""),
            ("\"spdxId\":\"x/e\",", ""),
            ("\"type\":\"software_File\"", "\"type\":\"software_package\""),
            ("\"type\":\"software_File\"", "\"type\":\"x:Package\""),
            ("\"type\":\"software_File\"", "\"Type\":\"software_File\""),
            ("\"type\":\"software_File\"", "\"type\":\"SpdxDocument\",\"creationInfo\":\"_:c\""),
            ("\"type\":\"software_File\"", "\"type\":\"CreationInfo\",\"@id\":\"_:c\""),
            ("SpdxDocument", "software_Sbom"),
            ("\"@id\":\"_:c\"", "\"@id\":\"_:d\""),
            ("\"3.0.1\"", "\"3.1\""),
            ("[\"x/p\"]", "[{\"type\":\"software_Package\"}]"),
        ] {
            assert!(GRAPH.contains(from), "{from}");
            assert!(!clean(&GRAPH.replacen(from, to, 1)), "{from} {to}");
        }
        assert!(!clean("{}"));
        assert!(!clean("[]"));
    }

    #[test]
    fn what_does_not_fit_is_looked_at_closer() {
        let with = |count: usize| {
            let elements: String = (0..count)
                .map(|n| {
                    format!(
                        r#"{{"type":"simplelicensing_LicenseExpression","spdxId":"x/l{n}","simplelicensing_licenseExpression":"MIT"}},"#
                    )
                })
                .collect();
            clean(&format!("[{elements}{}", &GRAPH[1..]))
        };
        assert!(with(limits::SPDX3_LICENSES / 4));
        assert!(!with(limits::SPDX3_LICENSES + 1));
        let creations: String = (0..limits::SPDX3_CREATIONS)
            .map(|n| format!(r#"{{"type":"CreationInfo","@id":"_:{n}"}},"#))
            .collect();
        assert!(!clean(&format!("[{creations}{}", &GRAPH[1..])));
    }

    #[test]
    fn one_id_does_not_stand_for_another_in_its_place() {
        let place = |id: &str| {
            let id = format!("\"{id}\"");
            usize::try_from(hash(parse(id.as_bytes()).unwrap().string().unwrap())).unwrap() % STARTS
        };
        let twin = (0..100_000).map(|n| format!("x/{n}")).find(|id| place(id) == place("x/own")).unwrap();
        assert!(!clean(&GRAPH.replacen("\"x/own\",\"x/e\"", &format!("\"{twin}\""), 1)));
        let own = format!(r#"{{"type":"expandedlicensing_CustomLicense","spdxId":"{twin}","name":"Twin"}}"#);
        let both = format!("[{own},{}", &GRAPH[1..]);
        assert!(clean(&both.replacen("\"x/own\",\"x/e\"", &format!("\"x/own\",\"{twin}\""), 1)));
    }

    #[test]
    fn an_id_is_one_however_it_is_escaped() {
        let escaped = GRAPH.replacen("\"x/own\",\"x/e\"", r#""x\/own","\u0078/e""#, 1);
        assert!(clean(&escaped));
    }
}
