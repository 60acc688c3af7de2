//! Certificates, honest until a field of them is overridden: what is said, how it is spelled, and who signs it.
//!
//! Written from RFC 5280, RFC 6962 and Fulcio's list of object identifiers, and sharing no code with the core.

use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;
use sha2::{Digest as _, Sha256};

use super::rsa::der;
use super::{Scheme, Signer, world};

/// One extension.
#[derive(Debug, Clone)]
pub struct Extension {
    /// Content of its object identifier.
    pub oid: Vec<u8>,
    /// The DER between identifier and value: nothing, or a BOOLEAN.
    pub critical: Vec<u8>,
    /// What is in its OCTET STRING.
    pub value: Vec<u8>,
}

impl Extension {
    /// An extension.
    #[must_use]
    pub fn new(oid: &[u8], critical: bool, value: Vec<u8>) -> Self {
        let critical = if critical { vec![0x01, 0x01, 0xff] } else { Vec::new() };
        Self { oid: oid.to_vec(), critical, value }
    }

    /// Basic constraints.
    #[must_use]
    pub fn basic_constraints(authority: bool, path_length: Option<u8>) -> Self {
        let flag = if authority { vec![0x01, 0x01, 0xff] } else { Vec::new() };
        let length = path_length.map(|length| der(0x02, &[length])).unwrap_or_default();
        Self::new(BASIC_CONSTRAINTS, true, der(0x30, &[flag, length].concat()))
    }

    /// Key usage, from the number of its only bit.
    #[must_use]
    pub fn key_usage(bit: u8) -> Self {
        Self::new(KEY_USAGE, true, der(0x03, &[7 - bit, 0x80 >> bit]))
    }

    /// Extended key usage, from the contents of object identifiers.
    #[must_use]
    pub fn purposes(oids: &[&[u8]]) -> Self {
        let oids: Vec<u8> = oids.iter().flat_map(|oid| der(0x06, oid)).collect();
        Self::new(EXTENDED_KEY_USAGE, false, der(0x30, &oids))
    }

    /// Subject alternative name, from tags and contents of names.
    #[must_use]
    pub fn names(names: &[(u8, &[u8])]) -> Self {
        let names: Vec<u8> = names.iter().flat_map(|(tag, name)| der(*tag, name)).collect();
        Self::new(ALTERNATIVE_NAME, true, der(0x30, &names))
    }

    /// Name constraints of one subtree each.
    #[must_use]
    pub fn name_constraints(permitted: Option<(u8, &[u8])>, excluded: Option<(u8, &[u8])>) -> Self {
        let tree = |tag: u8, tree: Option<(u8, &[u8])>| {
            tree.map(|(kind, name)| der(tag, &der(0x30, &der(kind, name)))).unwrap_or_default()
        };
        Self::new(NAME_CONSTRAINTS, true, der(0x30, &[tree(0xa0, permitted), tree(0xa1, excluded)].concat()))
    }

    /// One of Fulcio's, by its last arc, with the spelling of its generation.
    #[must_use]
    pub fn fulcio(arc: u8, text: &str) -> Self {
        let value = if arc < 8 { text.as_bytes().to_vec() } else { der(0x0c, text.as_bytes()) };
        Self::new(&[FULCIO, &[arc]].concat(), false, value)
    }

    /// The list of SCTs.
    #[must_use]
    pub fn scts(scts: &[Vec<u8>]) -> Self {
        let list: Vec<u8> = scts.iter().flat_map(|sct| vector(sct)).collect();
        Self::new(SCT_LIST, false, der(0x04, &vector(&list)))
    }

    fn encode(&self) -> Vec<u8> {
        let value = der(0x04, &self.value);
        der(0x30, &[der(0x06, &self.oid), self.critical.clone(), value].concat())
    }
}

