//! OCI manifests and indexes, read so that they can only mean one thing.
//!
//! The same bytes must not be a manifest to one reader and an index to another (CVE-2021-41190). So a document is
//! refused which has the fields of both or of neither, whose `mediaType` differs from what the bytes came as, or in
//! which a field that is read occurs twice, also in another case: Go's decoder, which most neighbours use, takes
//! `Layers` for `layers` and the last of two. Fields that are not read are skipped, as the specification wants.
//!
//! Spec: OCI image-spec 1.1, `manifest.md`, `image-index.md`, `descriptor.md`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use pullward_core::limits;
use pullward_core::oci::{
    Digest, DigestError, MEDIA_TYPE_DOCKER_LIST, MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_TYPE_INDEX,
    MEDIA_TYPE_MANIFEST,
};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it came as; its own `mediaType`, where it has one, says the same.
    pub media_type: MediaType,
    /// The type of artifact, as its author wrote it.
    pub artifact_type: Option<String>,
    /// Manifest or index, and what it points to.
    pub shape: Shape,
    /// The manifest that this one refers to, if it is a referrer.
    pub subject: Option<Entry>,
    /// The document's own annotations.
    pub annotations: Annotations,
}

/// What a document points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// An index: a list of manifests.
    Index {
        /// The listed manifests, as many as were asked for.
        manifests: List,
    },
    /// A manifest: its layers. The config is not evidence and is not kept.
    Manifest {
        /// The layers, as many as were asked for.
        layers: List,
    },
}

/// A bounded list of descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// The first entries.
    pub entries: Vec<Entry>,
    /// How many entries the document has; more than `entries` holds where the bound was passed.
    pub listed: usize,
}

/// A descriptor in a list: usable, or why it is not. One bad entry does not hide the others.
pub type Entry = Result<DescriptorBuf, DescriptorError>;

/// An owned descriptor. All of it is a claim of whoever wrote the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptorBuf {
    /// The media type, as written.
    pub media_type: String,
    /// What the content hashes to.
    pub digest: Digest,
    /// The length of the content in bytes.
    pub size: u64,
    /// The type of artifact. Clients write it wrongly into fallback indexes: no filter may rest on it.
    pub artifact_type: Option<String>,
    /// The annotations.
    pub annotations: Annotations,
}

/// Why a descriptor cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// A field that every descriptor has is missing.
    #[error("the descriptor has no {0}")]
    Missing(&'static str),
    /// The digest is not one.
    #[error("the descriptor's digest is not usable: {0}")]
    Digest(DigestError),
    /// The size is negative, fractional, or beyond 64 bits.
    #[error("the descriptor's size is not a count of bytes")]
    Size,
}

/// Annotations, bounded by [`limits::ANNOTATIONS`] and [`limits::ANNOTATION_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotations {
    /// The annotations that fitted; all of them where `overflow` is [`Overflow::No`].
    pub map: BTreeMap<String, String>,
    /// Whether there were more than are kept. Such annotations are no basis for anything.
    pub overflow: Overflow,
}

/// Whether a bound was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Everything is there.
    #[default]
    No,
    /// Something was left out.
    Yes,
}

/// The media types that a manifest can have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/vnd.oci.image.manifest.v1+json`
    Manifest,
    /// `application/vnd.oci.image.index.v1+json`
    Index,
    /// `application/vnd.docker.distribution.manifest.v2+json`
    DockerManifest,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    DockerList,
}

impl MediaType {
    /// Reads a media type without parameters. `None` for every other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Manifest, Self::Index, Self::DockerManifest, Self::DockerList]
            .into_iter()
            .find(|t| t.as_str() == text)
    }

    /// The media type as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => MEDIA_TYPE_MANIFEST,
            Self::Index => MEDIA_TYPE_INDEX,
            Self::DockerManifest => MEDIA_TYPE_DOCKER_MANIFEST,
            Self::DockerList => MEDIA_TYPE_DOCKER_LIST,
        }
    }

    /// Whether it lists manifests rather than layers.
    #[must_use]
    pub const fn is_index(self) -> bool {
        matches!(self, Self::Index | Self::DockerList)
    }
}

