//! One identity and one trusted root, put to the core's door for bundles.

use pullward_core::limits;
use pullward_core::operations::Operations;
use pullward_core::time::UnixTime;
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::verify::{
    Artifact, CandidateKey, Error, Keyring, RootSet, RootsOf, SignedBy, Signer, SignerState,
    artifact_scratch_bytes, verify_artifact,
};

/// Who must have signed what, and by whose word.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Trusted root.
    pub root: &'a str,
    /// Who vouched for the subject.
    pub issuer: &'a str,
    /// The subject.
    pub subject: &'a str,
    /// The artifact.
    pub artifact: &'a [u8],
    /// When it is judged.
    pub now: UnixTime,
}

/// The latest time that is vouched for; `None` where the core refuses.
#[must_use]
pub fn verify_bundle(bundle: &[u8], asked: &Asked<'_>) -> Option<UnixTime> {
    let mut scratch = vec![0; artifact_scratch_bytes(bundle, asked)];
    // What a bundle asks to be worked in is bounded by what it is itself and by the limits.
    assert!(
        scratch.len()
            <= bundle.len() + asked.scratch_bytes() + 4 * limits::CERTIFICATE_BYTES * limits::PATH_LENGTH
    );
    let artifact = Artifact::Content(asked.artifact);
    let mut operations = Operations::new();
    let by = verify_artifact(bundle, &artifact, asked, asked.now, &mut operations, &mut scratch).ok()?;
    match by.signer() {
        Signer::Certificate(certified) => assert_eq!(certified.names(), (asked.issuer, asked.subject)),
        Signer::Key(_) => panic!("signed by a key where there is none"),
    }
    by.time()
}

impl Keyring for Asked<'_> {
    fn keys(&self) -> impl Iterator<Item = CandidateKey> {
        core::iter::empty()
    }

    fn state(&self, candidate: &CandidateKey, by: &SignedBy<'_>) -> SignerState {
        candidate.limits.state(by)
    }

    fn certified(&self, by: &SignedBy<'_>) -> Result<u8, SignerState> {
        match by.signer() {
            Signer::Certificate(certified) if certified.names() == (self.issuer, self.subject) => Ok(0),
            _ => Err(SignerState::OtherIdentity),
        }
    }

    fn scratch_bytes(&self) -> usize {
        limits::VERIFY_SIGNATURE_BYTES
    }

    fn roots(&self, of: RootsOf) -> RootSet {
        let mut roots = RootSet::default();
        if matches!(of, RootsOf::Identities) {
            roots.insert(0);
        }
        roots
    }

    fn open_root<'r>(&'r self, _: u8, room: &'r mut [u8]) -> Result<(TrustedRoot<'r>, &'r mut [u8]), Error> {
        let root = TrustedRoot::read(self.root.as_bytes()).map_err(|_| Error::TrustedRoot)?;
        Ok((root, room))
    }
}
