//! Extensions of certificates (RFC 5280 section 4.2): the list, and those that decide whether a path holds.

use super::Error;
use crate::der::{self, Reader, SEQUENCE};
use crate::limits;

/// The extensions that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionKind {
    /// Whether it is an authority, and how many may be below it (section 4.2.1.9).
    BasicConstraints,
    /// What the key is for (section 4.2.1.3).
    KeyUsage,
    /// What the certificate is for (section 4.2.1.12).
    ExtendedKeyUsage,
    /// Whom it is for (section 4.2.1.6).
    SubjectAltName,
    /// Which names an authority may name (section 4.2.1.10).
    NameConstraints,
}

impl ExtensionKind {
    fn of(oid: &[u8]) -> Option<Self> {
        match oid {
            [0x55, 0x1d, 0x13] => Some(Self::BasicConstraints),
            [0x55, 0x1d, 0x0f] => Some(Self::KeyUsage),
            [0x55, 0x1d, 0x25] => Some(Self::ExtendedKeyUsage),
            [0x55, 0x1d, 0x11] => Some(Self::SubjectAltName),
            [0x55, 0x1d, 0x1e] => Some(Self::NameConstraints),
            _ => None,
        }
    }
}

/// One extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its object identifier, as encoded.
    pub oid: &'a [u8],
    /// Whether who does not understand it must refuse the certificate.
    pub critical: bool,
    /// What is in its OCTET STRING.
    pub value: &'a [u8],
    /// All of it, as it stands in the certificate.
    pub raw: &'a [u8],
}

/// The extensions of a certificate, in order. They were all read once; a position never fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extensions<'a> {
    content: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// The list of a certificate, from the content of its SEQUENCE.
    pub(super) fn read(content: &'a [u8]) -> Result<Self, Error> {
        let mut seen: heapless::Vec<&[u8], { limits::EXTENSIONS }> = heapless::Vec::new();
        let mut reader = Reader::new(content);
        if reader.is_empty() {
            // SIZE (1..MAX): without any, the field is absent.
            return Err(Error::Der(der::Error::Unexpected));
        }
        while !reader.is_empty() {
            let extension = next(&mut reader)?;
            if seen.contains(&extension.oid) {
                return Err(Error::DuplicateExtension);
            }
            seen.push(extension.oid).map_err(|_| Error::TooManyExtensions)?;
        }
        Ok(Self { content })
    }

    /// Without any.
    pub(super) const fn none() -> Self {
        Self { content: &[] }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        let mut reader = Reader::new(self.content);
        core::iter::from_fn(move || next(&mut reader).ok())
    }

    /// The one with this object identifier, as encoded.
    #[must_use]
    pub fn find(&self, oid: &[u8]) -> Option<Extension<'a>> {
        self.iter().find(|extension| extension.oid == oid)
    }
}

fn next<'a>(reader: &mut Reader<'a>) -> Result<Extension<'a>, der::Error> {
    let element = reader.element(SEQUENCE)?;
    let mut inner = Reader::new(element.content);
    let oid = inner.oid()?;
    let critical = inner.flag()?;
    let value = inner.octet_string()?;
    inner.end()?;
    Ok(Extension { oid, critical, value, raw: element.raw })
}

/// Basic constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the extension is marked critical.
    pub critical: bool,
    /// Whether the subject is an authority.
    pub authority: bool,
    /// How many authorities may be between it and a leaf.
    pub path_length: Option<u64>,
}

/// Key usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// Whether the key signs documents (digitalSignature, bit 0).
    #[must_use]
    pub const fn digital_signature(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// Whether the key signs documents that are not to be denied later (contentCommitment, bit 1).
    #[must_use]
    pub const fn content_commitment(self) -> bool {
        self.0 & 0x4000 != 0
    }

    /// Whether the key signs certificates (keyCertSign, bit 5).
    #[must_use]
    pub const fn certificate_signing(self) -> bool {
        self.0 & 0x0400 != 0
    }
}

/// What a leaf is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// id-kp-codeSigning: what Fulcio issues for.
    CodeSigning,
    /// id-kp-timeStamping: what a timestamp authority signs with.
    TimeStamping,
}

impl Purpose {
    const fn oid(self) -> &'static [u8] {
        match self {
            Self::CodeSigning => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03],
            Self::TimeStamping => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08],
        }
    }
}

/// Extended key usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purposes<'a> {
    /// Whether the extension is marked critical.
    pub critical: bool,
    content: &'a [u8],
}

impl Purposes<'_> {
    /// Whether it names the purpose. anyExtendedKeyUsage names none (T-45).
    #[must_use]
    pub fn contains(&self, purpose: Purpose) -> bool {
        self.oids().any(|oid| oid == purpose.oid())
    }

    /// Whether it names the purpose and nothing else, known or not (RFC 3161 section 2.3, T-28).
    #[must_use]
    pub fn is_only(&self, purpose: Purpose) -> bool {
        self.oids().eq([purpose.oid()])
    }

    fn oids(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(self.content);
        core::iter::from_fn(move || reader.oid().ok())
    }
}

/// The extensions that decide whether a path holds, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Profile<'a> {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) purposes: Option<Purposes<'a>>,
    /// The content of the GeneralNames.
    pub(super) alternative_names: Option<&'a [u8]>,
    /// The content of the NameConstraints.
    pub(super) name_constraints: Option<&'a [u8]>,
    /// Whether there is a critical one that is none of these.
    pub(super) unknown_critical: bool,
}

impl<'a> Profile<'a> {
    pub(super) fn read(extensions: &Extensions<'a>) -> Result<Self, Error> {
        let mut profile = Self {
            basic_constraints: None,
            key_usage: None,
            purposes: None,
            alternative_names: None,
            name_constraints: None,
            unknown_critical: false,
        };
        for extension in extensions.iter() {
            match ExtensionKind::of(extension.oid) {
                Some(kind) => profile.take(kind, &extension).map_err(|_| Error::Extension(kind))?,
                None => profile.unknown_critical |= extension.critical,
            }
        }
        Ok(profile)
    }

    fn take(&mut self, kind: ExtensionKind, extension: &Extension<'a>) -> Result<(), der::Error> {
        let mut outer = Reader::new(extension.value);
        match kind {
            ExtensionKind::BasicConstraints => {
                let mut inner = outer.open(SEQUENCE)?;
                let authority = inner.flag()?;
                let path_length = if inner.is_empty() { None } else { Some(inner.small()?) };
                inner.end()?;
                if path_length.is_some() && !authority {
                    return Err(der::Error::Unexpected);
                }
                self.basic_constraints =
                    Some(BasicConstraints { critical: extension.critical, authority, path_length });
            }
            ExtensionKind::KeyUsage => self.key_usage = Some(KeyUsage(outer.named_bits()?)),
            ExtensionKind::ExtendedKeyUsage => {
                let content = outer.take(SEQUENCE)?;
                let mut reader = Reader::new(content);
                let mut count = 0_usize;
                while !reader.is_empty() {
                    reader.oid()?;
                    count = count.saturating_add(1);
                }
                if !(1..=limits::KEY_PURPOSES).contains(&count) {
                    return Err(der::Error::Unexpected);
                }
                self.purposes = Some(Purposes { critical: extension.critical, content });
            }
            ExtensionKind::SubjectAltName => self.alternative_names = Some(outer.take(SEQUENCE)?),
            ExtensionKind::NameConstraints => self.name_constraints = Some(outer.take(SEQUENCE)?),
        }
        outer.end()
    }
}