/// Why bytes are not one manifest or index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not the JSON that was expected; also a duplicate of a field that is read.
    #[error("it is not a well-formed manifest: {0}")]
    Syntax(String),
    /// It has fields of a manifest and of an index.
    #[error("it is ambiguous: it has the fields of a manifest and of an index")]
    Ambiguous,
    /// It has neither `layers` nor `manifests`.
    #[error("it is neither a manifest nor an index")]
    Shapeless,
    /// `schemaVersion` is missing or not 2.
    #[error("its schemaVersion is not 2")]
    SchemaVersion,
    /// What it came as is none of the known media types.
    #[error("its media type {0:?} is not one of an image manifest or index")]
    UnknownType(String),
    /// It says of itself to be something else than it came as.
    #[error("its mediaType {found:?} differs from {claimed:?}, which it came as")]
    TypeMismatch {
        /// Content-Type, or the media type of the descriptor that named it.
        claimed: String,
        /// The document's own field.
        found: String,
    },
    /// Its fields are those of the other shape.
    #[error("it came as {0:?} and has the fields of the other kind")]
    ShapeMismatch(String),
}

impl DocumentError {
    /// Whether the document means more than one thing, rather than nothing.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Ambiguous | Self::TypeMismatch { .. } | Self::ShapeMismatch(_))
    }
}

impl Document {
    /// Reads a document that came as `claimed`: the Content-Type, or the media type of its descriptor. Of its list the
    /// first [`limits::REFERRERS_SCANNED`] entries are kept.
    ///
    /// # Errors
    /// [`DocumentError`]. Entries that are not usable are errors of their own, inside the lists.
    pub fn parse(bytes: &[u8], claimed: &str) -> Result<Self, DocumentError> {
        Self::parse_up_to(limits::REFERRERS_SCANNED, bytes, claimed)
    }

    /// The same, with `most` entries of its list. The others are counted and never held.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse_up_to(most: usize, bytes: &[u8], claimed: &str) -> Result<Self, DocumentError> {
        let media_type =
            MediaType::parse(claimed).ok_or_else(|| DocumentError::UnknownType(shorten(claimed)))?;
        let syntax = |error: serde_json::Error| DocumentError::Syntax(error.to_string());
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let raw = Raw { most, ..Raw::default() };
        let raw = json.deserialize_map(FieldsVisitor(raw)).map_err(syntax)?;
        json.end().map_err(syntax)?;
        if raw.schema_version != Some(2) {
            return Err(DocumentError::SchemaVersion);
        }
        if let Some(found) = raw.media_type
            && found != claimed
        {
            return Err(DocumentError::TypeMismatch { claimed: claimed.to_owned(), found: shorten(&found) });
        }
        let shape = match (raw.manifests, raw.layers, raw.config) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => return Err(DocumentError::Ambiguous),
            (Some(manifests), None, None) => Shape::Index { manifests },
            (None, Some(layers), _) => Shape::Manifest { layers },
            (None, None, _) => return Err(DocumentError::Shapeless),
        };
        if matches!(shape, Shape::Index { .. }) != media_type.is_index() {
            return Err(DocumentError::ShapeMismatch(claimed.to_owned()));
        }
        Ok(Self {
            media_type,
            artifact_type: raw.artifact_type,
            shape,
            subject: raw.subject,
            annotations: raw.annotations.unwrap_or_default(),
        })
    }
}

/// Text of others inside our messages: bounded.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

#[derive(Default)]
struct Raw {
    /// How many entries of a list are kept.
    most: usize,
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    manifests: Option<List>,
    layers: Option<List>,
    config: Option<Entry>,
    subject: Option<Entry>,
    annotations: Option<Annotations>,
}

/// A JSON object of which some fields are read: what to do with the value of each.
trait Fields {
    /// The names of the fields that are read.
    const NAMES: &'static [&'static str];
    /// Takes the value of the field of this number.
    fn take<'de, A: MapAccess<'de>>(&mut self, field: usize, map: &mut A) -> Result<(), A::Error>;
}

