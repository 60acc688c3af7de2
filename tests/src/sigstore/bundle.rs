//! What is sent: Sigstore bundles, and layers with cosign's legacy annotations.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::rekor::pem;
use super::{BundleVersion, Entry, Form, sha256};

/// Annotations of a legacy layer.
pub type Annotations = BTreeMap<String, String>;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A bundle.
    Bundle(Vec<u8>),
    /// A legacy `.sig` layer.
    Signature {
        /// The layer.
        payload: Vec<u8>,
        /// Its annotations.
        annotations: Annotations,
    },
    /// A legacy `.att` layer.
    Attestation {
        /// The layer.
        envelope: Vec<u8>,
        /// Its annotations.
        annotations: Annotations,
    },
}

/// All that goes into it.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) content: Vec<u8>,
    pub(super) payload_type: String,
    pub(super) signature: Vec<u8>,
    pub(super) certificate: Vec<u8>,
    pub(super) others: Vec<Vec<u8>>,
    pub(super) entries: Vec<Entry>,
    pub(super) tokens: Vec<Vec<u8>>,
}

/// cosign's annotation of the signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// cosign's annotation of the certificate.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// cosign's annotation of the other certificates.
pub const CHAIN: &str = "dev.sigstore.cosign/chain";
/// cosign's annotation of the log entry.
pub const BUNDLE: &str = "dev.sigstore.cosign/bundle";
/// cosign's annotation of the timestamp.
pub const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

impl Parts {
    /// A bundle as JSON.
    pub(super) fn bundle(&self, version: BundleVersion, form: Form) -> Value {
        let raw = |der: &Vec<u8>| json!({ "rawBytes": STANDARD.encode(der) });
        let chain: Vec<Value> = core::iter::once(&self.certificate).chain(&self.others).map(raw).collect();
        let (media_type, member, certificate) = match version {
            BundleVersion::One => (
                "application/vnd.dev.sigstore.bundle+json;version=0.1",
                "x509CertificateChain",
                json!({ "certificates": chain }),
            ),
            BundleVersion::Two => (
                "application/vnd.dev.sigstore.bundle+json;version=0.2",
                "x509CertificateChain",
                json!({ "certificates": chain }),
            ),
            BundleVersion::Three => {
                ("application/vnd.dev.sigstore.bundle.v0.3+json", "certificate", raw(&self.certificate))
            }
        };
        let entries: Vec<Value> = self.entries.iter().map(Entry::json).collect();
        let mut material = json!({ member: certificate });
        if !entries.is_empty() {
            material["tlogEntries"] = entries.into();
        }
        if !self.tokens.is_empty() {
            let tokens: Vec<Value> = self
                .tokens
                .iter()
                .map(|token| json!({ "signedTimestamp": STANDARD.encode(token) }))
                .collect();
            material["timestampVerificationData"] = json!({ "rfc3161Timestamps": tokens });
        }
        let mut bundle = json!({ "mediaType": media_type, "verificationMaterial": material });
        if form.is_envelope() {
            bundle["dsseEnvelope"] = self.envelope(&[("sig", &self.signature)]);
        } else {
            let digest = STANDARD.encode(sha256(&self.content));
            bundle["messageSignature"] = json!({
                "messageDigest": { "algorithm": "SHA2_256", "digest": digest },
                "signature": STANDARD.encode(&self.signature)
            });
        }
        bundle
    }

    /// A bare envelope.
    pub(super) fn envelope(&self, signatures: &[(&str, &[u8])]) -> Value {
        let signatures: Vec<Value> =
            signatures.iter().map(|(member, bytes)| json!({ *member: STANDARD.encode(bytes) })).collect();
        json!({
            "payload": STANDARD.encode(&self.content),
            "payloadType": self.payload_type,
            "signatures": signatures
        })
    }

    /// Annotations of a legacy layer.
    pub(super) fn annotations(&self, form: Form) -> Annotations {
        let mut all = Annotations::new();
        let signature =
            if form == Form::Signature { STANDARD.encode(&self.signature) } else { String::new() };
        all.insert(SIGNATURE.into(), signature);
        all.insert(CERTIFICATE.into(), pem(&self.certificate));
        all.insert(CHAIN.into(), self.others.iter().map(|der| pem(der)).collect());
        if let Some(entry) = self.entries.first() {
            all.insert(BUNDLE.into(), entry.annotation());
        }
        if let Some(token) = self.tokens.first() {
            let value = json!({ "SignedRFC3161Timestamp": STANDARD.encode(token) });
            all.insert(TIMESTAMP.into(), value.to_string());
        }
        all
    }
}