/// id-ce-basicConstraints.
pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// id-ce-keyUsage.
pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// id-ce-extKeyUsage.
pub const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// id-ce-subjectAltName.
pub const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// id-ce-nameConstraints.
pub const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
/// The list of SCTs.
pub const SCT_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
/// Fulcio's arc.
pub const FULCIO: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];
/// id-kp-codeSigning.
pub const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// id-kp-timeStamping.
pub const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// id-kp-serverAuth.
pub const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
/// anyExtendedKeyUsage.
pub const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
/// Tag of an e-mail address in a name.
pub const EMAIL: u8 = 0x81;
/// Tag of a DNS name in a name.
pub const DNS: u8 = 0x82;
/// Tag of a URI in a name.
pub const URI: u8 = 0x86;

/// A certificate, before it is signed. All fields are DER as they will stand in it.
#[derive(Debug, Clone)]
pub struct CertificateForge {
    /// `[0]` and what is in it.
    pub version: Vec<u8>,
    /// Content of the serial number.
    pub serial: Vec<u8>,
    /// The algorithm inside; that of the signature where `None`.
    pub inner_algorithm: Option<Vec<u8>>,
    /// The algorithm outside; that of the signature where `None`.
    pub outer_algorithm: Option<Vec<u8>>,
    /// How it is signed; as the issuer's key goes where `None`.
    pub scheme: Option<Scheme>,
    /// The issuer's name.
    pub issuer: Vec<u8>,
    /// The subject's name.
    pub subject: Vec<u8>,
    /// Both ends of the validity.
    pub validity: [Vec<u8>; 2],
    /// The key.
    pub spki: Vec<u8>,
    /// What stands between key and extensions: unique identifiers.
    pub between: Vec<u8>,
    /// The extensions.
    pub extensions: Vec<Extension>,
}

