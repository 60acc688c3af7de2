//! Signed certificate timestamps embedded in a certificate (RFC 6962 section 3): proof that a log has seen it.
//!
//! What a log has signed is not the certificate but the precertificate, so its bytes are put together again: those of
//! the certificate without the extension that holds the SCTs, and the hash of the key of the issuer. That issuer is the
//! one whose key verified the leaf on its path, never one that was found by name (T-49). The extensions of an SCT are
//! part of what is signed, whatever is in them.
//!
//! A log is found by its id, the SHA-256 of its key, and must be believed at the SCT's own time. As in Sigstore's own
//! clients that time is not held against the certificate's validity: a log's clock is not its authority's. An SCT of a
//! log that the root does not know, or not at that time, does not count; one of a log that it knows, and with a wrong
//! signature, makes the certificate an error.

use crate::der::{Reader, SEQUENCE, context_constructed};
use crate::limits;
use crate::operations::Operations;
use crate::signature::{HashAlgorithm, Message, SignatureAlgorithm, SignedFormat};
use crate::time::UnixTime;
use crate::trusted_root::{self, TrustedRoot};
use crate::x509::Certificate;

/// Why a certificate's SCTs do not show that a log has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// There are none.
    Missing,
    /// A list that is not of the form of RFC 6962 section 3.3.
    Malformed,
    /// More than [`SCTS`](limits::SCTS).
    TooMany,
    /// All of them are of versions or logs that the trusted root does not know.
    UnknownLog,
    /// The trusted root knows the log, but not at the SCT's time.
    LogWindow,
    /// A hash or signature algorithm that is not SHA-256 with ECDSA or RSA (RFC 6962 section 2.1.4).
    Algorithm,
    /// The signature is not the log's.
    Signature,
    /// The trusted root cannot be read.
    TrustedRoot(trusted_root::Error),
    /// The scratch is too small for the precertificate.
    Scratch,
    /// No signature operations are left.
    Operations,
}

/// The logs that have verifiably seen a certificate. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLogs {
    ids: heapless::Vec<[u8; 32], { limits::SCTS }>,
}

impl CertificateLogs {
    /// Ids of the logs, each once however many SCTs it gave (T-19); never none.
    #[must_use]
    pub fn ids(&self) -> &[[u8; 32]] {
        &self.ids
    }
}

/// Verifies the SCTs in `leaf`, which `issuer` has issued, against the certificate logs of `root`.
///
/// `scratch` needs [`PRECERTIFICATE_BYTES`](limits::PRECERTIFICATE_BYTES).
///
/// # Errors
/// [`Error`]; where no SCT counts, why the one that came closest does not.
pub fn verify(
    leaf: &Certificate<'_>,
    issuer: &Certificate<'_>,
    root: &TrustedRoot<'_>,
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<CertificateLogs, Error> {
    let list = leaf.extensions().find(SCT_LIST).ok_or(Error::Missing)?;
    let issuer = issuer.spki_hash();
    let mut ids: heapless::Vec<[u8; 32], { limits::SCTS }> = heapless::Vec::new();
    let mut closest = Error::UnknownLog;
    let mut count = 0_usize;
    for sct in SctList::read(list.value)? {
        count = count.saturating_add(1);
        if count > limits::SCTS {
            return Err(Error::TooMany);
        }
        let Some(sct) = Sct::read(sct?)? else { continue };
        let known =
            root.certificate_logs().find(|log| !log.as_ref().is_ok_and(|log| log.id().bytes() != sct.log));
        let Some(log) = known.transpose().map_err(Error::TrustedRoot)? else { continue };
        if !log.window().contains(sct.time()) {
            closest = Error::LogWindow;
            continue;
        }
        operations.spend(1).map_err(|_| Error::Operations)?;
        let key = log.key().map_err(Error::TrustedRoot)?;
        // The id is the key's, whatever the root says.
        if key.id().0 != *sct.log {
            return Err(Error::TrustedRoot(trusted_root::Error::LogId));
        }
        let signed = signed_bytes(leaf, &issuer, &sct, scratch)?;
        let format = SignedFormat::Named(sct.algorithm()?);
        key.verify(format, &Message::new(signed), sct.signature).map_err(|_| Error::Signature)?;
        if !ids.contains(sct.log) {
            ids.push(*sct.log).map_err(|_| Error::TooMany)?;
        }
    }
    if ids.is_empty() { Err(closest) } else { Ok(CertificateLogs { ids }) }
}

/// 1.3.6.1.4.1.11129.2.4.2, as encoded.
const SCT_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];

/// One SCT of version 1.
struct Sct<'a> {
    log: &'a [u8; 32],
    milliseconds: u64,
    extensions: &'a [u8],
    hash: u8,
    scheme: u8,
    signature: &'a [u8],
}

