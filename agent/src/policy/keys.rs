//! Public key files: the one door to the core's reader of keys, with words for people.

use pullward_core::encoding;
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::signature::{KeyError, KeyType, PublicKey};

/// A public key and the bytes that it was read from.
#[derive(Debug, Clone)]
pub struct PublicKeyFile {
    /// The key.
    pub key: PublicKey,
    /// DER of its SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
}

impl PublicKeyFile {
    /// Reads one PEM block `PUBLIC KEY`: P-256, P-384, Ed25519 or RSA of 2,048 to 4,096 bits.
    ///
    /// # Errors
    /// The reason and the next step, without the file's name.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| not_pem(bytes))?;
        let mut der = [0_u8; limits::SPKI_BYTES];
        let length = encoding::pem(text, "PUBLIC KEY", &mut der).map_err(|_| not_pem(bytes))?;
        let spki = der.get(..length).unwrap_or_default().to_vec();
        let key = PublicKey::from_spki(&spki).map_err(|error| in_words(error).to_owned())?;
        Ok(Self { key, spki })
    }

    /// SHA-256 of its SPKI: the key's name.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::from_sha256(self.key.id().0)
    }

    /// Its kind.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key.key_type()
    }
}

fn not_pem(bytes: &[u8]) -> String {
    let holds = |label: &[u8]| bytes.windows(label.len()).any(|window| window == label);
    if holds(b"PRIVATE KEY-----") {
        "it holds a private key; name the public half, and keep the private one away from policies".to_owned()
    } else if holds(b"BEGIN CERTIFICATE") {
        "it holds a certificate; extract the key with `openssl x509 -pubkey -noout`".to_owned()
    } else if holds(b"BEGIN RSA PUBLIC KEY") {
        "it holds a PKCS#1 key; convert it with `openssl rsa -RSAPublicKey_in -pubout`".to_owned()
    } else {
        "it is not exactly one PEM block `PUBLIC KEY` as cosign and `openssl pkey -pubout` write it"
            .to_owned()
    }
}

/// What is wrong with a key.
fn in_words(error: KeyError) -> &'static str {
    match error {
        KeyError::Pem(_) => "it is not exactly one PEM block `PUBLIC KEY`",
        KeyError::Unsupported => {
            "the key is of a kind or form that is not supported; use P-256, P-384, Ed25519 or RSA of 2048 to 4096 bits"
        }
        KeyError::Point => "the key is not a safe point of its curve; make a new one",
        KeyError::RsaParameters => {
            "the RSA key is not of 2048 to 4096 bits with exponent 65537; make a new one"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PublicKeyFile;

    #[test]
    fn other_pem_blocks_are_named_with_the_way_out() {
        for (label, words) in [
            ("PRIVATE KEY", "private key"),
            ("ENCRYPTED SIGSTORE PRIVATE KEY", "private key"),
            ("CERTIFICATE", "openssl x509"),
            ("RSA PUBLIC KEY", "openssl rsa"),
            ("SOMETHING", "exactly one PEM block"),
        ] {
            let text = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
            let reason = PublicKeyFile::parse(text.as_bytes()).unwrap_err();
            assert!(reason.contains(words), "{label}: {reason}");
        }
        assert!(PublicKeyFile::parse(b"").is_err());
        assert!(PublicKeyFile::parse(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn a_key_of_another_curve_is_refused() {
        // SPKI of secp256k1's generator.
        let pem = "-----BEGIN PUBLIC KEY-----\n\
                   MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZ\n\
                   WfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==\n\
                   -----END PUBLIC KEY-----\n";
        assert!(PublicKeyFile::parse(pem.as_bytes()).unwrap_err().contains("not supported"));
    }
}
