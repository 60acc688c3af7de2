//! The trust bundle in use.

use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use pullward_core::dsse::{self, PAE_ROOM};
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::signature::PublicKey;
use pullward_core::time::UnixTime;
use pullward_core::trust::{TrustBundle, TrustError, TrustIndex, open_envelope};
use pullward_core::trusted_root::TrustedRoot;

use super::envelope::Envelope;
use super::refused::BundleFault;
use super::roots::Roots;

/// A trust bundle whose root signatures were checked: its payload, and the core's index of it.
///
/// Its expiry was not checked: that is asked with each verdict.
#[derive(Clone)]
pub struct InstalledTrust {
    payload: Vec<u8>,
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// Its version within its audience.
    pub version: u64,
    /// The audience it is for.
    pub audience: String,
    /// When it was issued, in seconds since 1970.
    pub issued: u64,
    /// When it expires, in seconds since 1970.
    pub expires: u64,
    /// The latest time that this node knows to have passed: a clock that stands before it is wrong. The bundle's issue,
    /// or a later one of a bundle that the node had before.
    pub clock_floor: UnixTime,
    index: Arc<TrustIndex>,
}

impl InstalledTrust {
    /// Opens a signed bundle: root signatures, form and every field of it, audience.
    ///
    /// # Errors
    /// [`BundleFault`]; nothing of an unsigned payload was read.
    pub fn open(file: &[u8], roots: &Roots, audience: &str) -> Result<Self, BundleFault> {
        let trust = Self::open_for_any(file, roots.keys(), roots.threshold())?;
        if trust.audience != audience {
            return Err(BundleFault::Audience { found: trust.audience, expected: audience.to_owned() });
        }
        Ok(trust)
    }

    /// The same for a command that is told which bundle to believe, whoever it is for: `threshold` distinct ones of
    /// `roots` have signed.
    ///
    /// # Errors
    /// [`BundleFault`].
    pub fn open_for_any(file: &[u8], roots: &[PublicKey], threshold: usize) -> Result<Self, BundleFault> {
        // Base64 only gets shorter when it is decoded.
        let mut scratch = vec![0; file.len().saturating_add(PAE_ROOM)];
        let payload =
            open_envelope(file, roots, threshold, &mut scratch).map_err(|error| unsigned_or(error, file))?;
        Self::from_payload(payload.to_vec())
    }

    /// Takes a payload whose signatures were checked.
    fn from_payload(payload: Vec<u8>) -> Result<Self, BundleFault> {
        let mut index = Box::<TrustIndex>::default();
        index.read(&payload).map_err(BundleFault::Core)?;
        let bundle = TrustBundle::new(&payload, &index);
        let audience = bundle.audience().map_err(BundleFault::Core)?.to_owned();
        check_trusted_roots(&bundle).map_err(BundleFault::Core)?;
        Ok(Self {
            digest: index.digest(),
            version: index.version(),
            audience,
            issued: index.issued().0,
            expires: index.expires().0,
            clock_floor: index.issued(),
            payload,
            index: Arc::from(index),
        })
    }

    /// The payload: the bytes that the root keys signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bundle as the core judges by it.
    #[must_use]
    pub fn bundle(&self) -> TrustBundle<'_> {
        TrustBundle::new(&self.payload, &self.index)
    }
}

/// Reads every trusted root whole, once: a verdict reads no more of it than it needs.
fn check_trusted_roots(bundle: &TrustBundle<'_>) -> Result<(), TrustError> {
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    for place in 0..u8::try_from(bundle.trusted_root_count()).unwrap_or(u8::MAX) {
        let root = Base64::decode_vec(bundle.trusted_root(place)?).map_err(|_| TrustError::TrustedRoot)?;
        TrustedRoot::check(&root, &mut scratch).map_err(|_| TrustError::TrustedRoot)?;
    }
    Ok(())
}

/// Nobody has signed: said as such, not as a wrong number of signatures.
fn unsigned_or(error: TrustError, file: &[u8]) -> BundleFault {
    let no_signature = || Envelope::parse(file).is_ok_and(|envelope| envelope.signatures().is_empty());
    if error == TrustError::Envelope(dsse::Error::SignatureCount) && no_signature() {
        BundleFault::Unsigned
    } else {
        BundleFault::Core(error)
    }
}