impl<'a> Sct<'a> {
    /// `None` for another version.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, Error> {
        let mut cursor = Cursor { rest: bytes };
        if cursor.array::<1>()? != &[0] {
            return Ok(None);
        }
        let log = cursor.array()?;
        let milliseconds = u64::from_be_bytes(*cursor.array()?);
        let extensions = cursor.vector()?;
        let [hash, scheme] = *cursor.array()?;
        let signature = cursor.vector()?;
        if !cursor.rest.is_empty() {
            return Err(Error::Malformed);
        }
        Ok(Some(Self { log, milliseconds, extensions, hash, scheme, signature }))
    }

    fn time(&self) -> UnixTime {
        UnixTime(self.milliseconds.wrapping_div(1000))
    }

    /// RFC 5246 section 7.4.1.4.1.
    fn algorithm(&self) -> Result<SignatureAlgorithm, Error> {
        match (self.hash, self.scheme) {
            (4, 1) => Ok(SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256)),
            (4, 3) => Ok(SignatureAlgorithm::Ecdsa(HashAlgorithm::Sha256)),
            _ => Err(Error::Algorithm),
        }
    }
}

/// SCTs of a `SignedCertificateTimestampList`, each still closed.
struct SctList<'a> {
    cursor: Cursor<'a>,
}

impl<'a> SctList<'a> {
    /// From the content of the extension.
    fn read(extension: &'a [u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(extension);
        let list = outer.octet_string().map_err(|_| Error::Malformed)?;
        outer.end().map_err(|_| Error::Malformed)?;
        let mut cursor = Cursor { rest: list };
        let list = cursor.vector()?;
        if !cursor.rest.is_empty() || list.is_empty() {
            return Err(Error::Malformed);
        }
        Ok(Self { cursor: Cursor { rest: list } })
    }
}

impl<'a> Iterator for SctList<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.rest.is_empty() {
            return None;
        }
        let sct = self.cursor.vector();
        if sct.is_err() {
            self.cursor.rest = &[];
        }
        Some(sct)
    }
}

/// TLS presentation language (RFC 5246 section 4).
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(Error::Malformed)?;
        self.rest = rest;
        Ok(array)
    }

    /// A vector with a length of two bytes.
    fn vector(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::from(u16::from_be_bytes(*self.array()?));
        let (vector, rest) = self.rest.split_at_checked(length).ok_or(Error::Malformed)?;
        self.rest = rest;
        Ok(vector)
    }
}

/// What the log has signed: `digitally-signed struct` of RFC 6962 section 3.2, for a precertificate.
fn signed_bytes<'s>(
    leaf: &Certificate<'_>,
    issuer: &[u8; 32],
    sct: &Sct<'_>,
    scratch: &'s mut [u8],
) -> Result<&'s [u8], Error> {
    let mut tbs = Reader::new(leaf.tbs());
    let fields = tbs.take(SEQUENCE).map_err(|_| Error::Malformed)?;
    // The extensions come last; all before them stays as it is.
    let mut reader = Reader::new(fields);
    let mut before = 0_usize;
    while reader.peek() != Some(context_constructed(3)) {
        let field = reader.any().map_err(|_| Error::Malformed)?;
        before = before.saturating_add(field.raw.len());
    }
    let before = fields.get(..before).ok_or(Error::Malformed)?;
    let kept = || leaf.extensions().iter().filter(|extension| extension.oid != SCT_LIST);
    let extensions: usize = kept().map(|extension| extension.raw.len()).sum();
    let list = Header::new(SEQUENCE, extensions)?;
    let wrapper = Header::new(context_constructed(3), extensions.saturating_add(list.bytes().len()))?;
    let fields = [before.len(), wrapper.bytes().len(), list.bytes().len(), extensions].iter().sum();
    let tbs = Header::new(SEQUENCE, fields)?;
    let length = u32::try_from(fields.saturating_add(tbs.bytes().len())).map_err(|_| Error::Scratch)?;
    let [_, length @ ..] = length.to_be_bytes();

    let mut out = Out { room: scratch, length: 0 };
    // Version 1, a timestamp of a certificate.
    out.push(&[0, 0])?;
    out.push(&sct.milliseconds.to_be_bytes())?;
    // A precertificate.
    out.push(&[0, 1])?;
    out.push(issuer)?;
    out.push(&length)?;
    for part in [tbs.bytes(), before, wrapper.bytes(), list.bytes()] {
        out.push(part)?;
    }
    for extension in kept() {
        out.push(extension.raw)?;
    }
    // It was read with a length of two bytes.
    let length = u16::try_from(sct.extensions.len()).map_err(|_| Error::Malformed)?;
    out.push(&length.to_be_bytes())?;
    out.push(sct.extensions)?;
    let Out { room, length } = out;
    Ok(room.get(..length).unwrap_or_default())
}

/// Tag and minimal length of a DER value.
struct Header {
    bytes: [u8; 4],
    length: usize,
}

impl Header {
    fn new(tag: u8, content: usize) -> Result<Self, Error> {
        let [high, low] = u16::try_from(content).map_err(|_| Error::Scratch)?.to_be_bytes();
        Ok(match (high, low) {
            (0, 0..=0x7f) => Self { bytes: [tag, low, 0, 0], length: 2 },
            (0, _) => Self { bytes: [tag, 0x81, low, 0], length: 3 },
            _ => Self { bytes: [tag, 0x82, high, low], length: 4 },
        })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Bytes written so far.
struct Out<'s> {
    room: &'s mut [u8],
    length: usize,
}

impl Out<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.length.saturating_add(bytes.len());
        self.room.get_mut(self.length..end).ok_or(Error::Scratch)?.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }
}
