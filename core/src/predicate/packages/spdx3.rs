//! SPDX 3.0 in JSON-LD: a flat `@graph` of elements that refer to each other by id. Packages have no licences; relations
//! join them to elements that hold expressions.
//!
//! There is no memory for an index of the graph. The licences are few and kept by their places; packages are taken in
//! batches, and one pass over the relations finds what belongs to a batch. A graph in which nothing is denied does not
//! need that: `glance` tells it from the others in one pass.
//!
//! Only the context of SPDX's own is read, in which each term has one meaning, and only elements of the graph: a
//! document that puts elements inside of others is refused. Relations to what is neither in the graph nor a licence of
//! SPDX's list make the licences unreadable, and so do sets of licences as objects (`expandedlicensing_…Set`).

mod glance;

pub(super) use glance::is_clean;

use core::cell::Cell;

use super::{Ask, Count, Licenses, Package, Place, Purls, Top, Visit, known, text};
use crate::json::{self, Text, UnknownKeys, Value, Walk};
use crate::limits;
use crate::predicate::{Unmet, read_time};
use crate::time::UnixTime;

const CONTEXT: [&str; 2] = ["https://spdx.org/rdf/3.0", "/spdx-context.jsonld"];

/// Package and its subclasses.
const PACKAGES: [&str; 3] = ["software_Package", "ai_AIPackage", "dataset_DatasetPackage"];

const EXPRESSION: &str = "simplelicensing_LicenseExpression";

/// Licences of somebody's own: no expression, but a name.
const NAMED: [&str; 2] = ["simplelicensing_SimpleLicensingText", "expandedlicensing_CustomLicense"];

/// A licence of SPDX's list as an element.
const LISTED_LICENSE: &str = "expandedlicensing_ListedLicense";

const DOCUMENT: &str = "SpdxDocument";

const CREATION: &str = "CreationInfo";

const RELATIONS: [&str; 2] = ["Relationship", "LifecycleScopedRelationship"];

const LICENSE_RELATIONS: [&str; 2] = ["hasDeclaredLicense", "hasConcludedLicense"];

/// The names that an external identifier has for its kind and its value.
const IDENTIFIER: [&str; 2] = ["externalIdentifierType", "identifier"];

/// Where a licence of SPDX's list has its address.
const LISTED: &str = "https://spdx.org/licenses/";

/// Addresses that say that there is no licence, or that nobody says which.
const NO_LICENSE: [&str; 4] = ["NoAssertionLicense", "NoneLicense", "NoAssertionElement", "NoneElement"];

/// A document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'s> {
    graph: Value<'s>,
    version: Text<'s>,
    created: Option<Value<'s>>,
    tools: Option<Value<'s>>,
}

