//! Reading a golden file, in place and without allocation.
//!
//! ```text
//! file     = magic count case*          magic = "pwgolden", then the format's version, 1
//! case     = length field*              count, length: u32, little-endian
//! field    = tag length bytes           tag: one byte, rising; only evidence repeats
//! envelope = threshold part part*       the trust bundle, then the root keys
//! evidence = format part*               part: length bytes; a legacy signature has two, all else one
//! ```
//!
//! The file is test input that a build embeds, so it is not hostile; it is read with the same care all the same, because the
//! program that reads it on a board has nobody to tell it that a build was cut short. Unknown tags are refused: a runner that
//! does not know a field would decide another question than the one that was asked.

use core::fmt;

use pullward_core::verify::{Annotations, Evidence};

/// The first nine bytes of a golden file.
pub const MAGIC: &[u8; 9] = b"pwgolden\x01";

// The formats of evidence, as bytes of the file.
pub(crate) const SIMPLE_SIGNING: u8 = 1;
pub(crate) const ENVELOPE: u8 = 2;
pub(crate) const BUNDLE: u8 = 3;

/// What a field is. The numbers are the file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    Name = 1,
    Expected = 2,
    Reference = 3,
    Digest = 4,
    Time = 5,
    PodNamespace = 6,
    Key = 7,
    Payload = 8,
    Envelope = 9,
    Trouble = 10,
    Evidence = 11,
}

impl Tag {
    fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Tag; 11] = [
            Tag::Name,
            Tag::Expected,
            Tag::Reference,
            Tag::Digest,
            Tag::Time,
            Tag::PodNamespace,
            Tag::Key,
            Tag::Payload,
            Tag::Envelope,
            Tag::Trouble,
            Tag::Evidence,
        ];
        ALL.into_iter().find(|&tag| tag as u8 == byte)
    }
}

/// What is wrong with a golden file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerError {
    /// It does not start with [`MAGIC`]: not a golden file, or another version of it.
    Magic,
    /// A length points past the end of what holds it.
    Truncated,
    /// Bytes are left over behind the last case, or behind the last part of a piece of evidence.
    Trailing,
    /// No field has this tag in this version.
    UnknownField(u8),
    /// A field comes twice, after one that it must precede, or beside one that excludes it.
    Order(u8),
    /// A field that every case has is missing.
    Missing(u8),
    /// A text is not UTF-8, or an integer has another width than eight bytes.
    Value(u8),
    /// A case is decided with a key or a trust bundle, and this one has neither.
    Trust,
    /// No piece of evidence has this format in this version.
    UnknownFormat(u8),
}

impl fmt::Display for ContainerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not a golden file of version 1"),
            Self::Truncated => f.write_str("a length points past the end"),
            Self::Trailing => f.write_str("bytes are left over"),
            Self::UnknownField(tag) => write!(f, "unknown field {tag}"),
            Self::Order(tag) => write!(f, "field {tag} is repeated or out of place"),
            Self::Missing(tag) => write!(f, "field {tag} is missing"),
            Self::Value(tag) => write!(f, "field {tag} has an impossible value"),
            Self::Trust => f.write_str("a case has neither key nor trust bundle"),
            Self::UnknownFormat(format) => write!(f, "unknown evidence format {format}"),
        }
    }
}

impl core::error::Error for ContainerError {}

/// A golden file, checked as far as its header.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    count: u32,
    cases: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads the header. The cases are checked one by one as they are read.
    ///
    /// # Errors
    /// [`ContainerError::Magic`] or [`ContainerError::Truncated`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ContainerError::Magic)?;
        let mut rest = Bytes { rest };
        let count = rest.length()?;
        Ok(Self { count, cases: rest.rest })
    }

    /// The cases in order. After the first error there is nothing more.
    #[must_use]
    pub fn cases(&self) -> Cases<'a> {
        Cases { left: self.count, bytes: Bytes { rest: self.cases }, state: State::Reading }
    }
}

/// The iterator of [`Container::cases`].
#[derive(Clone, Debug)]
pub struct Cases<'a> {
    left: u32,
    bytes: Bytes<'a>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
}

impl<'a> Iterator for Cases<'a> {
    type Item = Result<Case<'a>, ContainerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let next = match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(self.bytes.part().and_then(Case::read))
            }
            None if self.bytes.rest.is_empty() => None,
            None => Some(Err(ContainerError::Trailing)),
        };
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}

