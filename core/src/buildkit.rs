//! Statements that a build put into the image's own index: `BuildKit`'s attestation storage.
//!
//! buildx lists, beside each platform's manifest, an attestation manifest whose layers are unsigned in-toto statements.
//! An index names all it holds by digest, so a signature over the index covers them too: index, then attestation
//! manifest, then statement, each hashed here. That the index *is* signed is for [`crate::judge`] to see.
//!
//! Layout: `docs/attestations/attestation-storage.md` of moby/buildkit v0.13.
//!
//! What this does *not* check: signatures, and what is in the predicate.

use crate::intoto::{self, Statement};
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::oci::{Digest, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST};
use crate::platform::Platform;

/// Media type of a statement's layer.
pub const MEDIA_TYPE_STATEMENT: &str = "application/vnd.in-toto+json";

const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
const ATTESTATION_MANIFEST: &str = "attestation-manifest";

/// A statement and what chains it to an index: three blobs, each as it was stored.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'e> {
    /// The index.
    pub index: &'e [u8],
    /// The attestation manifest that the index lists.
    pub manifest: &'e [u8],
    /// The statement that the manifest has as a layer.
    pub statement: &'e [u8],
}

/// Why a statement is not covered by an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// One of the three is larger than its kind may be.
    TooLarge,
    /// The index is not the one that is judged.
    IndexDigest,
    /// The index or the manifest is not JSON of its format.
    Json(json::Error),
    /// The index or the manifest is not what its media type says, or says none.
    MediaType,
    /// The index does not list the manifest, or lists it twice.
    ManifestNotListed,
    /// The index lists the manifest as something else than attestations of one of its other manifests.
    NotAttestations,
    /// The manifest that the statement is about is for another platform, or the index has two for this one.
    Platform,
    /// The manifest has no such layer.
    StatementNotListed,
    /// It is not a statement about that manifest.
    Statement(intoto::Error),
}

impl From<json::Error> for Error {
    fn from(error: json::Error) -> Self {
        Self::Json(error)
    }
}

/// A statement that the index covers, and the platform's manifest that it is about. Only [`Chain::check`] makes one.
#[derive(Debug, Clone)]
pub struct Covered<'e> {
    statement: Statement<'e>,
    subject: Digest,
}

impl<'e> Covered<'e> {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement<'e> {
        &self.statement
    }

    /// The platform's manifest.
    #[must_use]
    pub fn subject(&self) -> Digest {
        self.subject
    }
}

impl<'e> Chain<'e> {
    /// Checks that the index with this digest covers the statement, and that it is about this platform
    /// (`os/arch[/variant]`).
    ///
    /// # Errors
    /// [`Error`], by what is wrong first.
    pub fn check(&self, index: &Digest, platform: &str) -> Result<Covered<'e>, Error> {
        let within = |bytes: &[u8], most| u64::try_from(bytes.len()).is_ok_and(|length| length <= most);
        if !within(self.index, limits::MANIFEST_BYTES)
            || !within(self.manifest, limits::MANIFEST_BYTES)
            || !within(self.statement, limits::PAYLOAD_BYTES)
        {
            return Err(Error::TooLarge);
        }
        if Digest::of(self.index) != *index {
            return Err(Error::IndexDigest);
        }
        let subject = find_subject(self.index, &Digest::of(self.manifest), platform)?;
        check_layer(self.manifest, &Digest::of(self.statement))?;
        let statement = Statement::read(self.statement).map_err(Error::Statement)?;
        statement.check_subject(&subject).map_err(Error::Statement)?;
        Ok(Covered { statement, subject })
    }
}

/// The attestation manifests that an index lists for a platform: what has to be read to offer their statements. Finding
/// one here proves nothing; [`Chain::check`] does.
///
/// # Errors
/// [`Error`], by what is wrong with the index. None for the platform is none.
pub fn attestation_manifests(
    index: &[u8],
    platform: &str,
) -> Result<heapless::Vec<Digest, { limits::INDEX_ATTESTATIONS }>, Error> {
    let mut found = heapless::Vec::new();
    // An index is read before anything is known about its signature, so it is read twice, and not once per entry.
    let entries = read_list(index, &[MEDIA_TYPE_INDEX], "manifests")?;
    let Some(image) = only_for(entries.clone(), platform)? else { return Ok(found) };
    for entry in entries {
        let entry = Entry::read(entry?)?;
        let Some(digest) = parse_digest(entry.digest) else { continue };
        if entry.subject() != Some(image) {
            continue;
        }
        // Listed twice, as [`Chain::check`] has it.
        if found.contains(&digest) {
            return Err(Error::ManifestNotListed);
        }
        found.push(digest).map_err(|_| Error::ManifestNotListed)?;
    }
    Ok(found)
}

/// An entry of an index, as far as it is read.
struct Entry<'a> {
    digest: Text<'a>,
    platform: Option<Value<'a>>,
    reference: Option<Reference<'a>>,
}

/// What `BuildKit` notes on an attestation manifest's entry.
struct Reference<'a> {
    kind: Text<'a>,
    digest: Text<'a>,
}

