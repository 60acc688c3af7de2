//! The identity provider: tokens (RFC 7519, ES256) that say who somebody is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pullward_core::signature::KeyType;
use serde_json::{Value, json};

use super::read::verified;
use super::{Refusal, now};
use crate::mint::{Random, Scheme, Signer, world};
use crate::sigstore::Identity;

/// A provider with a key.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its address, which is the issuer in its tokens.
    pub issuer: String,
    key: Signer,
}

/// Whom tokens are for.
const AUDIENCE: &str = "sigstore";

impl Provider {
    /// A provider at this address, with a new key.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        let key = Signer::generate(KeyType::P256, &mut Random::for_test(issuer));
        Self { issuer: issuer.into(), key }
    }

    /// A token for somebody, good for five minutes.
    #[must_use]
    pub fn token(&self, subject: &str) -> String {
        let now = now().0;
        let claims = json!({
            "iss": self.issuer, "sub": subject, "aud": AUDIENCE, "iat": now, "nbf": now - 5, "exp": now + 300
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({ "alg": "ES256", "typ": "JWT" })), encode(&claims));
        let der = self.key.sign_by(Scheme::Sha256, signed.as_bytes(), &mut world().random());
        let signature = p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Who somebody is, by a token of this provider.
    pub(super) fn identify(&self, token: &str) -> Result<Identity, Refusal> {
        let refused = |reason: &str| format!("identity token: {reason}");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| refused("not three parts"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|error| refused(&error.to_string()))?;
        let signature =
            p256::ecdsa::Signature::from_slice(&signature).map_err(|error| refused(&error.to_string()))?;
        verified(self.key.spki(), signed.as_bytes(), signature.to_der().as_bytes())?;
        let claims = signed.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Value = claims
            .and_then(|claims| serde_json::from_slice(&claims).ok())
            .ok_or_else(|| refused("no claims"))?;
        if claims["iss"] != self.issuer.as_str() || claims["aud"] != AUDIENCE {
            return Err(refused("of another issuer, or for another audience"));
        }
        if claims["exp"].as_u64().is_none_or(|end| end < now().0) {
            return Err(refused("expired"));
        }
        let subject = claims["sub"].as_str().ok_or_else(|| refused("no subject"))?;
        Ok(Identity { issuer: self.issuer.clone(), subject: subject.into() })
    }
}