impl Fields for Raw {
    const NAMES: &'static [&'static str] = &[
        "schemaVersion",
        "mediaType",
        "artifactType",
        "manifests",
        "layers",
        "config",
        "subject",
        "annotations",
    ];

    fn take<'de, A: MapAccess<'de>>(&mut self, field: usize, map: &mut A) -> Result<(), A::Error> {
        match field {
            0 => self.schema_version = Some(map.next_value()?),
            1 => self.media_type = map.next_value()?,
            2 => self.artifact_type = map.next_value()?,
            // An explicit null is the field's absence, for Go and for us.
            3 => self.manifests = map.next_value_seed(UpTo(self.most))?,
            4 => self.layers = map.next_value_seed(UpTo(self.most))?,
            5 => self.config = map.next_value::<Option<RawDescriptor>>()?.map(RawDescriptor::check),
            6 => self.subject = map.next_value::<Option<RawDescriptor>>()?.map(RawDescriptor::check),
            _ => self.annotations = map.next_value()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct RawDescriptor {
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<serde_json::Number>,
    artifact_type: Option<String>,
    annotations: Option<Annotations>,
}

impl RawDescriptor {
    fn check(self) -> Entry {
        let digest = self.digest.ok_or(DescriptorError::Missing("digest"))?;
        Ok(DescriptorBuf {
            media_type: self.media_type.ok_or(DescriptorError::Missing("mediaType"))?,
            digest: Digest::parse(&digest).map_err(DescriptorError::Digest)?,
            size: self.size.ok_or(DescriptorError::Missing("size"))?.as_u64().ok_or(DescriptorError::Size)?,
            artifact_type: self.artifact_type,
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

impl Fields for RawDescriptor {
    const NAMES: &'static [&'static str] = &["mediaType", "digest", "size", "artifactType", "annotations"];

    fn take<'de, A: MapAccess<'de>>(&mut self, field: usize, map: &mut A) -> Result<(), A::Error> {
        match field {
            0 => self.media_type = map.next_value()?,
            1 => self.digest = map.next_value()?,
            2 => self.size = map.next_value()?,
            3 => self.artifact_type = map.next_value()?,
            _ => self.annotations = map.next_value()?,
        }
        Ok(())
    }
}

/// Reads the fields that are wanted, refuses twins of them, and skips the others.
struct FieldsVisitor<T>(T);

impl<'de, T: Fields> Visitor<'de> for FieldsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut value = self.0;
        let mut seen = vec![false; T::NAMES.len()];
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let Some(field) = T::NAMES.iter().position(|name| same_folded(name, &key)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = T::NAMES.get(field).copied().unwrap_or_default();
            if key != name {
                return Err(A::Error::custom(format_args!("a field is spelt like {name} in another case")));
            }
            if let Some(seen) = seen.get_mut(field)
                && std::mem::replace(seen, true)
            {
                return Err(A::Error::custom(format_args!("the field {name} occurs twice")));
            }
            value.take(field, &mut map)?;
        }
        Ok(value)
    }
}

/// Whether two keys are one to Go's decoder, which folds ASCII case and two more letters.
fn same_folded(name: &str, key: &str) -> bool {
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(key.chars().map(fold))
}

impl<'de> Deserialize<'de> for RawDescriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor(Self::default()))
    }
}

/// Reads a list, or `null`, and keeps that many entries.
struct UpTo(usize);

impl<'de> DeserializeSeed<'de> for UpTo {
    type Value = Option<List>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<List>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for UpTo {
    type Value = Option<List>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of descriptors")
    }

    fn visit_none<E>(self) -> Result<Option<List>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<List>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<List>, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<List>, A::Error> {
        let mut list = List::default();
        // The bound is checked before an entry is parsed; past it, entries are counted and not looked at.
        while list.entries.len() < self.0 {
            let Some(raw) = seq.next_element::<RawDescriptor>()? else {
                list.listed = list.entries.len();
                return Ok(Some(list));
            };
            list.entries.push(raw.check());
        }
        list.listed = list.entries.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            list.listed = list.listed.saturating_add(1);
        }
        Ok(Some(list))
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut out = Annotations::default();
                let mut bytes = 0usize;
                while let Some(key) = map.next_key::<String>()? {
                    if out.overflow == Overflow::Yes {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let value: String = map.next_value()?;
                    bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
                    if bytes > limits::ANNOTATION_BYTES || out.map.len() >= limits::ANNOTATIONS {
                        out.overflow = Overflow::Yes;
                    } else if let Some(_earlier) = out.map.insert(key, value) {
                        return Err(A::Error::custom("an annotation occurs twice"));
                    }
                }
                Ok(out)
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
