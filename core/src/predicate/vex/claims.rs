//! A document, and what of it removes findings.
//!
//! Two passes over the statements. The first collects what removes; there is room for [`limits::VEX_CLAIMS`]. The
//! second goes through what does not remove (`affected`, `under_investigation`) and takes back what is older. So the
//! memory is bounded by what counts, and the time by the document's length.

use super::purl::{Named, Purl};
use super::{Claim, Summary, TYPES, name_hash};
use crate::encoding;
use crate::json::{Items, Text, UnknownKeys, Value};
use crate::limits;
use crate::predicate::{Attestation, Context, Unmet, read_time};
use crate::time::UnixTime;
use crate::verdict::Reason;

/// Versions of the format, as documents name them. They differ in how `vulnerability` and `products` are written, and
/// both ways are read.
const CONTEXTS: [&str; 4] = [
    "https://openvex.dev/ns",
    "https://openvex.dev/ns/v0.0.1",
    "https://openvex.dev/ns/v0.0.2",
    "https://openvex.dev/ns/v0.2.0",
];

/// Why a product is not affected, by the words that the format has for it.
const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
];

/// A document, its frame read.
#[derive(Debug, Clone)]
pub(super) struct Document<'s> {
    author: Option<Text<'s>>,
    timestamp: Option<UnixTime>,
    statements: Items<'s>,
}

impl<'s> Document<'s> {
    pub(super) fn read(attestation: &Attestation<'s>) -> Result<Self, Unmet<'s>> {
        if !TYPES.iter().any(|kind| attestation.predicate_type.is(kind)) {
            return Err(Unmet::because(Reason::PredicateUnsupported));
        }
        let object = attestation.predicate.object().map_err(|_| Unmet::malformed("predicate"))?;
        let [context, author, timestamp, statements] =
            object.fields(["@context", "author", "timestamp", "statements"], UnknownKeys::Skip)?;
        let context = text(context, "@context")?.ok_or_else(|| Unmet::malformed("@context"))?;
        if !CONTEXTS.iter().any(|known| context.is(known)) {
            return Err(Unmet::malformed("@context"));
        }
        Ok(Self {
            author: text(author, "author")?,
            timestamp: time(timestamp)?,
            statements: list(statements, "statements")?.ok_or_else(|| Unmet::malformed("statements"))?,
        })
    }

    pub(super) fn summarise(&self) -> Result<Summary<'s>, Unmet<'s>> {
        let mut summary = Summary { removing: 0, others: 0, made_at: self.timestamp, author: self.author };
        for item in self.statements.clone() {
            let count = match Statement::read(item?)?.status {
                Status::Removes => &mut summary.removing,
                Status::RemovesNothing | Status::TakesBack => &mut summary.others,
            };
            *count = count.saturating_add(1);
        }
        Ok(summary)
    }

    /// The claims that stand at the end of the document.
    pub(super) fn claims(
        &self,
        context: &Context<'_>,
    ) -> Result<impl Iterator<Item = Claim> + use<>, Unmet<'s>> {
        let mut kept: heapless::Vec<Kept, { limits::VEX_CLAIMS }> = heapless::Vec::new();
        for (place, item) in (0_u32..).zip(self.statements.clone()) {
            let statement = Statement::read(item?)?;
            let time = statement.timestamp.or(self.timestamp);
            // What will be true tomorrow is not true yet.
            if statement.status == Status::Removes && time.is_none_or(|time| time <= context.time) {
                let when = (time.map_or(0, |time| time.0), place);
                statement.each_removal(context, &mut |claim| {
                    kept.push(Kept { claim, when, meant: false, stands: true })
                        .map_err(|_| Unmet::because(Reason::EvidenceTooLarge))
                })?;
            }
        }
        for (place, item) in (0_u32..).zip(self.statements.clone()) {
            let statement = Statement::read(item?)?;
            if statement.status == Status::TakesBack && !kept.is_empty() {
                // Nobody says when: it may have been last.
                let time = statement.timestamp.or(self.timestamp).map_or(u64::MAX, |time| time.0);
                statement.take_back(context, (time, place), &mut kept)?;
            }
        }
        Ok(kept.into_iter().filter(|kept| kept.stands).map(|kept| kept.claim))
    }
}

/// A claim, and the statement that it is of.
#[derive(Debug, Clone, Copy)]
struct Kept {
    claim: Claim,
    /// The statement's time, and its place among those of the same second.
    when: (u64, u32),
    /// It is about the vulnerability that is being looked at.
    meant: bool,
    /// Nothing has taken it back.
    stands: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// `fixed`, and `not_affected` with a reason.
    Removes,
    /// `not_affected` without one, which the format does not allow.
    RemovesNothing,
    /// `affected` and `under_investigation`.
    TakesBack,
}

