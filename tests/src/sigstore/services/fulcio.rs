//! Fulcio over HTTP: both versions of its API. A token says who asks, a signature over the subject that they have the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::time::UnixTime;
use serde_json::json;

use super::read::{bytes, json as read_json, text, unpem, verified};
use super::{Refusal, State, created, now};
use crate::hostile::{Reply, Request};
use crate::sigstore::rekor::pem;

/// What one version's request says.
struct Asked {
    token: String,
    spki: Vec<u8>,
    proof: Vec<u8>,
}

pub(super) fn answer(state: &State, request: &Request) -> Result<Reply, Refusal> {
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let body = read_json(&request.body)?;
    match request.path.as_str() {
        "/api/v1/signingCert" => {
            let token = bearer.ok_or("no bearer token")?.to_owned();
            let key = bytes(&body, "/publicKey/content")?;
            // A key in PEM or in DER.
            let spki = match core::str::from_utf8(&key) {
                Ok(text) if text.starts_with("-----BEGIN") => unpem(text)?,
                _ => key,
            };
            let proof = bytes(&body, "/signedEmailAddress")?;
            let chain = issue(state, &Asked { token, spki, proof })?;
            Ok(created("application/pem-certificate-chain", chain.concat()))
        }
        "/api/v2/signingCert" => {
            let token = match text(&body, "/credentials/oidcIdentityToken") {
                Ok(token) => token.to_owned(),
                Err(refusal) => bearer.map(str::to_owned).ok_or(refusal)?,
            };
            let spki = unpem(text(&body, "/publicKeyRequest/publicKey/content")?)?;
            let proof = bytes(&body, "/publicKeyRequest/proofOfPossession")?;
            let chain = issue(state, &Asked { token, spki, proof })?;
            let answer = json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": chain } } });
            // The gateway of Fulcio v2 answers 200.
            Ok(Reply::ok("application/json", answer.to_string()))
        }
        path => Err(format!("{path}: no such path")),
    }
}

/// The leaf and its chain, each in PEM.
fn issue(state: &State, asked: &Asked) -> Result<Vec<String>, Refusal> {
    let identity = state.provider.identify(&asked.token)?;
    verified(&asked.spki, identity.subject.as_bytes(), &asked.proof)
        .map_err(|refusal| format!("proof of possession of {}: {refusal}", STANDARD.encode(&asked.spki)))?;
    let sigstore = state.sigstore();
    // A clock that is a little behind still finds it valid.
    let from = UnixTime(now().0 - 5);
    let key = sigstore.new_key();
    let random = &mut *sigstore.random.borrow_mut();
    let mut leaf = sigstore.fulcio.leaf(&identity, &key, &sigstore.ct, from, random);
    leaf.certificate.spki.clone_from(&asked.spki);
    let issued = leaf.issue();
    let [issuing, root] = sigstore.fulcio.certificates();
    Ok(vec![pem(&issued), pem(issuing), pem(root)])
}