impl CertificateForge {
    fn new(subject: Vec<u8>, issuer: &str, key: &Signer, validity: [UnixTime; 2]) -> Self {
        Self {
            version: der(0xa0, &der(0x02, &[2])),
            serial: vec![0x2a],
            inner_algorithm: None,
            outer_algorithm: None,
            scheme: None,
            issuer: name(issuer),
            subject,
            validity: validity.map(time),
            spki: key.spki().to_vec(),
            between: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// An authority's certificate.
    #[must_use]
    pub fn authority(subject: &str, issuer: &str, key: &Signer, validity: [UnixTime; 2]) -> Self {
        let extensions = vec![Extension::key_usage(5), Extension::basic_constraints(true, None)];
        Self { extensions, ..Self::new(name(subject), issuer, key, validity) }
    }

    /// A leaf as Fulcio issues it: no subject, one URI, both issuers.
    #[must_use]
    pub fn leaf(uri: &str, provider: &str, issuer: &str, key: &Signer, validity: [UnixTime; 2]) -> Self {
        let extensions = vec![
            Extension::key_usage(0),
            Extension::purposes(&[CODE_SIGNING]),
            Extension::names(&[(URI, uri.as_bytes())]),
            Extension::fulcio(1, provider),
            Extension::fulcio(8, provider),
        ];
        Self { extensions, ..Self::new(vec![0x30, 0], issuer, key, validity) }
    }

    /// A timestamp authority's leaf.
    #[must_use]
    pub fn timestamp_leaf(subject: &str, issuer: &str, key: &Signer, validity: [UnixTime; 2]) -> Self {
        let mut purposes = Extension::purposes(&[TIME_STAMPING]);
        purposes.critical = vec![0x01, 0x01, 0xff];
        Self {
            extensions: vec![Extension::key_usage(0), purposes],
            ..Self::new(name(subject), issuer, key, validity)
        }
    }

    /// Replaces the extension of this identifier, or adds it.
    pub fn set(&mut self, extension: Extension) {
        self.remove(&extension.oid.clone());
        self.extensions.push(extension);
    }

    /// Takes the extension of this identifier away.
    pub fn remove(&mut self, oid: &[u8]) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    /// The signed part, for a key that will sign it.
    #[must_use]
    pub fn tbs(&self, issuer: &Signer) -> Vec<u8> {
        let extensions: Vec<u8> = self.extensions.iter().flat_map(Extension::encode).collect();
        let extensions = if extensions.is_empty() { extensions } else { der(0xa3, &der(0x30, &extensions)) };
        let algorithm = self.inner_algorithm.clone().unwrap_or_else(|| self.algorithm(issuer));
        let fields = [
            self.version.clone(),
            der(0x02, &self.serial),
            algorithm,
            self.issuer.clone(),
            der(0x30, &self.validity.concat()),
            self.subject.clone(),
            self.spki.clone(),
            self.between.clone(),
            extensions,
        ];
        der(0x30, &fields.concat())
    }

    fn scheme(&self, issuer: &Signer) -> Scheme {
        self.scheme.unwrap_or_else(|| match issuer.kind() {
            KeyType::Ed25519 => Scheme::Pure,
            KeyType::P384 => Scheme::Sha384,
            _ => Scheme::Sha256,
        })
    }

    fn algorithm(&self, issuer: &Signer) -> Vec<u8> {
        algorithm(issuer.kind(), self.scheme(issuer))
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, issuer: &Signer) -> Vec<u8> {
        let tbs = self.tbs(issuer);
        let signature = issuer.sign_by(self.scheme(issuer), &tbs, &mut world().random());
        let algorithm = self.outer_algorithm.clone().unwrap_or_else(|| self.algorithm(issuer));
        der(0x30, &[tbs, algorithm, der(0x03, &[vec![0], signature].concat())].concat())
    }

    /// An SCT over this certificate as it stands, which has no list of SCTs yet.
    #[must_use]
    pub fn sct(&self, issuer: &Signer, log: &Signer, milliseconds: u64, extensions: &[u8]) -> Vec<u8> {
        let tbs = self.tbs(issuer);
        let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
        let time = milliseconds.to_be_bytes();
        let issuer = Sha256::digest(issuer.spki()).to_vec();
        let signed = [&[0, 0][..], &time, &[0, 1], &issuer, &length[1..], &tbs, &vector(extensions)].concat();
        let signature = log.sign_by(Scheme::Sha256, &signed, &mut world().random());
        let scheme = if log.kind() == KeyType::Rsa { 1 } else { 3 };
        let id = Sha256::digest(log.spki()).to_vec();
        [&[0][..], &id, &time, &vector(extensions), &[4, scheme], &vector(&signature)].concat()
    }
}

/// A name of one common name; none for an empty text.
#[must_use]
pub fn name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return vec![0x30, 0];
    }
    let attribute = [der(0x06, &[0x55, 0x04, 0x03]), der(0x0c, common_name.as_bytes())].concat();
    der(0x30, &der(0x31, &der(0x30, &attribute)))
}

/// A time of a certificate.
#[must_use]
pub fn time(time: UnixTime) -> Vec<u8> {
    let digits: String = time.to_string().chars().filter(char::is_ascii_digit).collect();
    if digits.as_str() < "2050" {
        der(0x17, format!("{}Z", &digits[2..]).as_bytes())
    } else {
        der(0x18, format!("{digits}Z").as_bytes())
    }
}

/// The AlgorithmIdentifier of a kind of key and a hash, whether they go together or not.
#[must_use]
pub fn algorithm(kind: KeyType, scheme: Scheme) -> Vec<u8> {
    let last = match scheme {
        Scheme::Pure | Scheme::Sha256 => 0,
        Scheme::Sha384 => 1,
        Scheme::Sha512 => 2,
    };
    match kind {
        KeyType::P256 | KeyType::P384 => {
            der(0x30, &der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2 + last]))
        }
        KeyType::Ed25519 => der(0x30, &der(0x06, &[0x2b, 0x65, 0x70])),
        KeyType::Rsa => {
            let oid = der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b + last]);
            der(0x30, &[oid, vec![0x05, 0x00]].concat())
        }
    }
}

/// A TLS vector with a length of two bytes.
#[must_use]
pub fn vector(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}
