//! What a requirement denies, and whether a package is that.
//!
//! Lists are long on both sides: a thousand entries, and the tens of thousands of packages of a distribution. Entries
//! are put in the order of a hash of what they begin with, so that a package is compared with those alone that can
//! match it.
//!
//! A package without a version may be any version: it is denied by an entry for one.

use core::cell::Cell;

use super::purl::{Purl, Written};
use super::{Ask, Document, Package, Place, Top, licenses, spdx3};
use crate::glob;
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::predicate::{Attestation, Context, Finding, Unmet};
use crate::trust::TrustError;
use crate::verdict::Reason;

/// What a requirement denies: packages, by package URL or name and version, and licences.
#[derive(Debug, Clone, Copy)]
pub struct Denied<'a> {
    packages: Value<'a>,
    licenses: Value<'a>,
}

impl<'a> Denied<'a> {
    /// Reads and checks it: `{"deny":[…],"licenses":[…]}` with at least one entry in all.
    ///
    /// # Errors
    /// [`TrustError::Json`] for members that are absent, unknown or of another type, [`TrustError::TooMany`],
    /// [`TrustError::Duplicate`], [`TrustError::Pattern`] for a glob that is empty or too long or a package URL that is
    /// none, [`TrustError::RuleShape`] where nothing is denied.
    pub fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let [packages, licenses] = value.object()?.fields(["deny", "licenses"], UnknownKeys::Refuse)?;
        let packages = packages.ok_or(json::Error::MissingKey("deny"))?;
        let licenses = licenses.ok_or(json::Error::MissingKey("licenses"))?;
        check_unique(packages, "deny")?;
        check_unique(licenses, "licenses")?;
        for item in packages.array()? {
            Entry::read(item?)?;
        }
        for item in licenses.array()? {
            read_glob(item?)?;
        }
        if packages.array()?.next().is_none() && licenses.array()?.next().is_none() {
            return Err(TrustError::RuleShape("packages"));
        }
        Ok(Self { packages, licenses })
    }

    /// Judges one attestation.
    ///
    /// # Errors
    /// [`Reason::PackageDenied`] and [`Reason::LicenseDenied`] with the first package that is, in the order of the
    /// document; [`Reason::PackagesMissing`] where it lists none: that nobody looked into the image is no reason to let it
    /// in; [`Reason::PredicateMalformed`] and [`Reason::PayloadAmbiguous`] for what cannot be read.
    pub fn judge<'s>(&self, attestation: &Attestation<'s>, _: &Context<'_>) -> Result<(), Unmet<'s>> {
        let (kind, top) = Top::of(attestation)?;
        let packages = Table::of(self.packages, |item| Entry::read(item)?.key()).map_err(fault)?;
        let mut licenses = LicenseList::of(self.licenses)?;
        let mut listed = false;
        let graph = top.only_graph(kind).filter(|_| !licenses.is_empty());
        if let Some(graph) = graph {
            spdx3::check_context(&top)?;
            let mut any = false;
            let visit = &mut |package: &Package<'s>| {
                any = true;
                judge_package(package, &packages, &licenses)
            };
            let denies = |license: Text<'_>| {
                let is_denied = licenses.denies(license)?;
                licenses.table.check_cost().map(|()| is_denied)
            };
            // A graph without a package is told by the other reading.
            if spdx3::is_clean(graph, visit, &denies) && any {
                return Ok(());
            }
            packages.begin_again();
            licenses.table.begin_again();
        }
        let document = Document::of(kind, &top)?;
        licenses.add_names_of(&document)?;
        let ask = if licenses.is_empty() { Ask::Packages } else { Ask::Licenses };
        document.each(ask, &mut |package| {
            // What a document describes is the image, and not what is in it.
            listed |= package.place == Place::Listed;
            judge_package(package, &packages, &licenses)
        })?;
        if listed { Ok(()) } else { Err(Unmet::because(Reason::PackagesMissing)) }
    }
}

/// A package, with those licences that were read with it.
fn judge_package<'s>(
    package: &Package<'s>,
    packages: &Table<'_>,
    licenses: &LicenseList<'_, 's>,
) -> Result<(), Unmet<'s>> {
    check_named(package)?;
    if !packages.is_empty() && is_package_denied(package, packages)? {
        return Err(denied(package, None));
    }
    if !licenses.is_empty() {
        for license in package.licenses() {
            let license = license?;
            if licenses.denies(license)? {
                return Err(denied(package, Some(license)));
            }
        }
    }
    packages.check_cost()?;
    licenses.table.check_cost()
}

/// A package that nothing can be compared with cannot be told from a denied one.
fn check_named<'s>(package: &Package<'s>) -> Result<(), Unmet<'s>> {
    if package.name.is_some() {
        return Ok(());
    }
    package.purls().next().ok_or(Unmet::malformed("package name"))?.map(|_| ())
}