/// One question, and the line that a person wrote down as its answer.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The claim, in words and hyphens; unique in its file.
    pub name: &'a str,
    /// The answer, as [`crate::runner::Line::answer`] gives it.
    pub expected: &'a str,
    /// The reference as a hook gets it: not normalised, perhaps malformed; absent where no name is known.
    pub reference: Option<&'a str>,
    /// The digest as a hook gets it.
    pub digest: &'a str,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// The pod's namespace, where the hook knows it.
    pub pod_namespace: Option<&'a str>,
    /// Key or trust bundle.
    pub trust: CaseTrust<'a>,
    /// What went wrong while evidence was gathered: `unreachable`, or the reason code of a limit.
    pub trouble: Option<&'a str>,
    evidence: Bytes<'a>,
}

impl<'a> Case<'a> {
    /// The pieces of evidence, in the order in which a node would have found them.
    #[must_use]
    pub fn evidence(&self) -> Evidences<'a> {
        Evidences { bytes: self.evidence.clone() }
    }

    /// Reads all fields of a case, its evidence included, so that a damaged file is found before anything is decided.
    fn read(bytes: &'a [u8]) -> Result<Self, ContainerError> {
        let mut fields = Fields { bytes: Bytes { rest: bytes }, last: None };
        let case = Self {
            name: fields.text(Tag::Name)?,
            expected: fields.text(Tag::Expected)?,
            reference: fields.optional_text(Tag::Reference)?,
            digest: fields.text(Tag::Digest)?,
            time: fields.integer(Tag::Time)?,
            pod_namespace: fields.optional_text(Tag::PodNamespace)?,
            trust: CaseTrust::read(&mut fields)?,
            trouble: fields.optional_text(Tag::Trouble)?,
            evidence: fields.bytes,
        };
        let mut left = case.evidence();
        while left.read()?.is_some() {}
        Ok(case)
    }
}

/// What a case is decided with.
#[derive(Clone, Debug)]
pub enum CaseTrust<'a> {
    /// One public key in PEM, as `verify --key` takes it.
    Key(&'a str),
    /// The payload of a trust bundle that was opened before.
    Payload(&'a [u8]),
    /// A trust bundle as a file, to be opened with root keys first.
    Envelope(SignedBundle<'a>),
}

impl<'a> CaseTrust<'a> {
    /// A second kind behind the first is out of place and refused with the evidence.
    fn read(fields: &mut Fields<'a>) -> Result<Self, ContainerError> {
        if let Some(pem) = fields.optional_text(Tag::Key)? {
            Ok(Self::Key(pem))
        } else if let Some(payload) = fields.optional(Tag::Payload)? {
            Ok(Self::Payload(payload))
        } else if let Some(envelope) = fields.optional(Tag::Envelope)? {
            SignedBundle::read(envelope).map(Self::Envelope)
        } else {
            Err(ContainerError::Trust)
        }
    }
}

/// A trust bundle as a file, and what it is opened with.
#[derive(Clone, Debug)]
pub struct SignedBundle<'a> {
    /// The DSSE envelope.
    pub file: &'a [u8],
    /// Distinct root keys that have to have signed it.
    pub threshold: u8,
    roots: Bytes<'a>,
}

impl<'a> SignedBundle<'a> {
    /// The root keys in PEM.
    #[must_use]
    pub fn roots(&self) -> Roots<'a> {
        Roots { bytes: self.roots.clone() }
    }

    fn read(value: &'a [u8]) -> Result<Self, ContainerError> {
        let (&threshold, rest) = value.split_first().ok_or(ContainerError::Truncated)?;
        let mut parts = Bytes { rest };
        let bundle = Self { file: parts.part()?, threshold, roots: parts };
        let mut roots = bundle.roots();
        while roots.read()?.is_some() {}
        Ok(bundle)
    }
}

/// The iterator of [`SignedBundle::roots`].
#[derive(Clone, Debug)]
pub struct Roots<'a> {
    bytes: Bytes<'a>,
}

impl<'a> Roots<'a> {
    fn read(&mut self) -> Result<Option<&'a str>, ContainerError> {
        if self.bytes.rest.is_empty() { Ok(None) } else { text(Tag::Envelope, self.bytes.part()?).map(Some) }
    }
}

impl<'a> Iterator for Roots<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        // A bundle exists only if all its roots could be read, so nothing is left out here.
        self.read().unwrap_or_default()
    }
}

/// The iterator of [`Case::evidence`].
#[derive(Clone, Debug)]
pub struct Evidences<'a> {
    bytes: Bytes<'a>,
}