impl PartialEq for InstalledTrust {
    /// The same payload; everything else follows from it.
    fn eq(&self, other: &Self) -> bool {
        self.payload == other.payload
    }
}

impl Eq for InstalledTrust {}

impl std::fmt::Debug for InstalledTrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstalledTrust")
            .field("audience", &self.audience)
            .field("version", &self.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::InstalledTrust;
    use crate::policy::{Policy, Source};
    use crate::trust::payload::{Key, Payload};
    use crate::trust::time::Time;

    /// A payload that denies everything, issued at the start of 2026 and good for a year.
    pub(crate) fn payload(audience: &str, version: u64) -> Payload {
        let text = format!(
            "schema = 1\naudience = \"{audience}\"\n[[rule]]\nname = \"all\"\nmatch = [\"**\"]\nmode = \"deny\"\n"
        );
        let policy = Policy::from_source(&Source::new("policy.toml".into(), text)).unwrap();
        let time = |text| Time::parse(text).unwrap();
        policy.into_payload(version, time("2026-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z"))
    }

    /// The same as a bundle.
    pub(crate) fn trust(version: u64) -> InstalledTrust {
        unsigned(payload("default", version).to_bytes().unwrap())
    }

    /// A bundle of a payload that nobody signed; only tests can make one.
    pub(crate) fn unsigned(payload: Vec<u8>) -> InstalledTrust {
        InstalledTrust::from_payload(payload).unwrap()
    }

    /// T-29, T-32: what a node cannot read it does not install.
    #[test]
    fn a_trusted_root_that_is_none_is_refused() {
        use base64ct::{Base64, Encoding as _};
        use pullward_core::oci::Digest;
        let mut payload = payload("default", 1);
        for content in [
            "{}",
            "x",
            r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{}]}"#,
        ] {
            payload.trusted_roots = vec![crate::trust::payload::TrustedRoot {
                digest: Digest::of(content.as_bytes()).to_string(),
                content: Base64::encode_string(content.as_bytes()),
            }];
            let fault = InstalledTrust::from_payload(payload.to_bytes().unwrap()).unwrap_err();
            assert_eq!(fault.code(), "trust-invalid", "{content}");
        }
    }

    #[test]
    fn a_bundle_knows_what_its_payload_says() {
        let trust = trust(7);
        assert_eq!((trust.version, trust.audience.as_str()), (7, "default"));
        assert_eq!((trust.issued, trust.expires), (1_767_225_600, 1_798_761_600));
        assert_eq!(trust.bundle().index().rule_count(), 1);
        assert_eq!(trust.bundle().index().digest(), trust.digest);
    }

    /// T-109: a kind of tomorrow does not stop a fleet of today, a damaged key of a known kind does.
    #[test]
    fn a_key_of_an_unknown_kind_is_unusable_and_a_malformed_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key =
            crate::trust::root_key::RootKey::generate(crate::trust::root_key::RootKeyType::P256).unwrap();
        std::fs::write(folder.path().join("k.pub"), key.public_pem().unwrap()).unwrap();
        let text = "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"k.pub\"\n\
                    [[rule]]\nname = \"r\"\nmatch = [\"**\"]\nsigned_by = [\"a\"]\n";
        let policy =
            Policy::from_source(&Source::new(folder.path().join("p.toml"), text.to_owned())).unwrap();
        let mut payload = policy.into_payload(1, Time::now(), Time::parse("2999-01-01T00:00:00Z").unwrap());
        let keys = payload.authorities[0].keys.as_mut().unwrap();
        let mut unknown = keys[0].clone();
        unknown.r#type = "ml-dsa-65".into();
        keys.push(unknown);
        let trust = InstalledTrust::from_payload(payload.to_bytes().unwrap()).unwrap();
        assert_eq!(trust.bundle().authority("a").unwrap().keys().unwrap().count(), 1);
        let good = payload.authorities[0].keys.as_ref().unwrap()[0].clone();
        for (kind, spki) in [("ed25519", good.spki.clone()), ("p256", "AAAA".to_owned())] {
            let bad = Key { r#type: kind.to_owned(), spki, ..good.clone() };
            payload.authorities[0].keys = Some(vec![good.clone(), bad]);
            let fault = InstalledTrust::from_payload(payload.to_bytes().unwrap()).unwrap_err();
            assert_eq!(fault.code(), "trust-invalid", "{kind}");
        }
    }
}
