//! The timestamp authority: RFC 3161 responses, honest until a step is overridden.
//!
//! RFC 3161 section 2.4.2 and RFC 5816 in CMS (RFC 5652).

use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;
use sha2::{Digest as _, Sha512};

use super::{Validity, sha256, sign};
use crate::mint::certificate::{CertificateForge, algorithm, name};
use crate::mint::{Random, Scheme, Signer, der};

/// An authority: a root of P-384 and the key that signs tokens.
#[derive(Debug, Clone)]
pub struct Tsa {
    /// The root's key.
    pub root: Signer,
    /// The signing key.
    pub key: Signer,
    name: String,
    certificates: [Vec<u8>; 2],
}

/// Serial number of each authority's signing certificate.
const SERIAL: u8 = 0x33;

impl Tsa {
    /// An authority of this name, with new keys; its signing certificate is valid so long.
    #[must_use]
    pub fn new(name: &str, validity: Validity, leaf: Validity, random: &mut Random) -> Self {
        let root = Signer::generate(KeyType::P384, random);
        let key = Signer::generate(KeyType::P256, random);
        let root_name = format!("{name} root");
        let mut top = CertificateForge::authority(&root_name, &root_name, &root, validity.ends());
        top.serial = vec![0x21];
        let mut signing = CertificateForge::timestamp_leaf(name, &root_name, &key, leaf.ends());
        signing.serial = vec![SERIAL];
        let certificates = [signing.sign(&root), top.sign(&root)];
        Self { root, key, name: root_name, certificates }
    }

    /// The signing certificate and the root, in the order of a trusted root.
    #[must_use]
    pub fn certificates(&self) -> [&[u8]; 2] {
        self.certificates.each_ref().map(Vec::as_slice)
    }

    /// A token over `message`.
    #[must_use]
    pub fn token(&self, message: &[u8], time: UnixTime) -> Token<'_> {
        Token {
            tsa: self,
            status: 0,
            imprint: (SHA256, sha256(message)),
            time,
            nonce: None,
            signer: sha256(&self.certificates[0]),
            digest: None,
            signature: None,
            signers: 1,
            certificates: vec![self.certificates[0].clone()],
        }
    }
}

/// A response in the making.
#[derive(Debug, Clone)]
pub struct Token<'s> {
    /// Who signs it.
    pub tsa: &'s Tsa,
    /// The response's status; zero grants.
    pub status: u8,
    /// Algorithm (content of its identifier) and value of the imprint.
    pub imprint: (&'static [u8], Vec<u8>),
    /// When.
    pub time: UnixTime,
    /// The content of the nonce that was asked for.
    pub nonce: Option<Vec<u8>>,
    /// What the signed attributes name as the hash of the signer's certificate.
    pub signer: Vec<u8>,
    /// Another digest of the content in the signed attributes.
    pub digest: Option<Vec<u8>>,
    /// Another signature.
    pub signature: Option<Vec<u8>>,
    /// How many signers there are, all the same.
    pub signers: usize,
    /// What it brings.
    pub certificates: Vec<Vec<u8>>,
}

/// id-sha256.
pub const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// id-sha512.
pub const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
/// id-sha1.
pub const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
/// sigstore's policy.
const POLICY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x02];

impl Token<'_> {
    /// Imprints other bytes.
    pub fn imprint_of(&mut self, message: &[u8]) {
        self.imprint = (SHA256, sha256(message));
    }

    /// Imprints by SHA-512.
    pub fn imprint_sha512(&mut self, message: &[u8]) {
        self.imprint = (SHA512, Sha512::digest(message).to_vec());
    }

    /// The `TSTInfo`.
    #[must_use]
    pub fn info(&self) -> Vec<u8> {
        let digits: String = self.time.to_string().chars().filter(char::is_ascii_digit).collect();
        let (hash, value) = &self.imprint;
        let imprint = sequence(&[sequence(&[der(0x06, hash)]), der(0x04, value)]);
        let accuracy = sequence(&[der(0x02, &[1])]);
        sequence(&[
            der(0x02, &[1]),
            der(0x06, POLICY),
            imprint,
            der(0x02, &[0x11]),
            der(0x18, format!("{digits}Z").as_bytes()),
            accuracy,
            self.nonce.as_ref().map(|nonce| der(0x02, nonce)).unwrap_or_default(),
        ])
    }

    /// The `TimeStampResp`.
    #[must_use]
    pub fn response(&self) -> Vec<u8> {
        let info = self.info();
        let signer = self.signer_info(&info);
        let sha256 = sequence(&[der(0x06, SHA256)]);
        let encapsulated = sequence(&[der(0x06, TST_INFO), der(0xa0, &der(0x04, &info))]);
        let mut data = vec![der(0x02, &[3]), der(0x31, &sha256), encapsulated];
        if !self.certificates.is_empty() {
            data.push(der(0xa0, &self.certificates.concat()));
        }
        data.push(der(0x31, &signer.repeat(self.signers)));
        let token = sequence(&[der(0x06, SIGNED_DATA), der(0xa0, &sequence(&data))]);
        sequence(&[sequence(&[der(0x02, &[self.status])]), token])
    }

    fn signer_info(&self, info: &[u8]) -> Vec<u8> {
        let attribute = |oid: &[u8], value: Vec<u8>| sequence(&[der(0x06, oid), der(0x31, &value)]);
        let digest = self.digest.clone().unwrap_or_else(|| sha256(info));
        // SHA-256 is the default and so left out: a certificate is named by its hash alone.
        let named = sequence(&[sequence(&[sequence(&[der(0x04, &self.signer)])])]);
        let mut attributes = [
            attribute(CONTENT_TYPE, der(0x06, TST_INFO)),
            attribute(MESSAGE_DIGEST, der(0x04, &digest)),
            attribute(SIGNING_CERTIFICATE_V2, named),
        ];
        // DER's order of a SET OF.
        attributes.sort();
        let attributes = attributes.concat();
        let key = &self.tsa.key;
        let signature = self.signature.clone().unwrap_or_else(|| sign(key, &der(0x31, &attributes)));
        sequence(&[
            der(0x02, &[1]),
            sequence(&[name(&self.tsa.name), der(0x02, &[SERIAL])]),
            sequence(&[der(0x06, SHA256)]),
            der(0xa0, &attributes),
            algorithm(key.kind(), Scheme::Sha256),
            der(0x04, &signature),
        ])
    }
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}