impl<'a> Entry<'a> {
    fn read(value: Value<'a>) -> Result<Self, Error> {
        let names = ["digest", "platform", "annotations"];
        let [digest, platform, annotations] = value.object()?.fields(names, UnknownKeys::Skip)?;
        let reference = match annotations.filter(|annotations| !annotations.is_null()) {
            Some(annotations) => {
                let names = [REFERENCE_TYPE, REFERENCE_DIGEST];
                match annotations.object()?.fields(names, UnknownKeys::Skip)? {
                    [Some(kind), Some(digest)] => {
                        Some(Reference { kind: kind.string()?, digest: digest.string()? })
                    }
                    [None, None] => None,
                    _ => return Err(Error::NotAttestations),
                }
            }
            None => None,
        };
        Ok(Self {
            digest: digest.ok_or(json::Error::MissingKey("digest"))?.string()?,
            platform: platform.filter(|platform| !platform.is_null()),
            reference,
        })
    }

    fn is(&self, digest: &Digest) -> bool {
        parse_digest(self.digest) == Some(*digest)
    }

    /// The manifest that this one has attestations of; `None` where it is no attestation manifest.
    fn subject(&self) -> Option<Digest> {
        let reference =
            self.reference.as_ref().filter(|reference| reference.kind.is(ATTESTATION_MANIFEST))?;
        parse_digest(reference.digest)
    }
}

pub(crate) fn parse_digest(text: Text<'_>) -> Option<Digest> {
    text.plain().and_then(|text| Digest::parse(text).ok())
}

/// The manifest that the attestations in `manifest` are about, by the index's own word.
fn find_subject(index: &[u8], manifest: &Digest, platform: &str) -> Result<Digest, Error> {
    let entries = read_list(index, &[MEDIA_TYPE_INDEX], "manifests")?;
    let mut attestations = None;
    for entry in entries.clone() {
        let entry = Entry::read(entry?)?;
        if entry.is(manifest) && attestations.replace(entry).is_some() {
            return Err(Error::ManifestNotListed);
        }
    }
    let attestations = attestations.ok_or(Error::ManifestNotListed)?;
    let subject = attestations.subject().ok_or(Error::NotAttestations)?;
    if only_for(entries, platform)? == Some(subject) { Ok(subject) } else { Err(Error::Platform) }
}

/// The one manifest of a platform. Two manifests for one platform: which one runs is not ours to guess.
pub(crate) fn only_for(entries: json::Items<'_>, platform: &str) -> Result<Option<Digest>, Error> {
    let mut right = 0_usize;
    let mut image = None;
    for entry in entries {
        let entry = Entry::read(entry?)?;
        if entry.reference.is_none()
            && entry.platform.map_or(Ok(false), |value| platform_is(value, platform))?
        {
            right = right.saturating_add(1);
            image = parse_digest(entry.digest);
        }
    }
    Ok(image.filter(|_| right == 1))
}

fn check_layer(manifest: &[u8], statement: &Digest) -> Result<(), Error> {
    for layer in read_list(manifest, &[MEDIA_TYPE_MANIFEST], "layers")? {
        let [media_type, digest] = layer?.object()?.fields(["mediaType", "digest"], UnknownKeys::Skip)?;
        let media_type = media_type.ok_or(json::Error::MissingKey("mediaType"))?.string()?;
        let digest = digest.ok_or(json::Error::MissingKey("digest"))?.string()?;
        if parse_digest(digest) == Some(*statement) && media_type.is(MEDIA_TYPE_STATEMENT) {
            return Ok(());
        }
    }
    Err(Error::StatementNotListed)
}

/// A document that can only be what its own media type says (T-60), and the items of its list.
pub(crate) fn read_list<'e>(
    bytes: &'e [u8],
    media_types: &[&str],
    list: &'static str,
) -> Result<json::Items<'e>, Error> {
    let names = ["mediaType", "manifests", "layers"];
    let [found, manifests, layers] = json::parse(bytes)?.object()?.fields(names, UnknownKeys::Skip)?;
    let found = found.ok_or(Error::MediaType)?.string()?;
    if !media_types.iter().any(|media_type| found.is(media_type)) {
        return Err(Error::MediaType);
    }
    match (list, manifests, layers) {
        ("manifests", Some(items), None) | ("layers", None, Some(items)) => Ok(items.array()?),
        _ => Err(Error::MediaType),
    }
}

/// Whether a platform of an index is the one that is asked for, in the normal form of both: an image for another variant
/// may run here too, and is another image.
fn platform_is(value: Value<'_>, asked: &str) -> Result<bool, Error> {
    let names = ["os", "architecture", "variant"];
    let [os, architecture, variant] = value.object()?.fields(names, UnknownKeys::Skip)?;
    let os = os.ok_or(json::Error::MissingKey("os"))?.string()?.as_plain()?;
    let architecture = architecture.ok_or(json::Error::MissingKey("architecture"))?.string()?.as_plain()?;
    let variant = match variant.filter(|variant| !variant.is_null()) {
        Some(variant) => variant.string()?.as_plain()?,
        None => "",
    };
    let found = Platform::of(os, architecture, variant);
    Ok(found.zip(Platform::read(asked)).is_some_and(|(found, asked)| found.is(&asked)))
}