fn denied<'s>(package: &Package<'s>, license: Option<Text<'s>>) -> Unmet<'s> {
    let purl = package.purls().find_map(Result::ok);
    let finding = match package.name.or(purl) {
        Some(name) => Finding::Package { name, version: package.version, license },
        None => Finding::None,
    };
    let reason = if license.is_some() { Reason::LicenseDenied } else { Reason::PackageDenied };
    Unmet { reason, finding }
}

fn is_package_denied<'s>(package: &Package<'s>, denied: &Table<'_>) -> Result<bool, Unmet<'s>> {
    let (mut name_buffer, mut version_buffer) = (Decoded::new(), Decoded::new());
    let version = package.version.map(|version| version_buffer.text(version)).transpose()?;
    let is_denied = |name: &str, versions: &[Option<&str>]| {
        denied.find(name, |item| Entry::read(item).is_ok_and(|entry| entry.denies_name(name, versions)))
    };
    if let Some(name) = package.name {
        let name = name_buffer.text(name)?;
        if is_denied(name, &[version]) {
            return Ok(true);
        }
        if let Some(group) = package.group {
            let mut full: heapless::String<{ limits::PACKAGE_NAME_BYTES }> = heapless::String::new();
            let mut chars = group.chars().chain(['/']).chain(name.chars());
            chars.try_for_each(|c| full.push(c)).map_err(|_| Unmet::malformed("package name"))?;
            if is_denied(&full, &[version]) {
                return Ok(true);
            }
        }
    }
    for purl in package.purls() {
        let purl = Purl::read(purl?, Written::Package).ok_or(Unmet::malformed("package URL"))?;
        // The two may differ (an epoch that is a qualifier); each of them counts.
        let versions = [version, purl.version()];
        let full = purl.full_name();
        let by_url =
            |item| Entry::read(item).is_ok_and(|entry: Entry<'_>| entry.denies_purl(full, &versions));
        if denied.find(full, by_url) {
            return Ok(true);
        }
        // Most often the name and version were asked about already, and there is no namespace.
        let is_new = package.name.is_none_or(|name| name.plain() != Some(purl.name()))
            || purl.version() != version && purl.version().is_some();
        let has_namespace = purl.path().len() != purl.name().len();
        if is_new && is_denied(purl.name(), &versions) || has_namespace && is_denied(purl.path(), &versions) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A string, decoded where it has escapes.
struct Decoded {
    buffer: heapless::String<{ limits::PACKAGE_NAME_BYTES }>,
}

impl Decoded {
    const fn new() -> Self {
        Self { buffer: heapless::String::new() }
    }

    fn text<'t>(&'t mut self, text: Text<'t>) -> Result<&'t str, Unmet<'static>> {
        if let Some(plain) = text.plain() {
            return Ok(plain);
        }
        text.copy_into(&mut self.buffer).map_err(|_| Unmet::malformed("package name"))?;
        Ok(&self.buffer)
    }
}

/// An entry of `deny`.
enum Entry<'a> {
    /// A package URL that reads as a pattern.
    Purl(Text<'a>),
    Name {
        name: &'a str,
        version: Option<&'a str>,
    },
}

impl<'a> Entry<'a> {
    fn read(item: Value<'a>) -> Result<Self, TrustError> {
        let [purl, name, version] =
            item.object()?.fields(["purl", "name", "version"], UnknownKeys::Refuse)?;
        match (purl, name, version) {
            (Some(purl), None, None) => {
                read_glob(purl)?;
                let purl = purl.string()?;
                Purl::read(purl, Written::Pattern).ok_or(TrustError::Pattern)?;
                Ok(Self::Purl(purl))
            }
            (None, Some(name), Some(version)) => {
                let version = if version.is_null() { None } else { Some(read_glob(version)?) };
                Ok(Self::Name { name: read_glob(name)?, version })
            }
            (None, Some(_), None) => Err(TrustError::Json(json::Error::MissingKey("version"))),
            (None, None, _) => Err(TrustError::Json(json::Error::MissingKey("purl"))),
            (Some(_), _, _) => Err(TrustError::RuleShape("deny")),
        }
    }

    /// Whether it denies the package of this name, in one of these versions.
    fn denies_name(&self, found: &str, versions: &[Option<&str>]) -> bool {
        match self {
            Self::Name { name, version } => {
                glob::matches_any_case(name, found) && is_version_denied(*version, versions)
            }
            Self::Purl(_) => false,
        }
    }

    /// The same for the full name in a package URL.
    fn denies_purl(&self, found: &str, versions: &[Option<&str>]) -> bool {
        match self {
            Self::Purl(purl) => Purl::read(*purl, Written::Pattern).is_some_and(|purl| {
                glob::matches_any_case(purl.full_name(), found) && is_version_denied(purl.version(), versions)
            }),
            Self::Name { .. } => false,
        }
    }

    fn key(&self) -> Result<Key, TrustError> {
        match self {
            Self::Purl(purl) => {
                let purl = Purl::read(*purl, Written::Pattern).ok_or(TrustError::Pattern)?;
                Ok(Key::of(purl.full_name()))
            }
            Self::Name { name, .. } => Ok(Key::of(name)),
        }
    }
}

/// A list of globs in the order of the hashes of what they begin with, up to the first star. It holds places, not texts.
struct Table<'a> {
    list: Value<'a>,
    slots: heapless::Vec<Slot, { limits::DENIED_PACKAGES }>,
    /// Lengths of the beginnings that a star follows, a bit each; the last stands for all that are longer.
    lengths: u64,
    /// Comparisons that may still be made.
    left: Cell<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    /// Where in the list it stands.
    at: u32,
    tail: Tail,
}

impl<'a> Table<'a> {
    fn of(list: Value<'a>, key: impl Fn(Value<'a>) -> Result<Key, TrustError>) -> Result<Self, TrustError> {
        let mut table = Self {
            list,
            slots: heapless::Vec::new(),
            lengths: 0,
            left: Cell::new(limits::PACKAGE_COMPARISONS),
        };
        let mut items = list.array()?;
        loop {
            let at = u32::try_from(items.position()).map_err(|_| TrustError::TooLarge)?;
            let Some(item) = items.next() else { break };
            let key = key(item?)?;
            if let Some(length) = key.star_after {
                table.lengths |= length_bit(length);
            }
            table
                .slots
                .push(Slot { hash: key.hash, at, tail: key.tail })
                .map_err(|_| TrustError::TooMany("packages"))?;
        }
        table.slots.sort_unstable_by_key(|slot| slot.hash);
        Ok(table)
    }

    fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Forgets what was compared, because another reading begins, unless the first has become too dear.
    fn begin_again(&self) {
        if self.left.get() > 0 {
            self.left.set(limits::PACKAGE_COMPARISONS);
        }
    }

    /// Ends a reading that has become too dear.
    fn check_cost(&self) -> Result<(), Unmet<'static>> {
        let words = "list of packages, too long for so many globs that begin and end with a star,";
        if self.left.get() == 0 { Err(Unmet::malformed(words)) } else { Ok(()) }
    }

    /// Whether `confirm` says yes to an entry that may match `text`; it is asked about no entry whose beginning or end
    /// does not.
    fn find(&self, text: &str, confirm: impl Fn(Value<'a>) -> bool) -> bool {
        let tail = Tail::of(text);
        let among = |hash: u32| {
            let first = self.slots.partition_point(|slot| slot.hash < hash);
            let alike = self.slots.iter().skip(first).take_while(|slot| slot.hash == hash);
            alike.filter(|slot| slot.tail.is_of(tail)).any(|slot| {
                self.left.set(self.left.get().saturating_sub(1));
                let at = usize::try_from(slot.at).unwrap_or(usize::MAX);
                self.list.item_at(at).is_ok_and(&confirm)
            })
        };
        let mut hash = Hash::START;
        if self.lengths & length_bit(0) != 0 && among(hash.0) {
            return true;
        }
        for (length, byte) in (1_usize..).zip(text.bytes()) {
            hash.add(byte);
            if self.lengths & length_bit(length) != 0 && among(hash.0) {
                return true;
            }
        }
        among(hash.whole())
    }
}