impl<'s> Document<'s> {
    /// Opens one by its `@graph`.
    pub(super) fn open(graph: Value<'s>, top: &Top<'s>) -> Result<Self, Unmet<'s>> {
        check_context(top)?;
        let (version, [created, tools]) = check_creation(find_creation(graph)?)?;
        Ok(Self { graph, version, created, tools: known(tools) })
    }

    pub(super) fn version(&self) -> Text<'s> {
        self.version
    }

    pub(super) fn made_at(&self) -> Result<Option<UnixTime>, Unmet<'s>> {
        self.created.map(|value| read_time(value, "CreationInfo.created")).transpose()
    }

    /// The first of the tools, by its name.
    pub(super) fn tool(&self) -> Result<Option<Text<'s>>, Unmet<'s>> {
        let Some(tools) = self.tools else { return Ok(None) };
        let Some(tool) = tools.array()?.next() else { return Ok(None) };
        let tool = tool?.string()?;
        let mut found = None;
        self.graph.walk().items(|here| {
            let [kind, at_kind, spdx_id, at_id, name] =
                here.fields(["type", "@type", "spdxId", "@id", "name"], UnknownKeys::Skip)?;
            if Element::of([kind, at_kind, spdx_id, at_id])?.has_id(tool) {
                found = text(name, "name")?;
            }
            Ok::<_, Unmet<'_>>(())
        })?;
        Ok(found)
    }

    /// Hands over every package.
    pub(super) fn each(&self, ask: Ask, visit: Visit<'_, 's>) -> Result<(), Unmet<'s>> {
        let mut count = Count::default();
        match ask {
            Ask::Licenses => self.each_with_licenses(&mut count, visit),
            Ask::Packages => self.graph.walk().items(|here| {
                let Some(package) = read_package(here, Licenses::None)? else { return Ok(()) };
                count.one_more()?;
                visit(&package)
            }),
        }
    }

    /// Hands over every licence that is not of SPDX's list, by its id and its name.
    pub(super) fn each_named_license(
        &self,
        visit: &mut dyn FnMut(Text<'s>, Text<'s>) -> Result<(), Unmet<'s>>,
    ) -> Result<(), Unmet<'s>> {
        self.graph.walk().items(|here| {
            let [kind, at_kind, spdx_id, at_id, name] =
                here.fields(["type", "@type", "spdxId", "@id", "name"], UnknownKeys::Skip)?;
            let element = Element::of([kind, at_kind, spdx_id, at_id])?;
            if !element.is_one_of(&NAMED) {
                return Ok(());
            }
            let id = element.id.ok_or(json::Error::MissingKey("spdxId"))?;
            text(name, "name")?.map_or(Ok(()), |name| visit(id, name))
        })
    }

    fn each_with_licenses(&self, count: &mut Count, visit: Visit<'_, 's>) -> Result<(), Unmet<'s>> {
        let lookups = Lookups { left: Cell::new(limits::PACKAGE_COMPARISONS) };
        let licenses = LicenseTable::of(self.graph, &lookups)?;
        let mut elements = self.graph.array()?;
        let mut batch: heapless::Vec<Row, { limits::SPDX3_BATCH }> = heapless::Vec::new();
        loop {
            batch.clear();
            while !batch.is_full() {
                let at = elements.position();
                let Some(element) = elements.next() else { break };
                let element = Element::read(&mut element?.walk())?;
                if element.is_one_of(&PACKAGES) {
                    count.one_more()?;
                    let id = element.id.ok_or(json::Error::MissingKey("spdxId"))?;
                    // There is a place: the loop's condition.
                    let _fits =
                        batch.push(Row { hash: hash(id), at: place(at)?, licenses: [NOWHERE; SLOTS] });
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            batch.sort_unstable_by_key(|row| row.hash);
            self.join(&mut batch, &lookups)?;
            batch.sort_unstable_by_key(|row| row.at);
            for row in &batch {
                let found = Licenses::Texts(licenses.of_relations(&row.licenses)?);
                let package = read_package(&mut item_at(self.graph, row.at)?.walk(), found)?;
                package.map_or(Ok(()), |package| visit(&package))?;
            }
        }
    }

    /// Puts the places of the relations to licences beside the packages that they are from.
    fn join(&self, batch: &mut [Row], lookups: &Lookups) -> Result<(), Unmet<'s>> {
        self.graph.walk().items(|here| {
            let at = here.position();
            let Some(from) = read_licensed(here)? else { return Ok(()) };
            let wanted = hash(from);
            let first = batch.partition_point(|row| row.hash < wanted);
            for row in batch.iter_mut().skip(first).take_while(|row| row.hash == wanted) {
                let package = item_at(self.graph, row.at)?;
                lookups.spend(package)?;
                if Element::read(&mut package.walk())?.has_id(from) {
                    let slot = row.licenses.iter_mut().find(|slot| **slot == NOWHERE);
                    *slot.ok_or(Unmet::malformed("licences of one package"))? = place(at)?;
                }
            }
            Ok(())
        })
    }
}

const SLOTS: usize = limits::SPDX3_PACKAGE_LICENSES;

/// A place that nothing has: no array is that long.
const NOWHERE: u32 = u32::MAX;

