//! Authorities of a trusted root (`CertificateAuthority`): Fulcio's, and those of timestamps.

use super::{Error, items, need, present, text, window};
use crate::encoding::{self, Alphabet};
use crate::json::{Text, UnknownKeys, Value};
use crate::limits;
use crate::time::Window;
use crate::x509::{self, Anchor, Certificate};

/// An authority: who it is, when it is believed, and its certificates.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    uri: Option<Text<'a>>,
    operator: Option<Text<'a>>,
    window: Window,
    certificates: Value<'a>,
}

impl<'a> Authority<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Self, Error> {
        let names = ["uri", "operator", "validFor", "certChain"];
        let [uri, operator, valid_for, chain] =
            value.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let [certificates] =
            need(chain, "certChain")?.object()?.fields(["certificates"], UnknownKeys::Skip)?.map(present);
        Ok(Self {
            uri: text(uri)?,
            operator: text(operator)?,
            window: window(valid_for)?,
            certificates: need(certificates, "certificates")?,
        })
    }

    /// Where it is served.
    #[must_use]
    pub fn uri(&self) -> Option<Text<'a>> {
        self.uri
    }

    /// Who runs it, where the root says so.
    #[must_use]
    pub fn operator(&self) -> Option<Text<'a>> {
        self.operator
    }

    /// When it is believed, both ends included.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Decodes its certificates into `scratch`, which needs [`CHAIN_BYTES`](limits::CHAIN_BYTES).
    ///
    /// # Errors
    /// [`Error::Certificate`] for one that cannot be read, or where there is none; [`Error::TooMany`];
    /// [`Error::Scratch`].
    pub fn open<'s>(&self, scratch: &'s mut [u8]) -> Result<Chain<'s>, Error> {
        let mut certificates: heapless::Vec<Certificate<'s>, { limits::PATH_LENGTH }> = heapless::Vec::new();
        let mut room = scratch;
        for item in self.certificates.array()? {
            let [raw] = item?.object()?.fields(["rawBytes"], UnknownKeys::Skip)?.map(present);
            let text = need(raw, "rawBytes")?.string()?;
            let bytes = text.chars().map(|c| u8::try_from(c).unwrap_or(b'\0'));
            let length = encoding::base64(bytes, Alphabet::Standard, room).map_err(|error| match error {
                encoding::Error::TooLong => Error::Scratch,
                error => Error::Base64(error),
            })?;
            let (der, rest) =
                core::mem::take(&mut room).split_at_mut_checked(length).ok_or(Error::Scratch)?;
            room = rest;
            let certificate = Certificate::read(der).map_err(Error::Certificate)?;
            certificates.push(certificate).map_err(|_| Error::TooMany("certificates"))?;
        }
        // The last one is the anchor; an authority without any authorises nothing (T-26, T-29).
        let anchor = certificates.pop().ok_or(Error::Certificate(x509::Error::UnknownIssuer))?;
        Ok(Chain { anchor: Anchor { certificate: anchor, window: self.window }, below: certificates })
    }
}

/// An authority's certificates, decoded.
#[derive(Debug, Clone)]
pub struct Chain<'s> {
    anchor: Anchor<'s>,
    below: heapless::Vec<Certificate<'s>, { limits::PATH_LENGTH }>,
}

impl<'s> Chain<'s> {
    /// The last one: what is believed.
    #[must_use]
    pub fn anchor(&self) -> &Anchor<'s> {
        &self.anchor
    }

    /// The others, in the root's order: the nearest to the leaf first, and for a timestamp authority often its leaf
    /// before them.
    #[must_use]
    pub fn below(&self) -> &[Certificate<'s>] {
        &self.below
    }
}

/// Reads a whole list.
pub(super) fn check(list: Option<Value<'_>>, name: &'static str, scratch: &mut [u8]) -> Result<(), Error> {
    let mut count = 0_usize;
    for item in items(list) {
        count = count.saturating_add(1);
        if count > limits::TRUSTED_AUTHORITIES {
            return Err(Error::TooMany(name));
        }
        Authority::read(item?)?.open(scratch)?;
    }
    Ok(())
}