fn length_bit(length: usize) -> u64 {
    1_u64.wrapping_shl(u32::try_from(length).unwrap_or(u32::MAX).min(63))
}

/// By what an entry is found.
struct Key {
    hash: u32,
    /// How many bytes stand before the first star; `None` where there is no star.
    star_after: Option<usize>,
    tail: Tail,
}

impl Key {
    fn of(glob: &str) -> Self {
        let mut hash = Hash::START;
        let star_after = glob.bytes().position(|byte| byte == b'*');
        glob.bytes().take(star_after.unwrap_or(usize::MAX)).for_each(|byte| hash.add(byte));
        Self {
            hash: if star_after.is_some() { hash.0 } else { hash.whole() },
            star_after,
            tail: Tail::of(glob),
        }
    }
}

/// What stands behind the last star, up to four bytes of it: the last one lowest, ASCII letters in lower case.
#[derive(Debug, Clone, Copy)]
struct Tail {
    bytes: u32,
    /// The bits that count.
    mask: u32,
}

impl Tail {
    fn of(text: &str) -> Self {
        let mut tail = Self { bytes: 0, mask: 0 };
        for (byte, shift) in text.bytes().rev().take_while(|byte| *byte != b'*').zip([0, 8, 16, 24]) {
            tail.bytes |= u32::from(byte.to_ascii_lowercase()).wrapping_shl(shift);
            tail.mask |= 0xff_u32.wrapping_shl(shift);
        }
        tail
    }