/// A package of a batch.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Of its id.
    hash: u32,
    /// Where in the graph it stands.
    at: u32,
    /// Where relations to its licences stand.
    licenses: [u32; SLOTS],
}

/// Elements that may still be read again because their ids have a hash that is looked for. The hash is no secret: whoever
/// writes a document can give all of them the same.
struct Lookups {
    left: Cell<u32>,
}

/// Bytes of an element that cost as much to read as it costs to find one.
const LOOKUP_BYTES: usize = 64;

impl Lookups {
    fn spend(&self, element: Value<'_>) -> Result<(), Unmet<'static>> {
        let bytes = element.text().len().wrapping_div(LOOKUP_BYTES);
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(1);
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.ok_or(Unmet::malformed("ids, too many of which have one hash,"))?);
        Ok(())
    }
}

/// The licences of a graph: hash of the id, and place, in the order of the hashes.
struct LicenseTable<'l, 's> {
    graph: Value<'s>,
    lookups: &'l Lookups,
    rows: heapless::Vec<(u32, u32), { limits::SPDX3_LICENSES }>,
}

impl<'l, 's> LicenseTable<'l, 's> {
    fn of(graph: Value<'s>, lookups: &'l Lookups) -> Result<Self, Unmet<'s>> {
        let mut rows = heapless::Vec::new();
        graph.walk().items(|here| {
            let at = here.position();
            let element = Element::read(here)?;
            if element.is_one_of(&[EXPRESSION, LISTED_LICENSE]) || element.is_one_of(&NAMED) {
                let id = element.id.ok_or(json::Error::MissingKey("spdxId"))?;
                rows.push((hash(id), place(at)?)).map_err(|_| Unmet::malformed("number of licences"))?;
            }
            Ok::<_, Unmet<'_>>(())
        })?;
        rows.sort_unstable();
        Ok(Self { graph, lookups, rows })
    }

    /// The licences that the relations at these places lead to.
    fn of_relations(&self, places: &[u32; SLOTS]) -> Result<[Option<Text<'s>>; SLOTS], Unmet<'s>> {
        let mut found = [None; SLOTS];
        let mut free = found.iter_mut();
        let mut add = |id: Text<'s>| -> Result<(), Unmet<'s>> {
            if let Some(license) = self.license(id)? {
                *free.next().ok_or(Unmet::malformed("licences of one package"))? = Some(license);
            }
            Ok(())
        };
        for at in places.iter().filter(|at| **at != NOWHERE) {
            let [to] = item_at(self.graph, *at)?.object()?.fields(["to"], UnknownKeys::Skip)?;
            let to = to.ok_or(json::Error::MissingKey("to"))?;
            // The context allows a single one without a list around it.
            match to.string() {
                Ok(one) => add(one)?,
                Err(_) => to.walk().items(|here| add(here.string()?))?,
            }
        }
        Ok(found)
    }

    /// What a licence says; `None` where the id stands for none.
    fn license(&self, id: Text<'s>) -> Result<Option<Text<'s>>, Unmet<'s>> {
        let wanted = hash(id);
        let first = self.rows.partition_point(|row| row.0 < wanted);
        for (_, at) in self.rows.iter().skip(first).take_while(|row| row.0 == wanted) {
            let value = item_at(self.graph, *at)?;
            self.lookups.spend(value)?;
            let element = Element::read(&mut value.walk())?;
            if !element.has_id(id) {
                continue;
            }
            let names = ["name", "simplelicensing_licenseExpression"];
            let [name, expression] = value.object()?.fields(names, UnknownKeys::Skip)?;
            // The name of a licence of SPDX's list is in words; its id is in its address.
            let listed = id.strip_prefix(LISTED).filter(|_| element.is_one_of(&[LISTED_LICENSE]));
            let says = if element.is_one_of(&[EXPRESSION]) { expression } else { name };
            let says = listed.map_or_else(|| text(says, "licence"), |listed| Ok(Some(listed)))?;
            return says.ok_or(Unmet::malformed("licence")).map(Some);
        }
        if let Some(listed) = id.strip_prefix(LISTED) {
            return Ok(Some(listed));
        }
        let none = id.raw().rsplit(['/', '_', '#']).next().is_some_and(|last| NO_LICENSE.contains(&last));
        if none { Ok(None) } else { Err(Unmet::malformed("licence")) }
    }
}

