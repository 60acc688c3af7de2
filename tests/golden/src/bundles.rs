//! Opening the trust bundle of a case: as a file with root keys, or as a payload that was opened before.

use pullward_core::{
    signature::PublicKey,
    trust::{self, TrustBundle, TrustError, TrustIndex},
};

use crate::{
    container::{CaseTrust, SignedBundle},
    runner::DOCUMENT_BYTES,
};

/// Root keys that a case opens a trust bundle with.
const ROOTS: usize = 4;

/// What is left of the trust bundle of the case at hand.
#[derive(Debug)]
pub(crate) struct Bundles {
    payload: [u8; DOCUMENT_BYTES],
    roots: heapless::Vec<PublicKey, ROOTS>,
    index: TrustIndex,
}

impl Bundles {
    pub(crate) const fn new() -> Self {
        Self { payload: [0; DOCUMENT_BYTES], roots: heapless::Vec::new(), index: TrustIndex::new() }
    }

    /// Opens the case's trust bundle, or says with which code it is refused.
    pub(crate) fn open<'a>(&'a mut self, trust: &CaseTrust<'a>) -> Result<TrustBundle<'a>, &'static str> {
        let Self { payload, roots, index } = self;
        let payload = match trust {
            CaseTrust::Payload(payload) => payload,
            CaseTrust::Envelope(bundle) => open_envelope(bundle, roots, payload)?,
            CaseTrust::Key(_) => return Err("key"),
        };
        index.read(payload).map_err(TrustError::code)?;
        Ok(TrustBundle::new(payload, index))
    }
}

fn open_envelope<'m>(
    bundle: &SignedBundle<'_>,
    roots: &mut heapless::Vec<PublicKey, ROOTS>,
    payload: &'m mut [u8],
) -> Result<&'m [u8], &'static str> {
    roots.clear();
    for pem in bundle.roots() {
        let root = PublicKey::from_pem(pem).map_err(|_| "key")?;
        roots.push(root).map_err(|_| "key")?;
    }
    let threshold = usize::from(bundle.threshold);
    trust::open_envelope(bundle.file, roots, threshold, payload).map_err(TrustError::code)
}