/// What a product stands for, as far as this image is concerned. Only the first two remove; all but `Elsewhere` take
/// back.
#[derive(Debug, Clone, Copy)]
enum Scope {
    /// The whole image.
    Image,
    /// One package in it.
    Package(Purl),
    /// Something else.
    Elsewhere,
    /// An image without a digest: it may be this one.
    SomeImage,
    /// Nobody can say: two things at once, or a part of something that is no image.
    Unclear,
}

struct Statement<'s> {
    vulnerability: Value<'s>,
    products: Option<Items<'s>>,
    status: Status,
    timestamp: Option<UnixTime>,
}

impl<'s> Statement<'s> {
    fn read(item: Value<'s>) -> Result<Self, Unmet<'s>> {
        let names = ["vulnerability", "products", "status", "timestamp", "justification", "impact_statement"];
        let object = item.object().map_err(|_| Unmet::malformed("statements"))?;
        let [vulnerability, products, status, timestamp, justification, impact] =
            object.fields(names, UnknownKeys::Skip)?;
        let justification = text(justification, "justification")?;
        let impact = text(impact, "impact_statement")?;
        let reason = match justification {
            Some(word) => JUSTIFICATIONS.iter().any(|known| word.is(known)),
            None => impact.is_some(),
        };
        let status = match text(status, "status")?.and_then(Text::plain) {
            Some("fixed") => Status::Removes,
            Some("not_affected") if reason => Status::Removes,
            Some("not_affected") => Status::RemovesNothing,
            Some("affected" | "under_investigation") => Status::TakesBack,
            _ => return Err(Unmet::malformed("status")),
        };
        Ok(Self {
            vulnerability: vulnerability.ok_or_else(|| Unmet::malformed("vulnerability"))?,
            products: list(products, "products")?,
            status,
            timestamp: time(timestamp)?,
        })
    }

    /// Every name of the vulnerability. Version 0.0.1 has one string; later ones have a name, an IRI and aliases.
    fn each_name(&self, visit: &mut dyn FnMut([u8; 16]) -> Result<(), Unmet<'s>>) -> Result<(), Unmet<'s>> {
        if let Ok(name) = self.vulnerability.string() {
            return visit(name_hash(name));
        }
        let object = self.vulnerability.object().map_err(|_| Unmet::malformed("vulnerability"))?;
        let [name, iri, aliases] = object.fields(["name", "@id", "aliases"], UnknownKeys::Skip)?;
        let (name, iri) = (text(name, "name")?, text(iri, "@id")?);
        if name.is_none() && iri.is_none() {
            return Err(Unmet::malformed("vulnerability"));
        }
        for name in name.into_iter().chain(iri) {
            visit(name_hash(name))?;
        }
        for alias in list(aliases, "aliases")?.into_iter().flatten() {
            visit(name_hash(alias?.string().map_err(|_| Unmet::malformed("aliases"))?))?;
        }
        Ok(())
    }

    /// Every scope, and whether it is a package inside a product. A statement without products is about what the
    /// document is attached to, which is this image; one with an empty list of them is about nothing.
    fn each_scope(
        &self,
        context: &Context<'_>,
        visit: &mut dyn FnMut(Scope) -> Result<(), Unmet<'s>>,
    ) -> Result<(), Unmet<'s>> {
        let Some(products) = self.products.clone() else { return visit(Scope::Image) };
        for product in products {
            let product = product?;
            let scope = read_component(product, context, "products")?;
            let subcomponents = match product.object() {
                Ok(object) => {
                    let [subcomponents] = object.fields(["subcomponents"], UnknownKeys::Skip)?;
                    list(subcomponents, "subcomponents")?
                }
                Err(_) => None,
            };
            let mut subcomponents = subcomponents.into_iter().flatten().peekable();
            if subcomponents.peek().is_none() {
                visit(scope)?;
                continue;
            }
            for component in subcomponents {
                let part = read_component(component?, context, "subcomponents")?;
                match (scope, part) {
                    (Scope::Image, Scope::Package(_)) => visit(part)?,
                    (Scope::Elsewhere, _) => {}
                    // Inside a package, or not a package: a removal does not go through, what takes back does.
                    _ => visit(Scope::Unclear)?,
                }
            }
        }
        Ok(())
    }

    fn each_removal(
        &self,
        context: &Context<'_>,
        visit: &mut dyn FnMut(Claim) -> Result<(), Unmet<'s>>,
    ) -> Result<(), Unmet<'s>> {
        self.each_scope(context, &mut |scope| {
            let package = match scope {
                Scope::Image => None,
                Scope::Package(package) => Some(package),
                Scope::Elsewhere | Scope::SomeImage | Scope::Unclear => return Ok(()),
            };
            self.each_name(&mut |id| visit(Claim { id, package }))
        })
    }