/// What every element of the graph has.
#[derive(Debug, Clone, Copy)]
struct Element<'s> {
    kind: Text<'s>,
    id: Option<Text<'s>>,
}

impl<'s> Element<'s> {
    fn read(here: &mut Walk<'s>) -> Result<Self, Unmet<'s>> {
        Self::of(here.fields(["type", "@type", "spdxId", "@id"], UnknownKeys::Skip)?)
    }

    /// Of `type`, `@type`, `spdxId` and `@id`. The context makes each pair one term.
    fn of(fields: [Option<Value<'s>>; 4]) -> Result<Self, Unmet<'s>> {
        let [kind, at_kind, spdx_id, at_id] = fields;
        let kind = one_of("type", kind, at_kind)?.ok_or(json::Error::MissingKey("type"))?.string()?;
        // Other spellings of a type: as an address, and as no reader of the context takes it.
        let is_address = kind.raw().contains([':', '/', '#']);
        let is_twin = |known: &&str| kind.raw().eq_ignore_ascii_case(known) && !kind.is(known);
        if is_address || PACKAGES.iter().any(is_twin) {
            return Err(Unmet::malformed("type"));
        }
        let id = one_of("spdxId", spdx_id, at_id)?.map(Value::string).transpose()?;
        Ok(Self { kind, id })
    }

    fn is_one_of(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.kind.is(kind))
    }

    fn has_id(&self, id: Text<'_>) -> bool {
        self.id.is_some_and(|own| own.same(id))
    }
}

fn one_of<'s>(
    name: &'static str,
    one: Option<Value<'s>>,
    other: Option<Value<'s>>,
) -> Result<Option<Value<'s>>, json::Error> {
    match (one, other) {
        (Some(_), Some(_)) => Err(json::Error::TwinKey(name)),
        (one, other) => Ok(one.or(other)),
    }
}

/// Whose licence this is, where it is a relation to one.
fn read_licensed<'s>(here: &mut Walk<'s>) -> Result<Option<Text<'s>>, Unmet<'s>> {
    let names = ["type", "@type", "from", "relationshipType"];
    let [kind, at_kind, from, relation] = here.fields(names, UnknownKeys::Skip)?;
    if !Element::of([kind, at_kind, None, None])?.is_one_of(&RELATIONS) {
        return Ok(None);
    }
    let relation = relation.ok_or(json::Error::MissingKey("relationshipType"))?.string()?;
    if !LICENSE_RELATIONS.iter().any(|known| relation.is(known)) {
        return Ok(None);
    }
    Ok(Some(from.ok_or(json::Error::MissingKey("from"))?.string()?))
}

/// Checks that the context is SPDX's own.
pub(super) fn check_context<'s>(top: &Top<'s>) -> Result<(), Unmet<'s>> {
    let context = top.context.ok_or(json::Error::MissingKey("@context"))?;
    let [head, tail] = CONTEXT;
    let is_known =
        context.string().is_ok_and(|text| text.raw().starts_with(head) && text.raw().ends_with(tail));
    if is_known { Ok(()) } else { Err(Unmet::malformed("@context")) }
}

/// The version of a creation, which must be known here, and its time and tools.
fn check_creation<'s>(creation: Value<'s>) -> Result<(Text<'s>, [Option<Value<'s>>; 2]), Unmet<'s>> {
    let names = ["specVersion", "created", "createdUsing"];
    let [version, created, tools] = creation.object()?.fields(names, UnknownKeys::Skip)?;
    let version = version.ok_or(json::Error::MissingKey("specVersion"))?.string()?;
    if !["3.0", "3.0.0", "3.0.1"].iter().any(|known| version.is(known)) {
        return Err(Unmet::malformed("specVersion"));
    }
    Ok((version, [created, tools]))
}

