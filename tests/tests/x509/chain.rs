//! A leaf, an intermediate and a root, honest until a test changes one of them.

use pullward_core::keyless::{self, SelfIssued, SentCertificates, verify_certificate};
use pullward_core::limits;
use pullward_core::operations::Operations;
use pullward_core::time::{UnixTime, Window};
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::x509::{self, Anchor, Certificate, Purpose, verify_path};
use pullward_tests::mint::certificate::CertificateForge;
use pullward_tests::mint::{Signer, trusted_authority, trusted_log, trusted_root, world};
use serde_json::Value;

/// When everything is signed.
pub(crate) const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3600;
const YEAR: u64 = 365 * 24 * HOUR;

pub(crate) const URI_OF_LEAF: &str =
    "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
pub(crate) const PROVIDER: &str = "https://token.actions.githubusercontent.com";

/// Certificates before they are signed, and the keys that sign them.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) leaf: CertificateForge,
    pub(crate) intermediate: CertificateForge,
    pub(crate) root: CertificateForge,
    pub(crate) leaf_key: Signer,
    pub(crate) intermediate_key: Signer,
    pub(crate) root_key: Signer,
    /// When the anchor is believed.
    pub(crate) window: Window,
    pub(crate) times: Vec<u64>,
    pub(crate) purpose: Purpose,
}

impl Chain {
    /// An honest one: the leaf for ten minutes, the authorities for years.
    pub(crate) fn new() -> Self {
        let (root_key, intermediate_key, leaf_key) =
            (world().p256(0).clone(), world().p256(1).clone(), world().p256(2).clone());
        let (short, long) = ([NOW - 300, NOW + 300].map(UnixTime), [NOW - YEAR, NOW + YEAR].map(UnixTime));
        Self {
            leaf: CertificateForge::leaf(URI_OF_LEAF, PROVIDER, "intermediate", &leaf_key, short),
            intermediate: CertificateForge::authority("intermediate", "root", &intermediate_key, long),
            root: CertificateForge::authority("root", "root", &root_key, long),
            leaf_key,
            intermediate_key,
            root_key,
            window: Window { start: UnixTime(NOW - YEAR), end: None },
            times: vec![NOW],
            purpose: Purpose::CodeSigning,
        }
    }

    /// The leaf's DER.
    pub(crate) fn leaf_der(&self) -> Vec<u8> {
        self.leaf.sign(&self.intermediate_key)
    }

    /// The intermediate's DER.
    pub(crate) fn intermediate_der(&self) -> Vec<u8> {
        self.intermediate.sign(&self.root_key)
    }

    /// The root's DER.
    pub(crate) fn root_der(&self) -> Vec<u8> {
        self.root.sign(&self.root_key)
    }

    /// What the core says of the path.
    pub(crate) fn verify(&self) -> Result<(), x509::Error> {
        self.verify_with(&[self.intermediate_der()])
    }

    /// What the core says of the path, with other intermediates.
    pub(crate) fn verify_with(&self, intermediates: &[Vec<u8>]) -> Result<(), x509::Error> {
        let (leaf, root) = (self.leaf_der(), self.root_der());
        let anchor = Anchor { certificate: Certificate::read(&root)?, window: self.window };
        let read = intermediates.iter().map(|der| Certificate::read(der));
        let intermediates = read.collect::<Result<Vec<_>, _>>()?;
        let times: Vec<UnixTime> = self.times.iter().copied().map(UnixTime).collect();
        let leaf = Certificate::read(&leaf)?;
        let mut operations = Operations::new();
        verify_path(&leaf, &intermediates, &[anchor], &times, self.purpose, &mut operations).map(|_| ())
    }

    /// A trusted root of this chain's authority, with a certificate log where one is given.
    pub(crate) fn trusted_root(&self, log: Option<&Signer>) -> Value {
        let mut root = trusted_root();
        root["certificateAuthorities"] = Value::from(vec![trusted_authority(
            &[&self.intermediate_der(), &self.root_der()],
            "2020-01-01T00:00:00Z",
        )]);
        if let Some(log) = log {
            root["ctlogs"] =
                Value::from(vec![trusted_log(log, "https://ctlog.virtual", "2020-01-01T00:00:00Z")]);
        }
        root
    }

    /// What the core says of the leaf against a trusted root: subject, issuer, and how many logs have seen it.
    pub(crate) fn keyless(&self, root: &Value) -> Result<(String, String, usize), keyless::Error> {
        self.keyless_with(root, &[], SelfIssued::Refuse)
    }

    /// The same, with certificates that were sent beside the leaf.
    pub(crate) fn keyless_with(
        &self,
        root: &Value,
        others: &[&[u8]],
        self_issued: SelfIssued,
    ) -> Result<(String, String, usize), keyless::Error> {
        let leaf = self.leaf_der();
        let root = root.to_string();
        let mut scratch = vec![0; limits::VERIFY_CERTIFICATE_BYTES];
        let root = TrustedRoot::check(root.as_bytes(), &mut scratch).map_err(keyless::Error::TrustedRoot)?;
        let times: Vec<UnixTime> = self.times.iter().copied().map(UnixTime).collect();
        let sent = SentCertificates { leaf: &leaf, others, self_issued };
        let now = UnixTime(NOW + HOUR);
        let verified = verify_certificate(&sent, &root, &times, now, &mut Operations::new(), &mut scratch)?;
        let identity = verified.identity();
        let logs = verified.logs().map_or(0, |logs| logs.ids().len());
        Ok((identity.subject().text().to_owned(), identity.issuer().to_owned(), logs))
    }
}
