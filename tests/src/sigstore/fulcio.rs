//! The certificate authority: leaves as Fulcio issues them, and the SCTs in them.
//!
//! Fulcio's certificate specification (`docs/certificate-specification.md` in sigstore/fulcio) and RFC 6962 section 3.

use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;

use super::{Validity, address};
use crate::mint::certificate::{CertificateForge, Extension, SCT_LIST};
use crate::mint::{Random, Signer};

/// An authority with a root of P-384 and an issuing certificate of P-256 below it.
#[derive(Debug, Clone)]
pub struct Fulcio {
    /// The root's key.
    pub root: Signer,
    /// The issuing key.
    pub issuer: Signer,
    /// The issuing certificate's name.
    pub name: String,
    root_name: String,
    certificates: [Vec<u8>; 2],
}

impl Fulcio {
    /// An authority of this name, with new keys.
    #[must_use]
    pub fn new(name: &str, validity: Validity, random: &mut Random) -> Self {
        let root = Signer::generate(KeyType::P384, random);
        let issuer = Signer::generate(KeyType::P256, random);
        let root_name = format!("{name} root");
        let mut top = CertificateForge::authority(&root_name, &root_name, &root, validity.ends());
        top.serial = random.bytes(8).into_iter().map(|byte| byte & 0x7f | 1).collect();
        let mut below = CertificateForge::authority(name, &root_name, &issuer, validity.ends());
        below.serial = random.bytes(8).into_iter().map(|byte| byte & 0x7f | 1).collect();
        below.set(Extension::basic_constraints(true, Some(0)));
        let certificates = [below.sign(&root), top.sign(&root)];
        Self { root, issuer, name: name.into(), root_name, certificates }
    }

    /// The issuing certificate and the root, in the order of a trusted root.
    #[must_use]
    pub fn certificates(&self) -> [&[u8]; 2] {
        self.certificates.each_ref().map(Vec::as_slice)
    }

    /// Another issuing certificate of the same name, below the same root, for another key.
    #[must_use]
    pub fn namesake(&self, key: &Signer, validity: Validity) -> Vec<u8> {
        let mut forge = CertificateForge::authority(&self.name, &self.root_name, key, validity.ends());
        forge.serial = vec![0x51];
        forge.set(Extension::basic_constraints(true, Some(0)));
        forge.sign(&self.root)
    }

    /// A leaf in the making: honest.
    #[must_use]
    pub fn leaf<'s>(
        &'s self,
        identity: &Identity,
        key: &Signer,
        log: &'s Signer,
        from: UnixTime,
        random: &mut Random,
    ) -> Leaf<'s> {
        let validity = Validity { from, until: UnixTime(from.0 + 600) };
        let (subject, issuer) = (&identity.subject, &identity.issuer);
        let mut certificate = CertificateForge::leaf(subject, issuer, &self.name, key, validity.ends());
        certificate.serial = random.bytes(19).into_iter().map(|byte| byte & 0x7f | 1).collect();
        Leaf {
            certificate,
            issuer: &self.issuer,
            scts: vec![Sct { log, issuer: &self.issuer, over: None, time: from, extensions: Vec::new() }],
            edits: Vec::new(),
        }
    }
}

/// Who signs: what an identity provider has said about somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's address.
    pub issuer: String,
    /// The subject, a URI.
    pub subject: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { issuer: address("issuer"), subject: format!("{}/team/app/release.yml", address("source")) }
    }
}

/// A leaf in the making.
#[derive(Debug, Clone)]
pub struct Leaf<'s> {
    /// All of it but the list of SCTs.
    pub certificate: CertificateForge,
    /// Who signs it.
    pub issuer: &'s Signer,
    /// What goes into the list.
    pub scts: Vec<Sct<'s>>,
    /// Changes to the encoded SCTs.
    pub edits: Vec<fn(&mut Vec<u8>)>,
}

/// An SCT in the making.
#[derive(Debug, Clone)]
pub struct Sct<'s> {
    /// The log.
    pub log: &'s Signer,
    /// Whom the log takes for the issuer.
    pub issuer: &'s Signer,
    /// Another certificate than the one that it stands in.
    pub over: Option<CertificateForge>,
    /// When.
    pub time: UnixTime,
    /// The SCT's own extensions.
    pub extensions: Vec<u8>,
}

impl Leaf<'_> {
    /// The certificate in DER.
    #[must_use]
    pub fn issue(&self) -> Vec<u8> {
        let mut scts: Vec<Vec<u8>> = self
            .scts
            .iter()
            .map(|sct| {
                let over = sct.over.as_ref().unwrap_or(&self.certificate);
                over.sct(sct.issuer, sct.log, sct.time.0 * 1000, &sct.extensions)
            })
            .collect();
        for edit in &self.edits {
            scts.iter_mut().for_each(edit);
        }
        let mut certificate = self.certificate.clone();
        if !scts.is_empty() && !certificate.extensions.iter().any(|extension| extension.oid == SCT_LIST) {
            certificate.set(Extension::scts(&scts));
        }
        certificate.sign(self.issuer)
    }
}