impl<'a> Evidences<'a> {
    fn read(&mut self) -> Result<Option<Evidence<'a>>, ContainerError> {
        if self.bytes.rest.is_empty() {
            return Ok(None);
        }
        let (tag, value) = self.bytes.field()?;
        if tag != Tag::Evidence {
            return Err(ContainerError::Order(tag as u8));
        }
        let (&format, rest) = value.split_first().ok_or(ContainerError::Truncated)?;
        let mut parts = Bytes { rest };
        let evidence = match format {
            SIMPLE_SIGNING => Evidence::SimpleSigning {
                payload: parts.part()?,
                signature: text(Tag::Evidence, parts.part()?)?,
                annotations: annotations(&mut parts)?,
            },
            ENVELOPE => Evidence::Envelope { document: parts.part()?, annotations: annotations(&mut parts)? },
            BUNDLE => Evidence::Bundle(parts.part()?),
            other => return Err(ContainerError::UnknownFormat(other)),
        };
        if parts.rest.is_empty() { Ok(Some(evidence)) } else { Err(ContainerError::Trailing) }
    }
}

impl<'a> Iterator for Evidences<'a> {
    type Item = Evidence<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        // A case exists only if all its evidence could be read, so nothing is left out here.
        self.read().unwrap_or_default()
    }
}

/// Fields in rising order of their tags.
struct Fields<'a> {
    bytes: Bytes<'a>,
    last: Option<Tag>,
}

impl<'a> Fields<'a> {
    /// The next field, if it is this one; a field that may not come any more is refused by whoever wants the next one.
    fn optional(&mut self, wanted: Tag) -> Result<Option<&'a [u8]>, ContainerError> {
        if self.bytes.rest.is_empty() {
            return Ok(None);
        }
        let mut ahead = self.bytes.clone();
        let (tag, value) = ahead.field()?;
        if self.last.is_some_and(|last| tag <= last) {
            return Err(ContainerError::Order(tag as u8));
        }
        if tag != wanted {
            return Ok(None);
        }
        self.bytes = ahead;
        self.last = Some(tag);
        Ok(Some(value))
    }

    fn required(&mut self, wanted: Tag) -> Result<&'a [u8], ContainerError> {
        self.optional(wanted)?.ok_or(ContainerError::Missing(wanted as u8))
    }

    fn text(&mut self, wanted: Tag) -> Result<&'a str, ContainerError> {
        text(wanted, self.required(wanted)?)
    }

    fn optional_text(&mut self, wanted: Tag) -> Result<Option<&'a str>, ContainerError> {
        self.optional(wanted)?.map(|bytes| text(wanted, bytes)).transpose()
    }

    fn integer(&mut self, wanted: Tag) -> Result<u64, ContainerError> {
        let bytes = self.required(wanted)?.try_into().map_err(|_| ContainerError::Value(wanted as u8))?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn text(tag: Tag, bytes: &[u8]) -> Result<&str, ContainerError> {
    core::str::from_utf8(bytes).map_err(|_| ContainerError::Value(tag as u8))
}

/// What is left to read.
#[derive(Clone, Debug)]
struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn length(&mut self) -> Result<u32, ContainerError> {
        let (length, rest) = self.rest.split_first_chunk().ok_or(ContainerError::Truncated)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*length))
    }

    /// Bytes with their length in front.
    fn part(&mut self) -> Result<&'a [u8], ContainerError> {
        let length = usize::try_from(self.length()?).map_err(|_| ContainerError::Truncated)?;
        let (part, rest) = self.rest.split_at_checked(length).ok_or(ContainerError::Truncated)?;
        self.rest = rest;
        Ok(part)
    }

    fn field(&mut self) -> Result<(Tag, &'a [u8]), ContainerError> {
        let (&tag, rest) = self.rest.split_first().ok_or(ContainerError::Truncated)?;
        let tag = Tag::from_byte(tag).ok_or(ContainerError::UnknownField(tag))?;
        self.rest = rest;
        Ok((tag, self.part()?))
    }
}

/// The four annotations of a legacy layer, where a row has any; an empty one is absent.
fn annotations<'c>(parts: &mut Bytes<'c>) -> Result<Annotations<'c>, ContainerError> {
    if parts.rest.is_empty() {
        return Ok(Annotations::default());
    }
    let mut next = || -> Result<Option<&'c str>, ContainerError> {
        Ok(Some(text(Tag::Evidence, parts.part()?)?).filter(|text| !text.is_empty()))
    };
    Ok(Annotations { certificate: next()?, chain: next()?, bundle: next()?, timestamp: next()? })
}