    /// Takes back what older statements about the same vulnerability say about the same thing, under each of their
    /// names. Names and products are gone through once each, whatever there is of them.
    fn take_back(&self, context: &Context<'_>, when: (u64, u32), kept: &mut [Kept]) -> Result<(), Unmet<'s>> {
        kept.iter_mut().for_each(|kept| kept.meant = false);
        self.each_name(&mut |id| {
            for kept in kept.iter_mut() {
                kept.meant |= kept.claim.id == id && kept.when < when;
            }
            Ok(())
        })?;
        for statement in kept.chunk_by_mut(|one, other| one.when == other.when) {
            let meant = statement.iter().any(|kept| kept.meant);
            statement.iter_mut().for_each(|kept| kept.meant = meant);
        }
        self.each_scope(context, &mut |scope| {
            for kept in kept.iter_mut().filter(|kept| kept.meant) {
                kept.stands &= match (scope, kept.claim.package) {
                    (Scope::Elsewhere, _) => true,
                    (Scope::Package(one), Some(other)) => !one.overlaps(&other),
                    _ => false,
                };
            }
            Ok(())
        })
    }
}

/// What a product or a subcomponent stands for, by its IRI, its identifiers and its hashes. Version 0.0.1 has strings.
fn read_component<'s>(
    value: Value<'s>,
    context: &Context<'_>,
    what: &'static str,
) -> Result<Scope, Unmet<'s>> {
    if let Ok(iri) = value.string() {
        return Ok(read_name(iri, context).unwrap_or(Scope::Elsewhere));
    }
    let object = value.object().map_err(|_| Unmet::malformed(what))?;
    let [iri, identifiers, hashes] = object.fields(["@id", "identifiers", "hashes"], UnknownKeys::Skip)?;
    let purl = member(identifiers, "identifiers", "purl")?;
    let sha256 = member(hashes, "hashes", "sha-256")?;
    // An IRI that is no package URL is a name within the document.
    let iri = text(iri, "@id")?.and_then(|iri| read_name(iri, context));
    let named = match (iri, purl.and_then(|purl| read_name(purl, context))) {
        (None, named) | (named, None) => named,
        (Some(one), Some(other)) => Some(one.and(other)),
    };
    let digest = Some(*context.digest.as_bytes());
    let same = sha256.map(|hex| hex.plain().and_then(|hex| encoding::hex32(hex).ok()) == digest);
    Ok(match (named, same) {
        (None | Some(Scope::SomeImage | Scope::Image), Some(true)) => Scope::Image,
        (Some(Scope::Image), Some(false)) => Scope::Unclear,
        (None, _) | (Some(Scope::SomeImage), Some(false)) => Scope::Elsewhere,
        // A package's hash is its file's.
        (Some(named), _) => named,
    })
}

impl Scope {
    /// What two names of one thing stand for.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Image, Self::Image | Self::SomeImage) | (Self::SomeImage, Self::Image) => Self::Image,
            (Self::Package(one), Self::Package(other)) if one == other => self,
            (Self::Elsewhere, Self::Elsewhere) | (Self::SomeImage, Self::SomeImage) => self,
            _ => Self::Unclear,
        }
    }
}

/// What a package URL stands for; `None` for another name.
fn read_name(name: Text<'_>, context: &Context<'_>) -> Option<Scope> {
    Some(match Named::read(name)? {
        Named::Image(digest) if digest == context.digest => Scope::Image,
        Named::Image(_) => Scope::Elsewhere,
        Named::SomeImage => Scope::SomeImage,
        Named::Package(package) => Scope::Package(package),
    })
}

fn member<'s>(
    value: Option<Value<'s>>,
    what: &'static str,
    name: &'static str,
) -> Result<Option<Text<'s>>, Unmet<'s>> {
    match value {
        Some(value) if !value.is_null() => {
            let object = value.object().map_err(|_| Unmet::malformed(what))?;
            let [found] = object.fields([name], UnknownKeys::Skip)?;
            text(found, name)
        }
        _ => Ok(None),
    }
}

/// A string that may be absent, `null` or empty, all of which say nothing.
fn text<'s>(value: Option<Value<'s>>, what: &'static str) -> Result<Option<Text<'s>>, Unmet<'s>> {
    match value {
        Some(value) if !value.is_null() => {
            let text = value.string().map_err(|_| Unmet::malformed(what))?;
            Ok(Some(text).filter(|text| text.raw_len() > 0))
        }
        _ => Ok(None),
    }
}

fn list<'s>(value: Option<Value<'s>>, what: &'static str) -> Result<Option<Items<'s>>, Unmet<'s>> {
    match value {
        Some(value) if !value.is_null() => value.array().map(Some).map_err(|_| Unmet::malformed(what)),
        _ => Ok(None),
    }
}

fn time<'s>(value: Option<Value<'s>>) -> Result<Option<UnixTime>, Unmet<'s>> {
    match value {
        Some(value) if !value.is_null() => read_time(value, "timestamp").map(Some),
        _ => Ok(None),
    }
}