    /// Whether a text that ends with `other` can end with this.
    fn is_of(self, other: Self) -> bool {
        other.bytes & self.mask == self.bytes
    }
}

/// FNV-1a over bytes, ASCII letters in lower case.
#[derive(Clone, Copy)]
struct Hash(u32);

impl Hash {
    const START: Self = Self(0x811c_9dc5);

    fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
    }

    /// Of a text that ends here: no beginning has it.
    fn whole(mut self) -> u32 {
        self.add(0);
        self.0
    }
}

/// The licences that are denied, and those of a document's own that are so by their names.
struct LicenseList<'a, 's> {
    table: Table<'a>,
    own: heapless::Vec<Text<'s>, { limits::DENIED_LICENSE_REFS }>,
    /// More than that.
    every_own: bool,
}

impl<'a, 's> LicenseList<'a, 's> {
    fn of(list: Value<'a>) -> Result<Self, Unmet<'s>> {
        let table = Table::of(list, |item| read_glob(item).map(Key::of)).map_err(fault)?;
        Ok(Self { table, own: heapless::Vec::new(), every_own: false })
    }

    /// Adds a document's own licences that are denied by their names.
    fn add_names_of(&mut self, document: &Document<'s>) -> Result<(), Unmet<'s>> {
        if self.is_empty() {
            return Ok(());
        }
        match document {
            Document::Spdx2(document) => document.each_named_license(&mut |id, name| {
                if self.denies(name)? && self.own.push(id).is_err() {
                    self.every_own = true;
                }
                Ok(())
            })?,
            // Expressions refer to it by names that each of them maps by itself. It is in the document because
            // something is under it.
            Document::Spdx3(document) => document.each_named_license(&mut |id, name| {
                if !self.denies(name)? {
                    return Ok(());
                }
                let finding = Finding::Package { name: id, version: None, license: Some(name) };
                Err(Unmet { reason: Reason::LicenseDenied, finding })
            })?,
            Document::CycloneDx(_) => {}
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn denies(&self, license: Text<'_>) -> Result<bool, Unmet<'static>> {
        licenses::is_denied(license, &|name| self.denies_name(name)).ok_or(Unmet::malformed("licence"))
    }

    fn denies_name(&self, name: &str) -> bool {
        let listed = |item: Value<'_>| read_glob(item).is_ok_and(|glob| glob::matches_any_case(glob, name));
        let is_own = |own: &Text<'_>| {
            own.chars().map(|c| c.to_ascii_lowercase()).eq(name.chars().map(|c| c.to_ascii_lowercase()))
        };
        let reference = name.get(..OWN.len()).is_some_and(|head| head.eq_ignore_ascii_case(OWN));
        self.table.find(name, listed) || reference && (self.every_own || self.own.iter().any(is_own))
    }
}

/// How the names of a document's own licences begin.
const OWN: &str = "LicenseRef-";

/// Whether a version is one that is denied: an entry without one means every version, and a package without one may be
/// any.
fn is_version_denied(glob: Option<&str>, versions: &[Option<&str>]) -> bool {
    let Some(glob) = glob else { return true };
    let mut known = versions.iter().flatten().peekable();
    known.peek().is_none() || known.any(|version| glob::matches_any_case(glob, version))
}

/// A glob: 1 to [`limits::GLOB_BYTES`] bytes without escapes.
fn read_glob(value: Value<'_>) -> Result<&str, TrustError> {
    let glob = value.string()?.as_plain()?;
    if glob.is_empty() || glob.len() > limits::GLOB_BYTES { Err(TrustError::Pattern) } else { Ok(glob) }
}

/// Checks that a list has no more than [`limits::DENIED_PACKAGES`] entries, each of them once.
fn check_unique(list: Value<'_>, name: &'static str) -> Result<(), TrustError> {
    let mut texts: heapless::Vec<&str, { limits::DENIED_PACKAGES }> = heapless::Vec::new();
    for item in list.array()? {
        texts.push(item?.text()).map_err(|_| TrustError::TooMany(name))?;
    }
    texts.sort_unstable();
    let repeated = texts.windows(2).any(|pair| matches!(pair, [one, other] if one == other));
    if repeated { Err(TrustError::Duplicate(name)) } else { Ok(()) }
}

/// A list that was read before and cannot be now.
fn fault(_: TrustError) -> Unmet<'static> {
    Unmet::because(Reason::InternalError)
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