/// The package here; `None` where it is another element.
fn read_package<'s>(here: &mut Walk<'s>, licenses: Licenses<'s>) -> Result<Option<Package<'s>>, Unmet<'s>> {
    let names =
        ["type", "@type", "name", "software_packageVersion", "software_packageUrl", "externalIdentifier"];
    let [kind, at_kind, name, version, purl, identifiers] = here.fields(names, UnknownKeys::Skip)?;
    if !Element::of([kind, at_kind, None, None])?.is_one_of(&PACKAGES) {
        return Ok(None);
    }
    package_of([name, version, purl, identifiers], licenses).map(Some)
}

/// Of its name, version, package URL and external identifiers.
fn package_of<'s>(members: [Option<Value<'s>>; 4], licenses: Licenses<'s>) -> Result<Package<'s>, Unmet<'s>> {
    let [name, version, purl, identifiers] = members;
    Ok(Package {
        place: Place::Listed,
        name: text(name, "package name")?,
        group: None,
        version: text(version, "software_packageVersion")?,
        purls: Purls::new(text(purl, "software_packageUrl")?, identifiers, IDENTIFIER)?,
        licenses,
    })
}

/// The creation of the one document of the graph. On the way, that every element stands in the graph itself.
fn find_creation<'s>(graph: Value<'s>) -> Result<Value<'s>, Unmet<'s>> {
    let mut found = None;
    graph.walk().items(|here| {
        let names = ["type", "@type", "creationInfo", "element", "rootElement", "from", "to"];
        let [kind, at_kind, creation, references @ ..] = here.fields(names, UnknownKeys::Skip)?;
        let element = Element::of([kind, at_kind, None, None])?;
        references.into_iter().flatten().try_for_each(check_reference)?;
        let is_document = element.is_one_of(&[DOCUMENT]);
        if is_document && found.replace(creation.ok_or(json::Error::MissingKey("creationInfo"))?).is_some() {
            return Err(Unmet::malformed(DOCUMENT));
        }
        Ok(())
    })?;
    let creation = found.ok_or(Unmet::malformed(DOCUMENT))?;
    let Ok(id) = creation.string() else { return Ok(creation) };
    let mut found = None;
    graph.walk().items(|here| {
        let at = here.position();
        let element = Element::read(here)?;
        if element.is_one_of(&[CREATION]) && element.has_id(id) && found.replace(place(at)?).is_some() {
            return Err(Unmet::malformed(CREATION));
        }
        Ok(())
    })?;
    item_at(graph, found.ok_or(Unmet::malformed(CREATION))?)
}

/// Checks that a member refers to elements by their ids, one or several.
fn check_reference<'s>(value: Value<'s>) -> Result<(), Unmet<'s>> {
    if value.string().is_ok() {
        return Ok(());
    }
    value.walk().items(|here| match here.string() {
        Ok(_) => Ok(()),
        Err(_) => Err(Unmet::malformed("reference to an element")),
    })
}

fn item_at<'s>(graph: Value<'s>, at: u32) -> Result<Value<'s>, Unmet<'s>> {
    Ok(graph.item_at(usize::try_from(at).unwrap_or(usize::MAX))?)
}

/// FNV-1a over the decoded characters: equal ids have equal hashes, however they are escaped.
fn hash(id: Text<'_>) -> u32 {
    id.chars().fold(0x811c_9dc5, |hash, c| (hash ^ u32::from(c)).wrapping_mul(0x0100_0193))
}

fn place(at: usize) -> Result<u32, Unmet<'static>> {
    u32::try_from(at).map_err(|_| Unmet::malformed("@graph"))
}

#[cfg(test)]
#[path = "spdx3_tests.rs"]
mod tests;
